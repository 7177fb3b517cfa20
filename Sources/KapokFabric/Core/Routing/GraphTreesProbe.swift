/// Walks packets of one destination past a few failed links, with every state of knowledge that
/// the switches can be in: each knows its own dead links and any part of the others. The rules are
/// those of `Forwarding.decide`, on flat tables.
struct GraphFailureProbe {
    private let arcs: GraphArcs
    private let root: Int
    /// The switches that the root can be reached from, nearest first.
    private let order: [Int32]
    /// Steps taken over all calls: what a caller bounds its work by.
    private(set) var steps = 0

    // Kept from call to call, to save allocations.
    private var isVisited: [Bool]
    private var visited: [Int32] = []
    private var pending: [Int32] = []
    private var isOpen: [[Bool]]

    private static let ranks = Int(Tag.highest.rank) + 1

    init(_ arcs: GraphArcs, root: Int, distance: [UInt16]) {
        self.arcs = arcs
        self.root = root
        order = (0..<Int32(arcs.nodeCount)).filter { distance[Int($0)] != GraphArcs.unreached }
            .sorted { (distance[Int($0)], $0) < (distance[Int($1)], $1) }
        isVisited = [Bool](repeating: false, count: arcs.nodeCount * Self.ranks)
        isOpen = Array(
            repeating: [Bool](repeating: false, count: arcs.nodeCount), count: 1 << Self.maximum)
    }

    /// The most links that fail at a time.
    static let maximum = 2

    /// Whether a packet from one of `sources` can end before it reaches the root, although there
    /// is a way, when `failed` are dead.
    mutating func findsHole(
        in table: GraphRouteTable, treeCount: Int, failed: [Int32], sources: [Int32]
    ) -> Bool {
        let connected = reach(avoiding: failed)
        for subset in 0..<1 << failed.count { markOpen(subset, failed, table) }
        for state in visited { isVisited[Int(state)] = false }
        visited.removeAll(keepingCapacity: true)
        pending.removeAll(keepingCapacity: true)
        for source in sources where connected[Int(source)] { visit(Int(source), 0) }
        while let state = pending.popLast() {
            let node = Int(state) / Self.ranks
            let rank = Int(state) % Self.ranks
            if node == root { continue }
            let own = ownFailures(node, failed)
            for subset in 0..<1 << failed.count where subset & own == own {
                guard step(node, rank, subset, failed, table, treeCount) else { return true }
            }
        }
        return false
    }

    private mutating func visit(_ node: Int, _ rank: Int) {
        let state = node * Self.ranks + rank
        if isVisited[state] { return }
        isVisited[state] = true
        visited.append(Int32(state))
        pending.append(Int32(state))
    }

    /// Which of `failed` are at a switch, as a set of bits.
    private func ownFailures(_ node: Int, _ failed: [Int32]) -> Int {
        var own = 0
        for (bit, link) in failed.enumerated() {
            let (a, b) = arcs.ends(of: Int(link))
            if a == node || b == node { own |= 1 << bit }
        }
        return own
    }

    private func isKnown(_ arc: Int, _ subset: Int, _ failed: [Int32]) -> Bool {
        for (bit, link) in failed.enumerated() where link == arcs.links[arc] {
            return subset >> bit & 1 == 1
        }
        return false
    }

    /// Which switches have an open way at rank 0 for who knows `subset`.
    private mutating func markOpen(_ subset: Int, _ failed: [Int32], _ table: GraphRouteTable) {
        for node in order.map({ Int($0) }) {
            isOpen[subset][node] =
                node == root
                || arcs.arcs(of: node).contains { arc in
                    isOpenStep(arc, from: node, subset, failed, table)
                }
        }
        steps += order.count
    }

    private func isOpenStep(
        _ arc: Int, from node: Int, _ subset: Int, _ failed: [Int32], _ table: GraphRouteTable
    ) -> Bool {
        let far = Int(arcs.fars[arc])
        return arcs.isUsable[arc] && table.distance[far] &+ 1 == table.distance[node]
            && isOpen[subset][far] && !isKnown(arc, subset, failed)
    }

    /// Where a switch that knows `subset` sends a packet; false when nowhere.
    private mutating func step(
        _ node: Int, _ rank: Int, _ subset: Int, _ failed: [Int32], _ table: GraphRouteTable,
        _ treeCount: Int
    ) -> Bool {
        steps += 1
        if rank == 0 && isOpen[subset][node] {
            for arc in arcs.arcs(of: node) where isOpenStep(arc, from: node, subset, failed, table)
            {
                visit(Int(arcs.fars[arc]), 0)
            }
            return true
        }
        let first = rank == 0 ? 1 : rank
        let last = min(rank == 0 ? treeCount : rank + treeCount - 1, Self.ranks - 1)
        guard first <= last else { return false }
        var fallback: (arc: Int, rank: Int)?
        for next in first...last {
            let tree = (next - 1) % treeCount
            guard let port = table.treePort(at: node, tree: tree) else { continue }
            let arc = Int(arcs.firsts[node]) + port
            if isKnown(arc, subset, failed) { continue }
            if isClear(tree, from: node, subset, failed, table) {
                visit(Int(arcs.fars[arc]), next)
                return true
            }
            if fallback == nil { fallback = (arc, next) }
        }
        guard let fallback else { return false }
        visit(Int(arcs.fars[fallback.arc]), fallback.rank)
        return true
    }

    private mutating func isClear(
        _ tree: Int, from start: Int, _ subset: Int, _ failed: [Int32], _ table: GraphRouteTable
    ) -> Bool {
        if subset == 0 { return true }
        var node = start
        while node != root {
            guard let port = table.treePort(at: node, tree: tree) else { return false }
            let arc = Int(arcs.firsts[node]) + port
            if isKnown(arc, subset, failed) { return false }
            node = Int(arcs.fars[arc])
            steps += 1
        }
        return true
    }

    /// The switches that reach the root without `failed`.
    mutating func reach(avoiding failed: [Int32]) -> [Bool] {
        var isReached = [Bool](repeating: false, count: arcs.nodeCount)
        var stack = [root]
        isReached[root] = true
        while let at = stack.popLast() {
            for arc in arcs.arcs(of: at)
            where arcs.isUsable[arc] && !isReached[Int(arcs.fars[arc])]
                && !failed.contains(arcs.links[arc])
            {
                isReached[Int(arcs.fars[arc])] = true
                stack.append(Int(arcs.fars[arc]))
            }
        }
        steps += arcs.nodeCount
        return isReached
    }
}
