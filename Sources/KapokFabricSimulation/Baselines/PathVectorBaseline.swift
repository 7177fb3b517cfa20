import KapokFabric
import KapokSimulation
import KapokWorld

/// eBGP between all switches of a Clos network, with the AS numbers of RFC 7938 (one for the cores,
/// one for the aggregation switches of a pod), which make every path that goes down and up again a
/// loop: there is no path hunting, and no way around a dead link except from above it.
///
/// Each UPDATE is an event, and each switch one thread that works them off in order.
///
/// * A dead lower link (edge e, aggregation a): a withdraws e's prefix from its other edge switches
///   and its cores, each core from its other pods, and an aggregation switch from its edge switches
///   once the last of its cores has withdrawn.
/// * A dead upper link (aggregation a of pod p, core c): c withdraws pod p's prefixes from the
///   other pods, whose aggregation switches go on with their other cores, or withdraw when it was
///   the last.
struct PathVectorBaseline: Scenario, ~Copyable {
    struct Event {
        enum Step: UInt8 { case detectedBelow, detectedAbove, withdrawn }
        var step: Step
        /// Where it happens.
        var at: Int32
        /// Which cause (`causes`) it belongs to.
        var cause: Int32
    }

    /// Prefixes that are lost through one dead link, or through all dead links of one aggregation
    /// switch upward.
    struct Cause {
        var failure: Int
        var link: LinkID
        /// For each pod how many cores have withdrawn; empty where it cannot matter.
        var withdrawals: [UInt16]
        /// Links that share the count with this one: cores that withdraw the same prefixes.
        var shared: Int
        var prefixes: UInt64
    }

    let clos: ClosTopology
    let constants: BaselineConstants
    /// When each switch has worked off what it has.
    var busy: [UInt64]
    var causes: [Cause] = []
    /// The last change that each failure made anywhere.
    var settled: [Instant]
    var messages: [UInt64]
    let failures: [BaselineFailure]
    let dead: [SwitchID?]

    init(
        _ clos: ClosTopology, _ failures: [BaselineFailure], deadSwitches: [SwitchID?],
        _ constants: BaselineConstants
    ) {
        self.clos = clos
        self.constants = constants
        self.failures = failures
        dead = deadSwitches
        busy = [UInt64](repeating: 0, count: clos.switchCount)
        settled = failures.map(\.instant)
        messages = [UInt64](repeating: 0, count: failures.count)
    }

    /// Makes the causes and their first events; gives the detection time of each failure.
    mutating func begin(
        _ random: inout RandomStream, in agenda: inout Agenda<Event>
    ) -> [Interval] {
        var detections: [Interval] = []
        for (index, failure) in failures.enumerated() {
            var latest = Interval.zero
            var shared: [Int: Int] = [:]
            for link in failure.links {
                let cause = addCause(index, link, &shared)
                let (lower, upper) = clos.ends(of: link)
                for (end, step) in [
                    (lower.owner, Event.Step.detectedBelow), (upper.owner, .detectedAbove),
                ] where end != dead[index] {
                    let after = baselineDetection(
                        isSilent: failure.isSilent, constants, &random)
                    latest = max(latest, after)
                    agenda.schedule(
                        Event(step: step, at: Int32(end.index), cause: Int32(cause)),
                        at: failure.instant + after)
                }
            }
            detections.append(latest)
        }
        return detections
    }

    private mutating func addCause(
        _ failure: Int, _ link: LinkID, _ shared: inout [Int: Int]
    ) -> Int {
        var prefixes: UInt64 = 1
        var owner = causes.count
        if case .upper(_, let pod, let aggregation, _) = clos.kind(of: link) {
            prefixes = UInt64(clos.shape.edgesPerPod)
            let key = pod * clos.shape.aggregationsPerPod + aggregation
            owner = shared[key] ?? causes.count
            shared[key] = owner
        }
        let counts =
            owner == causes.count
            ? [UInt16](repeating: 0, count: clos.shape.pods) : []
        causes.append(
            Cause(
                failure: failure, link: link, withdrawals: counts, shared: owner,
                prefixes: prefixes))
        return causes.count - 1
    }

    static func mix(_ event: Event, into trace: inout TraceHash) {
        trace.mix(UInt64(event.step.rawValue))
        trace.mix(UInt64(bitPattern: Int64(event.at)))
        trace.mix(UInt64(bitPattern: Int64(event.cause)))
    }

    mutating func handle(_ event: Event, in agenda: inout Agenda<Event>) {
        let cause = causes[Int(event.cause)]
        let id = SwitchID(Int(event.at))
        let at = clos.position(of: id)
        let cost =
            constants.bgpUpdate.nanoseconds
            + cause.prefixes * constants.bgpPrefix.nanoseconds
        switch (event.step, clos.kind(of: cause.link)) {
        case (.detectedBelow, _):
            // One group of ways up loses a member, whatever the number of prefixes.
            settle(cause, work(constants.groupReplace.nanoseconds, id, agenda.now))
        case (.detectedAbove, .lower(_, _, let edge, _)):
            let done = published(work(cost, id, agenda.now))
            let ports = (0..<clos.fabricPortCount(of: id)).filter { $0 != edge }
            send(from: id, ports: ports, done, event.cause, in: &agenda)
        case (.detectedAbove, .upper(_, let pod, _, _)):
            let done = published(work(cost, id, agenda.now))
            send(
                from: id, ports: (0..<clos.shape.pods).filter { $0 != pod }, done, event.cause,
                in: &agenda)
        case (.withdrawn, let kind):
            let done = published(
                work(cost + constants.groupReplace.nanoseconds, id, agenda.now))
            let pod: Int
            switch kind {
            case .lower(_, let lost, _, _): pod = lost
            case .upper(_, let lost, _, _): pod = lost
            }
            switch at.tier {
            case .edge: settle(cause, done)
            case .core:
                send(
                    from: id, ports: (0..<clos.shape.pods).filter { $0 != pod }, done,
                    event.cause, in: &agenda)
            case .aggregation:
                settle(cause, done)
                causes[cause.shared].withdrawals[at.pod] += 1
                if Int(causes[cause.shared].withdrawals[at.pod]) == clos.shape.coresPerAggregation {
                    send(
                        from: id, ports: Array(0..<clos.shape.edgesPerPod), done, event.cause,
                        in: &agenda)
                }
            }
        }
    }

    /// When switch `id`, which does one thing at a time, has done this too.
    private mutating func work(_ cost: UInt64, _ id: SwitchID, _ now: Instant) -> Instant {
        busy[id.index] = max(busy[id.index], now.nanoseconds) + cost
        return Instant(nanoseconds: busy[id.index])
    }

    /// Once the work is done its results wait for the event loop's turn.
    private func published(_ done: Instant) -> Instant {
        done
            + Interval(
                nanoseconds: constants.bgpLatency.nanoseconds - constants.bgpUpdate.nanoseconds)
    }

    private mutating func settle(_ cause: Cause, _ instant: Instant) {
        settled[cause.failure] = max(settled[cause.failure], instant)
    }

    private mutating func send(
        from id: SwitchID, ports: [Int], _ done: Instant, _ cause: Int32,
        in agenda: inout Agenda<Event>
    ) {
        let failure = causes[Int(cause)].failure
        var turn = max(busy[id.index], done.nanoseconds)
        for port in ports {
            guard let next = clos.neighbor(of: id, port: port),
                next.far.owner != dead[failure]
            else { continue }
            busy[id.index] += constants.bgpSend.nanoseconds
            turn += constants.bgpSend.nanoseconds
            messages[failure] += 1
            agenda.schedule(
                Event(step: .withdrawn, at: Int32(next.far.owner.index), cause: cause),
                at: Instant(nanoseconds: turn) + constants.propagation)
        }
    }
}
