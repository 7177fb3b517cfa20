/// Bounds of a check.
public struct CheckLimits: Hashable, Sendable {
    /// Bad walks that are shown; a check by classes stops when it has found as many.
    public var counterExamples = 8
    /// How to go through the failure sets; nil: one after the other while that takes at most
    /// `exhaustiveWork` looks at switches.
    public var method: CheckReport.Method?
    /// Failure sets times destinations times switches.
    public var exhaustiveWork = 20_000_000
    /// Whether destinations and places that symmetry makes alike are looked at once. Off only to
    /// test that claim.
    public var usesSymmetry = true

    public init() {}
}

/// Proves of a plan, or of the change from one plan to the next, that packets arrive: for all
/// failure sets of a kind, for all that switches may know of them, for all sources, destinations
/// and choices of ports by hash.
///
/// `docs/fabric-check.md` says what exactly is counted and why the methods are sound.
public struct FabricChecker: Sendable {
    /// The plan, and behind it the one that it replaces, if any: then every switch may be at
    /// either, and stays there while a packet is on its way.
    let plans: [Forwarding]
    /// Bounds.
    public var limits = CheckLimits()

    /// A checker of a plan; with `old` of all mixtures of both. Both are of one fabric.
    public init(_ plan: Forwarding, replacing old: Forwarding? = nil) {
        plans = [plan] + (old.map { [$0] } ?? [])
        precondition(old == nil || old?.fabric == plan.fabric, "plans of two fabrics")
    }

    var fabric: Fabric { plans[0].fabric }

    /// Checks all sets of `failures` (0, 1 or 2) things of a kind, and no failure at all, with one
    /// knowledge. `progress` is told the share that is done, now and then, and ends the check by
    /// returning false.
    public func check(
        failures: Int, kind: FailureKind, knowledge: KnowledgeModel,
        progress: (Double) -> Bool = { _ in true }
    ) -> CheckReport {
        precondition((0...2).contains(failures))
        let patterns = kind.patterns(failures)
        let table = RiskTable(fabric, hasTrunks: kind.hasTrunks)
        let targets = destinations(hasTrunks: kind.hasTrunks)
        let sets = table.setCount(patterns)
        var method = limits.method
        if method == nil {
            let (work, overflow) = sets.multipliedReportingOverflow(
                by: targets.count * fabric.switchCount)
            method = !overflow && work <= limits.exhaustiveWork ? .exhaustive : .classes
        }
        var report = CheckReport(knowledge: [knowledge], method: method ?? .classes)
        report.cases = sets
        report.destinations = targets.count
        if method == .exhaustive {
            var search = ExhaustiveCheck(
                plans: plans, knowledge: knowledge, table: table, targets: targets,
                limit: limits.counterExamples)
            search.run(patterns, sets: sets, into: &report, progress: progress)
        } else {
            checkByClasses(patterns, table, targets, knowledge, &report, progress)
        }
        return report
    }

    /// All of several kinds of knowledge; the sums of what each finds.
    public func check(
        failures: Int, kind: FailureKind, knowledge: [KnowledgeModel],
        progress: (Double) -> Bool = { _ in true }
    ) -> CheckReport {
        precondition(!knowledge.isEmpty)
        var sum: CheckReport?
        for (index, model) in knowledge.enumerated() {
            let report = check(failures: failures, kind: kind, knowledge: model) { share in
                progress((Double(index) + share) / Double(knowledge.count))
            }
            if sum == nil { sum = report } else { sum?.add(report) }
        }
        guard var sum else { preconditionFailure("no knowledge to check") }
        sum.knowledge = knowledge
        return sum
    }

    // MARK: Destinations

    private var exceptions: LinkSet {
        plans.reduce(LinkSet()) { $0.union($1.missing).union($1.drained) }
    }

    private func destinations(hasTrunks: Bool) -> [ClosSymmetry.Representative] {
        if limits.usesSymmetry, exceptions.isEmpty, case .clos(let routes) = plans[0].routes {
            return ClosSymmetry(routes: routes, hasTrunks: hasTrunks).destinations()
        }
        return (0..<fabric.destinationCount).map {
            ClosSymmetry.Representative(destination: DestinationID($0), weight: 1)
        }
    }

    // MARK: By classes

    private func checkByClasses(
        _ patterns: [FailurePattern], _ table: RiskTable,
        _ targets: [ClosSymmetry.Representative], _ knowledge: KnowledgeModel,
        _ report: inout CheckReport, _ progress: (Double) -> Bool
    ) {
        report.disconnected = nil
        let search = WalkSearch(
            plans: plans, knowledge: knowledge, table: table, patterns: patterns,
            limit: limits.counterExamples)
        for (index, target) in targets.enumerated() {
            checkWithoutFailure(to: target.destination, knowledge, &report)
            for (id, bound) in starts(to: target.destination, hasTrunks: !table.isTrunkless) {
                search.follow(
                    firstSurpriseAt: id, to: target.destination, prefixBound: bound)
            }
            if search.isFull { break }
            if !progress(Double(index + 1) / Double(targets.count)) {
                report.isComplete = index + 1 == targets.count
                break
            }
        }
        report.maxHops = max(report.maxHops, search.maxHops)
        report.maxRank = max(report.maxRank, search.maxRank)
        report.decisions += search.decisions
        for example in search.found {
            if example.isLoss { report.blackHoles += 1 } else { report.loops += 1 }
            if example.isLoss, isUnprotected(example) { report.unprotected += 1 }
        }
        report.counterExamples += search.found
    }

    /// All sources while nothing has failed.
    private func checkWithoutFailure(
        to destination: DestinationID, _ knowledge: KnowledgeModel, _ report: inout CheckReport
    ) {
        let search = MemoSearch(plans: plans, knowledge: knowledge)
        search.begin(to: destination, dead: [])
        let walks = WalkSearch(
            plans: plans, knowledge: knowledge, table: RiskTable(fabric, hasTrunks: false),
            patterns: [], limit: 1)
        for source in fabric.sources(of: destination) {
            if case .delivered(let hops) = search.outcome(from: source) {
                report.maxHops = max(report.maxHops, hops)
            } else {
                walks.follow(from: source, to: destination, risks: [], dead: [])
                if walks.isFull { break }
            }
        }
        report.decisions += search.decisions + walks.decisions
        for example in walks.found {
            if example.isLoss { report.blackHoles += 1 } else { report.loops += 1 }
            if example.isLoss { report.unprotected += 1 }
        }
        report.counterExamples += walks.found
    }

    private func isUnprotected(_ example: CounterExample) -> Bool {
        guard let start = example.steps.first?.at else { return false }
        let search = MemoSearch(plans: plans, knowledge: .flooded)
        search.begin(to: example.destination, dead: example.dead)
        return search.outcome(from: start) == .lost
    }

    /// Switches where packets to a destination may be surprised, with the longest way there.
    private func starts(to destination: DestinationID, hasTrunks: Bool)
        -> [(id: SwitchID, bound: Int)]
    {
        let plane = fabric.plane(of: fabric.owner(of: destination))
        switch plans[0].routes {
        case .clos(let routes):
            let symmetry = ClosSymmetry(routes: routes, hasTrunks: hasTrunks)
            let all =
                limits.usesSymmetry
                ? symmetry.switches(to: destination, exceptions: exceptions)
                : (0..<fabric.switchCount).map { SwitchID($0) }.filter {
                    fabric.plane(of: $0) == plane
                }
            return all.map { ($0, symmetry.longestWay(to: $0, of: destination)) }
        case .graph:
            let tables = plans.compactMap { plan -> [UInt16]? in
                guard case .graph(let routes) = plan.routes else { return nil }
                return routes.table(of: destination).distance
            }
            return (0..<fabric.switchCount).map { index in
                let bound = tables.map { distance in
                    let farthest = distance.filter { $0 != .max }.max() ?? 0
                    return distance[index] == .max ? 0 : Int(farthest - distance[index])
                }.reduce(0, max)
                return (SwitchID(index), bound)
            }
        }
    }
}

extension Fabric {
    /// The switches from which hosts send to a destination: all that own one, in its plane.
    func sources(of destination: DestinationID) -> [SwitchID] {
        let owner = owner(of: destination)
        return (0..<destinationCount).map { self.owner(of: DestinationID($0)) }
            .filter { $0 != owner && plane(of: $0) == plane(of: owner) }
    }
}

extension CounterExample {
    /// Whether the packet is lost, rather than going round.
    var isLoss: Bool {
        switch fault {
        case .noWayOn, .deadLink: true
        case .loop, .tooLong: false
        }
    }
}
