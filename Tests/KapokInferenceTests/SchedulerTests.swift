import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("The scheduler runs requests in steps")
struct SchedulerTests {
    @Test("a prompt is computed, then a token a step, until there are as many as asked for")
    func oneRequest() {
        var harness = SchedulerHarness()
        let id = harness.submit(prompt(1, count: 40), new: 5)
        #expect(harness.modes[id] == .standard)
        #expect(harness.run() == 5)
        #expect(harness.texts[id] == (40..<45).map { SchedulerHarness.token(at: $0) })
        #expect(harness.finished[id] == .length)
        #expect(harness.accounts[id]?.generatedTokens == 5)
        #expect(harness.scheduler.snapshot.pagesHeld == 0)
    }

    @Test("a long prompt is computed in parts that end with pages")
    func chunks() {
        var harness = SchedulerHarness { $0.prefillTokensAlone = 100 }
        harness.submit(prompt(1, count: 250), new: 1)
        var parts: [ClosedRange<Int>] = []
        while let step = harness.steps.first {
            let entry = step.entries[0]
            parts.append(entry.start...entry.start + entry.count)
            #expect(entry.samples == (entry.start + entry.count == 250))
            harness.step()
        }
        #expect(parts == [0...96, 96...192, 192...250])
    }

    @Test("decoding goes on beside a long prompt, which gets the rest of each step")
    func mixed() {
        var harness = SchedulerHarness {
            $0.prefillTokensPerStep = 32
            $0.prefillTokensAlone = 64
        }
        let chat = harness.submit(prompt(1, count: 10), new: 50)
        harness.step()
        let long = harness.submit(prompt(2, count: 200), new: 1)
        harness.step()
        for _ in 0..<5 {
            let step = harness.steps[0]
            #expect(step.entries.map(\.request) == [chat, long])
            #expect(step.entries[0].count == 1)
            #expect(step.entries[1].count <= 32)
            harness.step()
        }
    }
}
