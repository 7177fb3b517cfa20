import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("When pages run out, somebody is set back and comes again")
struct SchedulerPreemptionTests {
    @Test("the newest gives its pages up and goes on later from its tokens, with the same text")
    func newest() {
        var harness = SchedulerHarness(pages: 8)
        let a = harness.submit(prompt(1, count: 30), new: 60)
        let b = harness.submit(prompt(2, count: 30), new: 60)
        harness.run()
        #expect(harness.finished == [a: .length, b: .length])
        for id in [a, b] {
            #expect(harness.texts[id] == (30..<90).map { SchedulerHarness.token(at: $0) })
        }
        #expect(harness.accounts[a]?.preemptions == 0)
        #expect((harness.accounts[b]?.preemptions ?? 0) >= 1)
    }

    @Test("many that want more than there is all get done")
    func crowd() {
        var harness = SchedulerHarness(pages: 10, contextLimit: 160)
        let ids = (1...12).map { harness.submit(prompt($0, count: 20), new: 120) }
        harness.run(limit: 100_000)
        #expect(ids.allSatisfy { harness.finished[$0] == .length })
        #expect(harness.accounts[ids[0]]?.preemptions == 0)
    }

    @Test("what was computed and kept is not computed again")
    func recompute() {
        var harness = SchedulerHarness(pages: 10)
        let a = harness.submit(prompt(1, count: 40), new: 70)
        let b = harness.submit(prompt(2, count: 40), new: 30)
        harness.run()
        #expect(harness.finished == [a: .length, b: .length])
        // Prompt tokens are counted once, however often they are computed.
        #expect(harness.scheduler.snapshot.totals.computedPromptTokens == 80)
        #expect(harness.accounts[b]?.cachedTokens == 0)
    }

    @Test("a latency-optimised request takes pages from standard ones, but not from the oldest")
    func optimized() {
        var harness = SchedulerHarness(pages: 6)
        let oldest = harness.submit(prompt(1, count: 30), new: 20)
        let standard = harness.submit(prompt(2, count: 30), new: 20)
        harness.step()
        harness.step()
        let fast = harness.submit(prompt(3, count: 30), new: 10, mode: .optimized)
        harness.run()
        #expect(harness.accounts[oldest]?.preemptions == 0)
        #expect((harness.accounts[standard]?.preemptions ?? 0) >= 1)
        #expect(harness.accounts[fast]?.preemptions == 0)
        #expect(harness.finished.count == 3)
    }
}
