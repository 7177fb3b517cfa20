import KapokFabric
import KapokWorld

/// A central controller: switches report, it computes, and programs every switch whose choices the
/// dead link touches. Switches by themselves only take dead members out of their own groups (fast
/// failover), which repairs the way up but not the way down.
struct CentralBaseline {
    private let clos: ClosTopology
    private let constants: BaselineConstants
    /// Without it nothing below a dead link is ever repaired.
    private let isControllerAlive: Bool

    init(_ clos: ClosTopology, isControllerAlive: Bool, _ constants: BaselineConstants) {
        self.clos = clos
        self.isControllerAlive = isControllerAlive
        self.constants = constants
    }

    /// Switches whose groups change: all edge switches of the plane for a lower link, the other
    /// aggregation switches below the same core for an upper one.
    private func touched(_ link: LinkID) -> UInt64 {
        switch clos.kind(of: link) {
        case .lower: UInt64(clos.edgesPerPlane - 1)
        case .upper: UInt64(clos.shape.pods - 1)
        }
    }

    private struct Report {
        var heard: UInt64
        var detection: Interval
        var reports: UInt64
        var switches: UInt64
    }

    private func report(
        _ failure: BaselineFailure, dead: SwitchID?, _ random: inout RandomStream
    ) -> Report {
        var report = Report(heard: 0, detection: .zero, reports: 0, switches: 0)
        for link in failure.links {
            let (lower, upper) = clos.ends(of: link)
            for owner in [lower.owner, upper.owner] where dead.map({ $0 != owner }) ?? true {
                let after = baselineDetection(isSilent: failure.isSilent, constants, &random)
                report.detection = max(report.detection, after)
                report.reports += 1
            }
            report.switches += touched(link)
        }
        // A trunk or a switch touches the same switches again and again.
        report.switches = min(report.switches, UInt64(clos.switchCount))
        report.heard = (failure.instant + report.detection + constants.reportDelay).nanoseconds
        return report
    }

    /// Lets all failures happen; `ends` is when the hardware is repaired, and stands for the repair
    /// where there is no controller. The controller solves for all that it has heard when it
    /// begins, and begins again with what came in the meantime.
    func run(
        _ failures: [BaselineFailure], dead: [SwitchID?], ends: [Instant],
        _ random: inout RandomStream
    ) -> [BaselineOutcome] {
        var reports: [Report] = []
        for (failure, dead) in zip(failures, dead) {
            reports.append(report(failure, dead: dead, &random))
        }
        var finished = ends.map(\.nanoseconds)
        if isControllerAlive {
            let order = reports.indices.sorted {
                (reports[$0].heard, $0) < (reports[$1].heard, $1)
            }
            var next = 0
            var busy: UInt64 = 0
            while next < order.count {
                let start = max(
                    busy, reports[order[next]].heard + constants.gathering.nanoseconds)
                var last = next
                while last < order.count, reports[order[last]].heard <= start { last += 1 }
                let batch = order[next..<last]
                busy = solve(batch.map { reports[$0] }, from: start)
                let rounds = (switchesOf(batch.map { reports[$0] }) - 1) / constants.pushWindow + 1
                let pushed =
                    busy + UInt64(rounds) * constants.pushDelay.nanoseconds
                    + constants.groupReplace.nanoseconds
                for index in batch { finished[index] = pushed }
                next = last
            }
        }
        return reports.indices.map { index in
            let time = Interval(nanoseconds: finished[index] - failures[index].instant.nanoseconds)
            let pushes = isControllerAlive ? 2 * reports[index].switches : 0
            return BaselineOutcome(
                detection: reports[index].detection, repair: time, optimal: time,
                messages: reports[index].reports + pushes)
        }
    }

    /// Switches that a solution changes: at most all.
    private func switchesOf(_ batch: [Report]) -> Int {
        max(1, min(batch.reduce(0) { $0 + Int($1.switches) }, clos.switchCount))
    }

    private func solve(_ batch: [Report], from start: UInt64) -> UInt64 {
        let updates = batch.reduce(0) { $0 + $1.reports + $1.switches }
        let database = Double(updates) / constants.controllerUpdatesPerSecond * 1e9
        return start + UInt64(database)
            + UInt64(switchesOf(batch)) * constants.solvePerSwitch.nanoseconds
    }
}
