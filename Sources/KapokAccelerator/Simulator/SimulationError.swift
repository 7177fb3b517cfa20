/// Why a program cannot be simulated.
public enum SimulationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Instructions wait for semaphores that are never signalled.
    case deadlock(Deadlock)
    /// Two streams (units or rings) signal the same semaphore, so that its value says nothing about
    /// which instructions have completed.
    case semaphoreOfTwoStreams(semaphore: Int, first: InstructionPlace, second: InstructionPlace)
    /// Two engines trigger transfers on the same ring, whose order would then depend on time.
    case ringOfTwoEngines(ring: Int, first: InstructionPlace, second: InstructionPlace)
    /// An instruction with an operand, engine, ring or semaphore that the machine does not have.
    case invalidInstruction(InstructionPlace, problem: String)
    /// An access pattern (by its index) that covers nothing, or more than any machine has.
    case invalidPattern(Int, problem: String)
    /// Options that make no sense.
    case invalidOptions(String)
    /// The program runs longer than times can count (2^55 ticks), or has more than 2^32 - 2
    /// instructions.
    case tooLong
    /// A variant of the machine that the simulation needs cannot be made.
    case machine(MachineError)

    public var description: String {
        switch self {
        case .deadlock(let deadlock): deadlock.description
        case .semaphoreOfTwoStreams(let semaphore, let first, let second):
            """
            semaphore \(semaphore) is signalled by two streams: \(first) and \(second); \
            give each unit and each ring semaphores of its own
            """
        case .ringOfTwoEngines(let ring, let first, let second):
            """
            ring \(ring) is triggered by two engines: \(first) and \(second); \
            give each engine rings of its own
            """
        case .invalidInstruction(let place, let problem): "\(place): \(problem)"
        case .invalidPattern(let index, let problem): "access pattern \(index): \(problem)"
        case .invalidOptions(let problem): problem
        case .tooLong: "the program is too long to be simulated"
        case .machine(let error): error.description
        }
    }
}

/// An instruction, for messages: which one, and where its author wrote it.
public struct InstructionPlace: Hashable, Sendable, CustomStringConvertible {
    /// Its index in the program.
    public var index: Int
    /// What it is.
    public var opcode: Opcode
    /// The queue that it is in.
    public var engine: Engine
    /// Where it was written; line 0 when unknown.
    public var line: SourceLine

    public init(index: Int, opcode: Opcode, engine: Engine, line: SourceLine) {
        self.index = index
        self.opcode = opcode
        self.engine = engine
        self.line = line
    }

    init(_ index: Int, in program: Program) {
        let instruction = program.instructions[index]
        let line = Int(instruction.line)
        self.init(
            index: index, opcode: instruction.opcode, engine: instruction.engine,
            line: program.lines.indices.contains(line)
                ? program.lines[line] : SourceLine(file: "", line: 0))
    }

    public var description: String {
        let place = line.line > 0 ? "\(line.file):\(line.line): " : ""
        return "\(place)instruction \(index) (\(opcode.name) on \(engine.name))"
    }
}

/// The state in which nothing can go on.
public struct Deadlock: Error, Hashable, Sendable, CustomStringConvertible {
    /// The first instruction of each queue that is stuck.
    public var blocked: [BlockedInstruction]

    public init(blocked: [BlockedInstruction]) { self.blocked = blocked }

    public var description: String {
        "deadlock: nothing can go on\n"
            + blocked.map { "  \($0)\n    remedy: \($0.remedy)" }.joined(separator: "\n")
    }
}

/// An instruction that waits for ever.
public struct BlockedInstruction: Hashable, Sendable, CustomStringConvertible {
    /// The instruction.
    public var place: InstructionPlace
    /// The semaphore that it waits for.
    public var semaphore: Int
    /// The value that it needs, the value that was reached, and the one that the whole program
    /// could reach.
    public var needed: Int
    public var reached: Int
    public var reachable: Int
    /// The instruction whose signal is missing; nil when the program has none.
    public var producer: InstructionPlace?

    public init(
        place: InstructionPlace, semaphore: Int, needed: Int, reached: Int, reachable: Int,
        producer: InstructionPlace?
    ) {
        self.place = place
        self.semaphore = semaphore
        self.needed = needed
        self.reached = reached
        self.reachable = reachable
        self.producer = producer
    }

    public var description: String {
        "\(place) waits for semaphore \(semaphore) to reach \(needed); it stands at \(reached)"
    }

    /// What the author can do about it.
    public var remedy: String {
        guard let producer else {
            if reachable == 0 {
                return
                    "no instruction signals semaphore \(semaphore); add the signal or drop the wait"
            }
            return """
                all signals of semaphore \(semaphore) add up to \(reachable); wait for at most \
                that, or add the missing signal
                """
        }
        return """
            the signal comes from \(producer), which stands behind a blocked instruction; move it \
            before the wait in its queue, or drop one of the waits of the cycle
            """
    }
}
