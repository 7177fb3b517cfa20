/// Finds waits that a race-free program could do without, or that could wait for less.
///
/// A wait is *superfluous* when what it waits for is known to have completed anyway. It is a *false
/// dependency* when it waits for more than its instruction needs, and waiting for less (or not at
/// all) leaves the program race-free: like waiting for the iteration before, where the one that
/// used the same buffer, eight iterations ago, would do.
struct WaitAnalysis {
    /// A wait: instruction and slot.
    struct Place: Hashable {
        var instruction: UInt32
        var slot: UInt8
        /// What it waits for; ``CompletionOrder/none`` when its value is there from the start.
        var producer: UInt32
    }

    /// A wait for too much.
    struct FalseDependency: Hashable {
        var place: Place
        /// What would be enough; ``CompletionOrder/none`` when no wait is needed.
        var enough: UInt32
    }

    private(set) var superfluous: [Place] = []
    private(set) var falseDependencies: [FalseDependency] = []
    /// Waits that may be false dependencies, and whose effects are too many to follow.
    private(set) var unexamined = 0

    private let program: Program
    private let order: CompletionOrder
    private let needs: [UInt32]
    private let width: Int
    private var variation: ClockVariation

    /// - Parameter needs: of a program without races; see ``MemoryTrace``.
    init(_ program: Program, _ order: CompletionOrder, needs: [UInt32]) {
        self.program = program
        self.order = order
        self.needs = needs
        width = order.streams.count
        variation = ClockVariation(order, needs: needs)
    }

    /// Linear in the number of waits, but for false dependencies: each takes the time of following
    /// its effects through the program, up to a bound.
    mutating func run() {
        let trailing = trailingNops()
        for i in program.instructions.indices {
            let one = program.instructions[i]
            guard one.wait0.isPresent || one.wait1.isPresent || one.wait2.isPresent else {
                continue
            }
            let skipped = findSuperfluous(i)
            if !trailing.contains(i) { findFalse(i, skipped) }
        }
    }

    /// Instructions at the ends of queues that do nothing: their waits hold the end of the program.
    private func trailingNops() -> Set<Int> {
        var result: Set<Int> = []
        var isOver: Set<Engine> = []
        for i in program.instructions.indices.reversed() {
            let one = program.instructions[i]
            if one.opcode != .nop { isOver.insert(one.engine) }
            if !isOver.contains(one.engine) { result.insert(i) }
            if isOver.count == Engine.allCases.count { break }
        }
        return result
    }

    private mutating func findSuperfluous(_ i: Int) -> UInt8 {
        var skipped: UInt8 = 0
        for slot in 0..<3 {
            var producer = CompletionOrder.none
            switch order.targets[3 * i + slot] {
            case .nothing: break
            case .instruction(let target):
                producer = target
                variation.start(i, skipping: skipped | 1 << UInt8(slot))
                let stream = Int(order.streams.of[Int(target)])
                guard variation.clock[stream] >= order.streams.ordinal[Int(target)]
                else { continue }
            default: continue
            }
            skipped |= 1 << UInt8(slot)
            superfluous.append(
                Place(instruction: UInt32(i), slot: UInt8(slot), producer: producer))
        }
        return skipped
    }

    private mutating func findFalse(_ i: Int, _ skipped: UInt8) {
        for slot in 0..<3 where skipped >> UInt8(slot) & 1 == 0 {
            guard case .instruction(let producer) = order.targets[3 * i + slot],
                program.instructions[i].wait(inSlot: slot).kind
                    != UInt16(DependenceKind.bank.rawValue)
            else { continue }
            variation.start(i, skipping: skipped | 1 << UInt8(slot))
            let least = leastProducer(i, slot, producer)
            guard least != producer else { continue }
            guard let enough = leastProducer(forAll: i, slot, from: least, to: producer) else {
                unexamined += 1
                continue
            }
            guard enough != producer else { continue }
            falseDependencies.append(
                FalseDependency(
                    place: Place(
                        instruction: UInt32(i), slot: UInt8(slot), producer: producer),
                    enough: enough))
        }
    }

    /// The first signal of the semaphore that, with what the clock of the variation knows, gives
    /// `i` itself all that it needs.
    private func leastProducer(_ i: Int, _ slot: Int, _ producer: UInt32) -> UInt32 {
        func isEnough(_ signaller: UInt32) -> Bool {
            for s in 0..<width {
                let known = max(variation.clock[s], order.atEnd[Int(signaller) * width + s])
                if needs[i * width + s] > known { return false }
            }
            return true
        }
        var isNeeded = false
        for s in 0..<width where needs[i * width + s] > variation.clock[s] { isNeeded = true }
        guard isNeeded else { return CompletionOrder.none }
        let signallers = signallers(i, slot, upTo: producer)
        return signallers[signallers.firstPosition(where: isEnough)]
    }

    /// The first signal, from one that is enough for `i` itself up to the one that it waits for,
    /// that is enough for all instructions; nil when finding out would take too long.
    private mutating func leastProducer(
        forAll i: Int, _ slot: Int, from least: UInt32, to producer: UInt32
    ) -> UInt32? {
        guard let isEnough = variation.staysRaceFree(waiter: i, slot: slot, waitingFor: least)
        else { return nil }
        if isEnough { return least }
        let signallers = signallers(i, slot, upTo: producer)
        var low = least == CompletionOrder.none ? 0 : signallers.firstPosition { $0 > least }
        var high = signallers.count - 1
        // Mostly the one before the last is too little already.
        var middle = high - 1
        while low < high {
            guard
                let isEnough = variation.staysRaceFree(
                    waiter: i, slot: slot, waitingFor: signallers[middle])
            else { return nil }
            if isEnough { high = middle } else { low = middle + 1 }
            middle = (low + high) / 2
        }
        return signallers[low]
    }

    /// Those that signal what a wait waits for, the last of them the one that makes its value.
    private func signallers(_ i: Int, _ slot: Int, upTo producer: UInt32) -> ArraySlice<UInt32> {
        let semaphore = program.instructions[i].wait(inSlot: slot).semaphore
        guard let all = order.semaphores.signals[semaphore]?.instructions,
            let last = order.semaphores.position(of: producer, signalling: semaphore)
        else { return [producer] }
        return all[...last]
    }

    // MARK: Report

    func report(_ collector: inout DiagnosticCollector) {
        for place in superfluous {
            let i = Int(place.instruction)
            let wait = program.instructions[i].wait(inSlot: Int(place.slot))
            let isThere = place.producer == CompletionOrder.none
            collector.add(
                .note, .superfluousWait, at: i,
                related: isThere ? [] : [(Int(place.producer), "is waited for")],
                "waits needlessly for semaphore \(wait.semaphore) to reach \(wait.value)",
                why: isThere
                    ? "it has that value from the start"
                    : "what it knows otherwise (its queue, its other waits) implies it",
                remedy: "drop this wait")
        }
        for dependency in falseDependencies { report(dependency, &collector) }
        guard unexamined > 0 else { return }
        collector.addWhole(
            .note, .limit,
            "\(unexamined) waits may wait for more than they need, and were not looked at",
            why: "following the effects of each through the program takes time, which is bounded",
            remedy: "mend those that are listed, or check a smaller case of the kernel")
    }

    private func report(
        _ dependency: FalseDependency, _ collector: inout DiagnosticCollector
    ) {
        let i = Int(dependency.place.instruction)
        let wait = program.instructions[i].wait(inSlot: Int(dependency.place.slot))
        let producer = Int(dependency.place.producer)
        var related: [(instruction: Int, role: String)] = [(producer, "is waited for")]
        var remedy = "drop this wait"
        var why = "the two share no bytes, and no instruction behind it needs the wait"
        if dependency.enough != CompletionOrder.none {
            let enough = Int(dependency.enough)
            related.append((enough, "would be enough"))
            let value = order.semaphores.value(after: dependency.enough, of: wait.semaphore)
            remedy = "wait for semaphore \(wait.semaphore) to reach \(value ?? 0) only"
            why = "all bytes that it needs are ready" + iterations(i, producer, enough)
        }
        collector.add(
            .warning, .falseDependency, at: i,
            kind: dependency.enough == CompletionOrder.none ? 0 : 1, related: related,
            "waits for more than it needs: for semaphore \(wait.semaphore) to reach \(wait.value)",
            why: why, remedy: remedy)
    }

    private func iterations(_ consumer: Int, _ producer: Int, _ enough: Int) -> String {
        guard let own = iteration(consumer), let waited = iteration(producer),
            let sufficient = iteration(enough), waited != sufficient
        else { return " earlier" }
        return ": in iteration \(own) it waits for iteration \(waited), "
            + "where \(sufficient) would do"
    }

    private func iteration(_ i: Int) -> UInt32? {
        guard i < program.iterationOfInstruction.count else { return nil }
        let index = program.iterationOfInstruction[i]
        return index == LoopIteration.none ? nil : program.iterations[Int(index)].index
    }
}
