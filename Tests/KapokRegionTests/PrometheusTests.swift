import Foundation
import Metrics
import Testing

@testable import KapokRegion

@Suite("The registry of metrics")
struct PrometheusTests {
    private let registry = PrometheusRegistry()

    private func counter(_ label: String, _ dimensions: [(String, String)] = []) -> Counter {
        Counter(label: label, dimensions: dimensions, factory: registry)
    }

    /// The registry's text without the family it always ends with.
    private var text: String {
        let all = registry.exposition()
        let own = all.range(of: "# HELP kapok_metrics_discarded_total")
        return String(all[..<(own?.lowerBound ?? all.endIndex)])
    }

    private var discarded: String? {
        registry.exposition().split(separator: "\n").last.map(String.init)
    }

    @Test("writes counters in order of names and labels")
    func counters() {
        counter("b_total", [("status", "200"), ("operation", "Put")]).increment(by: 3)
        counter("b_total", [("status", "200"), ("operation", "Get")]).increment()
        counter("a_total").increment(by: 41)
        counter("a_total").increment()
        #expect(
            text == """
                # TYPE a_total counter
                a_total 42
                # TYPE b_total counter
                b_total{operation="Get",status="200"} 1
                b_total{operation="Put",status="200"} 3

                """)
    }

    @Test("takes labels in any order for the same series")
    func labelOrder() {
        counter("a_total", [("x", "1"), ("y", "2")]).increment()
        counter("a_total", [("y", "2"), ("x", "1")]).increment()
        #expect(text == "# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 2\n")
    }

    @Test("never lets a counter fall")
    func monotony() {
        let handle = registry.makeCounter(label: "a_total", dimensions: [])
        handle.increment(by: 5)
        handle.increment(by: -3)
        registry.destroyCounter(handle)
        counter("a_total").increment()
        #expect(text == "# TYPE a_total counter\na_total 6\n")
    }

    @Test("escapes backslashes, line feeds and quotes of label values, and of nothing else")
    func escaping() {
        counter("a_total", [("path", "C:\\DIR\n\"x\"\r\n{é}")]).increment()
        #expect(
            text == "# TYPE a_total counter\n"
                + "a_total{path=\"C:\\\\DIR\\n\\\"x\\\"\r\\n{é}\"} 1\n")
    }

    @Test("makes valid names of any")
    func names() {
        counter("9 lives/day", [("0-zone", "a"), ("le", "b")]).increment()
        #expect(
            text == "# TYPE _9_lives_day counter\n_9_lives_day{_0_zone=\"a\",_le=\"b\"} 1\n")
    }

    @Test("explains the metrics it knows")
    func help() {
        counter("kapok_s3_sent_bytes_total").increment()
        #expect(
            text.hasPrefix("# HELP kapok_s3_sent_bytes_total Bytes of answers' bodies.\n# TYPE"))
    }

    @Test("writes timers as cumulative buckets of seconds")
    func timers() {
        let timer = Metrics.Timer(
            label: "t_seconds", dimensions: [("operation", "Get")], factory: registry)
        timer.recordNanoseconds(100_000)  // just in the first bucket
        timer.recordNanoseconds(100_001)
        timer.recordNanoseconds(2_000_000_000)
        timer.recordNanoseconds(3_600_000_000_000)  // beyond all bounds
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.first == "# TYPE t_seconds histogram")
        func bucket(_ bound: String) -> String? {
            lines.first { $0.contains("le=\"\(bound)\"") }?.split(separator: " ").last
                .map(String.init)
        }
        #expect(bucket("0.0001") == "1")
        #expect(bucket("0.00025") == "2")
        #expect(bucket("1") == "2")
        #expect(bucket("2.5") == "3")
        #expect(bucket("60") == "3")
        #expect(bucket("+Inf") == "4")
        #expect(lines.contains("t_seconds_count{operation=\"Get\"} 4"))
        let sum = lines.first { $0.hasPrefix("t_seconds_sum{operation=\"Get\"} ") }
        let value = sum?.split(separator: " ").last.flatMap { Double($0) }
        #expect(abs((value ?? 0) - 3602.000_200_001) < 1e-9)
    }

    @Test("writes gauges, floating counters and recorders as what they are")
    func others() {
        Gauge(label: "g", dimensions: [], factory: registry).record(-1.5)
        Meter(label: "m", dimensions: [], factory: registry).set(7)
        let floating = FloatingPointCounter(label: "f_total", dimensions: [], factory: registry)
        floating.increment(by: 0.25)
        floating.increment(by: 0.5)
        let recorder = Recorder(label: "r", dimensions: [], aggregate: true, factory: registry)
        recorder.record(1000)
        let text = text
        #expect(text.contains("# TYPE g gauge\ng -1.5\n"))
        #expect(text.contains("# TYPE m gauge\nm 7\n"))
        #expect(text.contains("# TYPE f_total counter\nf_total 0.75\n"))
        #expect(text.contains("r_bucket{le=\"256\"} 0\nr_bucket{le=\"1024\"} 1\n"))
        #expect(text.contains("r_sum 1000\nr_count 1\n"))
    }

    @Test("keeps what is not a number out of sums")
    func notNumbers() {
        let recorder = Recorder(label: "r", dimensions: [], aggregate: true, factory: registry)
        recorder.record(Double.nan)
        recorder.record(Double.infinity)
        recorder.record(2)
        #expect(text.contains("r_sum 2\nr_count 1\n"))
    }

    @Test("discards, and counts, what would give one name two meanings")
    func conflicts() {
        counter("x").increment()
        Gauge(label: "x", dimensions: [], factory: registry).record(5)
        Metrics.Timer(label: "t", dimensions: [], factory: registry).recordNanoseconds(1)
        counter("t_count").increment()
        #expect(text.contains("# TYPE x counter\nx 1\n"))
        #expect(!text.contains("t_count 2") && !text.contains("# TYPE t_count"))
        #expect(discarded == "kapok_metrics_discarded_total 2")
    }

    @Test("holds no more series than it says")
    func bound() {
        for number in 0..<PrometheusRegistry.maximumSeries + 3 {
            counter("a_total", [("n", "\(number)")]).increment()
        }
        let lines = text.split(separator: "\n")
        #expect(lines.count == PrometheusRegistry.maximumSeries + 1)
        #expect(discarded == "kapok_metrics_discarded_total 3")
        counter("a_total", [("n", "0")]).increment()
        #expect(text.contains("a_total{n=\"0\"} 2\n"))
    }

    @Test("loses nothing that many threads count at once")
    func concurrency() async {
        let counter = counter("a_total")
        let floating = FloatingPointCounter(label: "f_total", dimensions: [], factory: registry)
        let timer = Metrics.Timer(label: "t", dimensions: [], factory: registry)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        counter.increment()
                        floating.increment(by: 0.5)
                        timer.recordSeconds(1)
                    }
                }
            }
        }
        #expect(text.contains("a_total 8000\n"))
        #expect(text.contains("f_total 4000\n"))
        #expect(text.contains("t_sum 8000\nt_count 8000\n"))
    }
}
