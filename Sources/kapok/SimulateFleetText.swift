import Foundation
import KapokBench
import KapokInference
import KapokInferenceSimulation

/// Real and simulated percentiles side by side.
struct FleetComparison: Encodable {
    /// A pair in milliseconds.
    struct Pair: Encodable {
        var name: String
        var real: Double
        var simulated: Double
        /// Of the simulated one, in per cent.
        var errorPercent: Double
    }

    var pairs: [Pair]
    var simulated: FleetReport

    init(real: ServeReport, simulated: FleetReport) {
        self.simulated = simulated
        pairs = []
        let metrics: [(String, LatencyPercentiles, LatencyPercentiles)] = [
            ("TTFT", real.timeToFirstToken, simulated.timeToFirstToken),
            ("TPOT", real.timePerOutputToken, simulated.timePerOutputToken),
        ]
        for (name, real, simulated) in metrics {
            let parts: [(String, KeyPath<LatencyPercentiles, Double>)] = [
                ("mean", \.mean), ("P50", \.p50), ("P90", \.p90), ("P95", \.p95), ("P99", \.p99),
            ]
            for (part, path) in parts {
                let (a, b) = (real[keyPath: path], simulated[keyPath: path])
                pairs.append(
                    Pair(
                        name: "\(name) \(part)", real: a, simulated: b,
                        errorPercent: a > 0 ? (b / a - 1) * 100 : 0))
            }
        }
    }
}

/// What `kapok simulate fleet` prints.
enum FleetText {
    private static func number(_ value: Double, _ digits: Int = 1) -> String {
        String(format: "%.\(digits)f", value)
    }

    static func fit(_ document: FleetCosts) -> String {
        var table = TextTable(rows: [
            ["executor", "steps", "mean error", "1 token", "512 tokens", "slowdown"]
        ])
        for (name, costs) in document.costs.executors.sorted(by: { $0.key < $1.key }) {
            var one = StepSample(executor: name)
            one.add(count: 1, start: 512, logits: 1, isDecode: true)
            var many = StepSample(executor: name)
            many.add(count: 512, start: 0, logits: 1, isDecode: false)
            table.rows.append([
                name, "\(costs.samples)", number(costs.meanError * 100) + " %",
                number(document.costs.seconds(one) * 1000, 2) + " ms",
                number(document.costs.seconds(many) * 1000) + " ms", number(costs.slowdown, 2),
            ])
        }
        return table.text
            + "\nbefore the engine: \(number(document.costs.requestSeconds * 1000, 2)) ms, "
            + "\(number(document.costs.requestSecondsPerToken * 1e6, 2)) us per prompt token"
    }

    static func run(_ report: FleetReport) -> String {
        var table = TextTable(rows: [["modelled milliseconds", "mean", "P50", "P90", "P99", "max"]])
        let rows: [(String, LatencyPercentiles)] = [
            ("time to first token", report.timeToFirstToken),
            ("time per output token", report.timePerOutputToken),
            ("inter-token latency", report.interTokenLatency),
        ]
        for (name, values) in rows {
            table.rows.append(
                [name]
                    + [values.mean, values.p50, values.p90, values.p99, values.maximum]
                    .map { number($0) })
        }
        return table.text
            + "\n\(report.requests) requests, \(report.refused) refused, "
            + "\(number(report.completionTokensPerSecond)) tokens/s, "
            + "goodput \(number(report.goodputPerSecond, 2)) requests/s "
            + "(\(number(report.goodShare * 100)) %), "
            + "\(report.cachedTokens) tokens cached, \(report.pulledTokens) pulled, "
            + "trace \(report.traceHash)"
    }

    static func comparison(_ comparison: FleetComparison) -> String {
        var table = TextTable(rows: [["milliseconds", "real", "simulated", "error"]])
        for pair in comparison.pairs {
            table.rows.append([
                pair.name, number(pair.real, 2), number(pair.simulated, 2),
                number(pair.errorPercent) + " %",
            ])
        }
        return table.text
    }

    static func sizes(_ rows: [FleetSizing]) -> String {
        var table = TextTable(rows: [
            [
                "machines", "TTFT P50", "TTFT P99", "TPOT P50", "TPOT P99", "ITL P99", "good",
                "highest rate",
            ]
        ])
        for row in rows {
            table.rows.append([
                row.prefillMachines == 0
                    ? "\(row.servingMachines) alone"
                    : "\(row.prefillMachines) prefill, \(row.servingMachines) decode",
                number(row.report.timeToFirstToken.p50), number(row.report.timeToFirstToken.p99),
                number(row.report.timePerOutputToken.p50),
                number(row.report.timePerOutputToken.p99),
                number(row.report.interTokenLatency.p99),
                number(row.report.goodShare * 100) + " %", number(row.highestRate, 2) + "/s",
            ])
        }
        return table.text + "\nTimes in modelled milliseconds."
    }
}
