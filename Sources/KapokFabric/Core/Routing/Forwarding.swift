/// The routes of a fabric: which ports lead to a destination at rank 0, and which along each tree.
public enum Routes: Sendable {
    /// By arithmetic.
    case clos(ClosRoutes)
    /// By tables made from a wiring.
    case graph(GraphRoutes)

    /// The routes of a fabric. `missing` are links that are planned but do not exist; `extraTrees`
    /// are the planner's additions for a graph (a Clos network has none).
    public init(
        _ fabric: Fabric, missing: LinkSet = [], extraTrees: [DestinationID: [LinkSet]] = [:]
    ) {
        switch fabric {
        case .clos(let clos): self = .clos(ClosRoutes(clos))
        case .graph(let graph):
            self = .graph(GraphRoutes(graph, missing: missing, extraTrees: extraTrees))
        }
    }

    /// How many trees each destination has.
    public var treeCount: Int {
        switch self {
        case .clos(let routes): routes.treeCount
        case .graph(let routes): routes.treeCount
        }
    }

    /// Appends the ports of rank 0 whose way to the destination is free of `avoided`.
    public func appendShortest(
        at id: SwitchID, to destination: DestinationID, avoiding avoided: LinkSet,
        into ports: inout [Int]
    ) {
        switch self {
        case .clos(let routes):
            routes.appendShortest(at: id, to: destination, avoiding: avoided, into: &ports)
        case .graph(let routes):
            routes.appendShortest(at: id, to: destination, avoiding: avoided, into: &ports)
        }
    }

    /// The port of a tree; nil at the destination itself and where the tree does not reach.
    public func treePort(at id: SwitchID, to destination: DestinationID, tree: Int) -> Int? {
        switch self {
        case .clos(let routes): routes.treePort(at: id, to: destination, tree: tree)
        case .graph(let routes): routes.treePort(at: id, to: destination, tree: tree)
        }
    }
}

/// What a switch does with a packet.
public enum ForwardingDecision: Hashable, Sendable {
    /// It is here: hand it to the host.
    case deliver
    /// Send it out of one of `ports` (by hash over the flow) with this tag.
    case forward(ports: [Int], tag: Tag)
    /// No rank that is left leads on.
    case drop
}

/// Faults that tests and the checker's own examination put in on purpose.
public enum ForwardingDefect: String, Hashable, Sendable, CaseIterable {
    /// A packet that leaves its rank keeps its tag.
    case noTagRise
    /// Above rank 0 the port is any that is alive, not the tree's.
    case hashInsteadOfTree
    /// A switch does not look whether its own link is alive.
    case ignoresLocalLinks
    /// Trees are tried without looking at what is known about the links further on.
    case ignoresRemoteNews
    /// A packet whose rank cannot go on is dropped at once.
    case noAlternates
    /// The next tree is taken without a look at its first link.
    case nextTreeUnseen
    /// Beyond the highest rank counting begins again.
    case tagWrapsAround
}

/// How switches forward: a pure function of the plan, of what the switch knows, and of the packet's
/// tag. The agent computes its tables with it, and the checker proves it.
///
/// At rank 0 the packet takes a port whose whole way to the destination is free of links known
/// dead; knowledge only ever *removes* ports from a network without loops. If none is left, it
/// rises to
/// the tree with the shortest way from here that is free. From there on it stays on its tree while
/// that is free, and otherwise rises to the next, in order, that is; or, if none is, to the next
/// whose first link lives.
public struct Forwarding: Sendable {
    /// The fabric.
    public let fabric: Fabric
    /// Its routes.
    public let routes: Routes
    /// Links that are planned but do not exist: dead for ever.
    public let missing: LinkSet
    /// Links that carry packets only where nothing else does.
    public let drained: LinkSet
    /// A fault put in on purpose.
    public var defect: ForwardingDefect?

    public init(
        _ fabric: Fabric, missing: LinkSet = [], drained: LinkSet = [],
        extraTrees: [DestinationID: [LinkSet]] = [:]
    ) {
        self.fabric = fabric
        self.missing = missing
        self.drained = drained
        routes = Routes(fabric, missing: missing, extraTrees: extraTrees)
    }

    /// What switch `id` does with a packet of rank `tag`, knowing that the links `dead` are dead
    /// and that those in `avoided` had better not be used. `dead` holds the switch's own dead links
    /// and what it has heard of others.
    public func decide(
        at id: SwitchID, to destination: DestinationID, tag: Tag, dead: LinkSet,
        avoided: LinkSet = []
    ) -> ForwardingDecision {
        var ports: [Int] = []
        switch decide(
            at: id, to: destination, tag: tag, dead: dead, avoided: avoided, into: &ports)
        {
        case .deliver: return .deliver
        case .drop: return .drop
        case .forward(let tag): return .forward(ports: ports, tag: tag)
        }
    }

    /// What is decided, without the ports.
    public enum Outcome: Hashable, Sendable {
        /// It is here: hand it to the host.
        case deliver
        /// Send it on with this tag.
        case forward(Tag)
        /// No rank that is left leads on.
        case drop
    }

    /// `decide` for those who ask very often: replaces the contents of `ports`, whose room is used
    /// again, by the ports of a forwarded packet.
    public func decide(
        at id: SwitchID, to destination: DestinationID, tag: Tag, dead known: LinkSet,
        avoided: LinkSet = [], into ports: inout [Int]
    ) -> Outcome {
        ports.removeAll(keepingCapacity: true)
        if fabric.owner(of: destination) == id { return .deliver }
        var dead = missing.union(known)
        if defect == .ignoresLocalLinks { dead = LinkSet(dead.filter { !isAt(id, $0) }) }
        let soft = drained.union(avoided).union(dead)
        if tag == .zero {
            routes.appendShortest(at: id, to: destination, avoiding: soft, into: &ports)
            if ports.isEmpty && soft.count > dead.count {
                routes.appendShortest(at: id, to: destination, avoiding: dead, into: &ports)
            }
            if !ports.isEmpty { return .forward(tag) }
        } else if defect == .hashInsteadOfTree {
            for port in 0..<fabric.fabricPortCount(of: id) {
                if let next = fabric.neighbor(of: id, port: port), !dead.contains(next.link) {
                    ports.append(port)
                }
            }
            return ports.isEmpty ? .drop : .forward(tag)
        }
        if defect == .noAlternates { return .drop }
        guard let choice = climb(at: id, to: destination, tag: tag, dead: dead, soft: soft)
        else { return .drop }
        ports.append(choice.port)
        return .forward(defect == .noTagRise ? tag : choice.tag)
    }

    /// At rank 0 the tree with the shortest way that is clear of what had better be avoided, or
    /// else of what is dead. Above, the packet's own tree while that is clear of what is dead,
    /// and then
    /// the first behind it. If none is clear, the first whose first link lives (a switch further on
    /// may see more).
    private func climb(
        at id: SwitchID, to destination: DestinationID, tag: Tag, dead: LinkSet, soft: LinkSet
    ) -> (port: Int, tag: Tag)? {
        let count = routes.treeCount
        let current = tag.tree(of: count) ?? count - 1
        let first = tag == .zero ? 1 : 0
        var last = min(first + count - 1, Int(Tag.highest.rank) - Int(tag.rank))
        if defect == .tagWrapsAround { last = first + count - 1 }
        guard first <= last else { return nil }
        if defect == .nextTreeUnseen { return choice(first) }
        if defect != .ignoresRemoteNews {
            // Who has left rank 0 no longer minds what had better be avoided: switches that know
            // different things would send the packet to and fro between the trees without it.
            let minds = tag == .zero && soft.count > dead.count
            for avoided in minds ? [soft, dead] : [dead] {
                var best: (length: Int, step: Int)?
                for step in first...last {
                    let tree = (current + step) % count
                    let most = best?.length ?? .max
                    guard
                        let length = clearLength(
                            tree, from: id, to: destination, avoiding: avoided, below: most)
                    else { continue }
                    best = (length, step)
                    if tag != .zero { break }
                }
                if let best { return choice(best.step) }
            }
        }
        for step in first...last {
            let tree = (current + step) % count
            if let port = routes.treePort(at: id, to: destination, tree: tree),
                let next = fabric.neighbor(of: id, port: port), !dead.contains(next.link)
            {
                return choice(step)
            }
        }
        return nil

        func choice(_ step: Int) -> (port: Int, tag: Tag)? {
            let tree = (current + step) % count
            return routes.treePort(at: id, to: destination, tree: tree).map {
                ($0, Tag(rank: (tag.rank + UInt8(step)) & Tag.highest.rank))
            }
        }
    }

    private func isAt(_ id: SwitchID, _ link: LinkID) -> Bool {
        let (lower, upper) = fabric.ends(of: link)
        return lower.owner == id || upper.owner == id
    }

    /// Whether the way along a tree from `id` to the destination is free of `avoided`.
    public func isClear(
        _ tree: Int, from id: SwitchID, to destination: DestinationID, avoiding avoided: LinkSet
    ) -> Bool {
        clearLength(tree, from: id, to: destination, avoiding: avoided, below: .max) != nil
    }

    /// The links of the way along a tree from `id` to the destination, when it is free of `avoided`
    /// and shorter than `limit`.
    func clearLength(
        _ tree: Int, from id: SwitchID, to destination: DestinationID, avoiding avoided: LinkSet,
        below limit: Int
    ) -> Int? {
        let owner = fabric.owner(of: destination)
        var at = id
        var steps = 0
        while at != owner {
            guard let port = routes.treePort(at: at, to: destination, tree: tree),
                let next = fabric.neighbor(of: at, port: port), !avoided.contains(next.link)
            else { return nil }
            at = next.far.owner
            steps += 1
            if steps >= limit { return nil }
            precondition(steps <= fabric.switchCount, "a tree with a loop")
        }
        return steps
    }
}
