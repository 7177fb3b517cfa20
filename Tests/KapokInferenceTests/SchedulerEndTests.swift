import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("Requests end once, and their pages go when nothing writes to them any more")
struct SchedulerEndTests {
    @Test("one that waits ends at once")
    func waiting() {
        var harness = SchedulerHarness { $0.maximumDecodeSequences = 1 }
        harness.submit(prompt(1, count: 4))
        let second = harness.submit(prompt(2, count: 4))
        harness.handle(.cancel(second))
        #expect(harness.finished[second] == .cancelled)
    }

    @Test("one in a step ends after the step, and leaves what was computed")
    func inStep() {
        var harness = SchedulerHarness()
        let id = harness.submit(prompt(1, count: 40))
        harness.handle(.cancel(id))
        #expect(harness.finished[id] == nil)
        #expect(harness.scheduler.snapshot.pagesHeld == 3)
        harness.step()
        #expect(harness.finished[id] == .cancelled)
        #expect(harness.scheduler.snapshot.pagesHeld == 0)
        #expect(harness.scheduler.snapshot.pagesCached == 2)
    }

    @Test("cancelling what is over or never was changes nothing")
    func late() {
        var harness = SchedulerHarness()
        let id = harness.submit(prompt(1, count: 4))
        harness.run()
        harness.handle(.cancel(id))
        harness.handle(.cancel(RequestID(77)))
        #expect(harness.finished == [id: .length])
    }

    @Test("a deadline ends a request that waits and one that runs, by the timer")
    func deadlines() {
        var harness = SchedulerHarness { $0.maximumDecodeSequences = 1 }
        let due = Instant.zero + .milliseconds(5)
        let running = harness.submit(prompt(1, count: 4), new: 100, deadline: due)
        let waiting = harness.submit(prompt(2, count: 4), deadline: due)
        #expect(harness.timer == due)
        harness.now = due
        harness.handle(.timer)
        #expect(harness.finished == [waiting: .deadline])
        harness.step(after: .zero)
        #expect(harness.finished[running] == .deadline)
        #expect(harness.steps.isEmpty)
    }

    @Test("a request that comes after its deadline ends without a step")
    func overdue() {
        var harness = SchedulerHarness()
        harness.now = .zero + .seconds(1)
        let id = harness.submit(prompt(1, count: 4), deadline: .zero)
        #expect(harness.finished[id] == .deadline)
        #expect(harness.steps.isEmpty)
    }

    @Test("a step that fails ends its requests and no others")
    func failure() {
        var harness = SchedulerHarness { $0.executors = [.prefill, .decode] }
        let a = harness.submit(prompt(1, count: 30), new: 10)
        harness.step()
        let b = harness.submit(prompt(2, count: 30), new: 2)
        #expect(harness.steps.count == 2)
        harness.step(fails: true)
        #expect(harness.finished == [a: .failed])
        harness.run()
        #expect(harness.finished[b] == .length)
        #expect(harness.scheduler.snapshot.pagesHeld == 0)
        #expect(harness.scheduler.snapshot.totals.failedSteps == 1)
    }

    @Test("the driver's end counts, also when the client goes at the same moment")
    func stop() {
        var harness = SchedulerHarness()
        let id = harness.submit(prompt(1, count: 4), new: 10)
        harness.handle(.cancel(id))
        let step = harness.steps.removeFirst()
        let entry = EntryOutcome(request: id, tokens: [5], finish: .stop)
        harness.handle(
            .stepDone(executor: .both, StepOutcome(number: step.number, entries: [entry])))
        #expect(harness.finished[id] == .stop)
        #expect(harness.accounts[id]?.generatedTokens == 1)
    }

    @Test("an entry that the driver let go of ends as failed and leaves nothing in the cache")
    func lost() {
        var harness = SchedulerHarness()
        let id = harness.submit(prompt(1, count: 40))
        let step = harness.steps.removeFirst()
        let outcome = StepOutcome(
            number: step.number, entries: [EntryOutcome(request: id, tokens: [])])
        harness.handle(.stepDone(executor: .both, outcome))
        #expect(harness.finished[id] == .failed)
        #expect(harness.scheduler.snapshot.pagesCached == 0)
    }
}
