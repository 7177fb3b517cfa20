/// Which packets a table of a switch is for.
public enum RankTable: Hashable, Sendable {
    /// Packets of rank 0.
    case shortest
    /// Packets whose rank follows this tree of their destination.
    case tree(Int)

    /// 0 for rank 0, then the trees: the order in which tables are kept and programmed.
    public var index: Int {
        switch self {
        case .shortest: 0
        case .tree(let tree): tree + 1
        }
    }

    /// The table of an index.
    public init(index: Int) { self = index == 0 ? .shortest : .tree(index - 1) }
}

/// One way out of a switch: a port, and the tree that the packet's tag rises to on it.
public struct TableMember: Hashable, Sendable, Comparable {
    /// The port.
    public var port: Int
    /// The tree that the tag rises to; nil where the packet keeps its rank.
    public var raisedTo: Int?

    public init(port: Int, raisedTo: Int? = nil) {
        self.port = port
        self.raisedTo = raisedTo
    }

    public static func < (a: TableMember, b: TableMember) -> Bool {
        (a.port, a.raisedTo ?? -1) < (b.port, b.raisedTo ?? -1)
    }
}

/// The ways of one destination in one table, best first: a packet goes by any way of the first
/// level that has a living port. What the switch knows of links elsewhere, and what it had better
/// avoid, is in the order; which of its own ports live is not, so that a failure of one changes
/// nothing here.
public struct RouteLevels: Hashable, Sendable {
    /// All ways, level after level; each port is in one level only, the first that it occurs in.
    public private(set) var members: [TableMember] = []
    /// For each level, where it ends in `members`.
    public private(set) var ends: [Int] = []

    public init() {}

    /// How many levels there are.
    public var count: Int { ends.count }

    /// The ways of one level.
    public subscript(level: Int) -> ArraySlice<TableMember> {
        members[(level == 0 ? 0 : ends[level - 1])..<ends[level]]
    }

    /// Adds a level behind the others, without the ports that earlier ones have; nothing when none
    /// is left. (A later level is used only when all ports of the earlier ones are dead.)
    mutating func append(_ level: some Sequence<TableMember>) {
        let before = members.count
        for member in level
        where !members[..<before].contains(where: { $0.port == member.port }) {
            members.append(member)
        }
        if members.count > before { ends.append(members.count) }
    }

    /// The levels that are left when the dead ports are taken out, at most `limit` of them.
    public func living(deadPorts: [Bool], limit: Int) -> [[TableMember]] {
        var result: [[TableMember]] = []
        for level in 0..<count where result.count < limit {
            let left = self[level].filter { !deadPorts[$0.port] }
            if !left.isEmpty { result.append(left) }
        }
        return result
    }
}
