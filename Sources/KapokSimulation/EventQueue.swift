public import KapokWorld

/// The pending events of a simulation, popped in the order of their instants; events of the same
/// instant come out in the order in which they were pushed.
///
/// A 4-ary heap of 16-byte keys over a slab of payloads. The four children of a node fill one cache
/// line, sifting moves keys only, and a payload is written once and read once whatever its size, so
/// that neither large events nor references in them slow the heap down. `push` and `pop` take
/// O(log count) and allocate nothing until the queue outgrows its capacity, which then doubles.
///
/// It has one owner and cannot be copied. Bounds: `maximumCount` events pending, and
/// `maximumSequence` events over its life; beyond either it stops the program.
public struct EventQueue<Payload>: ~Copyable {
    /// The key of the node at position `root` is the smallest; the children of position `p` stand
    /// at `4 * (p - 2) ... 4 * (p - 2) + 3`. Positions behind the heap hold sentinels that carry
    /// the free slots of the slab, so each slot number stands in exactly one position.
    @usableFromInline var keys: UnsafeMutablePointer<EventKey>
    @usableFromInline var payloads: UnsafeMutablePointer<Payload>
    /// How many events fit before the storage grows.
    public private(set) var capacity: Int
    @usableFromInline var pending: Int
    @usableFromInline var nextSequence: UInt64

    /// An empty queue with room for at least `minimumCapacity` events.
    public init(minimumCapacity: Int = 1024) {
        precondition(minimumCapacity >= 0 && minimumCapacity <= eventQueueMaximumCount)
        capacity = Self.roundUp(minimumCapacity)
        pending = 0
        nextSequence = 0
        keys = Self.allocateKeys(capacity)
        payloads = .allocate(capacity: capacity)
        fillWithSentinels(from: 0)
    }

    deinit {
        for position in eventQueueRoot..<eventQueueRoot + count {
            (payloads + keys[position].slot).deinitialize(count: 1)
        }
        payloads.deallocate()
        keys.deallocate()
    }

    /// The most events that may be pending at a time: 16,777,215.
    public static var maximumCount: Int { eventQueueMaximumCount }

    /// The most events that one queue takes in over its life: about 1.1 * 10^12.
    public static var maximumSequence: UInt64 { EventKey.sequenceLimit }

    /// How many events are pending.
    @inlinable
    public var count: Int { pending }

    /// True when nothing is pending.
    @inlinable
    public var isEmpty: Bool { count == 0 }

    /// The instant of the event that `pop` would give; nil when nothing is pending.
    @inlinable
    public var nextInstant: Instant? {
        count == 0 ? nil : Instant(nanoseconds: keys[eventQueueRoot].nanoseconds)
    }

    /// Adds an event at `instant`.
    @inlinable
    public mutating func push(_ payload: consuming Payload, at instant: Instant) {
        if count == capacity { grow() }
        precondition(nextSequence < EventKey.sequenceLimit)
        let end = eventQueueRoot + count
        let slot = keys[end].slot
        (payloads + slot).initialize(to: payload)
        let key = EventKey(
            nanoseconds: instant.nanoseconds, sequence: nextSequence, slot: slot)
        nextSequence += 1
        pending += 1
        siftUp(key, from: end)
    }

    /// Takes out the earliest event; nil when nothing is pending.
    @inlinable
    public mutating func pop() -> (instant: Instant, payload: Payload)? {
        guard count > 0 else { return nil }
        let top = keys[eventQueueRoot]
        pending -= 1
        let end = eventQueueRoot + count
        let last = keys[end]
        keys[end] = EventKey.sentinel(slot: top.slot)
        if count > 0 { siftUp(last, from: sinkHole(before: end)) }
        return (Instant(nanoseconds: top.nanoseconds), (payloads + top.slot).move())
    }

    /// Moves the hole at the root down to a leaf, along the smallest children, and says where it
    /// came to rest. The key that will fill it came from a leaf and mostly returns to one, so
    /// comparing it on the way down, as the textbook does, would be work for nothing.
    @inlinable
    mutating func sinkHole(before end: Int) -> Int {
        var hole = eventQueueRoot
        var child = 4 * (hole - 2)
        while child < end {
            let group = keys + child
            // Sentinels are larger than all keys: a group that is not full needs no special care.
            let low = group[1] < group[0] ? 1 : 0
            let high = group[3] < group[2] ? 3 : 2
            let least = group[high] < group[low] ? high : low
            keys[hole] = group[least]
            hole = child + least
            child = 4 * (hole - 2)
        }
        return hole
    }

    @inlinable
    mutating func siftUp(_ key: EventKey, from start: Int) {
        var hole = start
        while hole > eventQueueRoot {
            let parent = hole / 4 + 2
            guard key < keys[parent] else { break }
            keys[hole] = keys[parent]
            hole = parent
        }
        keys[hole] = key
    }
}

extension EventQueue {
    /// Doubles the storage. Payloads keep their slots.
    @usableFromInline
    mutating func grow() {
        precondition(
            capacity < eventQueueMaximumCount, "more events pending than the queue can number")
        let old = capacity
        capacity = Self.roundUp(min(2 * old, eventQueueMaximumCount))
        let newKeys = Self.allocateKeys(capacity)
        newKeys.update(from: keys, count: eventQueueRoot + old)
        keys.deallocate()
        keys = newKeys
        let newPayloads = UnsafeMutablePointer<Payload>.allocate(capacity: capacity)
        // All slots are taken: grow is called only when the queue is full.
        newPayloads.moveInitialize(from: payloads, count: old)
        payloads.deallocate()
        payloads = newPayloads
        fillWithSentinels(from: old)
    }

    private mutating func fillWithSentinels(from first: Int) {
        for slot in first..<capacity { keys[eventQueueRoot + slot] = .sentinel(slot: slot) }
    }

    /// The next capacity of the form 4 n + 1, so that the last group of children is whole.
    private static func roundUp(_ capacity: Int) -> Int {
        min((capacity + 2) / 4 * 4 + 1, eventQueueMaximumCount)
    }

    private static func allocateKeys(_ capacity: Int) -> UnsafeMutablePointer<EventKey> {
        let positions = (eventQueueRoot + capacity + 3) / 4 * 4
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: positions * MemoryLayout<EventKey>.stride, alignment: 64)
        let keys = raw.bindMemory(to: EventKey.self, capacity: positions)
        keys.initialize(repeating: .sentinel(slot: 0), count: positions)
        return keys
    }
}

/// Where the root stands: with three unused positions before it, each group of four children
/// begins at a multiple of four and so shares a cache line.
@usableFromInline let eventQueueRoot = 3

@usableFromInline let eventQueueMaximumCount = 1 << 24 - 1

/// When an event is due, when it was pushed, and where its payload lies, in the order in which
/// they are compared. Sequences are unique, so the slot never decides.
@usableFromInline
struct EventKey: Comparable {
    @usableFromInline let nanoseconds: UInt64
    /// The sequence in the upper 40 bits, the slot in the lower 24.
    @usableFromInline let order: UInt64

    @usableFromInline static let slotBits: UInt64 = 24
    /// Sequences lie below; the limit itself marks a sentinel.
    @usableFromInline static let sequenceLimit: UInt64 = 1 << 40 - 1

    @inlinable
    init(nanoseconds: UInt64, sequence: UInt64, slot: Int) {
        self.nanoseconds = nanoseconds
        order = sequence << Self.slotBits | UInt64(truncatingIfNeeded: slot)
    }

    @inlinable
    static func sentinel(slot: Int) -> EventKey {
        EventKey(nanoseconds: .max, sequence: sequenceLimit, slot: slot)
    }

    @inlinable
    var slot: Int { Int(truncatingIfNeeded: order & (1 << Self.slotBits - 1)) }

    /// As one 128-bit number: two instructions and no branch to mispredict.
    @inlinable
    static func < (a: EventKey, b: EventKey) -> Bool {
        UInt128(a.nanoseconds) << 64 | UInt128(a.order)
            < UInt128(b.nanoseconds) << 64 | UInt128(b.order)
    }
}
