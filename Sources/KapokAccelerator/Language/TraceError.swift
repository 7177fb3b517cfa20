/// Everything that is wrong with a kernel, found in one trace.
public struct TraceError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kernel's name.
    public var kernel: String
    /// The problems, in the order in which the trace met them; at most ``maximumProblems``.
    public var problems: [TraceProblem]
    /// Problems on further lines, beyond those listed.
    public var omitted: Int

    /// How many different problems a trace lists before it gives up.
    public static let maximumProblems = 40

    public init(kernel: String, problems: [TraceProblem], omitted: Int) {
        self.kernel = kernel
        self.problems = problems
        self.omitted = omitted
    }

    public var description: String {
        var lines = problems.map(\.description)
        if omitted > 0 { lines.append("kernel \(kernel): \(omitted) more problems not listed") }
        return lines.joined(separator: "\n")
    }
}

/// One mistake in a kernel: where, what, why it cannot be, and what to do.
public struct TraceProblem: Hashable, Sendable, CustomStringConvertible {
    /// The rule that was broken.
    public enum Rule: String, CaseIterable, Sendable {
        /// Shapes of operands do not fit each other or the instruction.
        case shape
        /// A slice leaves its tile or tensor.
        case bounds
        /// Too many partitions, or a start where an engine cannot start.
        case partitions
        /// An access that crosses PSUM banks, or is wider than one.
        case bank
        /// A tile larger than its memory.
        case capacity
        /// An element type that the instruction cannot take.
        case type
        /// An engine that cannot do this.
        case engine
        /// Reading a tile that nothing was written to, or an output that is never written.
        case uninitialised
        /// A name or a number that makes no sense.
        case argument
        /// A bound of the trace: instructions, tensors, tiles.
        case limit
    }

    /// The rule that was broken.
    public var rule: Rule
    /// Where the author wrote it.
    public var line: SourceLine
    /// What is wrong.
    public var what: String
    /// Why it cannot be.
    public var why: String
    /// What to do.
    public var remedy: String
    /// How often the trace met it (a line in a loop is passed many times).
    public var occurrences: Int

    public init(
        _ rule: Rule, at line: SourceLine, what: String, why: String, remedy: String,
        occurrences: Int = 1
    ) {
        self.rule = rule
        self.line = line
        self.what = what
        self.why = why
        self.remedy = remedy
        self.occurrences = occurrences
    }

    public var description: String {
        let times = occurrences > 1 ? " (\(occurrences) times)" : ""
        return "\(line.file):\(line.line): \(rule.rawValue): \(what)\(times): \(why); \(remedy)"
    }
}
