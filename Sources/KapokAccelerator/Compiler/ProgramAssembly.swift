/// Puts a program together: instructions in their final order, with rings, waits and signals.
struct ProgramAssembly {
    private let kernel: WorkingKernel
    private let patterns: [AccessPattern]
    private let dependences: DependenceGraph
    private let machine: Machine

    /// - Parameters:
    ///   - patterns: of the kernel, with addresses.
    ///   - dependences: of the kernel's instructions in their order.
    init(
        _ kernel: WorkingKernel, patterns: [AccessPattern], dependences: DependenceGraph,
        machine: Machine
    ) {
        self.kernel = kernel
        self.patterns = patterns
        self.dependences = dependences
        self.machine = machine
    }

    /// The program whose bundles stand in the order `bundles`, which must respect all dependences.
    ///
    /// - Parameter template: gives the name and the tables that no order changes.
    func program(bundles: [UInt32], template: Program) -> AssembledProgram {
        var order: [UInt32] = []
        order.reserveCapacity(kernel.instructions.count)
        // Where the bundle of each instruction begins: nops go there, not between the two halves of
        // a multiplication.
        var bundleFirst: [Int] = []
        bundleFirst.reserveCapacity(kernel.instructions.count)
        for bundle in bundles {
            let first = order.count
            for index in kernel.bundle(Int(bundle)) {
                order.append(UInt32(index))
                bundleFirst.append(first)
            }
        }
        let rings = RingAssignment(kernel.instructions, patterns, rings: machine.dmaRings)
        var instructions = order.map { kernel.instructions[Int($0)] }
        for index in instructions.indices where instructions[index].opcode.isDMA {
            instructions[index].ring = rings.ring(of: instructions[index], patterns)
        }
        let synthesis = SemaphoreSynthesis(
            instructions, dependences: dependences, order: order)
        var result = AssembledProgram(program: template)
        result.synchronisedDependences = synthesis.synchronised
        result.waits = synthesis.waits.count
        result.program.iterationOfInstruction = order.map { kernel.iterations[Int($0)] }
        result.program.instructions = instructions
        WaitPlacement(synthesis.waits, bundleFirst: bundleFirst).apply(to: &result)
        return result
    }
}

/// A program, with what a report says about its semaphores.
struct AssembledProgram {
    var program: Program
    var synchronisedDependences = 0
    var waits = 0
    var nops = 0

    init(program: Program) { self.program = program }
}

/// Writes waits and signals into the instructions; those that have more waits than fit get `nop`s
/// before them.
private struct WaitPlacement {
    private let waits: [SemaphoreSynthesis.Wait]
    private let bundleFirst: [Int]
    private let slots = 3

    init(_ waits: [SemaphoreSynthesis.Wait], bundleFirst: [Int]) {
        self.waits = waits
        self.bundleFirst = bundleFirst
    }

    func apply(to result: inout AssembledProgram) {
        let old = result.program.instructions
        let iterations = result.program.iterationOfInstruction
        let (own, moved) = distribute(count: old.count)
        let values = signalValues(in: old)
        var instructions: [Instruction] = []
        var newIterations: [UInt32] = []
        var newIndex = [Int](repeating: 0, count: old.count)
        var reasons: [WaitReason] = []
        instructions.reserveCapacity(old.count)
        newIterations.reserveCapacity(old.count)
        reasons.reserveCapacity(waits.count)
        var nextMoved = 0
        var nextOwn = 0

        func place(_ group: ArraySlice<Int>, on instruction: inout Instruction) {
            for (slot, number) in group.enumerated() {
                let wait = waits[number]
                instruction.setWait(
                    slot,
                    SemaphoreWait(
                        semaphore: UInt16(SemaphoreSynthesis.stream(of: old[wait.producer])),
                        value: values[wait.producer], kind: wait.kind))
                reasons.append(
                    WaitReason(
                        consumer: UInt32(instructions.count), slot: UInt8(slot), kind: wait.kind,
                        producer: UInt32(newIndex[wait.producer]), tile: wait.tile))
            }
        }

        for position in old.indices {
            while nextMoved < moved.count, moved[nextMoved].at == position {
                let end = moved[nextMoved...].prefix(slots).prefix { $0.at == position }.endIndex
                var nop = Instruction(.nop, on: old[position].engine)
                nop.line = old[position].line
                place(moved[nextMoved..<end].map(\.wait)[...], on: &nop)
                instructions.append(nop)
                newIterations.append(iterations[position])
                result.nops += 1
                nextMoved = end
            }
            var instruction = old[position]
            var end = nextOwn
            while end < own.count, waits[own[end]].consumer == position { end += 1 }
            place(own[nextOwn..<end], on: &instruction)
            nextOwn = end
            if values[position] > 0 {
                instruction.signal = UInt16(SemaphoreSynthesis.stream(of: instruction))
                instruction.signalAmount = 1
            }
            newIndex[position] = instructions.count
            instructions.append(instruction)
            newIterations.append(iterations[position])
        }
        result.program.instructions = instructions
        result.program.iterationOfInstruction = newIterations
        result.program.waitReasons = reasons
    }

    /// A wait that a nop takes over, before the instruction at `at`.
    private struct Moved {
        var at: Int
        var wait: Int
    }

    /// Divides the waits into those that stand on their instruction and those that need a nop.
    private func distribute(count: Int) -> (own: [Int], moved: [Moved]) {
        var own: [Int] = []
        var moved: [Moved] = []
        own.reserveCapacity(waits.count)
        var used = 0
        var consumer = -1
        for (number, wait) in waits.enumerated() {
            if wait.consumer != consumer {
                consumer = wait.consumer
                used = 0
            }
            if used < slots {
                own.append(number)
                used += 1
            } else {
                moved.append(Moved(at: bundleFirst[consumer], wait: number))
            }
        }
        return (own, moved)
    }

    /// What its semaphore reaches by each instruction; 0 for those that nobody waits for.
    private func signalValues(in instructions: [Instruction]) -> [UInt32] {
        var isAwaited = [Bool](repeating: false, count: instructions.count)
        for wait in waits { isAwaited[wait.producer] = true }
        var reached = [UInt32](repeating: 0, count: Unit.engineUnitCount + 16)
        var values = [UInt32](repeating: 0, count: instructions.count)
        for index in instructions.indices where isAwaited[index] {
            let stream = SemaphoreSynthesis.stream(of: instructions[index])
            reached[stream] += 1
            values[index] = reached[stream]
        }
        return values
    }
}

extension Instruction {
    /// Sets one of the three waits.
    fileprivate mutating func setWait(_ slot: Int, _ wait: SemaphoreWait) {
        switch slot {
        case 0: wait0 = wait
        case 1: wait1 = wait
        default: wait2 = wait
        }
    }
}
