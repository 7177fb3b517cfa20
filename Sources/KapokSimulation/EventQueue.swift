public import KapokWorld

/// The pending events of a simulation, popped in the order of their instants; events of the same
/// instant come out in the order in which they were pushed.
///
/// A 4-ary heap of 16-byte keys over a slab of payloads. The four children of a node fill one cache
/// line, sifting moves keys only, and a payload is written once and read once whatever its size, so
/// that neither large events nor references in them slow the heap down. `pop` leaves a hole at the
/// root which the next `push` fills: an event that causes another one soon costs a few steps at the
/// top of the heap. Both take O(log count) and allocate nothing until the queue outgrows its
/// capacity, which then doubles.
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
    /// The root was popped and not filled again; its key is a sentinel with the free slot, and the
    /// heap reaches one position further than `pending` says.
    @usableFromInline var isRootVacant: Bool
    @usableFromInline var nextSequence: UInt64

    /// An empty queue with room for at least `minimumCapacity` events.
    public init(minimumCapacity: Int = 1024) {
        precondition(minimumCapacity >= 0 && minimumCapacity <= eventQueueMaximumCount)
        capacity = Self.roundUp(minimumCapacity)
        pending = 0
        isRootVacant = false
        nextSequence = 0
        keys = Self.allocateKeys(capacity)
        payloads = .allocate(capacity: capacity)
        fillWithSentinels(from: 0)
    }

    deinit {
        let first = eventQueueRoot + (isRootVacant ? 1 : 0)
        for position in first..<first + pending {
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
        guard pending > 0 else { return nil }
        guard isRootVacant else { return Instant(nanoseconds: keys[eventQueueRoot].nanoseconds) }
        let child = Self.firstChild(of: eventQueueRoot)
        return Instant(nanoseconds: keys[child + least(in: keys + child)].nanoseconds)
    }

    /// Adds an event at `instant`.
    @inlinable
    public mutating func push(_ payload: consuming Payload, at instant: Instant) {
        precondition(nextSequence < EventKey.sequenceLimit)
        if pending == capacity { grow() }
        let position = isRootVacant ? eventQueueRoot : eventQueueRoot + pending
        let slot = keys[position].slot
        (payloads + slot).initialize(to: payload)
        let key = EventKey(
            nanoseconds: instant.nanoseconds, sequence: nextSequence, slot: slot)
        nextSequence += 1
        pending += 1
        if isRootVacant {
            isRootVacant = false
            siftDown(key)
        } else {
            siftUp(key, from: position)
        }
    }

    /// Takes out the earliest event; nil when nothing is pending.
    @inlinable
    public mutating func pop() -> (instant: Instant, payload: Payload)? {
        guard pending > 0 else { return nil }
        if isRootVacant { fillRoot() }
        let top = keys[eventQueueRoot]
        keys[eventQueueRoot] = EventKey.sentinel(slot: top.slot)
        pending -= 1
        isRootVacant = true
        return (Instant(nanoseconds: top.nanoseconds), (payloads + top.slot).move())
    }

    @inlinable
    static func firstChild(of position: Int) -> Int { 4 * (position - 2) }

    /// Which of the four keys of a group is the smallest. Sentinels are larger than all keys, so
    /// a group that is not full needs no special care.
    @inlinable
    func least(in group: UnsafeMutablePointer<EventKey>) -> Int {
        let low = group[1] < group[0] ? 1 : 0
        let high = group[3] < group[2] ? 3 : 2
        return group[high] < group[low] ? high : low
    }

    /// Puts `key` into the vacant root and lets it sink to its place.
    @inlinable
    mutating func siftDown(_ key: EventKey) {
        let end = eventQueueRoot + pending
        var hole = eventQueueRoot
        var child = Self.firstChild(of: hole)
        while child < end {
            let candidate = child + least(in: keys + child)
            guard keys[candidate] < key else { break }
            keys[hole] = keys[candidate]
            hole = candidate
            child = Self.firstChild(of: hole)
        }
        keys[hole] = key
    }

    /// Moves the last key into the vacant root's place: two pops without a push in between.
    @inlinable
    mutating func fillRoot() {
        isRootVacant = false
        let end = eventQueueRoot + pending
        let last = keys[end]
        keys[end] = keys[eventQueueRoot]
        siftUp(last, from: sinkHole(before: end))
    }

    /// Moves the hole at the root down to a leaf, along the smallest children, and says where it
    /// came to rest. The key that will fill it came from a leaf and mostly returns to one, so
    /// comparing it on the way down, as the textbook does, would be work for nothing.
    @inlinable
    mutating func sinkHole(before end: Int) -> Int {
        var hole = eventQueueRoot
        var child = Self.firstChild(of: hole)
        while child < end {
            let candidate = child + least(in: keys + child)
            keys[hole] = keys[candidate]
            hole = candidate
            child = Self.firstChild(of: hole)
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
