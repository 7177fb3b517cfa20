/// Checks semaphores and rings by themselves: who signals, whether waits end, whether order is
/// known.
struct SynchronisationCheck {
    private let program: Program
    private let streams: Streams
    private let semaphores: SemaphoreTable

    init(_ program: Program, _ streams: Streams, _ semaphores: SemaphoreTable) {
        self.program = program
        self.streams = streams
        self.semaphores = semaphores
    }

    /// Waits in all.
    var waitCount: Int {
        program.instructions.reduce(0) { sum, one in
            sum + (0..<3).reduce(0) { $0 + (one.wait(inSlot: $1).isPresent ? 1 : 0) }
        }
    }

    func check(_ execution: AbstractExecution, _ collector: inout DiagnosticCollector) {
        checkSignals(&collector)
        checkTargets(&collector)
        if !execution.stuck.isEmpty { checkCycles(execution, &collector) }
    }

    // MARK: Signals

    private func checkSignals(_ collector: inout DiagnosticCollector) {
        for (semaphore, signals) in semaphores.signals.sorted(by: { $0.key < $1.key }) {
            if signals.stream == nil { addSharedSemaphore(semaphore, signals, &collector) }
            if let last = signals.values.last, last > UInt64(UInt32.max) {
                collector.add(
                    .error, .semaphore, at: Int(signals.instructions.last ?? 0), kind: 2,
                    "lets semaphore \(semaphore) grow to \(last)",
                    why: "semaphores have 32 bits", remedy: "signal by 1 each time")
            }
        }
    }

    private func addSharedSemaphore(
        _ semaphore: UInt16, _ signals: SemaphoreTable.Signals,
        _ collector: inout DiagnosticCollector
    ) {
        let first = Int(signals.instructions.first ?? 0)
        let stream = streams.of[first]
        guard let other = signals.instructions.first(where: { streams.of[Int($0)] != stream })
        else { return }
        let names = (streams.names[Int(stream)], streams.names[Int(streams.of[Int(other)])])
        collector.add(
            .error, .semaphore, at: Int(other), kind: 3,
            related: [(first, "the other signals it too")],
            "signals semaphore \(semaphore), which \(names.0) also signals",
            why: "\(names.0) and \(names.1) complete in no known order, so that a value does not "
                + "tell what has completed",
            remedy: "give each unit and each ring a semaphore of its own")
    }

    // MARK: Waits

    private func checkTargets(_ collector: inout DiagnosticCollector) {
        for i in program.instructions.indices {
            for slot in 0..<3 {
                let wait = program.instructions[i].wait(inSlot: slot)
                switch semaphores.target(of: wait) {
                case .absent, .nothing, .unclear: break
                case .never(let highest):
                    collector.add(
                        .error, .deadlock, at: i,
                        "waits forever for semaphore \(wait.semaphore) to reach \(wait.value)",
                        why: highest == 0
                            ? "no instruction signals it"
                            : "all signals together make it \(highest)",
                        remedy: highest == 0
                            ? "let the instruction that is waited for signal it"
                            : "wait for at most \(highest), or add the signal that lacks")
                case .instruction(let producer) where Int(producer) > i:
                    let name = collector.name(of: Int(producer))
                    collector.add(
                        .error, .semaphore, at: i, kind: 4,
                        related: [(Int(producer), "signals that value")],
                        "waits for an instruction that stands after it",
                        why: "a program's order must be one in which its instructions can be "
                            + "executed one after the other",
                        remedy: "move \(name) before it")
                case .instruction: break
                }
            }
        }
    }

    // MARK: Cycles

    /// Queues that wait for each other: from each stuck queue to the one that would have to go on.
    private func checkCycles(
        _ execution: AbstractExecution, _ collector: inout DiagnosticCollector
    ) {
        var isDone = [Bool](repeating: false, count: program.instructions.count)
        for i in execution.order { isDone[Int(i)] = true }
        var heads: [Engine: Int] = [:]
        for i in execution.stuck { heads[program.instructions[Int(i)].engine] = Int(i) }
        var blockers: [Engine: Blocker] = [:]
        for (engine, head) in heads { blockers[engine] = blocker(of: head, isDone) }
        var seen: Set<Engine> = []
        for engine in Engine.allCases {
            var path: [Engine] = []
            var current = engine
            while blockers[current] != nil, !seen.contains(current) {
                seen.insert(current)
                path.append(current)
                guard let next = blockers[current]?.engine else { break }
                current = next
            }
            guard let start = path.firstIndex(of: current), blockers[current] != nil else {
                continue
            }
            addCycle(Array(path[start...]), heads, blockers, &collector)
        }
    }

    /// What a stuck instruction waits for.
    private struct Blocker {
        var wait: SemaphoreWait
        var producer: Int
        var engine: Engine
    }

    private func blocker(of head: Int, _ isDone: [Bool]) -> Blocker? {
        for slot in 0..<3 {
            let wait = program.instructions[head].wait(inSlot: slot)
            guard wait.isPresent, let signals = semaphores.signals[wait.semaphore] else { continue }
            let reached = signals.instructions.reduce(UInt64(0)) {
                $0 + (isDone[Int($1)] ? UInt64(program.instructions[Int($1)].signalAmount) : 0)
            }
            guard reached < UInt64(wait.value), signals.values.last ?? 0 >= UInt64(wait.value),
                let producer = signals.instructions.last(where: { !isDone[Int($0)] })
            else { continue }
            var target = Int(producer)
            if case .instruction(let exact) = semaphores.target(of: wait) { target = Int(exact) }
            return Blocker(
                wait: wait, producer: target, engine: program.instructions[target].engine)
        }
        return nil
    }

    private func addCycle(
        _ cycle: [Engine], _ heads: [Engine: Int], _ blockers: [Engine: Blocker],
        _ collector: inout DiagnosticCollector
    ) {
        var related: [(instruction: Int, role: String)] = []
        var steps: [String] = []
        for engine in cycle {
            guard let head = heads[engine], let blocker = blockers[engine] else { continue }
            let wait = blocker.wait
            steps.append(
                "\(collector.name(of: head)) waits for semaphore \(wait.semaphore) to reach "
                    + "\(wait.value), which \(collector.name(of: blocker.producer)) would signal")
            if head != heads[cycle[0]] { related.append((head, "waits in turn")) }
            if blocker.producer != heads[blocker.engine] {
                related.append((blocker.producer, "stands behind it in its queue"))
            }
        }
        guard let first = cycle.first, let head = heads[first] else { return }
        collector.add(
            .error, .deadlock, at: head, kind: 1, related: related,
            cycle.count == 1
                ? "waits for an instruction behind it in its own queue"
                : "waits for itself, around \(cycle.count) queues",
            why: steps.joined(separator: "; "),
            remedy: "move what is waited for before what waits, in the queue of either engine, or "
                + "drop a wait that no data needs")
    }

    // MARK: Rings

    /// Reports rings that several engines feed in an order that nothing fixes.
    func checkRings(_ order: CompletionOrder, _ collector: inout DiagnosticCollector) {
        for (first, second) in unorderedNeighbours(order) {
            let engines = (program.instructions[first].engine, program.instructions[second].engine)
            collector.add(
                .error, .semaphore, at: second, kind: 5,
                related: [(first, "is triggered by another engine")],
                "uses DMA \(streams.names[Int(streams.of[second])]), as does \(engines.0.name)",
                why: "which of the two transfers comes first depends on timing, and with it what "
                    + "the ring's semaphore says",
                remedy: "give each engine rings of its own")
        }
    }

    /// Whether the order of each ring's transfers is known, and no semaphore is shared.
    func isOrdered(_ order: CompletionOrder) -> Bool {
        unorderedNeighbours(order).isEmpty
            && semaphores.signals.allSatisfy { $0.value.stream != nil }
    }

    private func unorderedNeighbours(_ order: CompletionOrder) -> [(first: Int, second: Int)] {
        var result: [(first: Int, second: Int)] = []
        for members in streams.members {
            for (first, second) in zip(members, members.dropFirst())
            where program.instructions[Int(first)].engine
                != program.instructions[Int(second)].engine
                && !order.isComplete(Int(first), atStartOf: Int(second))
            {
                result.append((Int(first), Int(second)))
            }
        }
        return result
    }
}
