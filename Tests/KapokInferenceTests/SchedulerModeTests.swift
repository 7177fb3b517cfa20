import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("Latency-optimised requests get small steps and drafts")
struct SchedulerModeTests {
    @Test("beside one, few standard sequences decode, and these take turns")
    func turns() {
        var harness = SchedulerHarness(pages: 200) { $0.sequencesBesideOptimized = 2 }
        let standard = (1...6).map { harness.submit(prompt($0, count: 10), new: 100) }
        harness.step()
        let fast = harness.submit(prompt(9, count: 10), new: 60, mode: .optimized)
        harness.step()
        harness.step()
        var missed = [RequestID: Int](uniqueKeysWithValues: standard.map { ($0, 0) })
        for _ in 0..<30 {
            let members = harness.steps[0].entries.map(\.request)
            #expect(members.contains(fast))
            #expect(members.count == 3)
            for id in standard { missed[id] = members.contains(id) ? 0 : (missed[id] ?? 0) + 1 }
            #expect(missed.values.allSatisfy { $0 < 3 })
            harness.step()
        }
    }

    @Test("beside one, a long prompt gets little of each step")
    func prefill() {
        var harness = SchedulerHarness {
            $0.prefillTokensBesideOptimized = 16
            $0.prefillTokensPerStep = 128
        }
        harness.submit(prompt(1, count: 10), new: 60, mode: .optimized)
        harness.step()
        let long = harness.submit(prompt(2, count: 200), new: 1)
        harness.step()
        for _ in 0..<5 {
            let entry = harness.steps[0].entries.first { $0.request == long }
            #expect(entry?.count == 16)
            harness.step()
        }
    }

    @Test("its prompt is computed before others that wait")
    func order() {
        var harness = SchedulerHarness { $0.prefillTokensAlone = 32 }
        harness.submit(prompt(1, count: 100), new: 1)
        harness.submit(prompt(2, count: 100), new: 1)
        let fast = harness.submit(prompt(3, count: 30), new: 1, mode: .optimized)
        harness.step()
        #expect(harness.steps[0].entries[0].request == fast)
    }

    @Test("drafts that are right become more, up to the limit, and never more than is wanted")
    func moreDrafts() {
        var harness = SchedulerHarness { $0.maximumDrafts = 8 }
        harness.rightDrafts = 100
        let id = harness.submit(
            prompt(1, count: 10), new: 40, mode: .optimized, speculates: true)
        var drafts: [Int] = []
        while let step = harness.steps.first {
            drafts.append(step.entries[0].drafts)
            harness.step()
        }
        #expect(drafts == [0, 4, 8, 8, 8, 6])
        #expect(harness.texts[id] == (10..<50).map { SchedulerHarness.token(at: $0) })
        #expect(harness.accounts[id]?.acceptedTokens == 34)
    }

    @Test("drafts that are wrong become few, and are tried again now and then")
    func fewerDrafts() {
        var harness = SchedulerHarness()
        let id = harness.submit(
            prompt(1, count: 10), new: 60, mode: .optimized, speculates: true)
        var drafts: [Int] = []
        while let step = harness.steps.first {
            let entry = step.entries[0]
            drafts.append(entry.drafts)
            harness.steps.removeFirst()
            let token = SchedulerHarness.token(at: entry.start + entry.count)
            let outcome = EntryOutcome(request: id, tokens: [token], drafted: entry.drafts)
            harness.handle(
                .stepDone(executor: .both, StepOutcome(number: step.number, entries: [outcome])))
        }
        #expect(drafts.prefix(4) == [0, 4, 2, 1])
        #expect(drafts.dropFirst(4).reduce(0, +) == 3)
        #expect(harness.accounts[id]?.acceptedTokens == 0)
    }

    @Test("who does not speculate gets no drafts, in any mode")
    func noDrafts() {
        var harness = SchedulerHarness()
        harness.submit(prompt(1, count: 10), new: 9, mode: .optimized)
        while let step = harness.steps.first {
            #expect(step.entries[0].drafts == 0)
            harness.step()
        }
    }

    @Test("steps with decoding sequences take fewer prompt tokens on a slow machine")
    func adaptation() {
        var harness = SchedulerHarness(pages: 400, contextLimit: 4_000) {
            $0.mixedStepTarget = .milliseconds(50)
            $0.prefillTokensPerStep = 128
        }
        harness.submit(prompt(1, count: 10), new: 1_000)
        harness.step()
        harness.submit(prompt(2, count: 3_000), new: 1)
        harness.step()
        var parts: [Int] = []
        for _ in 0..<6 {
            parts.append(harness.steps[0].entries[1].count)
            // A millisecond for each token.
            harness.step(after: .milliseconds(UInt64(1 + parts[parts.count - 1])))
        }
        #expect(parts.first == 128)
        #expect(parts.suffix(3).allSatisfy { (32...64).contains($0) })
    }
}
