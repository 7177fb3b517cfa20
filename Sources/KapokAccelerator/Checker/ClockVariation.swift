/// Answers what would be if one wait waited for less: follows the smaller clocks through the
/// program as far as they differ.
struct ClockVariation {
    private let order: CompletionOrder
    private let needs: [UInt32]
    private let width: Int
    private var atStart: [UInt32]
    private var atEnd: [UInt32]
    /// Instructions whose clocks were changed, to be restored.
    private var touched: [UInt32] = []
    private var queueNext: [UInt32]
    private var streamNext: [UInt32]
    /// Instructions that wait for `i`: `waiters[firstWaiter[i] ..< firstWaiter[i + 1]]`.
    private var firstWaiter: [UInt32]
    private var waiters: [UInt32]
    private var pending = IndexHeap()
    /// What ``start(_:skipping:alsoAtEndOf:)`` found.
    private(set) var clock: [UInt32]
    /// Instructions that may still be looked at.
    private var budget = 2_000_000

    init(_ order: CompletionOrder, needs: [UInt32]) {
        self.order = order
        self.needs = needs
        width = order.streams.count
        clock = Array(repeating: 0, count: width)
        atStart = order.atStart
        atEnd = order.atEnd
        let count = order.queueBefore.count
        queueNext = Array(repeating: CompletionOrder.none, count: count)
        streamNext = queueNext
        firstWaiter = Array(repeating: 0, count: count + 1)
        waiters = []
        for i in 0..<count {
            if order.queueBefore[i] != CompletionOrder.none {
                queueNext[Int(order.queueBefore[i])] = UInt32(i)
            }
            if order.streamBefore[i] != CompletionOrder.none {
                streamNext[Int(order.streamBefore[i])] = UInt32(i)
            }
        }
        listWaiters(count)
    }

    /// Those that wait by semaphore, and the multiplications that need a load.
    private mutating func listWaiters(_ count: Int) {
        func producers(_ i: Int, _ body: (Int) -> Void) {
            for slot in 0..<3 {
                if case .instruction(let producer) = order.targets[3 * i + slot] {
                    body(Int(producer))
                }
            }
            if order.loadBefore[i] != CompletionOrder.none { body(Int(order.loadBefore[i])) }
        }
        for i in 0..<count { producers(i) { firstWaiter[$0 + 1] += 1 } }
        for i in 0..<count { firstWaiter[i + 1] += firstWaiter[i] }
        waiters = Array(repeating: 0, count: Int(firstWaiter[count]))
        var next = firstWaiter
        for i in 0..<count {
            producers(i) {
                waiters[Int(next[$0])] = UInt32(i)
                next[$0] += 1
            }
        }
    }

    /// Puts into ``clock`` what instruction `i` knows at its start without the waits whose bits are
    /// set in `skipped`.
    mutating func start(
        _ i: Int, skipping skipped: UInt8, alsoAtEndOf extra: UInt32 = CompletionOrder.none
    ) {
        for s in 0..<width { clock[s] = 0 }
        if order.queueBefore[i] != CompletionOrder.none {
            let base = Int(order.queueBefore[i]) * width
            for s in 0..<width { clock[s] = atStart[base + s] }
        }
        joinEnd(order.loadBefore[i])
        joinEnd(extra)
        for slot in 0..<3 where skipped >> UInt8(slot) & 1 == 0 {
            if case .instruction(let producer) = order.targets[3 * i + slot] { joinEnd(producer) }
        }
    }

    private mutating func joinEnd(_ index: UInt32) {
        guard index != CompletionOrder.none else { return }
        let base = Int(index) * width
        for s in 0..<width where atEnd[base + s] > clock[s] { clock[s] = atEnd[base + s] }
    }

    /// Whether all needs are met when the wait in `slot` of `waiter` waits for `producer` instead,
    /// or for nothing; nil when finding out would take too long.
    mutating func staysRaceFree(waiter: Int, slot: Int, waitingFor producer: UInt32) -> Bool? {
        defer { restore() }
        pending.insert(UInt32(waiter))
        while let index = pending.popFirst() {
            guard budget > 0 else { return nil }
            budget -= 1
            let i = Int(index)
            let isWaiter = i == waiter
            start(
                i, skipping: isWaiter ? 1 << UInt8(slot) : 0,
                alsoAtEndOf: isWaiter ? producer : CompletionOrder.none)
            for s in 0..<width where needs[i * width + s] > clock[s] { return false }
            update(i)
        }
        return true
    }

    /// Takes over ``clock`` at the start of `i`, and notes those whose clocks depend on it.
    private mutating func update(_ i: Int) {
        let base = i * width
        var isStartNew = false
        var isEndNew = false
        let before = order.streamBefore[i]
        let own = Int(order.streams.of[i])
        for s in 0..<width {
            var end = clock[s]
            if before != CompletionOrder.none { end = max(end, atEnd[Int(before) * width + s]) }
            if s == own { end = order.streams.ordinal[i] }
            if atStart[base + s] != clock[s] {
                atStart[base + s] = clock[s]
                isStartNew = true
            }
            if atEnd[base + s] != end {
                atEnd[base + s] = end
                isEndNew = true
            }
        }
        guard isStartNew || isEndNew else { return }
        touched.append(UInt32(i))
        if isStartNew, queueNext[i] != CompletionOrder.none { pending.insert(queueNext[i]) }
        guard isEndNew else { return }
        if streamNext[i] != CompletionOrder.none { pending.insert(streamNext[i]) }
        for k in Int(firstWaiter[i])..<Int(firstWaiter[i + 1]) { pending.insert(waiters[k]) }
    }

    private mutating func restore() {
        for index in touched {
            let range = Int(index) * width..<(Int(index) + 1) * width
            for entry in range {
                atStart[entry] = order.atStart[entry]
                atEnd[entry] = order.atEnd[entry]
            }
        }
        touched.removeAll(keepingCapacity: true)
        pending.removeAll()
    }
}

/// A set of indices that gives the smallest first: a binary heap, with duplicates dropped on the
/// way out.
private struct IndexHeap {
    private var entries: [UInt32] = []

    mutating func insert(_ index: UInt32) {
        var child = entries.count
        entries.append(index)
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child] < entries[parent] else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    /// Removes the smallest index with all its duplicates.
    mutating func popFirst() -> UInt32? {
        guard let first = entries.first else { return nil }
        while entries.first == first { removeFirst() }
        return first
    }

    private mutating func removeFirst() {
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < entries.count && entries[child] < entries[smallest] { smallest = child }
            guard smallest != parent else { return }
            entries.swapAt(parent, smallest)
            parent = smallest
        }
    }

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }
}
