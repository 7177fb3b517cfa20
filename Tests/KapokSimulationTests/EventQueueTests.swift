import KapokSimulation
import KapokWorld
import Testing

@Suite("Event queue")
struct EventQueueTests {
    /// How far the hold model moves an event into the future.
    enum Increments: CaseIterable {
        case uniform
        case bimodal
        /// So small that most events share their instant with others.
        case ties

        func draw(_ random: inout RandomStream) -> Interval {
            switch self {
            case .uniform: Interval(nanoseconds: 1 + random.below(1 << 20 as UInt64))
            case .bimodal:
                Interval(
                    nanoseconds: random.chance(1, in: 16)
                        ? random.below(1 << 24 as UInt64) : random.below(1 << 12 as UInt64))
            case .ties: Interval(nanoseconds: random.below(3 as UInt64))
            }
        }
    }

    @Test(
        "the pop order of the hold model is that of a plain binary heap",
        arguments: [1, 2, 5, 64, 1_000, 20_000], Increments.allCases)
    func popOrder(population: Int, increments: Increments) {
        var random = RandomStream(seed: 1).split(UInt64(population))
        var queue = EventQueue<UInt32>(minimumCapacity: 1)
        var reference = ReferenceHeap()
        for number in 0..<UInt32(population) {
            let instant = Instant.zero + increments.draw(&random)
            queue.push(number, at: instant)
            reference.push(number, at: instant)
        }
        var (hash, referenceHash) = (TraceHash(), TraceHash())
        for _ in 0..<max(20_000, 2 * population) {
            guard let event = queue.pop(), let expected = reference.pop() else {
                Issue.record("a queue ran empty")
                return
            }
            hash.mix(event.instant)
            hash.mix(event.payload)
            referenceHash.mix(expected.instant)
            referenceHash.mix(expected.number)
            let next = event.instant + increments.draw(&random)
            queue.push(event.payload, at: next)
            reference.push(expected.number, at: next)
        }
        #expect(hash.value == referenceHash.value)
        #expect(queue.count == population)
    }

    @Test("growing, shrinking and growing again keeps the order")
    func changingPopulation() {
        var random = RandomStream(seed: 2)
        var queue = EventQueue<UInt32>(minimumCapacity: 0)
        var reference = ReferenceHeap()
        var number: UInt32 = 0
        for round in 0..<60 {
            for _ in 0..<random.below(400) {
                let instant = Instant(nanoseconds: random.below(5_000 as UInt64))
                queue.push(number, at: instant)
                reference.push(number, at: instant)
                number += 1
            }
            for _ in 0..<(round % 7 == 6 ? Int.max : random.below(400)) {
                #expect(queue.nextInstant == reference.nextInstant)
                let (event, expected) = (queue.pop(), reference.pop())
                #expect(event?.payload == expected?.number)
                #expect(event?.instant == expected?.instant)
                if event == nil { break }
            }
        }
    }

    @Test("events of one instant come out in the order in which they were pushed")
    func tiesAreFirstInFirstOut() {
        var queue = EventQueue<Int>()
        let instant = Instant(nanoseconds: .max)
        for i in 0..<5_000 { queue.push(i, at: instant) }
        var popped: [Int] = []
        while let event = queue.pop() { popped.append(event.payload) }
        #expect(popped == Array(0..<5_000))
        #expect(queue.isEmpty && queue.nextInstant == nil)
    }

    @Test("payloads with references are released exactly once, popped or not, moved or not")
    func payloadLifetimes() {
        let counter = LifeCounter()
        do {
            var queue = EventQueue<LifeToken>(minimumCapacity: 2)
            for i in 0..<1_000 {
                queue.push(LifeToken(counter), at: Instant(nanoseconds: UInt64(i * 37 % 101)))
            }
            #expect(counter.living == 1_000)
            for _ in 0..<400 { _ = queue.pop() }
            #expect(counter.living == 600)
        }
        #expect(counter.living == 0)
    }

    @Test("a queue in steady state does not grow")
    func steadyState() {
        var random = RandomStream(seed: 3)
        var queue = EventQueue<Int>(minimumCapacity: 1_000)
        for i in 0..<1_000 { queue.push(i, at: Instant(nanoseconds: random.below(100 as UInt64))) }
        let capacity = queue.capacity
        for _ in 0..<50_000 {
            guard let event = queue.pop() else { break }
            queue.push(
                event.payload,
                at: event.instant + Interval(nanoseconds: random.below(100 as UInt64)))
        }
        #expect(queue.capacity == capacity)
        #expect(queue.count == 1_000)
    }
}

/// The plainest priority queue there is: a binary heap of instant, sequence and number.
private struct ReferenceHeap {
    struct Entry {
        var instant: Instant
        var sequence: Int
        var number: UInt32

        func precedes(_ other: Entry) -> Bool {
            instant != other.instant ? instant < other.instant : sequence < other.sequence
        }
    }

    private var entries: [Entry] = []
    private var nextSequence = 0

    var nextInstant: Instant? { entries.first?.instant }

    mutating func push(_ number: UInt32, at instant: Instant) {
        entries.append(Entry(instant: instant, sequence: nextSequence, number: number))
        nextSequence += 1
        var child = entries.count - 1
        while child > 0, entries[child].precedes(entries[(child - 1) / 2]) {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> Entry? {
        guard let top = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return top }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
                if entries[child].precedes(entries[least]) { least = child }
            }
            guard least != parent else { return top }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}

private final class LifeCounter {
    var living = 0
}

private final class LifeToken {
    private let counter: LifeCounter

    init(_ counter: LifeCounter) {
        self.counter = counter
        counter.living += 1
    }

    deinit { counter.living -= 1 }
}
