public import KapokWorld

/// When a sent message arrives: not at all, once, or twice.
public struct Deliveries: Sendable, Equatable {
    @usableFromInline var first: Instant
    @usableFromInline var second: Instant
    /// How often the message arrives, 0 to 2.
    public let count: Int

    @inlinable
    init() {
        first = .zero
        second = .zero
        count = 0
    }

    @inlinable
    init(_ instant: Instant) {
        first = instant
        second = .zero
        count = 1
    }

    @inlinable
    init(_ first: Instant, _ second: Instant) {
        self.first = first
        self.second = second
        count = 2
    }

    /// The instant of the `index`-th arrival, 0 ..< count.
    @inlinable
    public subscript(index: Int) -> Instant {
        precondition(index >= 0 && index < count)
        return index == 0 ? first : second
    }
}

/// What a network did to the messages given to it.
public struct NetworkCounts: Sendable, Equatable {
    /// Calls of `send`.
    public var sent: UInt64 = 0
    /// Messages that vanished by the link's loss.
    public var lost: UInt64 = 0
    /// Messages that will arrive twice.
    public var duplicated: UInt64 = 0
    /// Messages that left the order of their link.
    public var reordered: UInt64 = 0
    /// Messages refused because the link was cut when they were sent.
    public var cutAtSending: UInt64 = 0
    /// Messages refused by `arrives` because the link was cut when they arrived.
    public var cutAtArrival: UInt64 = 0

    public init() {}
}

/// A network between numbered nodes that decides when, and whether, each message arrives.
///
/// It never holds a message: `send` says at which instants the message arrives, and the event loop,
/// which owns the queue, schedules it there. The usual way with a simulation's agenda is
/// `network.send(from: a, to: b, message, in: &agenda)`; see `send(from:to:at:)` for all others.
///
/// Messages of a link that are not reordered arrive in the order in which they were sent, as on
/// a TCP connection; `reordering` makes some leave the order. Memory grows with the square of the
/// number of nodes: 16 bytes a link.
public struct SimulatedNetwork: Sendable {
    /// The most nodes a network may have.
    public static let maximumNodeCount = 2048

    /// Nodes are numbered 0 ..< nodeCount.
    public let nodeCount: Int
    /// What happened to the messages up to now.
    @inlinable
    public var counts: NetworkCounts { tally }

    @usableFromInline var links: [Link]
    @usableFromInline var profiles: [LinkProfile]
    @usableFromInline var random: RandomStream
    @usableFromInline var tally = NetworkCounts()

    /// One direction between two nodes.
    @usableFromInline
    struct Link: Sendable {
        /// When the last message in order arrives: those behind it come no earlier.
        @usableFromInline var lastArrival = Instant.zero
        @usableFromInline var profile: UInt16 = 0
        @usableFromInline var isCut = false

        @usableFromInline init() {}
    }

    /// A network of `nodeCount` nodes whose links all behave like `profile`.
    public init(nodeCount: Int, profile: LinkProfile = .reliable, random: RandomStream) {
        precondition(nodeCount > 0 && nodeCount <= Self.maximumNodeCount)
        self.nodeCount = nodeCount
        self.random = random
        links = Array(repeating: Link(), count: nodeCount * nodeCount)
        profiles = [profile]
    }

    /// Sends a message at `now` and says when it arrives. On a link that is not cut four numbers
    /// are drawn for each message, and one more for each time that `reorderWindow` is used.
    @inlinable
    public mutating func send(from source: Int, to target: Int, at now: Instant) -> Deliveries {
        tally.sent += 1
        let index = linkIndex(source, target)
        guard !links[index].isCut else {
            tally.cutAtSending += 1
            return Deliveries()
        }
        let profile = profiles[Int(links[index].profile)]
        let isLost = profile.loss.happens(&random)
        let isDuplicated = profile.duplication.happens(&random)
        let isReordered = profile.reordering.happens(&random)
        let arrival = now + profile.delay.draw(&random)
        if isLost {
            tally.lost += 1
            return Deliveries()
        }
        let first: Instant
        if isReordered {
            tally.reordered += 1
            first = arrival + extraDelay(profile.reorderWindow)
        } else {
            first = max(arrival, links[index].lastArrival)
            links[index].lastArrival = first
        }
        guard isDuplicated else { return Deliveries(first) }
        tally.duplicated += 1
        return Deliveries(first, first + extraDelay(profile.reorderWindow))
    }

    /// Sends `message` at the agenda's time and schedules `arrival(message)` for each time that
    /// it arrives.
    @inlinable
    public mutating func send<Message, Event>(
        from source: Int, to target: Int, _ message: Message, in agenda: inout Agenda<Event>,
        as arrival: (Message) -> Event
    ) {
        let deliveries = send(from: source, to: target, at: agenda.now)
        for index in 0..<deliveries.count {
            agenda.schedule(arrival(message), at: deliveries[index])
        }
    }

    /// To ask when a message arrives, by scenarios in which a cut also kills what is under way:
    /// false when the link is cut now, and then the message must be dropped.
    @inlinable
    public mutating func arrives(from source: Int, to target: Int) -> Bool {
        guard links[linkIndex(source, target)].isCut else { return true }
        tally.cutAtArrival += 1
        return false
    }

    @inlinable
    mutating func extraDelay(_ window: Interval) -> Interval {
        Interval(nanoseconds: window.nanoseconds.multipliedFullWidth(by: random.next()).high)
    }

    @inlinable
    func linkIndex(_ source: Int, _ target: Int) -> Int {
        precondition(source >= 0 && source < nodeCount && target >= 0 && target < nodeCount)
        return source * nodeCount + target
    }
}

extension SimulatedNetwork {
    /// Gives the direction from `source` to `target` a behaviour of its own. A network knows at
    /// most 65,536 different profiles over its life.
    public mutating func setProfile(_ profile: LinkProfile, from source: Int, to target: Int) {
        let index = linkIndex(source, target)
        links[index].profile = number(of: profile)
    }

    /// Gives all links, in both directions, the same behaviour.
    public mutating func setProfile(_ profile: LinkProfile) {
        profiles = [profile]
        for index in links.indices { links[index].profile = 0 }
    }

    /// Cuts or mends one direction only.
    public mutating func setCut(_ isCut: Bool, from source: Int, to target: Int) {
        links[linkIndex(source, target)].isCut = isCut
    }

    /// Whether messages sent from `source` to `target` now have a chance.
    public func isOpen(from source: Int, to target: Int) -> Bool {
        !links[linkIndex(source, target)].isCut
    }

    /// Cuts, in both directions, every link between a node of `side` and one outside of it.
    public mutating func partition(_ side: some Sequence<Int>) {
        let isInside = membership(side)
        for source in 0..<nodeCount {
            for target in 0..<nodeCount where isInside[source] != isInside[target] {
                links[linkIndex(source, target)].isCut = true
            }
        }
    }

    /// Cuts one direction only: the nodes of `side` are not heard outside, but still hear.
    public mutating func mute(_ side: some Sequence<Int>) {
        let isInside = membership(side)
        for source in 0..<nodeCount where isInside[source] {
            for target in 0..<nodeCount where !isInside[target] {
                links[linkIndex(source, target)].isCut = true
            }
        }
    }

    /// Mends all links. What was lost stays lost.
    public mutating func heal() {
        for index in links.indices { links[index].isCut = false }
    }

    private func membership(_ side: some Sequence<Int>) -> [Bool] {
        var isInside = Array(repeating: false, count: nodeCount)
        for node in side { isInside[node] = true }
        return isInside
    }

    private mutating func number(of profile: LinkProfile) -> UInt16 {
        if let known = profiles.firstIndex(of: profile) { return UInt16(known) }
        precondition(profiles.count <= Int(UInt16.max), "too many different link profiles")
        profiles.append(profile)
        return UInt16(profiles.count - 1)
    }
}
