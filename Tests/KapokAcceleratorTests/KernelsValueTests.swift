import Testing

@testable import KapokAccelerator

@Suite("The kernel library: values equal the double-precision reference within the stated bound")
struct KernelsValueTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    private func check(
        _ name: String, _ shapes: [[String: Int]], _ types: [ElementType]? = nil,
        seeds: [UInt64] = [1, 2]
    ) throws {
        let kernel = try #require(KernelLibrary.named(name))
        for type in types ?? kernel.elementTypes {
            for shape in shapes {
                for seed in seeds {
                    try KernelsHarness.check(
                        kernel, shape, type, kernel.variants.map(\.name), seed: seed, on: machine)
                }
            }
        }
    }

    @Test("matmul: every step, one tile and ragged edges in all three dimensions")
    func matmul() throws {
        try check("matmul", [["m": 128, "k": 128, "n": 64], ["m": 1, "k": 3, "n": 2]])
        let ragged = [
            ["m": 130, "k": 129, "n": 514], ["m": 2100, "k": 1030, "n": 1],
            ["m": 3, "k": 5, "n": 1100], ["m": 200, "k": 2100, "n": 7],
        ]
        try check("matmul", ragged, [.fp32, .bf16, .fp8e4m3], seeds: [3])
    }

    @Test("softmax: full and ragged tiles of rows, a single column")
    func softmax() throws {
        try check(
            "softmax",
            [
                ["rows": 130, "columns": 96], ["rows": 3, "columns": 1],
                ["rows": 64, "columns": 700],
            ])
    }

    @Test("layer norm: one group of statistics and several, ragged rows")
    func layerNorm() throws {
        try check("layernorm", [["rows": 130, "columns": 96], ["rows": 5, "columns": 1300]])
    }

    @Test("RMS norm: ragged rows")
    func rmsNorm() throws {
        try check("rmsnorm", [["rows": 130, "columns": 96], ["rows": 5, "columns": 1300]])
    }

    @Test("transpose through the tensor engine: all types, bit by bit")
    func transpose() throws {
        let kernel = try #require(KernelLibrary.named("transpose"))
        for type in kernel.elementTypes {
            for shape in [["rows": 130, "columns": 200], ["rows": 1100, "columns": 3]] {
                try KernelsHarness.check(kernel, shape, type, ["tensor"], on: machine)
            }
        }
    }

    @Test("transpose through the DMA engines")
    func transposingTransfers() throws {
        let kernel = try #require(KernelLibrary.named("transpose"))
        for type in [ElementType.fp32, .bf16, .fp16] {
            try KernelsHarness.check(
                kernel, ["rows": 160, "columns": 256], type, ["dma"], on: machine)
        }
    }

    @Test("selective scan: every step, one and several tiles of time and of channels")
    func scan() throws {
        try check("scan", [["channels": 130, "sequence": 70, "states": 3]])
        try check("scan", [["channels": 20, "sequence": 1100, "states": 2]], seeds: [5])
    }
}
