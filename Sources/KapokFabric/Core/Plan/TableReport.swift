/// What the tables of a switch hold: limits of a forwarding chip or of a kernel.
public struct SwitchProfile: Hashable, Sendable {
    /// Groups of next hops.
    public var groups: Int
    /// Members of all groups together.
    public var members: Int
    /// Next hops.
    public var nextHops: Int
    /// Routes.
    public var routes: Int
    /// Lost members for which groups are kept ready, in every combination; fewer where the tables
    /// are too small for that.
    public var reserve: Int

    /// The defaults are a small data-centre chip's: 4,096 groups, 65,536 members, 65,536 next
    /// hops, 131,072 routes; groups for up to two lost uplinks are kept ready.
    public init(
        groups: Int = 4_096, members: Int = 65_536, nextHops: Int = 65_536, routes: Int = 131_072,
        reserve: Int = 2
    ) {
        self.groups = groups
        self.members = members
        self.nextHops = nextHops
        self.routes = routes
        self.reserve = reserve
    }
}

/// What a switch needs of its tables.
public struct TableNeeds: Hashable, Sendable {
    /// Different sets of ports that packets of rank 0 are spread over: those in use under the plan,
    /// and those with up to `reserve` members of the full set of uplinks lost.
    public var groups = 0
    /// Members of these.
    public var members = 0
    /// A next hop for each port, at rank 0 and for each tree.
    public var nextHops = 0
    /// A route for each prefix, at rank 0 and for each tree.
    public var routes = 0

    public init(groups: Int = 0, members: Int = 0, nextHops: Int = 0, routes: Int = 0) {
        self.groups = groups
        self.members = members
        self.nextHops = nextHops
        self.routes = routes
    }

    /// Adds the sets that are left of `size` ports when up to `reserve` are lost: the sum of the
    /// binomial coefficients, without the empty set.
    mutating func addFamily(of size: Int, reserve: Int) {
        var combinations = 1
        for lost in 0...max(0, reserve) where lost < size {
            groups += combinations
            members += combinations * (size - lost)
            combinations = combinations * (size - lost) / (lost + 1)
        }
    }

    /// The greater of each.
    mutating func raise(to other: TableNeeds) {
        groups = max(groups, other.groups)
        members = max(members, other.members)
        nextHops = max(nextHops, other.nextHops)
        routes = max(routes, other.routes)
    }
}

/// What a plan takes of the switches' tables, by tier.
public struct TableReport: Hashable, Sendable {
    /// A tier.
    public struct Row: Hashable, Sendable {
        /// The tier; nil where a wiring does not tell.
        public var tier: Tier?
        /// How many switches it has.
        public var switches: Int
        /// The most that one of them needs.
        public var most: TableNeeds
        /// The switch that needs the most groups.
        public var example: SwitchID
    }

    /// The limits, with the reserve that there is room for.
    public let profile: SwitchProfile
    /// The tiers that exist.
    public let rows: [Row]
    /// False for a wiring so large that groups were not counted; routes and next hops were.
    public let isCounted: Bool

    /// Lost members for which there is room to keep groups ready.
    public var reserve: Int { profile.reserve }

    /// Counts what a plan needs, with as many lost members in reserve as there is room for.
    public init(of plan: FabricPlan, against profile: SwitchProfile) {
        var fitting = profile
        self.init(counting: plan, fitting)
        while !overruns.isEmpty, fitting.reserve > 0 {
            fitting.reserve -= 1
            self.init(counting: plan, fitting)
        }
    }

    private init(counting plan: FabricPlan, _ profile: SwitchProfile) {
        self.profile = profile
        let needs: [TableNeeds]
        switch plan.fabric {
        case .clos(let clos):
            var counter = ClosTables(clos, plan, profile)
            needs = counter.count()
            isCounted = true
        case .graph(let graph):
            let counter = GraphTables(graph, plan, profile)
            needs = counter.count()
            isCounted = counter.isFeasible
        }
        var rows: [Row] = []
        for tier in Tier.allCases.map({ Optional($0) }) + [nil] {
            var row: Row?
            for (index, need) in needs.enumerated()
            where plan.fabric.tier(of: SwitchID(index)) == tier {
                guard row != nil else {
                    row = Row(tier: tier, switches: 1, most: need, example: SwitchID(index))
                    continue
                }
                if need.groups > row?.most.groups ?? 0 { row?.example = SwitchID(index) }
                row?.switches += 1
                row?.most.raise(to: need)
            }
            if let row { rows.append(row) }
        }
        self.rows = rows
    }

    /// What is too much, in words; empty when everything fits.
    public var overruns: [String] {
        rows.flatMap { row in
            let name = row.tier.map { "\($0)" } ?? "other"
            return [
                ("groups", row.most.groups, profile.groups),
                ("group members", row.most.members, profile.members),
                ("next hops", row.most.nextHops, profile.nextHops),
                ("routes", row.most.routes, profile.routes),
            ].filter { $0.1 > $0.2 }.map {
                "\(name) switches need \($0.1) \($0.0), and have \($0.2) (\(row.example))"
            }
        }
    }

    /// Routes of a switch: all prefixes of its plane, at rank 0 and for each tree.
    static func routes(prefixes: Int, trees: Int) -> Int { prefixes * (1 + trees) }
}
