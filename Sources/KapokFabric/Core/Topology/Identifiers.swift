/// A switch of one topology: a number in `0 ..< switchCount`. Numbers are computed, not looked up:
/// in a Clos network all switches of a plane's edge tier come first, then aggregation, then core.
public struct SwitchID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number.
    public var index: Int

    @inlinable
    public init(_ index: Int) { self.index = index }

    public static func < (a: SwitchID, b: SwitchID) -> Bool { a.index < b.index }
    public var description: String { "switch \(index)" }
}

/// A link between two switches: a number in `0 ..< linkCount`. The number is stable: it depends on
/// the topology alone, never on a plan, so that news about links survive a change of plans.
public struct LinkID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number.
    public var index: Int

    @inlinable
    public init(_ index: Int) { self.index = index }

    public static func < (a: LinkID, b: LinkID) -> Bool { a.index < b.index }
    public var description: String { "link \(index)" }
}

/// What packets are sent to: the prefix behind one edge switch, a number in
/// `0 ..< destinationCount`.
public struct DestinationID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number.
    public var index: Int

    @inlinable
    public init(_ index: Int) { self.index = index }

    public static func < (a: DestinationID, b: DestinationID) -> Bool { a.index < b.index }
    public var description: String { "destination \(index)" }
}

/// Links that share a fate: the fibres of one connector (a shared-risk link group).
public struct TrunkID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number.
    public var index: Int

    @inlinable
    public init(_ index: Int) { self.index = index }

    public static func < (a: TrunkID, b: TrunkID) -> Bool { a.index < b.index }
    public var description: String { "trunk \(index)" }
}

/// One end of a link: a port of a switch. Ports are numbered from 0; names are 1-based (`swp1`).
public struct PortID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The switch.
    public var owner: SwitchID
    /// The number of the port at its switch.
    public var port: Int

    @inlinable
    public init(_ owner: SwitchID, _ port: Int) {
        self.owner = owner
        self.port = port
    }

    public static func < (a: PortID, b: PortID) -> Bool {
        (a.owner, a.port) < (b.owner, b.port)
    }
    public var description: String { "\(owner) port \(port)" }
}

/// What stands at the far end of a port.
public struct Neighbor: Hashable, Sendable {
    /// The far port.
    public var far: PortID
    /// The link between.
    public var link: LinkID

    @inlinable
    public init(far: PortID, link: LinkID) {
        self.far = far
        self.link = link
    }
}
