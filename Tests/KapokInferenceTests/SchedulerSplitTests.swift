import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("Prefill and decode may have executors of their own, here or elsewhere")
struct SchedulerSplitTests {
    @Test("decoding goes on while a long prompt is computed")
    func twoAtOnce() {
        var harness = SchedulerHarness { $0.executors = [.prefill, .decode] }
        let chat = harness.submit(prompt(1, count: 30), new: 50)
        harness.step()
        let long = harness.submit(prompt(2, count: 600), new: 3)
        #expect(harness.steps.map(\.executor) == [.decode, .prefill])
        #expect(harness.steps.map { $0.entries.map(\.request) } == [[chat], [long]])
        let prefill = harness.steps.removeLast()
        for _ in 0..<10 { harness.step() }
        harness.steps.append(prefill)
        #expect(harness.texts[chat]?.count == 11)
        harness.run()
        #expect(harness.finished == [chat: .length, long: .length])
    }

    @Test("the last few tokens of a prompt go with those that decode")
    func shortPrefill() {
        var harness = SchedulerHarness { $0.executors = [.prefill, .decode] }
        harness.submit(prompt(1, count: 64), new: 1)
        harness.run()
        harness.submit(prompt(1, count: 70), new: 1)
        #expect(harness.steps.map(\.executor) == [.decode])
        #expect(harness.steps[0].entries[0].count == 6)
    }

    // MARK: Decode role

    @Test("a long prompt is pulled, and its last token is run here")
    func pull() {
        var harness = SchedulerHarness { $0.pullThreshold = 50 }
        let short = harness.submit(prompt(1, count: 40), new: 1)
        let long = harness.submit(prompt(2, count: 100), new: 2)
        #expect(harness.pulls.map(\.id) == [long])
        #expect(harness.pulls[0].tokens == 99)
        #expect(harness.pulls[0].pages.count == 7)
        #expect(harness.steps[0].entries.map(\.request) == [short])
        harness.run()
        harness.handle(.pulled(long, tokens: 99))
        let entry = harness.steps[0].entries[0]
        #expect((entry.start, entry.count, entry.samples) == (99, 1, true))
        harness.run()
        #expect(harness.accounts[long]?.pulledTokens == 99)
        // What was pulled is known from now on.
        harness.submit(prompt(2, count: 100), new: 1)
        #expect(harness.steps[0].entries[0].start == 96)
    }

    @Test("what a pull did not bring is computed here", arguments: [0, 37, 98])
    func failedPull(tokens: Int) {
        var harness = SchedulerHarness { $0.pullThreshold = 50 }
        let id = harness.submit(prompt(1, count: 100), new: 2)
        harness.handle(.pulled(id, tokens: tokens))
        #expect(harness.steps[0].entries[0].start == tokens)
        harness.run()
        #expect(harness.finished[id] == .length)
        #expect(harness.accounts[id]?.pulledTokens == tokens)
        #expect(harness.pulls.count == 1)
    }

    @Test("pages of a request that goes while its pull is under way stay until it is answered")
    func cancelledPull() {
        var harness = SchedulerHarness { $0.pullThreshold = 50 }
        let id = harness.submit(prompt(1, count: 100), new: 2)
        harness.handle(.cancel(id))
        #expect(harness.abandoned == [id])
        #expect(harness.finished[id] == .cancelled)
        #expect(harness.scheduler.snapshot.pagesHeld == 7)
        harness.handle(.pulled(id, tokens: 99))
        #expect(harness.scheduler.snapshot.pagesHeld == 0)
        #expect(harness.scheduler.snapshot.pagesCached == 0)
        harness.handle(.pulled(id, tokens: 99))
    }

    @Test("a pull that takes too long is given up and the prompt computed here, on other pages")
    func slowPull() {
        var harness = SchedulerHarness {
            $0.pullThreshold = 50
            $0.pullTimeLimit = .milliseconds(10)
        }
        let id = harness.submit(prompt(1, count: 100), new: 2)
        harness.now = .zero + .milliseconds(10)
        #expect(harness.timer == harness.now)
        harness.handle(.timer)
        #expect(harness.abandoned == [id])
        let entry = harness.steps[0].entries[0]
        #expect(Set(entry.pages).isDisjoint(with: harness.pulls[0].pages))
        harness.run()
        #expect(harness.finished[id] == .length)
        #expect(harness.scheduler.snapshot.pagesHeld == 7)
        harness.handle(.pulled(id, tokens: 0))
        #expect(harness.scheduler.snapshot.pagesHeld == 0)
    }

    @Test("no more pulls at a time than allowed, and equal prompts are pulled once")
    func pullLimit() {
        var harness = SchedulerHarness(pages: 200) {
            $0.pullThreshold = 50
            $0.maximumPulls = 2
        }
        let ids = [1, 1, 2, 3].map { harness.submit(prompt($0, count: 100), new: 1) }
        #expect(harness.pulls.map(\.id) == [ids[0], ids[2]])
        harness.handle(.pulled(ids[0], tokens: 99))
        #expect(harness.pulls.map(\.id) == [ids[0], ids[2], ids[3]])
        harness.handle(.pulled(ids[2], tokens: 99))
        harness.handle(.pulled(ids[3], tokens: 99))
        harness.run()
        #expect(harness.finished.count == 4)
        #expect(harness.accounts[ids[1]]?.cachedTokens == 96)
    }

    // MARK: Prefill role

    @Test("a prompt for others is announced page by page and held until it is cancelled")
    func prefillOnly() {
        var harness = SchedulerHarness { $0.prefillTokensAlone = 64 }
        let id = harness.submit(prompt(1, count: 100), new: 1, prefillOnly: true)
        harness.step()
        #expect(harness.progress.map(\.tokens) == [64])
        #expect(harness.progress[0].pages.count == 4)
        harness.step()
        #expect(harness.prefilled[id]?.count == 7)
        #expect(harness.prefilled[id]?.starts(with: harness.progress[0].pages) == true)
        #expect(harness.texts[id] == [])
        #expect(harness.scheduler.snapshot.held == 1)
        #expect(harness.scheduler.snapshot.pagesHeld == 7)
        harness.handle(.cancel(id))
        #expect(harness.finished[id] == .cancelled)
        #expect(harness.scheduler.snapshot.pagesHeld == 0)
    }

    @Test("a prompt for others that is known is there at once, without a step")
    func prefillFromCache() {
        var harness = SchedulerHarness()
        harness.submit(prompt(1, count: 65), new: 1)
        harness.run()
        let id = harness.submit(prompt(1, count: 64), new: 1, prefillOnly: true)
        #expect(harness.prefilled[id]?.count == 4)
        #expect(harness.steps.isEmpty)
    }

    @Test("a deadline ends the holding too")
    func lease() {
        var harness = SchedulerHarness()
        let due = Instant.zero + .seconds(1)
        let id = harness.submit(prompt(1, count: 30), new: 1, deadline: due, prefillOnly: true)
        harness.run()
        #expect(harness.prefilled[id] != nil)
        harness.now = due
        harness.handle(.timer)
        #expect(harness.finished[id] == .deadline)
    }

    @Test("prompts that do not fit beside held ones wait, and are not set back half done")
    func heldPages() {
        var harness = SchedulerHarness(pages: 8)
        let first = harness.submit(prompt(1, count: 80), new: 1, prefillOnly: true)
        let second = harness.submit(prompt(2, count: 80), new: 1, prefillOnly: true)
        harness.run()
        #expect(harness.prefilled[second] == nil)
        harness.handle(.cancel(first))
        harness.run()
        #expect(harness.prefilled[second]?.count == 5)
        #expect(harness.scheduler.snapshot.totals.preemptions == 0)
    }
}
