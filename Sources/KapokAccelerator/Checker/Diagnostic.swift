/// Something that is wrong, or could be better, in a program: what, where, why, and what to do.
public struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    /// How bad it is.
    public enum Severity: UInt8, CaseIterable, Comparable, Sendable {
        /// The program is right, and could be better.
        case note = 0
        /// The program runs, and probably not as was meant.
        case warning = 1
        /// The program must not run.
        case error = 2

        /// The name in reports.
        public var name: String { "\(self)" }

        public static func < (a: Severity, b: Severity) -> Bool { a.rawValue < b.rawValue }
    }

    /// The rule that was broken. Raw values are part of the JSON output and never change.
    public enum Rule: String, CaseIterable, Sendable {
        /// A table or a field that no front end may write; see ``KirFile``.
        case structure
        /// An operand, a flag or an operation that the opcode does not take, or one that lacks.
        case operand
        /// Operands whose numbers of partitions or elements do not fit each other.
        case shape
        /// An element type that the instruction cannot take.
        case type
        /// An engine that cannot execute this instruction or reach this memory.
        case engine
        /// An access outside of SBUF, PSUM, its tile or its tensor.
        case capacity
        /// Partitions that do not exist, or at which an engine cannot start.
        case partitions
        /// A multiplication whose result lies in more than one PSUM bank.
        case bank
        /// An immediate operand that makes no sense.
        case immediate
        /// A ring or a semaphore that does not exist, is used by two, or changes order.
        case semaphore
        /// A wait that never ends.
        case deadlock
        /// Two accesses of the same bytes, one of them a write, that nothing orders.
        case race
        /// Reading bytes to which nothing was written.
        case uninitialised
        /// Reading a tile whose bytes another tile has overwritten.
        case clobbered
        /// Bytes of an output that nothing writes.
        case unwritten
        /// A wait for something that is known to have completed already.
        case superfluousWait
        /// A wait for more than what the instruction needs.
        case falseDependency
        /// A check that would take too much time or memory.
        case limit
    }

    /// An instruction that has part in it.
    public struct Related: Hashable, Sendable {
        /// Index of the instruction.
        public var instruction: Int
        /// Its place in the author's source; nil when unknown.
        public var line: SourceLine?
        /// What it does here.
        public var role: String

        public init(instruction: Int, line: SourceLine?, role: String) {
            self.instruction = instruction
            self.line = line
            self.role = role
        }
    }

    /// How bad it is.
    public var severity: Severity
    /// The rule that was broken.
    public var rule: Rule
    /// Index of the instruction; nil when the program as a whole is meant.
    public var instruction: Int?
    /// Its place in the author's source; nil when unknown.
    public var line: SourceLine?
    /// What is wrong.
    public var problem: String
    /// Why it cannot be, or why it matters.
    public var reason: String
    /// What to do.
    public var remedy: String
    /// Other instructions that have part in it.
    public var related: [Related]
    /// How many instructions of the same source lines break the same rule, this one included.
    public var occurrences: Int

    public init(
        _ severity: Severity, _ rule: Rule, instruction: Int?, line: SourceLine?,
        problem: String, reason: String, remedy: String, related: [Related] = []
    ) {
        self.severity = severity
        self.rule = rule
        self.instruction = instruction
        self.line = line
        self.problem = problem
        self.reason = reason
        self.remedy = remedy
        self.related = related
        occurrences = 1
    }

    /// Several lines of text without a line break at the end: first as compilers write it
    /// (`file:line: severity: problem`), then reason, related instructions and remedy, indented.
    public var description: String {
        var text = line.map { "\($0.file):\($0.line): " } ?? ""
        text += "\(severity.name): \(problem) [\(rule.rawValue)]"
        if occurrences > 1 { text += " (\(occurrences) times)" }
        text += "\n    why: \(reason)"
        for other in related {
            text += "\n    \(other.role): instruction \(other.instruction)"
            if let line = other.line { text += ", \(line.file):\(line.line)" }
        }
        return text + "\n    remedy: \(remedy)"
    }
}
