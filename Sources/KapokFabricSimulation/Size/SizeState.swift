import KapokFabric

/// A fixed number of plain values in one piece of memory.
struct FlatArray<Element: BitwiseCopyable>: ~Copyable {
    let base: UnsafeMutablePointer<Element>
    let count: Int

    init(repeating value: Element, count: Int) {
        base = .allocate(capacity: max(count, 1))
        base.initialize(repeating: value, count: count)
        self.count = count
    }

    deinit { base.deallocate() }

    subscript(index: Int) -> Element {
        @inline(__always) get {
            precondition(index >= 0 && index < count)
            return base[index]
        }
        @inline(__always) nonmutating set {
            precondition(index >= 0 && index < count)
            base[index] = newValue
        }
    }
}

/// All that is kept for each link, to hosts and between switches: 20 bytes.
struct LinkState: BitwiseCopyable {
    /// Failures that hold it down at the moment: a link may be lost with its trunk and its switch.
    var causes: UInt8 = 0
    var flags: Flags = []
    /// How often it failed without a long sound time since: doubles the hold-down.
    var recentFailures: UInt8 = 0
    /// Rises with each change of its physical state, so that timers of the past are known as such.
    var generation: UInt32 = 0
    /// The news on their way about it: a number of a slot, and 0 for none.
    var slotPlusOne: UInt32 = 0
    /// The failure that took it last.
    var failure: UInt32 = 0
    /// When it was last taken back into use, in seconds.
    var upSince: UInt32 = 0

    struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt8
        /// It was told to others that it is down, or drained.
        static let toldDown = Flags(rawValue: 1)
        static let toldDrained = Flags(rawValue: 2)
        /// It loses some of its packets.
        static let grey = Flags(rawValue: 4)
    }

    var isSound: Bool { causes == 0 && !flags.contains(.grey) }
    /// What others were told last.
    var told: LinkCondition {
        flags.contains(.toldDown) ? .down : flags.contains(.toldDrained) ? .drained : .up
    }
}

/// News about a link on their way: who has them in force, and since when.
struct NewsSlot {
    var link: LinkID
    var cause: NewsCause
    var condition: LinkCondition
    /// What was told of the link before.
    var before: LinkCondition
    var generation: UInt32
    var failure: Int
    /// When the first end started to tell, in nanoseconds.
    var start: UInt64
    /// Events that may still pass it on.
    var outstanding: Int
    /// For each switch in scope, nanoseconds since `start` until it is in force there.
    var known: UnsafeMutablePointer<UInt32>
    var scope: Int
    /// In a graph, a bit for each switch that has passed it on.
    var relayed: UnsafeMutablePointer<UInt64>?
    var isInUse: Bool
    /// Some switch in scope was reached by no copy.
    var isIncomplete = false
    /// Settled, but some switch still does not have it: kept until it does, or until newer news.
    var isStanding = false

    static let unknown = UInt32.max
}

/// What a link joins, in the numbers that flooding needs.
struct NewsCause: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable { case lower, upper, graph }
    var kind: Kind
    var plane: Int
    var pod: Int
    var aggregation: Int
    /// The edge switch of a lower link, the core of an upper one.
    var member: Int
}

/// What waits in the queue.
struct SizeEvent: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        /// Failure `subject` begins.
        case fail
        /// A further outage of failure `subject` begins: number `detail`.
        case again
        /// Outage `detail` of failure `subject` ends.
        case restore
        /// An end (`end`) of link `subject` notices; `detail` is the link's generation.
        case detect
        /// The other end of grey link `subject` is told of it by a hello.
        case agree
        /// Link `subject` was sound for long enough, if its generation is still `detail`.
        case trust
        /// The losses of link `subject` are counted, if its generation is still `detail`.
        case count
        /// Switch `detail` passes on news `subject`.
        case relay
        /// News `subject` are in force everywhere.
        case settle
        /// The oracle looks at failure `subject`; `detail` is which look it is.
        case look
        /// The planner sends its plans for failure `subject`.
        case replan
    }
    var kind: Kind
    /// The end of a link: 0 lower, 1 upper.
    var end: UInt8 = 0
    var copy: UInt8 = 0
    /// By which port news came in; -1 where they start.
    var port: Int32 = -1
    var subject: UInt32
    var detail: UInt32 = 0
}

/// What became of one failure.
struct FailureOutcome: BitwiseCopyable {
    /// When it began; of a flap, when the outage began that was noticed.
    var began: UInt64 = 0
    /// Nanoseconds since then.
    var detection: UInt64 = 0
    var repair: UInt64 = 0
    var optimal: UInt64 = 0
    /// Link loads times milliseconds that were lost.
    var lost = 0.0
    /// Over when each switch had the news in force, by switch: for comparisons of runs.
    var checksum: UInt64 = 0
    /// Ends that have yet to notice.
    var pendingDetections = 0
    /// News about it were told, or hosts were cut off: it counts.
    var isCounted = false
}
