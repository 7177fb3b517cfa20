import ArgumentParser
import Foundation
import KapokAccelerator

extension KernelCommand {
    /// `kapok kernel check`: is it right?
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Check a kernel: memory rules, races, deadlocks, and its values.",
            discussion: """
                Proves that semaphores order every two accesses of the same bytes, looks for waits \
                that never end or are not needed and for reads of what nothing wrote; for kernels \
                of the library, also compares every output with a reference in double precision. \
                The exit code is 1 when something is wrong.
                """)

        @OptionGroup var selection: KernelSelection
        @Option(help: "The seed of the inputs.")
        var seed: UInt64 = 1
        @Flag(help: "Leave out the values.")
        var staticOnly = false
        @Flag(help: "Also show notes: waits that are not needed.")
        var notes = false
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let loaded = try selection.load(validates: false)
            TerminalLine.show("Checking \(loaded.program.instructions.count) instructions")
            let report = ProgramChecker.check(loaded.program, loaded.machine)
            var values: [OutputComparison] = []
            if let origin = loaded.origin, !staticOnly, report.isSound {
                TerminalLine.show("Comparing values with the reference")
                values = try origin.kernel.verify(
                    loaded.program, origin.arguments, on: loaded.machine, seed: seed)
            }
            TerminalLine.clear()
            let isRight = report.isSound && values.allSatisfy(\.isWithinBound)
            if json {
                try ChipOutput.printJSON(CheckDocument(loaded, report, values, isRight))
            } else {
                print(text(loaded, report, values))
            }
            if !isRight { throw ExitCode(1) }
        }

        private func text(
            _ loaded: LoadedKernel, _ report: CheckReport, _ values: [OutputComparison]
        ) -> String {
            var lines = report.diagnostics.filter { notes || $0.severity > .note }.map(
                \.description)
            let proof =
                report.isProvedRaceFree
                ? "proved free of races" : "\(report.races) races found, nothing proved"
            lines.append(
                "\(loaded.program.name): \(loaded.program.instructions.count) instructions, "
                    + "\(report.orderedPairs) ordered pairs, \(report.waits) waits "
                    + "(\(report.superfluousWaits) superfluous, "
                    + "\(report.falseDependencies) for too much): \(proof)")
            for output in values {
                lines.append(
                    String(
                        format: "%@: %d elements, %@; largest error %.3g, at element %d %.1f %% of "
                            + "the bound",
                        output.name, output.elements,
                        output.isWithinBound ? "all within the bound" : "NOT within the bound",
                        output.largestError, output.worstElement,
                        output.largestShareOfBound * 100))
            }
            return lines.joined(separator: "\n")
        }
    }
}

/// A check as JSON.
private struct CheckDocument: Encodable {
    struct Finding: Encodable {
        var severity: String
        var rule: String
        var instruction: Int?
        var file: String?
        var line: Int?
        var problem: String
        var reason: String
        var remedy: String
        var occurrences: Int
    }

    struct Output: Encodable {
        var name: String
        var elements: Int
        var isWithinBound: Bool
        var largestError: Double
        var largestShareOfBound: Double
    }

    var kernel: String
    var machine: String
    var instructions: Int
    var isRight: Bool
    var isProvedRaceFree: Bool
    var races: Int
    var orderedPairs: Int
    var waits: Int
    var superfluousWaits: Int
    var falseDependencies: Int
    var diagnostics: [Finding]
    var outputs: [Output]

    init(
        _ loaded: LoadedKernel, _ report: CheckReport, _ values: [OutputComparison], _ isRight: Bool
    ) {
        kernel = loaded.program.name
        machine = loaded.machine.description.name
        instructions = loaded.program.instructions.count
        self.isRight = isRight
        isProvedRaceFree = report.isProvedRaceFree
        races = report.races
        orderedPairs = report.orderedPairs
        waits = report.waits
        superfluousWaits = report.superfluousWaits
        falseDependencies = report.falseDependencies
        diagnostics = report.diagnostics.map { diagnostic in
            Finding(
                severity: diagnostic.severity.name, rule: diagnostic.rule.rawValue,
                instruction: diagnostic.instruction, file: diagnostic.line?.file,
                line: diagnostic.line?.line, problem: diagnostic.problem,
                reason: diagnostic.reason, remedy: diagnostic.remedy,
                occurrences: diagnostic.occurrences)
        }
        outputs = values.map { output in
            Output(
                name: output.name, elements: output.elements,
                isWithinBound: output.isWithinBound,
                // JSON has no infinity, which stands for a result that is no number.
                largestError: min(output.largestError, .greatestFiniteMagnitude),
                largestShareOfBound: min(
                    output.largestShareOfBound, .greatestFiniteMagnitude))
        }
    }
}
