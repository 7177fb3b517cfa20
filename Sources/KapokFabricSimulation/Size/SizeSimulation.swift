public import KapokFabric
import KapokSimulation
import KapokWorld

/// The fabric's own protocol at any size: what a schedule of failures costs, failure by failure.
///
/// The model keeps 20 bytes for each link, to hosts too, and computes everything else about the
/// structure; hellos of healthy links are not simulated. News about failures travel both copies'
/// whole ways, message by message. See `docs/fabric-simulate.md` for what is and is not simulated.
public enum SizeSimulation {
    /// Runs a schedule. Takes O(scope) for each failure; equal arguments give equal trace hashes on
    /// any machine, in debug and release.
    public static func run(
        fabric: Fabric, topology: String, schedule: FailureSchedule,
        options: SizeOptions = SizeOptions()
    ) throws(SizeRefusal) -> FabricReport {
        let timers = options.timers
        guard timers.hello.nanoseconds > 0, timers.multiplier > 0,
            timers.greyWindow >= timers.hello, timers.digest.nanoseconds > 0
        else {
            throw SizeRefusal(
                "hello, multiplier and digest must be positive, and a window of at least one "
                    + "hello")
        }
        guard fabric.linkCount + fabric.hostLinkCount < 1 << 30 else {
            throw SizeRefusal("more than \(1 << 30) links")
        }
        var report = FabricReport(
            protocol: .sidr, topology: topology, fabric: fabric, schedule: schedule)
        let began = ProcessUsage.cpuSeconds
        var engine = SizeEngine(fabric: fabric, schedule: schedule, options: options)
        let built = ProcessUsage.cpuSeconds
        report.buildSeconds = built - began
        engine.run()
        report.runSeconds = ProcessUsage.cpuSeconds - built
        engine.fill(&report)
        report.peakMemoryBytes = ProcessUsage.peakMemoryBytes
        return report
    }
}

extension SizeEngine {
    /// Writes what the run came to into a report.
    func fill(_ report: inout FabricReport) {
        let counted = outcomes.filter(\.isCounted)
        func milliseconds(_ value: UInt64) -> Double { Double(value) / 1e6 }
        report.repairSamples = counted.map { milliseconds($0.repair) }
        report.optimalSamples = counted.map { milliseconds($0.optimal) }
        report.repairMilliseconds = Percentiles(report.repairSamples)
        report.optimalMilliseconds = Percentiles(report.optimalSamples)
        let noticed = counted.filter { $0.detection > 0 }
        report.detectionMilliseconds = Percentiles(noticed.map { milliseconds($0.detection) })
        func after(_ value: UInt64, _ outcome: FailureOutcome) -> Double {
            value > outcome.detection ? milliseconds(value - outcome.detection) : 0
        }
        report.repairAfterDetectionMilliseconds = Percentiles(
            noticed.map { after($0.repair, $0) })
        report.optimalAfterDetectionMilliseconds = Percentiles(
            noticed.map { after($0.optimal, $0) })
        report.lostPackets = Percentiles(
            counted.map { $0.lost * TrafficShares.packetsPerMillisecond })
        if schedule.mode == .simultaneous {
            report.allRepairedMilliseconds = report.repairMilliseconds.max
            report.allOptimalMilliseconds = report.optimalMilliseconds.max
        }
        report.messages = tally.messages + tally.escalationMessages
        report.lostMessages = tally.lostMessages
        report.events = tally.queueEvents + tally.hellos + report.messages
        report.worstLoadAfterRepair = tally.worstLoadAfter
        report.worstLoadDuringRepair = max(oracle.worstDetour, tally.worstLoadAfter)
        report.capacity = capacity.points
        report.setTraceHash(trace.value)
        report.details = [
            "oracleChecks": Double(oracle.checks), "oracleFailures": Double(oracle.failures),
            "oracleBeyondPromise": Double(oracle.beyondPromise),
            "oracleTooEarly": Double(oracle.tooEarly),
            "oracleDisconnected": Double(oracle.disconnected),
            "digestRepairs": Double(tally.digestRepairs), "cutOff": Double(tally.cutOff),
            "untold": Double(tally.untold),
            "escalations": Double(tally.escalations),
            "escalationMessages": Double(tally.escalationMessages),
            "planMessages": Double(tally.planMessages), "maskedOutages": Double(tally.masked),
            "unnoticedOutages": Double(tally.unnoticed),
            "newsDown": Double(tally.floodsDown), "newsUp": Double(tally.floodsUp),
            "hostsCutOff": Double(tally.hostsCutOff),
            "drainsRefused": Double(tally.drainsRefused), "mostOpenLinks": Double(tally.mostOpen),
            "mostNewsAtOnce": Double(tally.mostSlots), "queueEvents": Double(tally.queueEvents),
        ]
        if let complaint = oracle.firstFailure { report.notes.append(complaint) }
    }
}
