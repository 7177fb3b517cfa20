import Synchronization

/// The routes of a wiring as it is.
///
/// **Rank 0** is the network of all shortest paths (by links) to the destination.
///
/// **Trees** are shortest-path trees in which a link costs more for each earlier tree of the same
/// destination that uses it, so that they part as far as the wiring allows. The planner may add
/// trees that avoid given links, where its checker finds a way that the others miss.
///
/// What belongs to a destination is computed when it is first asked for and kept. Safe to use from
/// several threads.
public final class GraphRoutes: Sendable {
    /// The wiring.
    public let topology: GraphTopology
    /// How many trees each destination has.
    public let treeCount: Int
    /// For each destination, links that extra trees avoid.
    public let extraTrees: [DestinationID: [LinkSet]]
    /// Links that are planned but missing or out of use: trees avoid them as long as they can.
    public let missing: LinkSet

    /// Trees of each destination without extra ones.
    public static let trees = 8
    /// The most extra trees of a destination.
    public static let maximumExtraTrees = 7

    private let tables: Mutex<[Table?]>

    public init(
        _ topology: GraphTopology, missing: LinkSet = [],
        extraTrees: [DestinationID: [LinkSet]] = [:]
    ) {
        self.topology = topology
        self.missing = missing
        self.extraTrees = extraTrees
        treeCount = Self.trees + (extraTrees.values.map(\.count).max() ?? 0)
        tables = Mutex(Array(repeating: nil, count: topology.destinations.count))
    }

    /// What belongs to one destination.
    final class Table: Sendable {
        /// Links to the destination on a shortest path; `Int32.max` where there is none.
        let distance: [Int32]
        /// The port of each tree at each switch, -1 where there is none: `tree * n + switch`.
        let treePorts: [Int16]

        init(distance: [Int32], treePorts: [Int16]) {
            self.distance = distance
            self.treePorts = treePorts
        }
    }

    func table(of destination: DestinationID) -> Table {
        if let known = tables.withLock({ $0[destination.index] }) { return known }
        let table = makeTable(destination)
        tables.withLock { $0[destination.index] = table }
        return table
    }

    /// Appends the ports of rank 0 from which the destination can be reached at rank 0 without
    /// touching `avoided`.
    public func appendShortest(
        at id: SwitchID, to destination: DestinationID, avoiding avoided: LinkSet,
        into ports: inout [Int]
    ) {
        let distance = table(of: destination).distance
        guard distance[id.index] != Int32.max else { return }
        var reached: [Int: Bool] = [:]
        for (port, next) in topology.neighbors[id.index].enumerated()
        where distance[next.far.owner.index] == distance[id.index] - 1
            && !avoided.contains(next.link)
            && (avoided.isEmpty || isOpen(next.far.owner, distance, avoided, &reached))
        {
            ports.append(port)
        }
    }

    private func isOpen(
        _ id: SwitchID, _ distance: [Int32], _ avoided: LinkSet, _ reached: inout [Int: Bool]
    ) -> Bool {
        if distance[id.index] == 0 { return true }
        if let known = reached[id.index] { return known }
        let open = topology.neighbors[id.index].contains { next in
            distance[next.far.owner.index] == distance[id.index] - 1
                && !avoided.contains(next.link)
                && isOpen(next.far.owner, distance, avoided, &reached)
        }
        reached[id.index] = open
        return open
    }

    /// The port of tree `tree`; nil at the destination itself and where there is no way to it.
    public func treePort(at id: SwitchID, to destination: DestinationID, tree: Int) -> Int? {
        let port = table(of: destination).treePorts[tree * topology.nodes.count + id.index]
        return port < 0 ? nil : Int(port)
    }

    // MARK: Building

    private func makeTable(_ destination: DestinationID) -> Table {
        let count = topology.nodes.count
        let root = topology.destinations[destination.index].index
        let missingCost = 1 << 20
        var uses = [Int](repeating: 0, count: topology.edges.count)
        var ports: [Int16] = []
        ports.reserveCapacity(treeCount * count)
        for tree in 0..<treeCount {
            let extras = extraTrees[destination] ?? []
            let avoided =
                tree >= Self.trees && tree - Self.trees < extras.count
                ? extras[tree - Self.trees] : []
            let built = shortestTree(to: root, rotation: tree) { link in
                var cost = 1 + 16 * uses[link.index]
                if missing.contains(link) || avoided.contains(link) { cost += missingCost }
                return cost
            }
            ports.append(contentsOf: built)
            for (node, port) in built.enumerated() where port >= 0 {
                uses[topology.neighbors[node][Int(port)].link.index] += 1
            }
        }
        return Table(distance: hopDistances(from: root), treePorts: ports)
    }

    private func hopDistances(from root: Int) -> [Int32] {
        var distance = [Int32](repeating: .max, count: topology.nodes.count)
        distance[root] = 0
        var queue = [root]
        var next = 0
        while next < queue.count {
            let at = queue[next]
            next += 1
            for neighbor in topology.neighbors[at]
            where distance[neighbor.far.owner.index] == .max && !missing.contains(neighbor.link) {
                distance[neighbor.far.owner.index] = distance[at] + 1
                queue.append(neighbor.far.owner.index)
            }
        }
        return distance
    }

    /// Dijkstra from the root; each switch's port towards it. Ties go to the port that comes first
    /// when counting from `rotation`.
    private func shortestTree(to root: Int, rotation: Int, cost: (LinkID) -> Int) -> [Int16] {
        let count = topology.nodes.count
        var best = [Int](repeating: .max, count: count)
        var port = [Int16](repeating: -1, count: count)
        var isDone = [Bool](repeating: false, count: count)
        var heap = CostHeap()
        best[root] = 0
        heap.push(cost: 0, node: root)
        while let (reachedCost, at) = heap.pop() {
            if isDone[at] { continue }
            isDone[at] = true
            for neighbor in topology.neighbors[at] {
                let far = neighbor.far.owner.index
                if isDone[far] { continue }
                let total = reachedCost + cost(neighbor.link)
                let ports = topology.neighbors[far].count
                let isBetterTie =
                    total == best[far] && port[far] >= 0
                    && (neighbor.far.port + rotation) % ports < (Int(port[far]) + rotation) % ports
                if total < best[far] || isBetterTie {
                    if total < best[far] { heap.push(cost: total, node: far) }
                    best[far] = total
                    port[far] = Int16(neighbor.far.port)
                }
            }
        }
        return port
    }
}

/// A binary heap of (cost, node), smallest first.
private struct CostHeap {
    private var items: [(cost: Int, node: Int)] = []

    mutating func push(cost: Int, node: Int) {
        items.append((cost, node))
        var at = items.count - 1
        while at > 0, items[at] < items[(at - 1) / 2] {
            items.swapAt(at, (at - 1) / 2)
            at = (at - 1) / 2
        }
    }

    mutating func pop() -> (cost: Int, node: Int)? {
        guard let first = items.first else { return nil }
        let last = items.removeLast()
        guard !items.isEmpty else { return first }
        items[0] = last
        var at = 0
        while true {
            var least = at
            for child in [2 * at + 1, 2 * at + 2]
            where child < items.count && items[child] < items[least] { least = child }
            if least == at { return first }
            items.swapAt(at, least)
            at = least
        }
    }
}
