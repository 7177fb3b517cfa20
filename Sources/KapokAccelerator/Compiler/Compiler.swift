/// Turns a traced kernel into a program: places tiles, orders instructions, and lets them wait for
/// each other where they must.
public struct Compiler: Sendable {
    /// The machine that it compiles for.
    public let machine: Machine
    /// What it may do.
    public let options: CompilerOptions

    public init(machine: Machine, options: CompilerOptions = CompilerOptions()) {
        self.machine = machine
        self.options = options
    }

    /// Compiles `kernel`. The result is the same on every run.
    ///
    /// - Throws: ``CompilerError`` with the author's line and a remedy, when tiles do not fit into
    ///   SBUF or PSUM, or the kernel reads what was never written.
    public func compile(_ kernel: TracedKernel) throws(CompilerError) -> CompiledKernel {
        throw CompilerError(
            kind: .malformedKernel, line: nil, problem: "\(kernel.name) has no instructions",
            remedy: "Trace a kernel first")
    }
}

/// A program and how it came about.
public struct CompiledKernel: Sendable {
    /// The program.
    public var program: Program
    /// How it came about.
    public var report: CompilationReport

    public init(program: Program, report: CompilationReport) {
        self.program = program
        self.report = report
    }
}
