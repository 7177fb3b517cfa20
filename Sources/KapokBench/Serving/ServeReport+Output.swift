import Foundation
import KapokInference

extension ServeReport {
    /// The report as lines of text.
    public func table() -> String {
        func number(_ value: Double, _ digits: Int = 1) -> String {
            String(format: "%.\(digits)f", value)
        }
        func row(_ name: String, _ values: [String]) -> String {
            name.padding(toLength: 24, withPad: " ", startingAt: 0)
                + values.map { String(repeating: " ", count: max(1, 10 - $0.count)) + $0 }.joined()
        }
        func row(_ name: String, _ percentiles: LatencyPercentiles) -> String {
            row(
                name,
                [
                    percentiles.mean, percentiles.p50, percentiles.p90, percentiles.p99,
                    percentiles.maximum,
                ].map { number($0) })
        }
        var lines = [
            "requests \(requests), failed \(failed), \(number(seconds)) s: "
                + "\(number(requestsPerSecond, 2)) requests/s, "
                + "\(number(completionTokensPerSecond)) tokens/s",
            "tokens: \(promptTokens) of prompts (\(cachedTokens) cached), "
                + "\(completionTokens) of answers",
            "", row("milliseconds", ["mean", "P50", "P90", "P99", "max"]),
            row("time to first token", timeToFirstToken),
            row("time per output token", timePerOutputToken),
            row("inter-token latency", interTokenLatency),
            row("whole request", duration), row("sent too late", lateness), "",
            "goodput (first token in \(number(objectives.timeToFirstTokenMilliseconds, 0)) ms, "
                + "then \(number(objectives.timePerOutputTokenMilliseconds, 0)) ms a token): "
                + "\(number(goodputPerSecond, 2)) requests/s, \(number(goodShare * 100)) %",
        ]
        lines += errors.map { "error: \($0)" }
        return lines.joined(separator: "\n")
    }
}
