import ArgumentParser
import Foundation
import KapokAccelerator

extension KernelCommand {
    /// `kapok kernel run`: values and time of one run.
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run",
            abstract: "Execute a kernel: its values, bit by bit, and how long it takes.",
            discussion: """
                Inputs come from NumPy files (--input NAME=FILE.npy) or, where none is given, from \
                --seed. Outputs are summarised, and written as NumPy files with --output-directory.
                """)

        @OptionGroup var selection: KernelSelection
        @Option(
            name: .long, help: "An input from a NumPy file: NAME=FILE.npy. May be repeated.",
            completion: .file(extensions: ["npy"]))
        var input: [String] = []
        @Option(help: "Write each output to NAME.npy in this directory.", completion: .directory)
        var outputDirectory: String?
        @Option(help: "The seed of inputs that have no file.")
        var seed: UInt64 = 1
        @Flag(help: "Only simulate time.")
        var timingOnly = false
        @Flag(help: "Let reads of memory that nothing has written pass.")
        var allowUninitialised = false
        @Flag(help: "Print one JSON object.")
        var json = false
        @OptionGroup(title: "Exports") var exports: KernelExports

        func run() async throws {
            let loaded = try selection.load()
            TerminalLine.show("Simulating \(loaded.program.instructions.count) instructions")
            let makespan: Int64
            if exports.isEmpty {
                makespan = try Simulator(machine: loaded.machine).makespan(of: loaded.program)
            } else {
                let profile = try loaded.profile()
                makespan = profile.timeline.makespan
                try exports.write(profile)
            }
            var outputs: [OutputDocument] = []
            if !timingOnly {
                TerminalLine.show("Computing values")
                outputs = try execute(loaded)
            }
            TerminalLine.clear()
            if loaded.origin == nil { warn(about: loaded) }
            let document = RunDocument(
                kernel: loaded.program.name, machine: loaded.machine.description.name,
                instructions: loaded.program.instructions.count,
                totalMilliseconds: loaded.machine.nanoseconds(ticks: makespan) / 1e6,
                totalTicks: makespan, outputs: outputs)
            if json { try ChipOutput.printJSON(document) } else { print(document.text) }
        }

        /// The values of a program that races are one of several possibilities.
        private func warn(about loaded: LoadedKernel) {
            let report = ProgramChecker.check(loaded.program, loaded.machine)
            for diagnostic in report.diagnostics where diagnostic.severity > .note {
                FileHandle.standardError.write(Data("\(diagnostic)\n".utf8))
            }
        }

        private func execute(_ loaded: LoadedKernel) throws -> [OutputDocument] {
            var options = ExecutionOptions()
            options.checksInitialization = !allowUninitialised
            options.seed = seed
            var executor = try Executor(
                program: loaded.program, machine: loaded.machine, options: options)
            var inputs = KernelInputs(loaded, seed: seed)
            for text in input { try inputs.add(text) }
            try inputs.fill(&executor)
            try executor.run()
            var outputs: [OutputDocument] = []
            for tensor in loaded.program.tensors where tensor.role == .output {
                let values = try executor.values(of: tensor.name)
                outputs.append(OutputDocument(tensor, values))
                if let outputDirectory {
                    let bytes = try executor.bytes(of: tensor.name)
                    try KernelArrays.write(bytes, of: tensor, into: outputDirectory)
                }
            }
            return outputs
        }
    }
}

/// What a run computed, and how long it took.
private struct RunDocument: Encodable {
    var kernel: String
    var machine: String
    var instructions: Int
    var totalMilliseconds: Double
    var totalTicks: Int64
    var outputs: [OutputDocument]

    var text: String {
        let head = String(
            format: "%@ on %@: %.4f ms, %d instructions", kernel, machine, totalMilliseconds,
            instructions)
        guard !outputs.isEmpty else { return head }
        let rows = outputs.map { output in
            [
                output.name, output.type, output.shape.map(String.init).joined(separator: " x "),
                "\(output.minimum)", "\(output.maximum)", "\(output.mean)",
                output.notFinite > 0 ? "\(output.notFinite)" : "none",
            ]
        }
        let names = ["OUTPUT", "TYPE", "SHAPE", "LEAST", "LARGEST", "MEAN", "NAN OR INFINITE"]
        return head + "\n\n" + TextTable(rows: [names] + rows).text
    }
}

/// An output in short. The figures leave out what is not finite.
private struct OutputDocument: Encodable {
    var name: String
    var type: String
    var shape: [Int]
    var minimum: Float = 0
    var maximum: Float = 0
    var mean: Double = 0
    var notFinite: Int
    /// FNV-1a over the bits of all values.
    var hash: String

    init(_ tensor: TensorDeclaration, _ values: [Float]) {
        name = tensor.name
        type = tensor.type.name
        shape = tensor.shape
        let finite = values.filter(\.isFinite)
        minimum = finite.min() ?? 0
        maximum = finite.max() ?? 0
        mean = finite.isEmpty ? 0 : finite.reduce(0.0) { $0 + Double($1) } / Double(finite.count)
        notFinite = values.count - finite.count
        var state: UInt64 = 0xcbf2_9ce4_8422_2325
        for value in values { state = (state ^ UInt64(value.bitPattern)) &* 0x100_0000_01b3 }
        hash = String(state, radix: 16)
    }
}
