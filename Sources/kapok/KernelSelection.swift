public import ArgumentParser
import Foundation
public import KapokAccelerator

/// Which kernel, in which shape, for which machine: the options that all `kapok kernel` commands
/// share.
struct KernelSelection: ParsableArguments {
    @Argument(
        help: "A kernel of the library, or a .kir file (binary or text).",
        completion: .list(KernelLibrary.all.map(\.name)))
    var kernel: String
    @Option(help: "trn1, trn2, trn2-sheet, or a file with a machine description. (default: trn2)")
    var machine: String?
    @Option(help: "The kernel's step: one of its ways to compute the same. (default: its best)")
    var step: String?
    @Option(help: "The element type: fp32, bf16, fp16, fp8e4m3 ... (default: the kernel's first)")
    var type: String?
    @Option(help: "How instructions are ordered: source, list, modulo, or best of all.")
    var schedule: CompilerOptions.Schedule = .best
    @Flag(help: "Refuse kernels whose tiles do not fit into SBUF, instead of spilling.")
    var noSpill = false
    @OptionGroup(title: "Shape") var shape: KernelShapeOptions

    /// The program that was selected, made or read.
    ///
    /// - Parameter validates: whether a file that breaks the machine's rules is refused.
    func load(validates: Bool = true) throws -> LoadedKernel {
        if let library = KernelLibrary.named(kernel) { return try build(library) }
        // A word that names no file was meant as a kernel of the library.
        if !kernel.contains("."), !kernel.contains("/"),
            !FileManager.default.fileExists(atPath: kernel)
        {
            throw Self.unknownKernel(kernel)
        }
        let loaded = try LoadedKernel(file: kernel, machine: machine)
        if validates { try loaded.validate() }
        return loaded
    }

    /// Traces and compiles a kernel of the library.
    func build(_ library: any LibraryKernel) throws -> LoadedKernel {
        let machine = try Machine(ChipMachine.description(machine ?? "trn2"))
        let elementType = try type.map { name in
            guard let type = ElementType(name: name) else {
                let known = library.elementTypes.map(\.name).joined(separator: ", ")
                throw CommandFailure(
                    description: "'\(name)' is no element type; \(library.name) takes \(known)")
            }
            return type
        }
        let arguments = try KernelArguments(
            for: library, shape.values, type: elementType, variant: step)
        let options = CompilerOptions(schedule: schedule, allowsSpilling: !noSpill)
        TerminalLine.show("Compiling \(library.name)")
        defer { TerminalLine.clear() }
        let traced = try library.trace(arguments, on: machine)
        let compiled = try Compiler(machine: machine, options: options).compile(traced)
        return LoadedKernel(
            program: compiled.program, machine: machine, report: compiled.report,
            origin: LoadedKernel.Origin(kernel: library, arguments: arguments))
    }

    /// The kernel of the library with that name.
    static func libraryKernel(_ name: String) throws -> any LibraryKernel {
        guard let kernel = KernelLibrary.named(name) else { throw unknownKernel(name) }
        return kernel
    }

    private static func unknownKernel(_ name: String) -> CommandFailure {
        let names = KernelLibrary.all.map(\.name).joined(separator: ", ")
        return CommandFailure(
            description: "'\(name)' is no kernel of the library (\(names)) and no .kir file")
    }
}

extension CompilerOptions.Schedule: ExpressibleByArgument {}

/// A program that is ready to run.
struct LoadedKernel {
    /// Where a program of the library comes from.
    struct Origin {
        var kernel: any LibraryKernel
        var arguments: KernelArguments
    }

    var program: Program
    var machine: Machine
    /// What the compiler says; nil for files.
    var report: CompilationReport?
    /// The kernel of the library; nil for files.
    var origin: Origin?

    private static let largestFile = 4 << 30

    init(
        program: Program, machine: Machine, report: CompilationReport?, origin: Origin?
    ) {
        self.program = program
        self.machine = machine
        self.report = report
        self.origin = origin
    }

    /// Reads a `.kir` file, binary or text.
    ///
    /// - Parameter machine: another machine than the one that the file names.
    init(file path: String, machine name: String?) throws {
        let bytes = try Self.bytes(of: path)
        let program: Program
        do {
            program =
                bytes.starts(with: KirFile.magic)
                ? try KirFile.decode(bytes)
                : try KirText.parse(String(decoding: bytes, as: UTF8.self))
        } catch {
            throw CommandFailure(description: "\(path): \(error)")
        }
        let machine = try Machine(ChipMachine.description(name ?? program.machine))
        self.init(program: program, machine: machine, report: nil, origin: nil)
    }

    /// Refuses a program that breaks the machine's rules.
    func validate() throws {
        let errors = ProgramValidator.validate(program, machine).filter { $0.severity == .error }
        guard !errors.isEmpty else { return }
        throw CommandFailure(
            description: "\(program.name) breaks the rules of \(machine.description.name)\n"
                + errors.map(\.description).joined(separator: "\n"))
    }

    private static func bytes(of path: String) throws -> [UInt8] {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard let size = attributes?[.size] as? Int,
            let data = FileManager.default.contents(atPath: path)
        else { throw CommandFailure(description: "cannot read \(path)") }
        guard size <= largestFile else {
            throw CommandFailure(description: "\(path) is longer than \(largestFile) bytes")
        }
        return Array(data)
    }
}
