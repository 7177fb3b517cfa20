/// Counts the groups of a wiring's switches, from the shortest paths to every destination.
struct GraphTables {
    private let graph: GraphTopology
    private let plan: FabricPlan
    private let profile: SwitchProfile

    /// Above this many links times destinations groups are not counted.
    private static let mostSteps = 1 << 27

    init(_ graph: GraphTopology, _ plan: FabricPlan, _ profile: SwitchProfile) {
        self.graph = graph
        self.plan = plan
        self.profile = profile
    }

    /// Whether counting takes seconds at most.
    var isFeasible: Bool { graph.edges.count * graph.destinations.count <= Self.mostSteps }

    /// The needs of every switch, in order.
    func count() -> [TableNeeds] {
        let trees = GraphRoutes.trees + (plan.extraTrees.values.map(\.count).max() ?? 0)
        let prefixes =
            graph.destinations.count + plan.extraPrefixes.values.reduce(0) { $0 + $1.count }
        let sets = isFeasible ? portSets() : []
        return graph.nodes.indices.map { index in
            var needs = sets.isEmpty ? TableNeeds() : self.needs(of: sets[index])
            needs.nextHops = graph.neighbors[index].count * (1 + trees)
            needs.routes = TableReport.routes(prefixes: prefixes, trees: trees)
            return needs
        }
    }

    /// The sets in use, and those with up to `reserve` members of a largest one lost. Sets that two
    /// largest ones leave are counted twice: an upper bound.
    private func needs(of sets: Set<PortSet>) -> TableNeeds {
        var needs = TableNeeds()
        var largest: [PortSet] = []
        for set in sets.sorted(by: { $0.count > $1.count }) {
            if let whole = largest.first(where: { set.isSubset(of: $0) }) {
                if whole.count - set.count <= profile.reserve { continue }
                needs.groups += 1
                needs.members += set.count
            } else {
                largest.append(set)
                needs.addFamily(of: set.count, reserve: profile.reserve)
            }
        }
        return needs
    }

    /// For each switch the sets of ports that lead to destinations at rank 0.
    private func portSets() -> [Set<PortSet>] {
        let soft = plan.missing.union(plan.drained)
        var isSoft = [Bool](repeating: false, count: graph.edges.count)
        for link in soft { isSoft[link.index] = true }
        var isMissing = [Bool](repeating: false, count: graph.edges.count)
        for link in plan.missing { isMissing[link.index] = true }
        var found = [Set<PortSet>](repeating: [], count: graph.nodes.count)
        for root in graph.destinations {
            let order = breadthFirst(from: root.index, isMissing)
            let better = ways(order, without: isSoft)
            let all = plan.drained.isEmpty ? better : ways(order, without: isMissing)
            for node in order.nodes.dropFirst() {
                let set = better[node].count > 0 ? better[node] : all[node]
                if set.count > 0 { found[node].insert(set) }
            }
        }
        return found
    }

    private struct Order {
        var nodes: [Int]
        var distance: [Int]
    }

    private func breadthFirst(from root: Int, _ isMissing: [Bool]) -> Order {
        var order = Order(
            nodes: [root], distance: [Int](repeating: .max, count: graph.nodes.count))
        order.distance[root] = 0
        var next = 0
        while next < order.nodes.count {
            let at = order.nodes[next]
            next += 1
            for neighbor in graph.neighbors[at] where !isMissing[neighbor.link.index] {
                let far = neighbor.far.owner.index
                if order.distance[far] == .max {
                    order.distance[far] = order.distance[at] + 1
                    order.nodes.append(far)
                }
            }
        }
        return order
    }

    private func ways(_ order: Order, without isOut: [Bool]) -> [PortSet] {
        var ways = [PortSet](repeating: PortSet(), count: graph.nodes.count)
        for at in order.nodes.dropFirst() {
            for (port, neighbor) in graph.neighbors[at].enumerated()
            where !isOut[neighbor.link.index] {
                let far = neighbor.far.owner.index
                guard order.distance[far] == order.distance[at] - 1 else { continue }
                if order.distance[far] == 0 || ways[far].count > 0 { ways[at].insert(port) }
            }
        }
        return ways
    }
}
