/// A next-hop group of a switch's tables. Numbers are given by `ForwardingTables`, starting where
/// its user says, and used again when their group is gone.
public struct TableGroupID: Hashable, Comparable, Sendable {
    /// The number.
    public var number: UInt32

    public init(_ number: UInt32) { self.number = number }

    public static func < (a: TableGroupID, b: TableGroupID) -> Bool { a.number < b.number }
}

/// A route: which packets it is for, and how much it is preferred.
public struct TableRoute: Hashable, Sendable {
    /// The table that it stands in.
    public var table: RankTable
    /// The addresses that it is for.
    public var prefix: IPv4Prefix
    /// 0 for the way that packets take; 1 and above for the ways that the kernel takes by itself
    /// when it has lost all members of those before.
    public var slot: Int

    public init(table: RankTable, prefix: IPv4Prefix, slot: Int) {
        self.table = table
        self.prefix = prefix
        self.slot = slot
    }
}

/// One change of a switch's tables.
public enum TableOperation: Hashable, Sendable {
    /// The group has these members from now on, sorted; without members it drops packets.
    case setGroup(TableGroupID, [TableMember])
    /// Nothing leads to the group any more.
    case removeGroup(TableGroupID)
    /// The route leads to this group from now on.
    case setRoute(TableRoute, TableGroupID)
    /// The route is gone.
    case removeRoute(TableRoute)
}

/// How large the tables of a switch are.
public struct TableSizes: Hashable, Sendable {
    /// Groups of all tables.
    public var groups = 0
    /// Members of all groups together.
    public var members = 0
    /// Routes of all tables, backup routes included.
    public var routes = 0
    /// Routes of rank 0 that packets take while all is well.
    public var primaryRoutes = 0
    /// Prefixes of all other switches.
    public var prefixes = 0
    /// Destinations that do not follow their class, because of links elsewhere.
    public var exceptions = 0

    public init() {}
}
