public import ArgumentParser
import Foundation
public import KapokAccelerator

extension SystolicDataflow: ExpressibleByArgument {}
extension SystolicMode: ExpressibleByArgument {}

extension ChipCommand {
    /// `kapok chip systolic`: one matrix multiplication on one systolic array.
    struct Systolic: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "systolic",
            abstract: "Say how long a matrix multiplication takes on a systolic array by itself.",
            discussion: """
                C (M x N) = A (M x K) times B (K x N). Memory is not modelled: operands are \
                there when the array wants them. The mode `scalesim` counts as SCALE-Sim 3 does; \
                `serial` and `background` count as hardware whose results leave through a \
                register, and which loads the next matrix after or during the computing.
                """)

        @Option(help: "Rows of A and C.")
        var m: Int
        @Option(help: "Columns of A, rows of B.")
        var k: Int
        @Option(help: "Columns of B and C.")
        var n: Int
        @Option(help: "Rows and columns of the array, as in 128x128.")
        var array = "128x128"
        @Option(
            help:
                "What stays: the weights B (ws), the outputs C (os) or the inputs A (is).")
        var dataflow = SystolicDataflow.weightStationary
        @Option(help: "What overlaps, and how cycles are counted: scalesim, serial or background.")
        var mode = SystolicMode.scalesim
        @Flag(help: "Also step the array register by register with random numbers, and compare.")
        var verify = false
        @Option(help: "Write a film of a small array (up to 8x8) to this SVG file.")
        var svg: String?
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let sides = array.split(separator: "x", omittingEmptySubsequences: false)
            guard sides.count == 2, let rows = Int(sides[0]), let columns = Int(sides[1]) else {
                throw ValidationError(
                    "'\(array)' is no array: write rows and columns as in 128x128")
            }
            let problem = try SystolicProblem(
                m: m, k: k, n: n, rows: rows, columns: columns, dataflow: dataflow, mode: mode)
            if verify { try SystolicVerification.run(problem) }
            if let svg { try ChipOutput.write(SystolicAnimation(problem).svg, to: svg) }
            let document = SystolicDocument(problem, isVerified: verify)
            if json { try ChipOutput.printJSON(document) } else { print(text(problem)) }
        }

        private func text(_ problem: SystolicProblem) -> String {
            let reuse =
                Double(problem.readsWithoutReuse) / Double(problem.readsOfA + problem.readsOfB)
            var rows = [
                ["product", "C (\(m)x\(n)) = A (\(m)x\(k)) x B (\(k)x\(n))"],
                ["array", "\(array), \(dataflow), mode \(mode.rawValue)"],
                [
                    "folds",
                    "\(problem.foldCount) (\(problem.rowFolds) along the rows x "
                        + "\(problem.columnFolds) along the columns)",
                ],
                ["cycles", "\(problem.cycles)"],
            ]
            if mode == .scalesim {
                rows.append(["SCALE-Sim total", "\(problem.computeCycles) (last cycle, from 0)"])
            }
            rows += [
                ["utilisation", ChipOutput.percent(problem.utilisation)],
                ["mapping efficiency", ChipOutput.percent(problem.mappingEfficiency)],
                [
                    "operand reads",
                    "\(problem.readsOfA) of A, \(problem.readsOfB) of B; "
                        + String(format: "%.0f times fewer than without an array", reuse),
                ],
                ["results written", "\(problem.writesOfC)"],
            ]
            if verify { rows.append(["verified", "stepped register by register: equal"]) }
            if let svg { rows.append(["film", svg]) }
            return TextTable(rows: rows).text
        }
    }
}

/// What `kapok chip systolic --json` prints.
private struct SystolicDocument: Encodable {
    var m: Int
    var k: Int
    var n: Int
    var array: String
    var dataflow: SystolicDataflow
    var mode: SystolicMode
    var computeCycles: Int
    var cycles: Int
    var foldCount: Int
    var rowFolds: Int
    var columnFolds: Int
    var utilisation: Double
    var mappingEfficiency: Double
    var multiplyAdds: Int
    var readsOfA: Int
    var readsOfB: Int
    var writesOfC: Int
    var verified: Bool

    init(_ problem: SystolicProblem, isVerified: Bool) {
        m = problem.m
        k = problem.k
        n = problem.n
        array = "\(problem.rows)x\(problem.columns)"
        dataflow = problem.dataflow
        mode = problem.mode
        computeCycles = problem.computeCycles
        cycles = problem.cycles
        foldCount = problem.foldCount
        rowFolds = problem.rowFolds
        columnFolds = problem.columnFolds
        utilisation = problem.utilisation
        mappingEfficiency = problem.mappingEfficiency
        multiplyAdds = problem.multiplyAdds
        readsOfA = problem.readsOfA
        readsOfB = problem.readsOfB
        writesOfC = problem.writesOfC
        verified = isVerified
    }
}
