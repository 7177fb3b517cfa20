import KapokFabric
import KapokFabricSimulation
import KapokWorld

/// The simulator at size: two planes of k = 128, one core. Medians of three runs; the bars are
/// those of the fabric's acceptance.
func sizeBenchmark() throws {
    let name = "planes:2,fattree:128"
    let fabric = try TopologyName(name).fabric
    print("simulator at size: \(name), \(fabric.linkCount + fabric.hostLinkCount) links")
    let cases: [(count: Int, mode: FailureSchedule.Mode, silentShare: Double)] = [
        (1, .spread, 1), (10_000, .spread, 0.3), (1_000, .simultaneous, 0.3),
        (10_000, .rates, 0.3),
    ]
    for (count, mode, silentShare) in cases {
        var reports: [FabricReport] = []
        for _ in 0..<3 {
            let schedule = try FailureSchedule(
                fabric: fabric, count: count, seed: 1, mode: mode, silentShare: silentShare)
            reports.append(
                try SizeSimulation.run(fabric: fabric, topology: name, schedule: schedule))
        }
        let hashes = Set(reports.map(\.traceHash))
        precondition(hashes.count == 1, "equal seeds gave different runs")
        show(
            reports[0], build: median(reports.map(\.buildSeconds)),
            run: median(reports.map(\.runSeconds)))
    }
}

private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

private func show(_ report: FabricReport, build: Double, run: Double) {
    func text(_ value: Double) -> String {
        let thousandths = Int((value * 1000).rounded())
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
    func text(_ figures: Percentiles) -> String {
        "\(text(figures.p50)) / \(text(figures.p99)) / \(text(figures.max))"
    }
    print(
        """
          \(report.failures) failures, \(report.mode)
            built in            \(text(build)) s CPU            (bar 2 s)
            peak memory         \(report.peakMemoryBytes >> 20) MiB  (bar 1024 MiB)
            run                 \(text(run)) s CPU, \(report.messages) messages, \
        \(report.events) events  (bar 20 s for 10,000)
            repaired            \(text(report.repairMilliseconds)) ms (p50 / p99 / max)
            optimal             \(text(report.optimalMilliseconds)) ms  (bar 15 ms for one, \
        100 ms for 1,000 at once)
            since detection     \(text(report.optimalAfterDetectionMilliseconds)) ms  \
        (bar 1 ms for one)
            oracle              \(Int(report.details["oracleChecks"] ?? 0)) packets, \
        \(Int(report.details["oracleFailures"] ?? 0)) worse than promised
            trace hash          \(report.traceHash)
        """)
}
