/// Why a packet goes where it goes: its way step by step, what each switch chose, and why not
/// otherwise. It asks the same function that switches forward by.
public struct PathExplanation: Sendable {
    /// What switches know of dead links that are not their own.
    public enum Knowledge: String, Hashable, Sendable, CaseIterable {
        /// Nothing: the moment after the failure.
        case local
        /// Everything that the flood of news brings them.
        case full
    }

    /// How it ends.
    public enum Outcome: String, Hashable, Sendable {
        /// It arrives.
        case delivered
        /// A switch has no rank left that leads on.
        case dropped
        /// It is where it was before, with the same rank.
        case loop
    }

    /// Why a port was not taken.
    public enum Reason: Hashable, Sendable {
        /// It is as good; other flows take it.
        case equal
        /// Its link is dead.
        case dead
        /// Its link does not exist.
        case missing
        /// Its link is drained, and there are others.
        case drained
        /// It is on a shortest way, which further on needs this link: dead, missing or drained.
        case blocked(LinkID)
        /// It is on shortest ways, all of which are closed further on by several links together.
        case closed
        /// It is on no shortest way.
        case detour
        /// Above rank 0 only the port of the packet's tree counts.
        case otherTree
    }

    /// Ports that were not taken for one reason.
    public struct Others: Hashable, Sendable {
        /// The ports.
        public var ports: [Int]
        /// The reason.
        public var reason: Reason
    }

    /// A tree that was passed over, and why.
    public struct SkippedTree: Hashable, Sendable {
        /// The rank that it has.
        public var rank: Int
        /// The tree.
        public var tree: Int
        /// Its port here; nil where it does not lead on.
        public var port: Int?
        /// The first link on its way from here that is known not to carry packets; nil where the
        /// tree does not lead on.
        public var obstacle: LinkID?
    }

    /// What one switch does.
    public struct Step: Hashable, Sendable {
        /// The switch.
        public var id: SwitchID
        /// The rank with which the packet came.
        public var rank: Int
        /// What was decided.
        public var decision: ForwardingDecision
        /// The port that this flow takes; nil at the end.
        public var port: Int?
        /// Where that leads.
        public var next: Neighbor?
        /// The tree that the packet follows from here; nil at rank 0.
        public var tree: Int?
        /// The ports that were not taken.
        public var others: [Others]
        /// Trees that would have come first, when the rank was raised.
        public var skipped: [SkippedTree]
        /// Dead links that the switch knew of.
        public var known: LinkSet
    }

    /// The steps, from the first switch to the last.
    public let steps: [Step]
    /// How it ends.
    public let outcome: Outcome

    let forwarding: Forwarding
    let dead: LinkSet

    /// Follows a packet of one flow; equal flows take equal ways. O(hops × ports × known links).
    public init(
        _ forwarding: Forwarding, from: SwitchID, to destination: DestinationID,
        dead: LinkSet = [], knowledge: Knowledge = .full, flow: UInt64 = 0
    ) {
        self.forwarding = forwarding
        self.dead = dead
        let explainer = StepExplainer(
            forwarding: forwarding, destination: destination, dead: dead, knowledge: knowledge)
        var steps: [Step] = []
        var seen: Set<PathState> = []
        var at = PathState(id: from, tag: .zero)
        while true {
            guard seen.insert(at).inserted else {
                outcome = .loop
                break
            }
            let (step, tag) = explainer.step(at.id, at.tag, flow: flow)
            steps.append(step)
            guard let next = step.next else {
                outcome = step.decision == .deliver ? .delivered : .dropped
                break
            }
            at = PathState(id: next.far.owner, tag: tag)
        }
        self.steps = steps
    }

    private struct PathState: Hashable {
        var id: SwitchID
        var tag: Tag
    }
}

/// Explains single steps.
private struct StepExplainer {
    let forwarding: Forwarding
    let destination: DestinationID
    let dead: LinkSet
    let knowledge: PathExplanation.Knowledge

    private var fabric: Fabric { forwarding.fabric }

    func step(
        _ id: SwitchID, _ tag: Tag, flow: UInt64
    ) -> (step: PathExplanation.Step, tag: Tag) {
        let known = known(at: id)
        let decision = forwarding.decide(at: id, to: destination, tag: tag, dead: known)
        var step = PathExplanation.Step(
            id: id, rank: Int(tag.rank), decision: decision, port: nil, next: nil, tree: nil,
            others: [], skipped: [], known: known)
        var after = tag
        switch decision {
        case .deliver: break
        case .drop: step.others = others(at: id, taken: [], isTree: false, nil, known)
        case .forward(let ports, let raised):
            after = raised
            let port = ports[Self.choice(flow, id, of: ports.count)]
            step.port = port
            step.next = fabric.neighbor(of: id, port: port)
            step.tree = raised.tree(of: forwarding.routes.treeCount)
            // What was wrong with rank 0 is of interest when the packet leaves it here.
            step.others = others(
                at: id, taken: ports, isTree: tag != .zero, port, known)
            step.skipped = skipped(at: id, from: tag, upTo: raised, known)
        }
        return (step, after)
    }

    private func known(at id: SwitchID) -> LinkSet {
        let flood = FloodTree(fabric)
        return LinkSet(
            dead.filter { link in
                let (lower, upper) = fabric.ends(of: link)
                return lower.owner == id || upper.owner == id
                    || knowledge == .full && flood.isInScope(link, of: id)
            })
    }

    /// The place of a flow among equal ports: each switch mixes differently (SplitMix64's finish).
    private static func choice(_ flow: UInt64, _ id: SwitchID, of count: Int) -> Int {
        var z = (flow &+ 1) &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(id.index) &* 0xD6E8_FEB8_6659_FD93
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return Int(z.multipliedFullWidth(by: UInt64(count)).high)
    }

    /// The other ports, by reason.
    private func others(
        at id: SwitchID, taken: [Int], isTree: Bool, _ chosen: Int?, _ known: LinkSet
    ) -> [PathExplanation.Others] {
        var shortest: [Int] = []
        forwarding.routes.appendShortest(at: id, to: destination, avoiding: [], into: &shortest)
        var groups: [PathExplanation.Others] = []
        for port in 0..<fabric.fabricPortCount(of: id) where port != chosen {
            guard let next = fabric.neighbor(of: id, port: port) else { continue }
            let reason = reason(
                id, port, next, isEqual: taken.contains(port), isTree: isTree,
                isShortest: shortest.contains(port), known)
            if let at = groups.firstIndex(where: { $0.reason == reason }) {
                groups[at].ports.append(port)
            } else {
                groups.append(PathExplanation.Others(ports: [port], reason: reason))
            }
        }
        return groups
    }

    private func reason(
        _ id: SwitchID, _ port: Int, _ next: Neighbor, isEqual: Bool, isTree: Bool,
        isShortest: Bool, _ known: LinkSet
    ) -> PathExplanation.Reason {
        if isEqual { return .equal }
        if forwarding.missing.contains(next.link) { return .missing }
        if known.contains(next.link) { return .dead }
        if isTree { return .otherTree }
        guard isShortest else { return .detour }
        if forwarding.drained.contains(next.link) { return .drained }
        for link in known.union(forwarding.missing).union(forwarding.drained) {
            var open: [Int] = []
            forwarding.routes.appendShortest(
                at: id, to: destination, avoiding: [link], into: &open)
            if !open.contains(port) { return .blocked(link) }
        }
        return .closed
    }

    /// The trees between a packet's rank and the one that it was given.
    private func skipped(
        at id: SwitchID, from tag: Tag, upTo raised: Tag, _ known: LinkSet
    ) -> [PathExplanation.SkippedTree] {
        guard raised > tag else { return [] }
        let count = forwarding.routes.treeCount
        let bad = known.union(forwarding.missing).union(forwarding.drained)
        let first = tag == .zero ? 1 : Int(tag.rank)
        return (first..<Int(raised.rank)).map { rank in
            let tree = (rank - 1) % count
            let port = forwarding.routes.treePort(at: id, to: destination, tree: tree)
            return PathExplanation.SkippedTree(
                rank: rank, tree: tree, port: port, obstacle: obstacle(tree, id, bad))
        }
    }

    private func obstacle(_ tree: Int, _ id: SwitchID, _ bad: LinkSet) -> LinkID? {
        var at = id
        let owner = fabric.owner(of: destination)
        for _ in 0..<fabric.switchCount where at != owner {
            guard
                let port = forwarding.routes.treePort(at: at, to: destination, tree: tree),
                let next = fabric.neighbor(of: at, port: port)
            else { return nil }
            if bad.contains(next.link) { return next.link }
            at = next.far.owner
        }
        return nil
    }
}
