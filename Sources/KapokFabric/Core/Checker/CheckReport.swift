/// What a check found.
public struct CheckReport: Sendable {
    /// How the failure sets were gone through.
    public enum Method: String, Hashable, Sendable {
        /// One after the other.
        case exhaustive
        /// All at once: packets are followed, and something fails only where their way depends on
        /// it; places that symmetry makes alike are looked at once.
        case classes
    }

    /// The knowledge that switches were given.
    public var knowledge: [KnowledgeModel]
    /// How the failure sets were gone through.
    public var method: Method
    /// Failure sets covered, each for all sources, destinations, ECMP choices and states of
    /// knowledge.
    public var cases = 0
    /// (failure set, source, destination) for which some packet can come to the same switch with
    /// the same rank again. By classes: walks found, at most `CheckLimits.counterExamples`.
    public var loops = 0
    /// (failure set, source, destination) for which some packet is dropped, or sent into a dead
    /// link, although source and destination are connected. By classes as `loops`.
    public var blackHoles = 0
    /// Of the black holes, those that remain when every switch knows everything: no ranked way is
    /// left.
    public var unprotected = 0
    /// (failure set, source, destination) that are physically disconnected, so that nothing could
    /// deliver; nil where the method does not count them.
    public var disconnected: Int? = 0
    /// The most links that a delivered packet crosses.
    public var maxHops = 0
    /// The highest rank that a packet reached.
    public var maxRank = 0
    /// Destinations that were looked at; the others are alike by symmetry.
    public var destinations = 0
    /// Decisions of switches that were evaluated.
    public var decisions = 0
    /// Whether all was gone through; false when the check was stopped early.
    public var isComplete = true
    /// The first bad walks.
    public var counterExamples: [CounterExample] = []

    /// Whether nothing is wrong and all was looked at.
    public var isClean: Bool { loops == 0 && blackHoles == 0 && isComplete }

    init(knowledge: [KnowledgeModel], method: Method) {
        self.knowledge = knowledge
        self.method = method
    }

    /// Adds what another check of the same failure sets found.
    mutating func add(_ other: CheckReport) {
        loops += other.loops
        blackHoles += other.blackHoles
        unprotected += other.unprotected
        maxHops = max(maxHops, other.maxHops)
        maxRank = max(maxRank, other.maxRank)
        decisions += other.decisions
        isComplete = isComplete && other.isComplete
        counterExamples += other.counterExamples
    }
}

/// A walk that should not be.
public struct CounterExample: Hashable, Sendable {
    /// What is wrong with it.
    public enum Fault: Hashable, Sendable {
        /// The packet is where it was before, with the same rank.
        case loop
        /// No rank leads on.
        case noWayOn
        /// It was sent into a dead link.
        case deadLink(LinkID)
        /// It is still on its way after as many links as a packet may cross.
        case tooLong
    }

    /// A switch on the way and what it did.
    public struct Step: Hashable, Sendable {
        /// The switch.
        public var at: SwitchID
        /// The rank that the packet arrived with.
        public var tag: Tag
        /// The links that the switch took for dead.
        public var known: LinkSet
        /// Whether it was at the older of two plans.
        public var isOldPlan: Bool
        /// The port and rank that it sent the packet on with; nil at the last.
        public var sent: Sent?
    }

    /// How a switch sent a packet on.
    public struct Sent: Hashable, Sendable {
        /// The port.
        public var port: Int
        /// The rank.
        public var tag: Tag
    }

    /// What is wrong.
    public var fault: Fault
    /// Where the packet was going.
    public var destination: DestinationID
    /// The knowledge that switches were given.
    public var knowledge: KnowledgeModel
    /// What had failed.
    public var failures: [Risk]
    /// The links that died of it.
    public var dead: LinkSet
    /// Links whose failure is over, though some switches take them for dead.
    public var revived: LinkSet
    /// From the first switch to the last.
    public var steps: [Step]
}

extension CounterExample {
    /// The walk as a path, with what had failed and who knew it.
    public func text(in fabric: Fabric) -> String {
        let table = RiskTable(fabric, hasTrunks: failures.contains { $0.isTrunk })
        var lines: [String] = []
        let failed = failures.map(table.describe).joined(separator: "; ")
        lines.append(
            "to \(fabric.name(of: fabric.owner(of: destination))), knowledge "
                + "\(knowledge.rawValue), failed: \(failed.isEmpty ? "nothing" : failed)")
        if !revived.isEmpty {
            lines.append("  alive again: \(Self.list(revived, fabric))")
        }
        lines.append("  " + path(in: fabric))
        var told: Set<SwitchID> = []
        for step in steps where !step.known.isEmpty && told.insert(step.at).inserted {
            lines.append(
                "  \(fabric.name(of: step.at)) took for dead: \(Self.list(step.known, fabric))")
        }
        return lines.joined(separator: "\n")
    }

    /// `edge-0-0 -(rank 0)-> agg-0-1 -(rank 3)-> edge-0-1: drop, no way on`.
    public func path(in fabric: Fabric) -> String {
        var text = ""
        for (place, step) in steps.enumerated() {
            // Of a very long walk the first and last steps tell all.
            if steps.count > 40, place >= 20, place < steps.count - 4 {
                if place == 20 { text += "... \(steps.count - 24) more ... " }
                continue
            }
            text += fabric.name(of: step.at)
            if step.isOldPlan { text += " [old plan]" }
            if let sent = step.sent { text += " -(\(sent.tag))-> " }
        }
        switch fault {
        case .loop: text += ": loop, it was here with this rank before"
        case .noWayOn: text += ": drop, no rank leads on"
        case .deadLink(let link): text += ": lost, sent into dead link \(fabric.describe(link))"
        case .tooLong: text += ": too long, given up"
        }
        return text
    }

    /// The links of a set in words, the first few.
    static func list(_ links: LinkSet, _ fabric: Fabric) -> String {
        let shown = links.prefix(4).map { fabric.describe($0) }.joined(separator: "; ")
        return links.count > 4 ? "\(shown); and \(links.count - 4) more" : shown
    }
}

extension Risk {
    var isTrunk: Bool { if case .trunk = self { true } else { false } }
}
