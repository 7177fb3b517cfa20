import KapokFabric
import KapokSimulation
import KapokWorld

/// What edge switches hear of links above them. Usually nothing: their aggregation switches choose
/// among the cores. When dead links leave an aggregation switch no core to some pod, its edge
/// switches must send what is for that pod through other planes, and are told of those links.
extension SizeEngine {
    /// Edge switches of one pod know the dead upper links between it and another, in one plane.
    struct Escalation: Hashable {
        var plane: Int
        var aggregation: Int
        var pod: Int
        var other: Int
    }

    /// News of an upper link are in force at the aggregation switches: are pods cut off now?
    mutating func escalate(_ news: NewsSlot) {
        guard let topology else { return }
        let cause = news.cause
        if news.condition == .up {
            if !escalations.isEmpty {
                escalations = escalations.filter { key, _ in
                    key.plane != cause.plane || key.aggregation != cause.aggregation
                        || (key.pod != cause.pod && key.other != cause.pod)
                }
            }
            return
        }
        // Each core needs a dead link of its own.
        guard openLinks.count >= topology.shape.coresPerAggregation else { return }
        for pod in 0..<topology.shape.pods where pod != cause.pod {
            let dead = deadWays(cause, pod, topology)
            guard dead.blocked else { continue }
            for (near, far) in [(cause.pod, pod), (pod, cause.pod)] {
                let key = Escalation(
                    plane: cause.plane, aggregation: cause.aggregation, pod: near, other: far)
                let upper = topology.aggregation(
                    plane: cause.plane, pod: near, cause.aggregation)
                guard escalations[key] == nil, deadSwitches[upper.index] == 0 else { continue }
                let edges = topology.shape.edgesPerPod
                let last =
                    now + UInt64(edges) * options.send.nanoseconds + options.hop.nanoseconds
                    + options.wire.lowerMetres * WireTiming.nanosecondsPerTenMetres / 10
                    + options.tableUpdate.nanoseconds
                escalations[key] = last
                tally.escalationMessages += edges * dead.count
                tally.escalations += 1
                trace.mix(last)
                let outcome = last - outcomes[news.failure].began
                outcomes[news.failure].optimal = max(outcomes[news.failure].optimal, outcome)
            }
        }
    }

    /// The links between two pods in a plane that were told to be down, and whether they leave no
    /// core.
    private func deadWays(
        _ cause: NewsCause, _ pod: Int, _ topology: ClosTopology
    ) -> (count: Int, blocked: Bool) {
        var count = 0
        var isBlocked = true
        for core in 0..<topology.shape.coresPerAggregation {
            let near = toldDown(cause, cause.pod, core, topology)
            let far = toldDown(cause, pod, core, topology)
            count += (near ? 1 : 0) + (far ? 1 : 0)
            let isDead = near || far
            if !isDead { isBlocked = false }
        }
        return (count, isBlocked)
    }

    private func toldDown(
        _ cause: NewsCause, _ pod: Int, _ core: Int, _ topology: ClosTopology
    ) -> Bool {
        let link = topology.upperLink(
            plane: cause.plane, pod: pod, aggregation: cause.aggregation, core: core)
        return links[link.index].told == .down
    }

    /// Whether an edge switch was told of an upper link by now.
    func isEscalated(_ cause: NewsCause, at id: SwitchID) -> Bool {
        guard !escalations.isEmpty, let topology, cause.kind == .upper else { return false }
        let at = topology.position(of: id)
        guard at.tier == .edge, at.plane == cause.plane else { return false }
        return escalations.contains { key, instant in
            key.plane == cause.plane && key.aggregation == cause.aggregation && key.pod == at.pod
                && (cause.pod == at.pod || cause.pod == key.other) && instant <= now
        }
    }
}
