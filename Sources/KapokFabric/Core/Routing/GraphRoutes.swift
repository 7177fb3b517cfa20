import Synchronization

/// The routes of a wiring as it is.
///
/// **Rank 0** is the network of all shortest paths (by links) to the destination.
///
/// **Trees.** The first are shortest-path trees that part from each other as far as the wiring
/// allows (`GraphTreeBuilder`); then come those that the planner added because its search found
/// failures that the others do not survive (`extraTrees`); the last two are maximally redundant
/// (`GraphRedundantTrees`). The last two alone carry a packet past any failed link and any failed
/// switch that leaves a way, whatever the switches know; the others make the way shorter, and
/// survive more failures at a time.
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
    /// Links that are planned but do not exist: no route uses them.
    public let missing: LinkSet

    /// Trees of each destination without extra ones.
    public static let trees = 8
    /// The most extra trees of a destination.
    public static let maximumExtraTrees = 7

    let arcs: GraphArcs
    private let slots: [Slot]

    /// The routes of a wiring. Of each destination's extra trees the first `maximumExtraTrees`
    /// count.
    public init(
        _ topology: GraphTopology, missing: LinkSet = [],
        extraTrees: [DestinationID: [LinkSet]] = [:]
    ) {
        self.topology = topology
        self.missing = missing
        self.extraTrees = extraTrees
        let most = extraTrees.values.map(\.count).max() ?? 0
        treeCount = Self.trees + min(most, Self.maximumExtraTrees)
        arcs = GraphArcs(topology, missing: missing)
        slots = topology.destinations.map { _ in Slot() }
    }

    /// Where the table of one destination appears once it is made.
    private final class Slot: Sendable {
        let table = AtomicLazyReference<GraphRouteTable>()
    }

    func table(of destination: DestinationID) -> GraphRouteTable {
        let slot = slots[destination.index]
        if let known = slot.table.load() { return known }
        // Threads that ask at the same time compute the same; the first to finish is kept.
        return slot.table.storeIfNil(
            GraphRouteTable(
                arcs, root: topology.destinations[destination.index].index, count: treeCount,
                extras: extraTrees[destination] ?? []))
    }

    /// Appends the ports of rank 0 from which the destination can be reached at rank 0 without
    /// touching `avoided`.
    public func appendShortest(
        at id: SwitchID, to destination: DestinationID, avoiding avoided: LinkSet,
        into ports: inout [Int]
    ) {
        table(of: destination).appendShortest(arcs, at: id.index, avoiding: avoided, into: &ports)
    }

    /// The port of tree `tree`; nil at the destination itself and where there is no way to it.
    public func treePort(at id: SwitchID, to destination: DestinationID, tree: Int) -> Int? {
        table(of: destination).treePort(at: id.index, tree: tree)
    }
}
