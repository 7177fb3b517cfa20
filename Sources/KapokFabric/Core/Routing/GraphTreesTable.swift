/// What belongs to one destination of a graph.
final class GraphRouteTable: Sendable {
    /// Links to the destination on a shortest path.
    let distance: [UInt16]
    /// The port of each tree at each switch: `tree * nodeCount + switch`.
    let treePorts: [UInt16]

    init(distance: [UInt16], treePorts: [UInt16]) {
        self.distance = distance
        self.treePorts = treePorts
    }

    /// The number of the first extra tree; two redundant trees follow the last.
    static let firstExtra = GraphRoutes.trees - 2

    /// Computes the table for the switch `root`, with `count` trees, of which some avoid the
    /// links of `extras`.
    convenience init(_ arcs: GraphArcs, root: Int, count: Int, extras: [LinkSet]) {
        let redundant = GraphRedundantTrees(arcs, root: root)
        var builder = GraphTreeBuilder(arcs, root: root, besides: redundant)
        var ports: [UInt16] = []
        ports.reserveCapacity(count * arcs.nodeCount)
        for tree in 0..<count - 2 {
            let extra = tree - Self.firstExtra
            let avoided = extras.indices.contains(extra) ? extras[extra] : []
            ports.append(contentsOf: builder.build(entry: tree, avoiding: avoided))
        }
        ports.append(contentsOf: redundant.red)
        ports.append(contentsOf: redundant.blue)
        self.init(distance: arcs.distances(to: root), treePorts: ports)
    }

    /// The port of a tree at a switch; nil at the root and where there is no way to it.
    @inline(__always)
    func treePort(at node: Int, tree: Int) -> Int? {
        let port = treePorts[tree * distance.count + node]
        return port == GraphTree.none ? nil : Int(port)
    }

    /// Appends the ports of rank 0 whose way to the root can be free of `avoided`.
    func appendShortest(
        _ arcs: GraphArcs, at node: Int, avoiding avoided: LinkSet, into ports: inout [Int]
    ) {
        let own = distance[node]
        guard own != GraphArcs.unreached, own > 0 else { return }
        let first = Int(arcs.firsts[node])
        guard avoided.links.contains(where: { isOnTheWay($0, from: own, arcs) }) else {
            for arc in arcs.arcs(of: node) where isStep(arc, from: own, arcs) {
                ports.append(arc - first)
            }
            return
        }
        // One byte for each switch: whether it was found to be cut off.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: arcs.nodeCount) { isClosed in
            isClosed.initialize(repeating: 0)
            for arc in arcs.arcs(of: node)
            where isStep(arc, from: own, arcs) && !avoided.contains(LinkID(Int(arcs.links[arc])))
                && isOpen(Int(arcs.fars[arc]), arcs, avoided, isClosed)
            {
                ports.append(arc - first)
            }
        }
    }

    /// Whether an arc leads from distance `own` one step down.
    @inline(__always)
    private func isStep(_ arc: Int, from own: UInt16, _ arcs: GraphArcs) -> Bool {
        arcs.isUsable[arc] && distance[Int(arcs.fars[arc])] == own - 1
    }

    /// Whether a link can lie on a shortest path that begins at distance `own`.
    private func isOnTheWay(_ link: LinkID, from own: UInt16, _ arcs: GraphArcs) -> Bool {
        guard link.index < arcs.linkCount else { return false }
        let (a, b) = arcs.ends(of: link.index)
        return distance[a] != distance[b] && max(distance[a], distance[b]) <= own
    }

    /// Whether a shortest path free of `avoided` leads from `start` to the root: depth first over
    /// the arcs that step down, marking what is cut off.
    private func isOpen(
        _ start: Int, _ arcs: GraphArcs, _ avoided: LinkSet,
        _ isClosed: UnsafeMutableBufferPointer<UInt8>
    ) -> Bool {
        if isClosed[start] != 0 { return false }
        let depth = Int(distance[start])
        return withUnsafeTemporaryAllocation(of: (node: Int32, arc: Int32).self, capacity: depth) {
            stack in
            var at = start
            var next = Int(arcs.firsts[start])
            var height = 0
            while true {
                let own = distance[at]
                if own == 0 { return true }
                let end = Int(arcs.firsts[at + 1])
                while next < end,
                    !isStep(next, from: own, arcs) || isClosed[Int(arcs.fars[next])] != 0
                        || avoided.contains(LinkID(Int(arcs.links[next])))
                { next += 1 }
                if next < end {
                    stack.initializeElement(at: height, to: (Int32(at), Int32(next)))
                    height += 1
                    at = Int(arcs.fars[next])
                    next = Int(arcs.firsts[at])
                } else {
                    isClosed[at] = 1
                    if height == 0 { return false }
                    height -= 1
                    at = Int(stack[height].node)
                    next = Int(stack[height].arc) + 1
                }
            }
        }
    }
}
