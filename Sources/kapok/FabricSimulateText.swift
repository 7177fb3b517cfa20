import Foundation
import KapokFabricSimulation

/// What `kapok fabric simulate` prints for a person.
struct FabricSimulateText {
    let reports: [FabricReport]
    let hostLinks: Int

    init(_ reports: [FabricReport], hostLinks: Int) {
        self.reports = reports
        self.hostLinks = hostLinks
    }

    var text: String {
        guard let first = reports.first else { return "" }
        var parts = [
            "\(first.topology): \(number(first.links)) links, \(number(hostLinks)) of them to "
                + "hosts, \(number(first.switches)) switches",
            "\(number(first.failures)) failures, mode \(first.mode), seed \(first.seed)",
            "", times.text,
        ]
        parts += reports.flatMap { ["", cost($0)] + judgement($0) }
        return parts.joined(separator: "\n")
    }

    private var times: TextTable {
        var rows = [["", "ms after the failure", "p50", "p99", "max"]]
        for report in reports {
            let lines = [
                ("detected at both ends", report.detectionMilliseconds),
                ("no packet lost", report.repairMilliseconds),
                ("shortest paths", report.optimalMilliseconds),
                ("  since detection, no packet lost", report.repairAfterDetectionMilliseconds),
                ("  since detection, shortest paths", report.optimalAfterDetectionMilliseconds),
            ]
            for (index, (name, figures)) in lines.enumerated() {
                rows.append(
                    [index == 0 ? report.protocol : "", name]
                        + [figures.p50, figures.p99, figures.max].map(milliseconds))
            }
        }
        return TextTable(rows: rows)
    }

    private func cost(_ report: FabricReport) -> String {
        var rows = [
            ["\(report.protocol): messages", number(report.messages)],
            ["events", number(report.events)],
            [
                "CPU",
                String(
                    format: "%.2f s, %.3f s to build", report.runSeconds,
                    report.buildSeconds),
            ],
            ["peak memory", "\(report.peakMemoryBytes >> 20) MiB"],
            ["trace hash", report.traceHash],
        ]
        if report.lostPackets.max > 0 {
            rows.append(
                [
                    "packets lost a failure",
                    "p50 \(number(Int(report.lostPackets.p50))), "
                        + "max \(number(Int(report.lostPackets.max)))",
                ])
            rows.append(
                [
                    "most loaded link",
                    String(
                        format: "%.2f of its healthy load during detours, %.2f after",
                        report.worstLoadDuringRepair, report.worstLoadAfterRepair),
                ])
        }
        return TextTable(rows: rows).text
    }

    /// What the oracle found; nothing for protocols that it does not judge.
    private func judgement(_ report: FabricReport) -> [String] {
        guard let checks = report.details["oracleChecks"] else { return [] }
        let failures = report.details["oracleFailures"] ?? 0
        let beyond = report.details["oracleBeyondPromise"] ?? 0
        var line = "oracle: \(number(Int(checks))) packets followed, "
        line += failures == 0 ? "all as promised" : "\(number(Int(failures))) WORSE than promised"
        if beyond > 0 {
            line += "; \(number(Int(beyond))) worse where more was broken than the promise is about"
        }
        return [line] + report.notes
    }

    private func number(_ value: Int) -> String {
        var digits = ""
        for (index, digit) in String(value).reversed().enumerated() {
            if index > 0, index % 3 == 0, digit != "-" { digits.append(",") }
            digits.append(digit)
        }
        return String(digits.reversed())
    }

    private func milliseconds(_ value: Double) -> String {
        String(format: value < 100 ? "%.3f" : "%.1f", value)
    }
}
