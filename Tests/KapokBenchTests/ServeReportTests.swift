import KapokBench
import KapokInference
import Testing

@Suite struct ServeReportTests {
    private func record(
        _ index: Int, first: Double?, gaps: [Double] = [], error: String? = nil
    ) -> ServeRecord {
        var record = ServeRecord(index: index, scheduled: Double(index), sent: Double(index))
        record.timeToFirstToken = first
        record.gaps = gaps
        record.completionTokens = gaps.count + 1
        record.duration = (first ?? 0) + gaps.reduce(0, +)
        record.error = error
        return record
    }

    @Test("percentiles are those of the nearest rank, in milliseconds")
    func percentiles() {
        let percentiles = LatencyPercentiles(seconds: (1...100).map { Double($0) / 1000 })
        #expect(abs(percentiles.p50 - 50) < 1e-9)
        #expect(abs(percentiles.p99 - 99) < 1e-9)
        #expect(abs(percentiles.maximum - 100) < 1e-9)
        #expect(abs(percentiles.mean - 50.5) < 1e-9)
        #expect(LatencyPercentiles(seconds: []).p99 == 0)
    }

    @Test("goodput counts requests that keep both objectives")
    func goodput() {
        let records = [
            record(0, first: 0.1, gaps: [0.01, 0.03]),
            record(1, first: 0.5, gaps: [0.01, 0.01]),
            record(2, first: 0.1, gaps: [0.3, 0.1]),
            record(3, first: nil, error: "429: busy"),
        ]
        let report = ServeReport(
            records,
            objectives: .init(
                timeToFirstTokenMilliseconds: 200, timePerOutputTokenMilliseconds: 50))
        #expect(report.failed == 1)
        #expect(report.goodShare == 0.25)
        #expect(report.completionTokens == 9)
        #expect(report.errors == ["1 x 429: busy"])
        #expect(abs(report.timePerOutputToken.maximum - 200) < 1e-9)
        #expect(report.interTokenLatency.count == 6)
    }
}
