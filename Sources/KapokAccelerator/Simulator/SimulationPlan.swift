/// Prepares a program's instructions for the simulation, some at a time: checks them, looks up
/// their costs and sorts them into queues.
struct SimulationPlan: ~Copyable {
    /// Times stay below this, so that a time and a queue fit into one word.
    static let timeLimit: Int64 = 1 << 55
    /// Stands for no instruction.
    static let none = UInt32.max
    /// The engines' queues, by ``Engine/rawValue``, and one for `tensorLoad` when the tensor
    /// engine's queue is split.
    static let queueCount = 6
    static let loadQueue = 5
    /// Instructions that are prepared at a time: their steps fit into the first-level cache.
    private static let blockSize = 256

    /// What is known of a ring.
    struct Ring: BitwiseCopyable {
        var engine: UInt8 = .max
        var first: UInt32 = SimulationPlan.none
    }

    var queues: PlannedQueues
    private(set) var costs: SimulatedCosts

    private let program: Program
    private let instructions: UnsafeBufferPointer<Instruction>
    private let patterns: SimulatedPatterns
    private let rings: FlatBuffer<Ring>
    private let semaphoreCount: Int
    private let isSplit: Bool
    private var planned = 0

    /// - Parameter isSplit: gives the two units of the tensor engine queues of their own.
    init(
        _ program: Program, _ instructions: UnsafeBufferPointer<Instruction>,
        _ patterns: consuming SimulatedPatterns, _ setup: SimulationSetup, isSplit: Bool
    ) {
        self.program = program
        self.instructions = instructions
        self.patterns = patterns
        self.isSplit = isSplit
        queues = PlannedQueues(queueCount: Self.queueCount, stepCount: instructions.count)
        costs = SimulatedCosts(models: setup.models, removed: setup.removed)
        rings = FlatBuffer(repeating: Ring(), count: setup.machine.dmaRings)
        semaphoreCount = setup.machine.semaphoreCount
    }

    /// Whether instructions are left.
    var isComplete: Bool { planned == instructions.count }

    /// Prepares the next block of instructions.
    mutating func planBlock() throws(SimulationError) {
        let end = min(planned + Self.blockSize, instructions.count)
        while planned < end {
            try add(planned)
            planned += 1
        }
    }

    @inline(__always)
    private mutating func add(_ index: Int) throws(SimulationError) {
        let instruction = instructions[index]
        var isInvalid = false
        let destination = patterns.entry(instruction.destination, &isInvalid)
        let source0 = patterns.entry(instruction.source0, &isInvalid)
        let hasCoefficients = instruction.hasCoefficients
        let none = Instruction.noPattern
        let source1 = patterns.entry(hasCoefficients ? none : instruction.source1, &isInvalid)
        let source2 = patterns.entry(hasCoefficients ? none : instruction.source2, &isInvalid)
        if isInvalid || !hasSemaphores(instruction) { throw missingOperand(index) }
        let key = CostKey(
            instruction, destination.shape, source0.shape, source1.shape, source2.shape)
        let cost = costs.number(of: key)
        if cost == costs.count { try addCost(index) }
        let used =
            destination.resources | source0.resources | source1.resources | source2.resources
        let step = PlannedStep(
            instruction, index: index, cost: cost, resources: costs.resources(cost, used: used),
            always: UInt16(truncatingIfNeeded: semaphoreCount))
        if step.isTransfer { try checkRing(index) }
        let isLoad = isSplit && instruction.opcode == .loadStationary
        queues.append(step, to: isLoad ? Self.loadQueue : Int(instruction.engine.rawValue))
    }

    /// Whether the machine has the semaphores that an instruction waits for.
    @inline(__always)
    private func hasSemaphores(_ instruction: Instruction) -> Bool {
        // One more makes 0 of the mark for none.
        func number(_ semaphore: UInt16) -> Int { Int(semaphore &+ 1) }
        return number(instruction.wait0.semaphore) <= semaphoreCount
            && number(instruction.wait1.semaphore) <= semaphoreCount
            && number(instruction.wait2.semaphore) <= semaphoreCount
    }

    /// A kind of instruction that has not been seen is checked, and its costs are computed, once.
    private mutating func addCost(_ index: Int) throws(SimulationError) {
        if let problem = InstructionCheck.problem(instructions[index]) {
            throw .invalidInstruction(InstructionPlace(index, in: program), problem: problem)
        }
        costs.add(instructions[index], program.patterns)
        let cost = costs.entries[costs.count - 1]
        if cost.interval + cost.latency >= Self.timeLimit / 2 { throw .tooLong }
    }

    private func missingOperand(_ index: Int) -> SimulationError {
        .invalidInstruction(
            InstructionPlace(index, in: program),
            problem: InstructionCheck.missingOperand(
                instructions[index], patternCount: patterns.count,
                semaphoreCount: semaphoreCount))
    }

    /// A ring belongs to the engine that triggers its first transfer.
    private func checkRing(_ index: Int) throws(SimulationError) {
        let ring = Int(instructions[index].ring)
        let engine = instructions[index].engine.rawValue
        guard ring < rings.count else {
            throw .invalidInstruction(
                InstructionPlace(index, in: program),
                problem: "it is on ring \(ring) of \(rings.count) rings")
        }
        if rings[ring].engine == .max {
            rings[ring] = Ring(engine: engine, first: UInt32(index))
        } else if rings[ring].engine != engine {
            throw .ringOfTwoEngines(
                ring: ring, first: InstructionPlace(Int(rings[ring].first), in: program),
                second: InstructionPlace(index, in: program))
        }
    }
}
