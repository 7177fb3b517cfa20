import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("What seeds of the sweep have found stays mended")
struct SchedulerRegressionTests {
    @Test("pulls begin although somebody else waits for room")
    func pullsBehindALine() {
        var harness = SchedulerHarness(pages: 20) {
            $0.pullThreshold = 50
            $0.maximumPulls = 1
        }
        let a = harness.submit(prompt(1, count: 100), new: 1)
        let b = harness.submit(prompt(2, count: 100), new: 1)
        harness.submit(prompt(3, count: 200), new: 1)
        harness.handle(.pulled(a, tokens: 99))
        #expect(harness.pulls.map(\.id) == [a, b])
    }

    @Test("a prompt for others whose last page another request computed is done without a step")
    func completedByTheCache() {
        var harness = SchedulerHarness { $0.prefillTokensAlone = 32 }
        let a = harness.submit(prompt(1, count: 64), new: 1, prefillOnly: true)
        let b = harness.submit(prompt(1, count: 64), new: 1, prefillOnly: true)
        harness.run()
        #expect(harness.prefilled[a] != nil)
        #expect(harness.prefilled[a] == harness.prefilled[b])
        #expect(harness.accounts.isEmpty)
        #expect(harness.scheduler.snapshot.totals.steps == 2)
    }

    @Test("the end of a prompt that is too long for a decode step is prefilled")
    func endOfPromptTooLong() {
        var harness = SchedulerHarness {
            $0.executors = [.prefill, .decode]
            $0.prefillTokensPerStep = 4
            $0.shortPrefill = 16
        }
        let id = harness.submit(prompt(1, count: 10), new: 2)
        #expect(harness.steps.map(\.executor) == [.prefill])
        harness.run()
        #expect(harness.finished[id] == .length)
    }

    @Test("who is first in a line keeps the time since then when one before it comes back")
    func turnsAreKept() {
        var harness = SchedulerHarness(pages: 8) {
            $0.maximumDecodeSequences = 2
            $0.patience = .milliseconds(40)
        }
        // The second is set back for the first, before the third, again and again.
        harness.submit(prompt(1, count: 30), new: 60)
        harness.submit(prompt(2, count: 30), new: 60)
        let third = harness.submit(prompt(3, count: 4), new: 1)
        harness.run()
        #expect(harness.finished.count == 3)
        #expect(harness.finished[third] == .length)
    }
}
