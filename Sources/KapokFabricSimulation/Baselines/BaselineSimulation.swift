public import KapokFabric
import KapokSimulation
public import KapokWorld

/// Runs a schedule of failures under one of the protocols that the fabric is compared to.
///
/// Failures that do not touch links between switches (of hosts) cost none of the protocols
/// anything and are left out. A grey link is not noticed by any of them: its packets are lost
/// until the hardware is repaired, and it is counted under `undetected` instead of in the
/// percentiles. Of a flap the first outage counts. Coming back up is not modelled.
public struct BaselineSimulation {
    /// Which protocol.
    public let baseline: FabricProtocol
    /// What it costs.
    public var constants = BaselineConstants()
    /// Whether the central controller lives.
    public var isControllerAlive = true

    public init(_ baseline: FabricProtocol) { self.baseline = baseline }

    /// The outcomes, one for each failure that the protocol has to answer, the number of failures
    /// it does not notice, and how many events were worked off.
    public struct Run: Sendable {
        /// In the order of the schedule, without host links and grey links.
        public var outcomes: [BaselineOutcome]
        /// When each of them happened.
        public var instants: [Instant]
        /// Grey links.
        public var undetected: Int
        /// Events.
        public var events: UInt64
        /// Over all events or outcomes.
        public var traceHash: UInt64
    }

    /// Lets every failure of the schedule happen.
    public func run(
        _ fabric: Fabric, _ schedule: FailureSchedule
    ) throws(BaselineRefusal) -> Run {
        guard case .clos(let clos) = fabric else { throw .needsClos(baseline) }
        let heard = schedule.events.filter { !$0.links.isEmpty && $0.kind != .grey }
        let failures = heard.map {
            BaselineFailure(instant: $0.instant, links: $0.links, isSilent: $0.isSilent)
        }
        var random = RandomStream(seed: schedule.seed).split("baseline")
        var trace = TraceHash()
        var outcomes: [BaselineOutcome] = []
        var events = UInt64(failures.count)
        switch baseline {
        case .sidr: throw .isNoBaseline
        case .bgp:
            let dead = heard.map(\.failedSwitch)
            var simulation = Simulation(
                PathVectorBaseline(clos, failures, deadSwitches: dead, constants),
                stepLimit: .max, minimumCapacity: 1 << 16)
            let detections = simulation.world.begin(&random, in: &simulation.agenda)
            _ = simulation.run()
            for (index, failure) in failures.enumerated() {
                let time = simulation.world.settled[index] - failure.instant
                outcomes.append(
                    BaselineOutcome(
                        detection: detections[index], repair: time, optimal: time,
                        messages: simulation.world.messages[index]))
            }
            events = simulation.steps
            trace.mix(simulation.traceHash)
        case .ospf:
            var model = LinkStateBaseline(clos, constants)
            for (failure, event) in zip(failures, heard) {
                outcomes.append(model.run(failure, dead: event.failedSwitch, &random))
            }
        case .central:
            outcomes = CentralBaseline(
                clos, isControllerAlive: isControllerAlive, constants
            ).run(
                failures, dead: heard.map(\.failedSwitch), ends: heard.map(\.outages[0].end),
                &random)
        }
        for outcome in outcomes {
            trace.mix(outcome.repair.nanoseconds)
            trace.mix(outcome.optimal.nanoseconds)
            trace.mix(outcome.messages)
        }
        return Run(
            outcomes: outcomes, instants: failures.map(\.instant),
            undetected: schedule.events.count { $0.kind == .grey }, events: events,
            traceHash: trace.value)
    }

    /// The same as a report in the form that all protocols share. CPU times and peak memory are
    /// the caller's to add.
    public func report(
        topology: String, fabric: Fabric, schedule: FailureSchedule
    ) throws(BaselineRefusal) -> FabricReport {
        let run = try run(fabric, schedule)
        var report = FabricReport(
            protocol: baseline, topology: topology, fabric: fabric, schedule: schedule)
        func milliseconds(_ of: (BaselineOutcome) -> UInt64) -> [Double] {
            run.outcomes.map { Double(of($0)) / 1e6 }
        }
        report.events = Int(run.events)
        report.detectionMilliseconds = Percentiles(milliseconds { $0.detection.nanoseconds })
        report.repairSamples = milliseconds { $0.repair.nanoseconds }
        report.optimalSamples = milliseconds { $0.optimal.nanoseconds }
        report.repairMilliseconds = Percentiles(report.repairSamples)
        report.optimalMilliseconds = Percentiles(report.optimalSamples)
        report.repairAfterDetectionMilliseconds = Percentiles(
            milliseconds { $0.repair.nanoseconds - min($0.detection, $0.repair).nanoseconds })
        report.optimalAfterDetectionMilliseconds = Percentiles(
            milliseconds { $0.optimal.nanoseconds - min($0.detection, $0.optimal).nanoseconds })
        if schedule.mode == .simultaneous {
            report.allRepairedMilliseconds = report.repairMilliseconds.max
            report.allOptimalMilliseconds = report.optimalMilliseconds.max
        }
        report.messages = Int(run.outcomes.reduce(0) { $0 + $1.messages })
        report.setTraceHash(run.traceHash)
        var tally = CapacityTally()
        for outcome in run.outcomes {
            tally.add(weight: 1, repaired: outcome.repair, optimal: outcome.optimal)
        }
        report.capacity = tally.points
        if run.undetected > 0 { report.details["undetected"] = Double(run.undetected) }
        return report
    }
}
