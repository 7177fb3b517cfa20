import KapokFabric
import KapokWorld
import Testing

/// A switch's tables as a kernel holds them: built from nothing but operations.
struct AppliedTables {
    var groups: [TableGroupID: [TableMember]] = [:]
    var routes: [TableRoute: TableGroupID] = [:]

    /// Carries operations out, holding them to the kernel's rules: routes lead to groups that
    /// exist, and a group goes only when no route leads to it.
    mutating func apply(_ operations: [TableOperation]) {
        for operation in operations {
            switch operation {
            case .setGroup(let group, let members):
                #expect(members == members.sorted())
                groups[group] = members
            case .removeGroup(let group):
                #expect(groups.removeValue(forKey: group) != nil)
                #expect(!routes.values.contains(group))
            case .setRoute(let route, let group):
                #expect(groups[group] != nil)
                routes[route] = group
            case .removeRoute(let route): #expect(routes.removeValue(forKey: route) != nil)
            }
        }
    }

    /// The members that a packet to `address` meets in a table, by longest prefix, in slot `slot`.
    func members(_ address: UInt32, in table: RankTable, slot: Int = 0) -> [TableMember]? {
        let matching = routes.keys.filter {
            $0.table == table && $0.slot == slot && $0.prefix.contains(address)
        }
        return matching.max { $0.prefix.length < $1.prefix.length }.flatMap { routes[$0] }
            .flatMap { groups[$0] }
    }
}

@Suite("Forwarding tables of a switch")
struct TablesTests {
    /// Seven switches, irregular, two of them without hosts, one link missing from the plan.
    static func graph() throws -> Forwarding {
        let pairs = [
            (0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 4), (3, 5), (4, 5), (5, 6), (2, 6),
        ]
        let nodes = (0..<7).map {
            GraphTopology.Node(name: "s\($0)", isDestination: $0 != 2 && $0 != 4)
        }
        let edges = pairs.enumerated().map { index, pair in
            GraphTopology.Edge(
                from: pair.0, fromPort: "p\(index)a", to: pair.1, toPort: "p\(index)b")
        }
        return Forwarding(
            .graph(try GraphTopology(nodes: nodes, edges: edges)), missing: [LinkID(5)],
            extraTrees: [DestinationID(0): [[LinkID(1)]]])
    }

    static func forwarding(_ name: String) throws -> Forwarding {
        if name == "graph" { return try graph() }
        return Forwarding(
            try TopologyName(name).fabric, missing: name == "fattree:6" ? [LinkID(7)] : [],
            drained: name == "fattree:6" ? [LinkID(20), LinkID(60)] : [])
    }

    static let names = ["fattree:4", "fattree:6", "leafspine:4,3,2", "planes:2,fattree:4", "graph"]

    /// Compares what the tables hold with `Forwarding.decide`, for every destination and rank.
    private func compare(
        _ applied: AppliedTables, _ forwarding: Forwarding, at id: SwitchID, dead: LinkSet,
        avoided: LinkSet
    ) throws {
        let count = forwarding.routes.treeCount
        let fabric = forwarding.fabric
        for index in 0..<fabric.destinationCount {
            let destination = DestinationID(index)
            let prefix = try #require(fabric.prefix(of: destination))
            // Ranks from which every tree can still be reached.
            for rank in 0...UInt8(count) {
                let tag = Tag(rank: rank)
                let table = tag.tree(of: count).map { RankTable.tree($0) } ?? .shortest
                let members = applied.members(prefix.address | 5, in: table) ?? []
                let decision = forwarding.decide(
                    at: id, to: destination, tag: tag, dead: dead, avoided: avoided)
                switch decision {
                case .deliver, .drop: #expect(members.isEmpty)
                case .forward(let ports, let raised):
                    #expect(members.map(\.port) == ports.sorted())
                    for member in members {
                        let reached = member.raisedTo.flatMap { tag.raised(to: $0, of: count) }
                        #expect((reached ?? tag) == raised)
                    }
                }
            }
        }
    }

    @Test("hold exactly what the forwarding function decides, whatever is known", arguments: names)
    func agreeWithDecide(name: String) throws {
        let forwarding = try Self.forwarding(name)
        let fabric = forwarding.fabric
        var random = RandomStream(seed: 11).split(UInt64(name.utf8.count))
        for id in [0, fabric.switchCount / 2, fabric.switchCount - 1].map({ SwitchID($0) }) {
            var tables = ForwardingTables(forwarding, at: id)
            var applied = AppliedTables()
            applied.apply(tables.operations())
            try compare(applied, forwarding, at: id, dead: [], avoided: [])
            for _ in 0..<6 {
                var dead = LinkSet()
                var avoided = LinkSet()
                for _ in 0..<random.below(4) { dead.insert(LinkID(random.below(fabric.linkCount))) }
                for _ in 0..<random.below(3) {
                    avoided.insert(LinkID(random.below(fabric.linkCount)))
                }
                // Own links fail more often here than elsewhere.
                let port = random.below(fabric.fabricPortCount(of: id))
                if random.chance(1, in: 2), let own = fabric.neighbor(of: id, port: port) {
                    dead.insert(own.link)
                }
                applied.apply(tables.update(dead: dead, avoided: avoided))
                while tables.hasDeferredWork {
                    applied.apply(tables.continueUpdate(classes: 1 + random.below(40)))
                }
                try compare(applied, forwarding, at: id, dead: dead, avoided: avoided)
            }
            applied.apply(tables.update(dead: [], avoided: []))
            while tables.hasDeferredWork { applied.apply(tables.continueUpdate()) }
            try compare(applied, forwarding, at: id, dead: [], avoided: [])
            // Nothing is left behind: a fresh start has as many groups and the same routes.
            var fresh = AppliedTables()
            fresh.apply(ForwardingTables(forwarding, at: id).operations())
            #expect(Set(applied.routes.keys) == Set(fresh.routes.keys))
            #expect(applied.groups.count == fresh.groups.count)
        }
    }

    @Test("the backup that the kernel falls back on is what decide says without the first way")
    func backups() throws {
        let forwarding = try Self.forwarding("fattree:4")
        let fabric = forwarding.fabric
        let id = try #require(fabric.switchNamed("agg-1-0"))
        var applied = AppliedTables()
        applied.apply(ForwardingTables(forwarding, at: id).operations())
        for index in 0..<fabric.destinationCount {
            let destination = DestinationID(index)
            let address = try #require(fabric.prefix(of: destination)).address
            var dead = LinkSet()
            for slot in 0..<3 {
                guard let members = applied.members(address, in: .shortest, slot: slot) else {
                    break
                }
                let decision = forwarding.decide(
                    at: id, to: destination, tag: .zero, dead: dead)
                guard case .forward(let ports, _) = decision else {
                    Issue.record("\(decision)")
                    return
                }
                #expect(members.map(\.port) == ports.sorted())
                for port in ports {
                    dead.insert(try #require(fabric.neighbor(of: id, port: port)).link)
                }
            }
        }
    }

    @Test(
        "an own failure at an edge switch changes one group of rank 0, however many prefixes",
        arguments: [0, 20_000])
    func oneGroup(extra: Int) throws {
        let forwarding = Forwarding(try TopologyName("fattree:6").fabric)
        var prefixes: [DestinationID: [IPv4Prefix]] = [:]
        for number in 0..<extra {
            let prefix = IPv4Prefix(address: 100 << 24 | UInt32(number) << 8, length: 24)
            prefixes[DestinationID(1 + number * 7 % 17), default: []].append(prefix)
        }
        let edge = SwitchID(0)
        var tables = ForwardingTables(forwarding, at: edge, extraPrefixes: prefixes)
        #expect(tables.sizes.prefixes == 17 + extra)
        let link = try #require(forwarding.fabric.neighbor(of: edge, port: 1)).link
        let operations = tables.update(dead: [link], avoided: [], cause: link)
        guard case .setGroup(_, let members) = operations.first, operations.count == 1 else {
            Issue.record("\(operations.count) operations")
            return
        }
        #expect(members == [TableMember(port: 0), TableMember(port: 2)])
        while tables.hasDeferredWork {
            for operation in tables.continueUpdate() {
                guard case .setGroup = operation else {
                    Issue.record("\(operation) after an own failure")
                    return
                }
            }
        }
    }

    @Test("news about another switch's link moves routes of its destination only")
    func remoteNews() throws {
        let forwarding = Forwarding(try TopologyName("fattree:6").fabric)
        let fabric = forwarding.fabric
        var tables = ForwardingTables(forwarding, at: SwitchID(0))
        let far = try #require(fabric.switchNamed("edge-3-1"))
        let link = try #require(fabric.neighbor(of: far, port: 2)).link
        let destination = try #require(fabric.destination(of: far))
        let prefix = try #require(fabric.prefix(of: destination))
        let operations = tables.update(dead: [link], avoided: [], cause: link)
        var members: [[TableMember]] = []
        for operation in operations {
            switch operation {
            case .setGroup(_, let set): members.append(set)
            case .setRoute(let route, _): #expect(route.prefix == prefix)
            case .removeGroup, .removeRoute: Issue.record("\(operation)")
            }
        }
        #expect(members.first == [TableMember(port: 0), TableMember(port: 1)])
        #expect(tables.sizes.exceptions == 1)
    }

    @Test("neighbouring prefixes of one class share a route, and never cover more than they are")
    func aggregation() throws {
        let forwarding = Forwarding(try TopologyName("fattree:8").fabric)
        let core = SwitchID(forwarding.fabric.switchCount - 1)
        let tables = ForwardingTables(forwarding, at: core)
        var applied = AppliedTables()
        applied.apply(tables.operations())
        // Above one pod the four edge switches take turns in how they would be reached otherwise.
        for pod in UInt32(0)..<8 {
            for edge in UInt32(0)..<4 {
                let address = 10 << 24 | pod << 16 | edge << 8 | 9
                #expect(applied.members(address, in: .shortest) == [TableMember(port: Int(pod))])
            }
            #expect(applied.members(10 << 24 | pod << 16 | 4 << 8, in: .shortest) == nil)
        }
        let edge = ForwardingTables(forwarding, at: SwitchID(0))
        // Seven pods of four edge switches, and three of the own pod as one half and one quarter.
        #expect(edge.sizes.primaryRoutes == 9)
        #expect(edge.sizes.prefixes == 31)
        #expect(edge.sizes.exceptions == 0)
    }

    @Test("joining prefixes keeps every address where it led before")
    func joining() {
        var random = RandomStream(seed: 5)
        for _ in 0..<200 {
            var places: [IPv4Prefix: Int] = [:]
            for _ in 0..<random.below(40) {
                let length = 24 + random.below(9)
                let prefix = IPv4Prefix(
                    address: 10 << 24 | UInt32(random.below(256)), length: length)
                places[prefix.masked] = random.below(3)
            }
            func lead(_ address: UInt32, _ all: [IPv4Prefix: Int]) -> Int? {
                all.filter { $0.key.contains(address) }.max { $0.key.length < $1.key.length }?
                    .value
            }
            var joined = places
            PrefixAggregation.join(&joined)
            #expect(joined.count <= places.count)
            for low in UInt32(0)..<256 {
                let address = 10 << 24 | low
                #expect(lead(address, joined) == lead(address, places))
            }
        }
        var halves: [IPv4Prefix: Int] = [:]
        for low in UInt32(0)..<4 {
            halves[IPv4Prefix(address: 10 << 24 | low << 8, length: 24)] = 1
        }
        PrefixAggregation.join(&halves)
        #expect(halves == [IPv4Prefix(address: 10 << 24, length: 22): 1])
    }
}
