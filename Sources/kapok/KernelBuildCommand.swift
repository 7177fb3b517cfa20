import ArgumentParser
import Foundation
import KapokAccelerator

extension KernelCommand {
    /// `kapok kernel build`: from a kernel to a file of instructions.
    struct Build: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "build", abstract: "Compile a kernel, and write it as a .kir file.",
            discussion: """
                Without --output, only says what the compiler did: the lower bounds of every \
                engine beside what the schedule reached, buffers, semaphores, spills.
                """)

        @OptionGroup var selection: KernelSelection
        @Option(name: [.short, .long], help: "The file to write.", completion: .file())
        var output: String?
        @Flag(help: "Write text instead of the binary form.")
        var text = false
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let loaded = try selection.load()
            if let output {
                TerminalLine.show("Writing \(output)")
                let bytes =
                    text
                    ? Array(KirText.print(loaded.program).utf8) : KirFile.encode(loaded.program)
                let file = try OutputFile(output)
                try file.append(bytes)
                try file.close()
                TerminalLine.clear()
            }
            if json {
                try ChipOutput.printJSON(BuildDocument(loaded))
            } else {
                print(loaded.summary)
                if let output { print("Written to \(output).") }
            }
        }
    }
}

extension LoadedKernel {
    /// What it is, and how it came about, for a person.
    var summary: String {
        let parameters = program.parameters.map { "\($0.name) = \($0.value)" }
        let head =
            "\(program.name) for \(machine.description.name)"
            + (parameters.isEmpty ? "" : " (\(parameters.joined(separator: ", ")))")
            + ": \(program.instructions.count) instructions, "
            + "\(program.patterns.count) access patterns"
        guard let report else { return head }
        return head + "\n\n" + report.text(machine: machine)
    }
}

/// A compilation as JSON.
private struct BuildDocument: Encodable {
    struct Bound: Encodable {
        var kind: String
        var milliseconds: Double
    }

    struct Candidate: Encodable {
        var schedule: String
        var milliseconds: Double
    }

    struct Tensor: Encodable {
        var name: String
        var shape: [Int]
        var type: String
        var role: String
    }

    var kernel: String
    var machine: String
    var parameters: [KernelParameter]
    var tensors: [Tensor]
    var instructions: Int
    var patterns: Int
    var schedule: String?
    var totalMilliseconds: Double?
    var bounds: [Bound]?
    var candidates: [Candidate]?
    var waits: Int?
    var dependences: Int?
    var spilledBytes: Int64?
    var reloadedBytes: Int64?

    init(_ loaded: LoadedKernel) {
        func milliseconds(_ ticks: Int64) -> Double {
            loaded.machine.nanoseconds(ticks: ticks) / 1e6
        }
        kernel = loaded.program.name
        machine = loaded.machine.description.name
        parameters = loaded.program.parameters
        tensors = loaded.program.tensors.map {
            Tensor(name: $0.name, shape: $0.shape, type: $0.type.name, role: "\($0.role)")
        }
        instructions = loaded.program.instructions.count
        patterns = loaded.program.patterns.count
        guard let report = loaded.report else { return }
        schedule = report.schedule
        totalMilliseconds = milliseconds(report.makespan)
        bounds = report.bounds.map {
            Bound(kind: $0.kind.rawValue, milliseconds: milliseconds($0.ticks))
        }
        candidates = report.candidates.map {
            Candidate(schedule: $0.name, milliseconds: milliseconds($0.makespan))
        }
        waits = report.waits
        dependences = report.dependences
        spilledBytes = report.spilledBytes
        reloadedBytes = report.reloadedBytes
    }
}
