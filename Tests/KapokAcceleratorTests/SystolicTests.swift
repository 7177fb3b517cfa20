import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Systolic array")
struct SystolicTests {
    @Test(
        """
        stepping an array register by register takes as long as the model of folds says, and gives \
        the product
        """,
        arguments: SystolicDataflow.allCases, SystolicMode.allCases)
    func steppedEqualsModel(dataflow: SystolicDataflow, mode: SystolicMode) throws {
        var random = RandomStream(seed: 7)
        for _ in 0..<40 {
            let problem = try SystolicProblem(
                m: 1 + random.below(11), k: 1 + random.below(11), n: 1 + random.below(11),
                rows: 1 + random.below(5), columns: 1 + random.below(5), dataflow: dataflow,
                mode: mode)
            let (a, b) = operands(problem, &random)
            var array = try SystolicArray(problem, a: a, b: b)
            array.run()
            #expect(array.cycle == problem.cycles, "\(problem)")
            #expect(array.results == product(problem, a, b), "\(problem)")
        }
    }

    @Test(
        "total cycles that SCALE-Sim 3.0.0 printed: 512 x 512 x 512",
        arguments: [
            (128, SystolicDataflow.weightStationary, 14_303), (128, .outputStationary, 12_255),
            (128, .inputStationary, 14_303), (32, .weightStationary, 155_135),
            (32, .outputStationary, 146_943),
        ])
    func scalesimSquare(side: Int, dataflow: SystolicDataflow, cycles: Int) throws {
        let problem = try SystolicProblem(
            m: 512, k: 512, n: 512, rows: side, columns: side, dataflow: dataflow)
        #expect(problem.computeCycles == cycles)
        #expect(problem.mappingEfficiency == 1)
    }

    @Test("a product that SCALE-Sim 3.0.0 cuts into ragged folds on an array that is not square")
    func scalesimRagged() throws {
        let problem = try SystolicProblem(
            m: 7, k: 9, n: 3, rows: 4, columns: 16, dataflow: .weightStationary)
        #expect(problem.foldCount == 3)
        #expect(problem.computeCycles == 3 * (2 * 4 + 16 + 7 - 2) - 1)
        #expect(problem.mappingEfficiency == Double(9 * 3) / Double(12 * 16))
        #expect(problem.fold(2) == SystolicFold(rows: 8..<9, columns: 0..<3))
    }

    @Test("the forms that the Verilog array was measured by: 128 x 64 x 64 on 16 x 16")
    func verilogForms() throws {
        func cycles(_ mode: SystolicMode) throws -> Int {
            try SystolicProblem(
                m: 128, k: 64, n: 64, rows: 16, columns: 16, dataflow: .weightStationary, mode: mode
            ).cycles
        }
        #expect(try cycles(.serial) == 2800)
        #expect(try cycles(.background) == 2095)
    }

    @Test("1024 x 1024 x 1024 on 128 x 128: hiding the loads saves what they took")
    func largeProblem() throws {
        func cycles(_ mode: SystolicMode) throws -> Int {
            try SystolicProblem(
                m: 1024, k: 1024, n: 1024, rows: 128, columns: 128, dataflow: .weightStationary,
                mode: mode
            ).cycles
        }
        // SCALE-Sim 3.0.0 prints 89983.
        #expect(try cycles(.scalesim) == 89_984)
        #expect(try cycles(.background) == 128 + 64 * 1024 + 128 + 128 - 1)
    }

    @Test("sums wrap around at 32 bits, and FP32 adds in the order of the rows")
    func arithmetic() throws {
        let problem = try SystolicProblem(
            m: 1, k: 3, n: 1, rows: 3, columns: 1, dataflow: .weightStationary)
        var integers = try SystolicArray<Int32>(problem, a: [.max, 1, 1], b: [1, 1, 0])
        integers.run()
        #expect(integers.results == [.min])
        var floats = try SystolicArray<Float>(problem, a: [1e8, 1, -1e8], b: [1, 1, 1])
        floats.run()
        #expect(floats.results == [Float(1e8) + 1 - 1e8])
    }

    @Test("operands enter the array once a fold, not once a multiplication")
    func reads() throws {
        let problem = try SystolicProblem(
            m: 100, k: 64, n: 48, rows: 16, columns: 16, dataflow: .weightStationary)
        #expect(problem.readsOfA == 100 * 64 * 3)
        #expect(problem.readsOfB == 64 * 48)
        #expect(problem.writesOfC == 100 * 48 * 4)
        #expect(problem.readsWithoutReuse == 2 * 100 * 64 * 48)
    }

    @Test("what cannot be set up is refused with the reason")
    func refusals() throws {
        #expect(throws: SystolicError.outOfRange("k", 0, 1...SystolicProblem.largestDimension)) {
            try SystolicProblem(
                m: 1, k: 0, n: 1, rows: 1, columns: 1, dataflow: .weightStationary)
        }
        let problem = try SystolicProblem(
            m: 2, k: 2, n: 2, rows: 2, columns: 2, dataflow: .outputStationary)
        #expect(throws: SystolicError.wrongCount(operand: "B", values: 3, expected: 4)) {
            try SystolicArray<Int32>(problem, a: [1, 2, 3, 4], b: [1, 2, 3])
        }
        let endless = try SystolicProblem(
            m: 2000, k: 2000, n: 2000, rows: 1, columns: 1, dataflow: .outputStationary)
        #expect(
            throws: SystolicError.tooLarge(
                "cycles to step through", 8_000_000_000, limit: 4_000_000_000)
        ) { try SystolicArray<Int32>(endless, a: [], b: []) }
    }

    private func operands(
        _ problem: SystolicProblem, _ random: inout RandomStream
    ) -> ([Int32], [Int32]) {
        let a = (0..<problem.m * problem.k).map { _ in Int32(random.below(255)) - 127 }
        let b = (0..<problem.k * problem.n).map { _ in Int32(random.below(255)) - 127 }
        return (a, b)
    }

    private func product(_ problem: SystolicProblem, _ a: [Int32], _ b: [Int32]) -> [Int32] {
        var c = [Int32](repeating: 0, count: problem.m * problem.n)
        for i in 0..<problem.m {
            for l in 0..<problem.k {
                for j in 0..<problem.n {
                    c[i * problem.n + j] += a[i * problem.k + l] * b[l * problem.n + j]
                }
            }
        }
        return c
    }
}

@Suite("Film of a systolic array")
struct SystolicAnimationTests {
    private func problem(
        _ dataflow: SystolicDataflow, _ mode: SystolicMode
    ) throws -> SystolicProblem {
        try SystolicProblem(
            m: 3, k: 5, n: 4, rows: 3, columns: 2, dataflow: dataflow, mode: mode)
    }

    @Test(
        "every value goes one element further in each cycle, and works with those it meets",
        arguments: SystolicDataflow.allCases, SystolicMode.allCases)
    func tracks(dataflow: SystolicDataflow, mode: SystolicMode) throws {
        let problem = try problem(dataflow, mode)
        let a = (1...Int32(problem.m * problem.k)).map { $0 }
        let b = (1...Int32(problem.k * problem.n)).map { $0 }
        let trace = SystolicTrace(recording: try SystolicArray(problem, a: a, b: b))
        #expect(trace.cycles == problem.cycles)
        for track in trace.tracks {
            for (row, next) in zip(track.rows, track.rows.dropFirst()) {
                #expect((0...1).contains(next - row))
            }
            for (column, next) in zip(track.columns, track.columns.dropFirst()) {
                #expect((0...1).contains(next - column))
            }
        }
        let worked = trace.worked.reduce(0) { $0 + $1.cycles.count }
        #expect(worked == problem.foldCount * problem.steps * problem.rows * problem.columns)
        let entered = trace.tracks.count { $0.kind == .left }
        #expect(entered == problem.foldCount * problem.steps * problem.rows)
    }

    @Test("the document is a closed SVG that needs nothing from outside")
    func document() throws {
        let svg = try SystolicAnimation(problem(.weightStationary, .background)).svg
        #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
        #expect(svg.count(of: "<g ") == svg.count(of: "</g>"))
        #expect(svg.count(of: "<text ") == svg.count(of: "</text>"))
        #expect(!svg.contains("href") && !svg.contains("<script"))
        #expect(svg.contains(">cycle 0<") && svg.contains("animateTransform"))
    }

    @Test("an array that is too large to be watched is refused with the limit")
    func refusal() throws {
        let large = try SystolicProblem(
            m: 4, k: 4, n: 4, rows: 16, columns: 4, dataflow: .weightStationary)
        #expect(throws: SystolicError.tooLarge("rows of an animated array", 16, limit: 8)) {
            try SystolicAnimation(large)
        }
    }
}

extension String {
    fileprivate func count(of part: String) -> Int { ranges(of: part).count }
}
