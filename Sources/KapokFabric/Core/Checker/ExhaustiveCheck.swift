/// Goes through failure sets one after the other.
struct ExhaustiveCheck {
    private let fabric: Fabric
    private let plans: [Forwarding]
    private let knowledge: KnowledgeModel
    private let table: RiskTable
    private let targets: [ClosSymmetry.Representative]
    private let limit: Int
    /// Links that some plan does without: they connect nothing.
    private let unplanned: LinkSet
    private let search: MemoSearch
    private let full: MemoSearch

    init(
        plans: [Forwarding], knowledge: KnowledgeModel, table: RiskTable,
        targets: [ClosSymmetry.Representative], limit: Int
    ) {
        fabric = plans[0].fabric
        self.plans = plans
        self.knowledge = knowledge
        self.table = table
        self.targets = targets
        self.limit = limit
        unplanned = Forwarding.unplannedLinks(plans)
        search = MemoSearch(plans: plans, knowledge: knowledge)
        full = MemoSearch(plans: plans, knowledge: .flooded)
    }

    /// Goes through all sets of the patterns, after the one without any failure.
    mutating func run(
        _ patterns: [FailurePattern], sets: Int, into report: inout CheckReport,
        progress: (Double) -> Bool
    ) {
        check([], &report)
        var done = 0
        var isStopped = false
        table.forEachSet(patterns) { risks in
            if !risks.isEmpty { check(risks, &report) }
            done += 1
            if done & 255 == 0, !progress(Double(done) / Double(max(sets, 1))) {
                isStopped = true
            }
            return !isStopped
        }
        if isStopped { report.isComplete = false }
        report.decisions += search.decisions + full.decisions
        report.maxRank = max(report.maxRank, search.maxRank)
    }

    private func check(_ risks: [Risk], _ report: inout CheckReport) {
        guard knowledge == .stale else { return check(risks, over: [], &report) }
        // Every choice of those that are over, except none: that is `partial`.
        for mask in risks.isEmpty ? 0..<1 : 1..<1 << risks.count {
            let over = risks.indices.filter { mask >> $0 & 1 == 1 }.map { risks[$0] }
            check(risks.filter { !over.contains($0) }, over: over, &report)
        }
    }

    private func check(_ risks: [Risk], over: [Risk], _ report: inout CheckReport) {
        let dead = risks.reduce(LinkSet()) { $0.union(table.links(of: $1)) }
        let revived = over.reduce(LinkSet()) { $0.union(table.links(of: $1)) }
        let isCut = !dead.isEmpty || !unplanned.isEmpty
        for target in targets {
            let owner = fabric.owner(of: target.destination)
            if risks.contains(.node(owner)) { continue }
            search.begin(to: target.destination, dead: dead, revived: revived)
            var connected: [Bool]?
            for source in fabric.sources(of: target.destination)
            where !risks.contains(.node(source)) {
                let outcome = search.outcome(from: source)
                if case .delivered(let hops) = outcome, hops <= report.maxHops { continue }
                if case .delivered(let hops) = outcome, search.isExact {
                    report.maxHops = hops
                    continue
                }
                if case .lost = outcome, isCut {
                    if connected == nil {
                        connected = fabric.reached(
                            from: owner, without: dead, and: unplanned, until: nil)
                    }
                    if connected?[source.index] == false {
                        report.disconnected = (report.disconnected ?? 0) + target.weight
                        continue
                    }
                }
                judge(source, target, risks + over, dead, revived, outcome, &report)
            }
        }
    }

    /// Follows the packets of one source exactly.
    private func judge(
        _ source: SwitchID, _ target: ClosSymmetry.Representative, _ risks: [Risk],
        _ dead: LinkSet, _ revived: LinkSet, _ outcome: MemoSearch.Outcome,
        _ report: inout CheckReport
    ) {
        let walks = WalkSearch(
            plans: plans, knowledge: knowledge, table: table, patterns: [], limit: 1)
        let isShown = report.counterExamples.count < limit
        if !search.isExact || isShown {
            walks.follow(
                from: source, to: target.destination, risks: risks, dead: dead,
                revived: revived)
            report.decisions += walks.decisions
        }
        report.maxHops = max(report.maxHops, walks.maxHops)
        var isLoop = outcome == .looping
        if let example = walks.found.first {
            if isShown { report.counterExamples.append(example) }
            isLoop = !example.isLoss
        } else if !search.isExact {
            return
        }
        if isLoop { return report.loops += target.weight }
        report.blackHoles += target.weight
        full.begin(to: target.destination, dead: dead)
        if full.outcome(from: source) == .lost { report.unprotected += target.weight }
    }
}
