/// Turns a traced kernel into a program: places tiles, orders instructions, and lets them wait for
/// each other where they must.
///
/// Tiles are placed for the author's order first. Whatever follows from the places (a buffer cannot
/// be filled before its last tile has been read) is a dependence like those of the data, so every
/// order that respects the dependences is right, and needs no more memory. Orders are then tried in
/// simulation.
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
        let versions = try FittedKernel.versions(
            of: try WorkingKernel(kernel, machine: machine), machine: machine, options: options)
        var template = Program(name: kernel.name, machine: machine.description.name)
        template.parameters = kernel.parameters
        template.lines = kernel.lines
        template.loops = kernel.loops
        template.iterations = kernel.iterations
        var search = ScheduleSearch(template: template, machine: machine, options: options)
        return try search.run(versions)
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
