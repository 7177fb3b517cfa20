import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("A scheduler can be looked at")
struct SchedulerFigureTests {
    @Test("the snapshot counts requests by mode and pages by use")
    func snapshot() {
        var harness = SchedulerHarness(pages: 20) { $0.maximumDecodeSequences = 1 }
        harness.submit(prompt(1, count: 20))
        harness.submit(prompt(2, count: 20))
        harness.submit(prompt(3, count: 20), mode: .optimized)
        let now = harness.scheduler.snapshot
        #expect((now.standard.waiting, now.standard.running) == (1, 1))
        #expect((now.optimized.waiting, now.optimized.running) == (0, 1))
        #expect(now.pages == 20)
        #expect(now.totals.admitted == 3)
        #expect("\(harness.scheduler)".contains("waiting 1+0 running 1+1"))
    }

    @Test("figures are in Prometheus' text format: a type for each name, one value a line")
    func prometheus() {
        var harness = SchedulerHarness()
        harness.submit(prompt(1, count: 20))
        let lines = harness.scheduler.snapshot.prometheusText.split(separator: "\n")
        let names = Set(
            lines.filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != "{" && $0 != " " } })
        for name in names { #expect(lines.contains { $0.hasPrefix("# TYPE \(name) ") }) }
        #expect(lines.contains("kapok_requests_running{mode=\"standard\"} 1"))
        #expect(lines.contains { $0.hasPrefix("kapok_kv_pages{state=\"free\"} ") })
    }

    @Test("configurations that cannot work say why")
    func configurations() {
        var configuration = SchedulerConfiguration(pages: 10, contextLimit: 100)
        #expect(configuration.fault == nil)
        configuration.executors = [.decode]
        #expect(configuration.fault != nil)
        configuration = SchedulerConfiguration(pages: 0, contextLimit: 100)
        #expect(configuration.fault != nil)
        configuration = SchedulerConfiguration(pages: 10, contextLimit: 100)
        configuration.oldestPrefillTurn = 0
        #expect(configuration.fault != nil)
    }
}
