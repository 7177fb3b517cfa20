/// Looks for failures that the trees of a graph do not survive, and for trees that do.
///
/// A set of failed links can only stop a packet if it touches every tree, for the rules try them
/// all: a tree free of the failed links is clear to whoever stands before it, and a packet on it
/// arrives. So the search looks at pairs of links that together touch all trees, walks packets
/// past them with every state of knowledge (`GraphFailureProbe`), and where one is lost it adds a
/// tree that avoids as many of the pairs found as the wiring allows. Same input, same result.
struct GraphTreeSearch {
    private let topology: GraphTopology
    private let missing: LinkSet
    private let arcs: GraphArcs
    private let failures: Int
    private let sources: [Int32]
    private var work = 0

    /// Steps after which the search takes what it has found so far.
    static let maximumWork = 400_000_000
    /// Failed sets of one destination that are looked at together.
    private static let maximumHoles = 512
    /// Failed sets that one more tree is asked to avoid.
    private static let maximumMerged = 128

    init(_ topology: GraphTopology, missing: LinkSet, failures: Int) {
        precondition((1...GraphFailureProbe.maximum).contains(failures))
        self.topology = topology
        self.missing = missing
        self.failures = failures
        arcs = GraphArcs(topology, missing: missing)
        sources = topology.destinations.map { Int32($0.index) }
    }

    /// The fewest extra trees with which no failure stops a packet; or the best that was found
    /// within `GraphRoutes.maximumExtraTrees` and `maximumWork`.
    mutating func run() -> [DestinationID: [LinkSet]] {
        var best: (holes: Int, extras: [DestinationID: [LinkSet]]) = (.max, [:])
        for extraCount in 0...GraphRoutes.maximumExtraTrees {
            var holes = 0
            var extras: [DestinationID: [LinkSet]] = [:]
            for number in topology.destinations.indices {
                let found = search(number, extraCount: extraCount)
                holes += found.holes
                extras[DestinationID(number)] = found.extras
                if holes > best.holes || work > Self.maximumWork { break }
            }
            if work > Self.maximumWork && best.holes < .max { break }
            if holes < best.holes { best = (holes, extras) }
            if holes == 0 { break }
        }
        return best.extras.filter { !$0.value.isEmpty }
    }

    /// Extra trees for one destination when all have `extraCount` of them.
    private mutating func search(
        _ number: Int, extraCount: Int
    ) -> (holes: Int, extras: [LinkSet]) {
        let root = topology.destinations[number].index
        let count = GraphRoutes.trees + extraCount
        let distance = arcs.distances(to: root)
        var probe = GraphFailureProbe(arcs, root: root, distance: distance)
        defer { work += probe.steps }
        var extras: [LinkSet] = []
        while true {
            let table = GraphRouteTable(arcs, root: root, count: count, extras: extras)
            work += arcs.fars.count * count
            let holes = findHoles(table, count, &probe)
            if holes.isEmpty {
                // The number of extra trees is what all destinations agree on.
                while extras.count < extraCount { extras.append([]) }
                return (0, extras)
            }
            if extras.count == extraCount || work + probe.steps > Self.maximumWork {
                return (holes.count, extras)
            }
            extras.append(avoidable(holes, root, extras, &probe))
        }
    }

    /// The failures past which a packet is lost, at most `maximumHoles`.
    private func findHoles(
        _ table: GraphRouteTable, _ count: Int, _ probe: inout GraphFailureProbe
    ) -> [[Int32]] {
        var holes: [[Int32]] = []
        forEachCandidate(table, count) { failed in
            if probe.findsHole(in: table, treeCount: count, failed: failed, sources: sources) {
                holes.append(failed)
            }
            return holes.count < Self.maximumHoles && work + probe.steps < Self.maximumWork
        }
        return holes
    }

    /// Hands over each set of links that touches every tree, until `body` gives false.
    private func forEachCandidate(
        _ table: GraphRouteTable, _ count: Int, _ body: ([Int32]) -> Bool
    ) {
        var masks = [UInt32](repeating: 0, count: arcs.linkCount)
        for tree in 0..<count {
            for node in 0..<arcs.nodeCount {
                guard let port = table.treePort(at: node, tree: tree) else { continue }
                masks[Int(arcs.links[Int(arcs.firsts[node]) + port])] |= 1 << UInt32(tree)
            }
        }
        let all = UInt32(1) << UInt32(count) - 1
        // Links with equal masks are alike.
        var groups: [UInt32: [Int32]] = [:]
        for (link, mask) in masks.enumerated() where mask != 0 {
            groups[mask, default: []].append(Int32(link))
        }
        let sorted = groups.sorted { $0.key < $1.key }
        for (place, first) in sorted.enumerated() {
            if first.key == all {
                for link in first.value where !body([link]) { return }
            }
            guard failures > 1 else { continue }
            for second in sorted[place...] where first.key | second.key == all {
                for a in first.value {
                    for b in second.value where first.key != second.key || a < b {
                        guard body([a, b]) else { return }
                    }
                }
            }
        }
    }

    /// Links to avoid with one more tree: those of as many of `holes` as one tree can avoid.
    private func avoidable(
        _ holes: [[Int32]], _ root: Int, _ extras: [LinkSet], _ probe: inout GraphFailureProbe
    ) -> LinkSet {
        let redundant = GraphRedundantTrees(arcs, root: root)
        var builder = GraphTreeBuilder(arcs, root: root, besides: redundant)
        for tree in 0..<GraphRouteTable.firstExtra { _ = builder.build(entry: tree) }
        for (place, links) in extras.enumerated() {
            _ = builder.build(entry: GraphRouteTable.firstExtra + place, avoiding: links)
        }
        var avoided = LinkSet()
        var merged: [(links: LinkSet, isReached: [Bool])] = []
        for hole in holes.prefix(Self.maximumMerged) {
            let links = LinkSet(hole.map { LinkID(Int($0)) })
            let trial = avoided.union(links)
            let wanted = merged + [(links, probe.reach(avoiding: hole))]
            var trialBuilder = builder
            let tree = trialBuilder.build(
                entry: GraphRouteTable.firstExtra + extras.count, avoiding: trial)
            if wanted.allSatisfy({ survives(tree, root, $0.links, $0.isReached) }) {
                avoided = trial
                merged = wanted
            }
        }
        return avoided
    }

    /// Whether every switch that still has a way to the root has it on `tree`.
    private func survives(
        _ tree: [UInt16], _ root: Int, _ failed: LinkSet, _ isReached: [Bool]
    ) -> Bool {
        for start in 0..<arcs.nodeCount where isReached[start] && start != root {
            // Enough to look at each first link: the rest of the way begins at another switch.
            guard tree[start] != GraphTree.none else { return false }
            let arc = Int(arcs.firsts[start]) + Int(tree[start])
            if failed.contains(LinkID(Int(arcs.links[arc]))) { return false }
            if !isReached[Int(arcs.fars[arc])] { return false }
        }
        return true
    }
}

extension GraphRoutes {
    /// Trees beyond the usual ones, by destination and as the links that they avoid, such that no
    /// packet is lost past `failures` (1 or 2) failed links as long as there is a way, whatever
    /// the switches know of the failures; or the best that can be found with
    /// `maximumExtraTrees` and a bounded search. Empty when the usual trees suffice.
    ///
    /// `missing` are links that are planned but do not exist. The result depends on the arguments
    /// alone.
    public static func extraTrees(
        for graph: GraphTopology, missing: LinkSet = [], failures: Int = 2
    ) -> [DestinationID: [LinkSet]] {
        var search = GraphTreeSearch(graph, missing: missing, failures: failures)
        return search.run()
    }
}

extension Fabric {
    /// The trees that a plan of this fabric needs beyond the usual ones, so that two failed links
    /// lose no packet as long as there is a way: found by search for a wiring as it is (see
    /// `GraphRoutes.extraTrees`), none for a Clos network, whose trees are proven as they are.
    public func extraTrees(missing: LinkSet = []) -> [DestinationID: [LinkSet]] {
        switch self {
        case .clos: [:]
        case .graph(let graph): GraphRoutes.extraTrees(for: graph, missing: missing)
        }
    }
}
