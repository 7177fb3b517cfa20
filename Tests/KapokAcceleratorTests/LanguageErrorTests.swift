import Testing

@testable import KapokAccelerator

@Suite("The kernel language: mistakes are reported with the author's file and line")
struct LanguageErrorTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    /// What is wrong with a kernel, one line each: distance from `#line` of the caller, rule, text.
    private func problems(
        _ body: (KernelBuilder) -> Void, from line: Int = #line
    ) -> [(line: Int, rule: TraceProblem.Rule, what: String)] {
        do {
            _ = try TracedKernel.trace("bad", on: machine, body)
            return []
        } catch {
            for problem in error.problems {
                #expect(problem.line.file == "KapokAcceleratorTests/LanguageErrorTests.swift")
                #expect(!problem.why.isEmpty && !problem.remedy.isEmpty)
            }
            return error.problems.map { ($0.line.line - line, $0.rule, $0.what) }
        }
    }

    @Test("several mistakes are found in one trace, in the author's order")
    func collected() {
        let found = problems { k in
            let wide = k.sbuf("wide", [200, 4], FP32.self)
            let large = k.sbuf("large", [128, 60_000], FP32.self)
            let a = k.sbuf("a", [128, 16], FP32.self)
            k.vector.memset(a, to: 1)
            k.vector.add(into: a, a, a[.all, 0..<8])
            k.vector.add(into: large, wide, wide)
        }
        #expect(found.map(\.line) == [1, 2, 5])
        #expect(found.map(\.rule) == [.partitions, .capacity, .shape])
        #expect(found.first?.what == "tile wide with 200 partitions")
        #expect(found.last?.what == "vector.tensorTensor with 128 x 8 into 128 x 16")
    }

    @Test("a message says where, what, why and what to do")
    func message() throws {
        let error = try #require(throws: TraceError.self) {
            try TracedKernel.trace("bad", on: machine) { k in
                k.loop("i", 0..<3) { _ in
                    let sum = k.psum("sum", [128, 5000])
                    k.vector.memset(sum, to: 0)
                }
            }
        }
        let line = error.problems[0].line.line
        #expect(
            error.description
                == "KapokAcceleratorTests/LanguageErrorTests.swift:\(line): capacity: "
                + "tile sum with 20000 bytes a partition (3 times): "
                + "PSUM has 16384 in each of the 128 partitions; "
                + "cut its free dimensions into pieces in a loop")
    }

    @Test("slices that leave a tile or a tensor")
    func bounds() {
        let found = problems { k in
            let x = k.input("x", [100, 64], FP32.self)
            let y = k.output("y", [100, 64], FP32.self)
            let tile = k.sbuf("tile", [128, 64], FP32.self)
            k.load(into: tile, from: x[0..<128])
            k.load(into: tile[..<100], from: x)
            k.vector.memset(tile[.all, 64], to: 0)
            k.vector.memset(tile[0..<0], to: 0)
            k.store(into: y, from: tile[..<100, .every(2)])
            k.vector.memset(tile[.every(2)], to: 0)
            k.vector.memset(tile[.all, .all, 0], to: 0)
        }
        #expect(found.map(\.line) == [4, 6, 7, 8, 9, 10])
        #expect(found.map(\.rule) == [.bounds, .bounds, .bounds, .shape, .partitions, .shape])
        #expect(found[0].what == "elements 0..<128 of dimension 0")
        #expect(found[2].what == "an empty slice of dimension 0")
        #expect(found[3].what == "a transfer of 100 x 32 to 100 x 64")
    }

    @Test("engines start at certain partitions only")
    func partitionStarts() {
        let found = problems { k in
            let tile = k.sbuf("tile", [128, 4], FP32.self)
            k.vector.memset(tile, to: 0)
            k.vector.memset(tile[16..<32], to: 0)
            k.vector.memset(tile[32..<64], to: 0)
            k.vector.memset(tile[96..<128], to: 0)
            k.vector.memset(tile[32..<96], to: 0)
            k.vector.memset(tile[64..<128], to: 0)
            k.sync.transfer(into: tile[16..<17], from: tile[3..<4])
        }
        #expect(found.map(\.line) == [3, 6])
        #expect(found.allSatisfy { $0.rule == .partitions })
        #expect(found.first?.what == "vector.memset on 16 partitions from 16 on")
    }

    @Test("the tensor engine: sizes, rows, banks, first accumulation, what is loaded")
    func tensorEngine() {
        let found = problems { k in
            let a = k.sbuf("a", [128, 256], BFloat16.self)
            let b = k.sbuf("b", [128, 1024], BFloat16.self)
            k.vector.memset(a, to: 0)
            k.vector.memset(b, to: 0)
            let sums = k.psum("sums", [128, 2048])
            let fresh = k.psum("fresh", [128, 512])
            let (left, right) = (a[.all, ..<128], b[.all, ..<512])
            k.tensor.matmul(into: sums[.all, ..<512], stationary: a, moving: right)
            k.tensor.matmul(into: sums[.all, ..<1024], stationary: left, moving: b)
            k.tensor.matmul(into: sums[.all, 256..<768], stationary: left, moving: right)
            k.tensor.matmul(
                into: sums[.all, ..<512], stationary: left[..<64], moving: right)
            k.tensor.matmul(
                into: fresh, stationary: left, moving: right, accumulate: true)
            k.tensor.multiply(
                into: sums[.all, 512..<1024], stationary: left, moving: right)
            k.tensor.matmul(into: sums[.all, ..<512], stationary: left, moving: right)
            k.tensor.multiply(into: sums[.all, 512..<1024], stationary: left, moving: right)
        }
        #expect(found.map(\.line) == [8, 9, 10, 11, 13, 15])
        #expect(
            found.map(\.rule) == [.shape, .shape, .bank, .shape, .uninitialised, .engine])
    }

    @Test(
        "engine and type misuse: two inputs in PSUM, a column in PSUM, both uses of a field"
    )
    func engines() {
        let found = problems { k in
            let p = k.psum("p", [128, 1])
            let s = k.sbuf("s", [128, 1], FP32.self)
            let bytes = k.sbuf("bytes", [128, 16], Unsigned8.self)
            let x = k.input("x", [16, 128], Unsigned8.self)
            k.vector.memset(p, to: 0)
            k.vector.memset(s, to: 0)
            k.vector.add(into: s, p, p)
            k.gpsimd.tensorScalar(into: s, s, .add, .column(p))
            k.scalar.activation(.exp, into: s, s, scale: .column(s), sum: s)
            k.loadTransposed(into: bytes, from: x)
            k.vector.memset(s.reinterpreted(as: BFloat16.self), to: 0)
            k.gpsimd.affineSelect(
                into: s, s, base: 0, perPartition: 1, perElement: 1, .add, otherwise: 0)
        }
        #expect(found.map(\.line) == [7, 8, 9, 10, 11, 12])
        #expect(found.map(\.rule) == [.engine, .engine, .engine, .type, .type, .argument])
    }

    @Test(
        "contents: reads of fresh tiles, of unwritten outputs, writes to inputs, forgotten outputs")
    func contents() {
        let found = problems { k in
            let x = k.input("x", [128, 8], FP32.self)
            let y = k.output("y", [128, 8], FP32.self)
            let tile = k.sbuf("tile", [128, 8], FP32.self)
            k.vector.add(into: tile, tile, scalar: 1)
            k.load(into: tile, from: y)
            k.vector.memset(tile, to: 0)
            k.store(into: x, from: tile)
        }
        #expect(found.map(\.line) == [4, 5, 7])
        #expect(found.map(\.rule) == [.uninitialised, .uninitialised, .argument])
        let forgotten = problems { k in
            _ = k.output("y", [128, 8], FP32.self)
        }
        #expect(forgotten.map(\.line) == [1] && forgotten.first?.rule == .uninitialised)
    }

    @Test("names, shapes and views that make no sense")
    func declarations() {
        let found = problems { k in
            let x = k.input("x", [12, 6], FP32.self)
            _ = k.input("x", [1], FP32.self)
            _ = k.input("y", [], FP32.self)
            _ = k.input("z", [1 << 20, 1 << 20], FP32.self)
            _ = k.sbuf("t", [128, 0], FP32.self)
            _ = x.split(0, inner: 5)
            _ = x.permuted([0, 0])
            _ = x[.all, ..<4].merged(0)
            k.loop("i", over: 3, by: 0) { _ in }
            k.require(false, "columns are odd", why: "pairs are rotated", remedy: "pad them")
        }
        #expect(found.map(\.line) == Array(2...10))
        #expect(
            found.map(\.rule) == [
                .argument, .shape, .shape, .shape, .shape, .shape, .shape, .argument, .argument,
            ])
    }

    @Test("results that repeat elements, in a tile and in a tensor")
    func repeatedResults() {
        let found = problems { k in
            let y = k.output("y", [8], FP32.self)
            let column = k.sbuf("column", [128, 1], FP32.self)
            let tile = k.sbuf("tile", [128, 8], FP32.self)
            k.vector.memset(column, to: 0)
            k.vector.add(into: tile, column.repeated(8), scalar: 1)
            k.vector.copy(into: column.repeated(8), tile)
            k.store(into: y.broadcast(partitions: 128), from: tile)
        }
        #expect(found.map(\.line) == [6, 7] && found.allSatisfy { $0.rule == .shape })
    }

    @Test("loops without end are stopped and reported: of instructions, of tiles, of nothing")
    func endlessLoops() throws {
        let bodies: [(KernelBuilder) -> Void] = [
            { $0.nop(on: .vector) }, { _ = $0.sbuf("t", [1, 1], FP32.self) }, { _ in },
        ]
        for body in bodies {
            let tracer = Tracer(name: "bad", machine: machine, limit: 1000)
            let k = KernelBuilder(tracer: tracer)
            k.loop("i", 0..<Int.max) { _ in body(k) }
            let error = try #require(throws: TraceError.self) { try tracer.finish() }
            #expect(error.problems.map(\.rule) == [.limit])
        }
    }

    @Test("more mistakes than are listed are counted, and loops end early")
    func bounded() throws {
        var passes = 0
        let error = try #require(throws: TraceError.self) {
            try TracedKernel.trace("bad", on: machine) { k in
                k.loop("i", 0..<1000) { index in
                    passes += 1
                    for line in 0..<(TraceError.maximumProblems + 10) {
                        _ = k.sbuf("t", [0], FP32.self, line: line)
                    }
                }
            }
        }
        #expect(passes == 1)
        #expect(error.problems.count == TraceError.maximumProblems && error.omitted == 10)
        #expect(error.description.hasSuffix("kernel bad: 10 more problems not listed"))
    }
}
