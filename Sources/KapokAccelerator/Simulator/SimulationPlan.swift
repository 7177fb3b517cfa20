/// A program prepared for simulation in one pass over its instructions: checked, with queues
/// linked, costs looked up and signals counted.
struct SimulationPlan: ~Copyable {
    /// Times stay below this, so that a time and a queue fit into one word.
    static let timeLimit: Int64 = 1 << 55
    /// Ends a list of instructions.
    static let none = UInt32.max
    /// The engines' queues, by ``Engine/rawValue``.
    static let queueCount = 5

    /// An instruction's place in its queue, and its costs. 8 bytes.
    struct Link: BitwiseCopyable {
        var next: UInt32
        var cost: UInt32
    }

    /// What the program does with a semaphore.
    struct Signals: BitwiseCopyable {
        /// Instructions that signal it.
        var count: UInt32 = 0
        /// What each of them adds, or 0 when they add different amounts.
        var amount: UInt32 = 0
        /// The sum of all amounts.
        var total: Int64 = 0
        /// The first instruction that signals it.
        var first: UInt32 = SimulationPlan.none
        /// The stream of those instructions: a unit, or a ring after them.
        var stream: UInt8 = .max
    }

    let links: FlatBuffer<Link>
    /// The first instruction of each queue.
    private(set) var heads: [UInt32]
    private(set) var costs: SimulatedCosts
    let patterns: SimulatedPatterns
    /// By semaphore.
    private(set) var signals: [Signals]
    private(set) var transferCount = 0

    private var tails: [UInt32]
    private var ringEngines: [UInt8]
    private var ringFirst: [UInt32]

    /// A plan without instructions yet.
    private init(
        _ patterns: consuming SimulatedPatterns, instructionCount: Int, _ setup: SimulationSetup
    ) {
        self.patterns = patterns
        links = FlatBuffer(repeating: Link(next: Self.none, cost: 0), count: instructionCount)
        heads = [UInt32](repeating: Self.none, count: Self.queueCount)
        tails = heads
        costs = SimulatedCosts(models: setup.models, removed: setup.removed)
        signals = [Signals](repeating: Signals(), count: setup.machine.semaphoreCount)
        ringEngines = [UInt8](repeating: .max, count: setup.machine.dmaRings)
        ringFirst = [UInt32](repeating: Self.none, count: setup.machine.dmaRings)
    }

    /// - Throws: everything but deadlocks.
    static func make(
        _ program: Program, _ instructions: UnsafeBufferPointer<Instruction>,
        _ setup: SimulationSetup
    ) throws(SimulationError) -> SimulationPlan {
        guard instructions.count < Int(Self.none) else { throw .tooLong }
        let patterns = try SimulatedPatterns(program.patterns, machine: setup.machine)
        var plan = SimulationPlan(patterns, instructionCount: instructions.count, setup)
        for index in 0..<instructions.count {
            try plan.add(index, instructions[index], program)
        }
        for cost in plan.costs.entries where cost.interval + cost.latency >= timeLimit / 2 {
            throw .tooLong
        }
        return plan
    }

    @inline(__always)
    private mutating func add(
        _ index: Int, _ instruction: Instruction, _ program: Program
    ) throws(SimulationError) {
        if !isValid(instruction) {
            throw .invalidInstruction(
                InstructionPlace(index, in: program), problem: problem(instruction))
        }
        let cost = costs.index(of: instruction, patterns, patterns: program.patterns)
        links[index].cost = UInt32(truncatingIfNeeded: cost)
        let queue = Int(instruction.engine.rawValue)
        let tail = tails[queue]
        if tail == Self.none {
            heads[queue] = UInt32(truncatingIfNeeded: index)
        } else {
            links[Int(tail)].next = UInt32(truncatingIfNeeded: index)
        }
        tails[queue] = UInt32(truncatingIfNeeded: index)
        if instruction.opcode.isDMA { try addTransfer(index, instruction, program) }
        if instruction.signal != SemaphoreWait.none {
            try addSignal(index, instruction, program)
        }
    }

    private mutating func addTransfer(
        _ index: Int, _ instruction: Instruction, _ program: Program
    ) throws(SimulationError) {
        transferCount += 1
        let ring = Int(instruction.ring)
        guard ring < ringEngines.count else {
            throw .invalidInstruction(
                InstructionPlace(index, in: program),
                problem: "ring \(ring) of \(ringEngines.count) rings")
        }
        if ringEngines[ring] == .max {
            ringEngines[ring] = instruction.engine.rawValue
            ringFirst[ring] = UInt32(index)
        } else if ringEngines[ring] != instruction.engine.rawValue {
            throw .ringOfTwoEngines(
                ring: ring, first: InstructionPlace(Int(ringFirst[ring]), in: program),
                second: InstructionPlace(index, in: program))
        }
    }

    @inline(__always)
    private mutating func addSignal(
        _ index: Int, _ instruction: Instruction, _ program: Program
    ) throws(SimulationError) {
        let semaphore = Int(instruction.signal)
        guard semaphore < signals.count else {
            throw .invalidInstruction(
                InstructionPlace(index, in: program),
                problem: "semaphore \(semaphore) of \(signals.count) semaphores")
        }
        let amount = UInt32(instruction.signalAmount)
        if amount == 0 { return }
        let stream = instruction.stream
        if signals[semaphore].count == 0 {
            signals[semaphore].first = UInt32(index)
            signals[semaphore].stream = stream
            signals[semaphore].amount = amount
        } else if signals[semaphore].stream != stream {
            throw .semaphoreOfTwoStreams(
                semaphore: semaphore,
                first: InstructionPlace(Int(signals[semaphore].first), in: program),
                second: InstructionPlace(index, in: program))
        } else if signals[semaphore].amount != amount {
            signals[semaphore].amount = 0
        }
        signals[semaphore].count += 1
        signals[semaphore].total += Int64(amount)
    }
}

extension Instruction {
    /// The stream in which it completes: its unit, or for a transfer its ring, numbered after them.
    var stream: UInt8 {
        opcode.isDMA ? UInt8(Unit.engineUnitCount) &+ ring : unit.rawValue
    }
}

extension SimulationPlan {
    /// Whether all operands are there and the engine can do it; rings and semaphores aside.
    @inline(__always)
    fileprivate func isValid(_ instruction: Instruction) -> Bool {
        let patternCount = patterns.entries.count
        func isOptional(_ pattern: UInt32) -> Bool {
            pattern == Instruction.noPattern || Int(pattern) < patternCount
        }
        func isOptional(_ wait: SemaphoreWait) -> Bool {
            !wait.isPresent || Int(wait.semaphore) < signals.count
        }
        func isThere(_ pattern: UInt32) -> Bool { Int(pattern) < patternCount }
        guard isOptional(instruction.destination), isOptional(instruction.source0) else {
            return false
        }
        if !instruction.hasCoefficients {
            guard isOptional(instruction.source1), isOptional(instruction.source2) else {
                return false
            }
        }
        guard isOptional(instruction.wait0), isOptional(instruction.wait1),
            isOptional(instruction.wait2)
        else { return false }
        switch instruction.opcode {
        case .nop: return true
        case .loadStationary, .multiplyMoving:
            return instruction.engine == .tensor && isThere(instruction.source0)
        case .dmaCopy, .dmaTranspose:
            return isThere(instruction.source0) && isThere(instruction.destination)
                && instruction.engine != .tensor && instruction.engine != .vector
        default: return instruction.engine != .sync && instruction.engine != .tensor
        }
    }

    /// Says what ``isValid(_:)`` found.
    fileprivate func problem(_ instruction: Instruction) -> String {
        let patternCount = patterns.entries.count
        var operands = [
            ("destination", instruction.destination), ("source 0", instruction.source0),
        ]
        if !instruction.hasCoefficients {
            operands += [("source 1", instruction.source1), ("source 2", instruction.source2)]
        }
        for (name, pattern) in operands
        where pattern != Instruction.noPattern && Int(pattern) >= patternCount {
            return "its \(name) is access pattern \(pattern) of \(patternCount)"
        }
        for wait in [instruction.wait0, instruction.wait1, instruction.wait2]
        where wait.isPresent && Int(wait.semaphore) >= signals.count {
            return "it waits for semaphore \(wait.semaphore) of \(signals.count) semaphores"
        }
        switch instruction.opcode {
        case .loadStationary, .multiplyMoving:
            return instruction.engine == .tensor
                ? "it has no source" : "the tensor engine alone multiplies"
        case .dmaCopy, .dmaTranspose:
            return instruction.engine == .tensor || instruction.engine == .vector
                ? "transfers are triggered by sync, scalar or gpsimd"
                : "a transfer needs a source and a destination"
        default: return "the engine has no data path for it"
        }
    }
}
