import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("Requests use what others have computed")
struct SchedulerCacheTests {
    @Test("the same prompt again computes its last page only")
    func repetition() {
        var harness = SchedulerHarness()
        harness.submit(prompt(1, count: 40), new: 1)
        harness.run()
        let again = harness.submit(prompt(1, count: 40), new: 1)
        #expect(harness.steps[0].entries[0].start == 32)
        harness.run()
        #expect(harness.accounts[again]?.cachedTokens == 32)
        #expect(harness.scheduler.snapshot.totals.computedPromptTokens == 48)
    }

    @Test("the last token of a prompt is always computed, even where all its pages are known")
    func lastToken() {
        var harness = SchedulerHarness()
        harness.submit(prompt(1, count: 32), new: 1)
        harness.run()
        harness.submit(prompt(1, count: 32), new: 1)
        let entry = harness.steps[0].entries[0]
        #expect((entry.start, entry.count, entry.samples) == (16, 16, true))
    }

    @Test("the next turn of a conversation finds the answer too")
    func conversation() {
        var harness = SchedulerHarness()
        let first = harness.submit(prompt(1, count: 20), new: 30)
        harness.run()
        let history = prompt(1, count: 20) + (harness.texts[first] ?? [])
        harness.submit(history + prompt(2, count: 10), new: 1)
        // 49 positions have keys and values: the last token was never fed.
        #expect(harness.steps[0].entries[0].start == 48)
    }

    @Test("a request waits for pages that another one is computing, and computes the rest")
    func together() {
        var harness = SchedulerHarness { $0.prefillTokensAlone = 64 }
        let shared = prompt(1, count: 128)
        let a = harness.submit(shared + prompt(2, count: 20), new: 1)
        let b = harness.submit(shared + prompt(3, count: 20), new: 1)
        harness.run()
        #expect(harness.accounts[a]?.cachedTokens == 0)
        #expect(harness.accounts[b]?.cachedTokens == 128)
        #expect(harness.scheduler.snapshot.totals.computedPromptTokens == 168)
        let starts = harness.log.compactMap { effect -> [Int]? in
            guard case .run(let step) = effect else { return nil }
            return step.entries.filter { $0.request == b }.map(\.start)
        }
        #expect(starts.joined().min() == 128)
    }

    @Test("who does not want the cache neither finds nor leaves anything in it")
    func without() {
        var harness = SchedulerHarness()
        harness.submit(prompt(1, count: 40), new: 1, usesPrefixCache: false)
        harness.run()
        #expect(harness.scheduler.snapshot.pagesCached == 0)
        harness.submit(prompt(1, count: 40), new: 1)
        #expect(harness.steps[0].entries[0].start == 0)
        harness.run()
        harness.submit(prompt(1, count: 40), new: 1, usesPrefixCache: false)
        #expect(harness.steps[0].entries[0].start == 0)
    }

    @Test("equal pages that two requests computed at once are kept once")
    func once() {
        var harness = SchedulerHarness { $0.executors = [.prefill, .decode] }
        // Both compute the answer's tokens, which are the same, after equal prompts.
        harness.submit(prompt(1, count: 17), new: 40)
        harness.submit(prompt(1, count: 17), new: 40)
        harness.run()
        #expect(harness.scheduler.snapshot.pagesCached == 3)
    }

    @Test("kept pages make room for others, the least recently used first")
    func eviction() {
        var harness = SchedulerHarness(pages: 8)
        for number in 1...4 {
            harness.submit(prompt(number, count: 32), new: 1)
            harness.run()
        }
        #expect(harness.scheduler.snapshot.pagesFree == 0)
        let new = harness.submit(prompt(5, count: 64), new: 1)
        harness.run()
        #expect(harness.finished[new] == .length)
        harness.submit(prompt(4, count: 33), new: 1)
        #expect(harness.steps[0].entries[0].start == 32)
        harness.run()
        harness.submit(prompt(1, count: 33), new: 1)
        #expect(harness.steps[0].entries[0].start == 0)
    }
}
