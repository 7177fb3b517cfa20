import Foundation
import KapokAccelerator
import Testing

/// The systolic array against two outsiders: SCALE-Sim and a Verilog array under Verilator.
@Suite("Interop: systolic array", .serialized)
struct AcceleratorChipTests {
    @Test(
        "cycles, utilisation, mapping and reads equal those of SCALE-Sim",
        .enabled(if: ScaleSim.isThere, "SCALE-Sim is not installed for \(ScaleSim.python)"))
    func scaleSim() throws {
        try #require(Place.isProgram(Place.kapok), "\(Place.kapok.path) is not built")
        let script = Place.clients.appending(path: "accelerator/scalesim_compare.py").path
        let result = try Command([ScaleSim.python, "-B", "-u", script], seconds: 1200).run()
        let count = result.output.split(separator: "\n").last.flatMap { line in
            line.wholeMatch(of: /(\d+) passed, 0 failed/).flatMap { Int($0.output.1) }
        }
        let isRight = result.status == 0 && (count ?? 0) > 0
        #expect(isRight, "ended with \(result.status):\n\(result.output.suffix(8000))")
        if let count { print("scalesim_compare.py: \(count) checks") }
    }

    @Test(
        "cycles and bits equal those of a Verilog array, with and without hidden loads",
        .enabled(if: Verilog.isThere, "verilator is not installed"), arguments: [8, 16])
    func verilog(side: Int) throws {
        let program = try Verilog.build(side: side)
        let count = isFull ? 200 : 12
        let result = try Command([program.path, "\(side)", "\(count)"], seconds: 300).run()
        try #require(result.status == 0, "\(result.output.suffix(4000))")
        let products = try result.output.split(separator: "\n").map(VerilogProduct.init)
        #expect(products.count == 2 * count)
        for product in products {
            var array = try SystolicArray(product.problem, a: product.a, b: product.b)
            array.run()
            #expect(array.cycle == product.cycles, "\(product.problem)")
            #expect(array.results == product.c, "\(product.problem)")
        }
        print("Verilator \(side)x\(side): \(products.count) products")
    }

    private var isFull: Bool { ProcessInfo.processInfo.environment["KAPOK_INTEROP"] == "full" }
}

/// SCALE-Sim in its own environment: it needs older packages than the other clients.
private enum ScaleSim {
    static let python = Place.root.appending(path: ".venv-scalesim/bin/python").path

    static let isThere: Bool = {
        let found =
            (try? Command([python, "-c", "import scalesim"], seconds: 60).run().status) == 0
        if !found { print("SKIPPED: SCALE-Sim is not installed for \(python)") }
        return found
    }()
}

/// The Verilog array in `Clients/accelerator/verilator`.
private enum Verilog {
    static let isThere: Bool = {
        let found = (try? Command(["verilator", "--version"], seconds: 60).run().status) == 0
        if !found { print("SKIPPED: verilator is not installed") }
        return found
    }()

    /// Builds the array of `side` x `side` elements, or finds it built.
    static func build(side: Int) throws -> URL {
        let sources = Place.clients.appending(path: "accelerator/verilator")
        let folder = Place.root.appending(path: ".build/verilator/\(side)x\(side)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let result = try Command(
            [
                "verilator", "--cc", "--exe", "--build", "-Wall", "-O1", "-GROWS=\(side)",
                "-GCOLUMNS=\(side)", "-CFLAGS",
                "-O1 -DARRAY_ROWS=\(side) -DARRAY_COLUMNS=\(side)", "--Mdir", folder.path, "-o",
                "systolic", sources.appending(path: "systolic.sv").path,
                sources.appending(path: "main.cpp").path,
            ], seconds: 300
        ).run()
        try #require(result.status == 0, "\(result.output.suffix(4000))")
        return folder.appending(path: "systolic")
    }
}

/// A line of the Verilog bench: `MODE ROWS COLUMNS M K N CYCLES | A | B | C`.
private struct VerilogProduct {
    let problem: SystolicProblem
    let cycles: Int
    let a: [Int32]
    let b: [Int32]
    let c: [Int32]

    init(_ line: Substring) throws {
        let parts = line.split(separator: "|").map { $0.split(separator: " ") }
        try #require(parts.count == 4 && parts[0].count == 7, "'\(line)'")
        let mode = try #require(SystolicMode(rawValue: String(parts[0][0])))
        let numbers = try parts[0].dropFirst().map { try #require(Int($0)) }
        problem = try SystolicProblem(
            m: numbers[2], k: numbers[3], n: numbers[4], rows: numbers[0], columns: numbers[1],
            dataflow: .weightStationary, mode: mode)
        cycles = numbers[5]
        a = try parts[1].map { try #require(Int32($0)) }
        b = try parts[2].map { try #require(Int32($0)) }
        c = try parts[3].map { try #require(Int32($0)) }
    }
}
