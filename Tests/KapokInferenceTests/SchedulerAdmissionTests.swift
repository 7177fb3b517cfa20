import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("Requests are taken within bounds, and their turns are fair")
struct SchedulerAdmissionTests {
    @Test("what can never fit is refused at once")
    func tooLong() {
        var harness = SchedulerHarness(pages: 4, contextLimit: 1_000)
        let id = harness.submit(prompt(1, count: 60), new: 5)
        #expect(harness.refused[id] == .tooLong(tokens: 65, limit: 64))
        let fits = harness.submit(prompt(1, count: 60), new: 4)
        harness.run()
        #expect(harness.finished[fits] == .length)
        var narrow = SchedulerHarness(pages: 100, contextLimit: 50)
        let context = narrow.submit(prompt(1, count: 40), new: 11)
        #expect(narrow.refused[context] == .tooLong(tokens: 51, limit: 50))
        let endless = narrow.submit(prompt(1, count: 40), new: .max)
        #expect(narrow.refused[endless] == .tooLong(tokens: .max, limit: 50))
    }

    @Test("a full queue refuses, and takes again when there is room")
    func queue() {
        var harness = SchedulerHarness {
            $0.maximumDecodeSequences = 1
            $0.queueLimit = 2
        }
        let ids = (1...4).map { harness.submit(prompt($0, count: 4), new: 1) }
        #expect(harness.refused == [ids[3]: .queueFull(limit: 2)])
        harness.run()
        let later = harness.submit(prompt(5, count: 4), new: 1)
        #expect(harness.refused[later] == nil)
    }

    @Test("a tenant's limit counts its own requests")
    func tenantLimit() {
        var harness = SchedulerHarness { $0.tenantLimit = 2 }
        harness.submit(prompt(1, count: 4), tenant: 1)
        harness.submit(prompt(2, count: 4), tenant: 1)
        let third = harness.submit(prompt(3, count: 4), tenant: 1)
        let other = harness.submit(prompt(4, count: 4), tenant: 2)
        #expect(harness.refused[third] == .tenantLimit(limit: 2))
        #expect(harness.refused[other] == nil)
    }

    @Test("a server that goes down takes nothing and ends what it has")
    func drain() {
        var harness = SchedulerHarness()
        let running = harness.submit(prompt(1, count: 4))
        harness.handle(.drain)
        let late = harness.submit(prompt(2, count: 4))
        harness.run()
        #expect(harness.refused[late] == .draining)
        #expect(harness.finished[running] == .length)
    }

    /// The order in which requests began.
    private func beginnings(_ harness: SchedulerHarness) -> [RequestID] {
        var order: [RequestID] = []
        for case .run(let step) in harness.log {
            for entry in step.entries where !order.contains(entry.request) {
                order.append(entry.request)
            }
        }
        return order
    }

    @Test("a tenant with one request does not wait behind all those of another")
    func fairness() {
        var harness = SchedulerHarness { $0.maximumDecodeSequences = 1 }
        let many = (1...10).map { harness.submit(prompt($0, count: 20), tenant: 1) }
        let one = harness.submit(prompt(99, count: 20), tenant: 2)
        harness.run()
        #expect(Array(beginnings(harness).prefix(2)) == [many[0], one])
    }

    @Test("shares of busy tenants are in proportion to their weights")
    func weights() throws {
        var harness = SchedulerHarness {
            $0.maximumDecodeSequences = 1
            $0.tenantWeights = [1: 3]
        }
        for number in 1...40 {
            harness.submit(prompt(number, count: 20), tenant: UInt32(1 + number % 2))
        }
        harness.run()
        // Even numbers belong to tenant 1, odd ones to tenant 2.
        let first = beginnings(harness).prefix(20).count { $0.number % 2 == 0 }
        #expect((14...16).contains(first))
    }

    @Test("idleness earns no credit")
    func idle() {
        var harness = SchedulerHarness { $0.maximumDecodeSequences = 1 }
        harness.submit(prompt(0, count: 4), new: 1, tenant: 2)
        harness.run()
        for number in 1...10 {
            harness.submit(prompt(number, count: 20), tenant: 1)
            harness.run()
        }
        let a = (11...14).map { harness.submit(prompt($0, count: 20), tenant: 1) }
        let b = (21...24).map { harness.submit(prompt($0, count: 20), tenant: 2) }
        harness.run()
        let order = beginnings(harness).suffix(8)
        #expect(order.prefix(4).count { a.contains($0) } == 2)
        #expect(order.prefix(4).count { b.contains($0) } == 2)
    }

    @Test("who was first in a line for longer than patience lasts is next, whatever others got")
    func patience() {
        var harness = SchedulerHarness {
            $0.maximumDecodeSequences = 1
            $0.patience = .milliseconds(20)
            // Tenant 2 weighs so much that it is always its turn.
            $0.tenantWeights = [2: 1_000_000]
        }
        harness.submit(prompt(0, count: 4), new: 4, tenant: 2)
        let poor = harness.submit(prompt(1, count: 4), new: 4, tenant: 1)
        for number in 2...40 { harness.submit(prompt(number, count: 4), new: 4, tenant: 2) }
        harness.run()
        let place = beginnings(harness).firstIndex(of: poor)
        // Four steps of a millisecond each request: the fifth ends at 20 ms.
        #expect(place == 5)
    }

    @Test("latency-optimised requests go first, but not too many in a row")
    func burst() {
        var harness = SchedulerHarness {
            $0.maximumDecodeSequences = 1
            $0.optimizedLimit = 8
            $0.optimizedBurst = 2
            $0.prefillTokensAlone = 4
            $0.prefillTokensPerStep = 4
        }
        harness.submit(prompt(0, count: 4), new: 1)
        let standard = harness.submit(prompt(1, count: 4), new: 1)
        let optimized = (2...7).map {
            harness.submit(prompt($0, count: 4), new: 1, mode: .optimized)
        }
        harness.run()
        let order = beginnings(harness)
        #expect(order.firstIndex(of: standard).map { $0 > 1 } == true)
        #expect(Set(order) == Set([RequestID(1), standard] + optimized))
    }

    @Test("over the quota a request is served as a standard one and told so")
    func quota() {
        var harness = SchedulerHarness { $0.optimizedLimit = 2 }
        let ids = (1...3).map { harness.submit(prompt($0, count: 4), mode: .optimized) }
        #expect(ids.map { harness.modes[$0] } == [.optimized, .optimized, .standard])
        harness.run()
        #expect(ids.map { harness.accounts[$0]?.mode } == [.optimized, .optimized, .standard])
        let later = harness.submit(prompt(4, count: 4), mode: .optimized)
        #expect(harness.modes[later] == .optimized)
    }

    @Test("tokens in optimised mode are limited by tenant and window; unused ones are given back")
    func tokenQuota() {
        var harness = SchedulerHarness {
            $0.optimizedTokensPerWindow = 100
            $0.optimizedWindow = .seconds(1)
        }
        let first = harness.submit(prompt(1, count: 40), new: 50, mode: .optimized, tenant: 1)
        let second = harness.submit(prompt(2, count: 40), new: 50, mode: .optimized, tenant: 1)
        let other = harness.submit(prompt(3, count: 40), new: 50, mode: .optimized, tenant: 2)
        #expect(harness.modes == [first: .optimized, second: .standard, other: .optimized])
        harness.handle(.cancel(first))
        harness.run()
        let third = harness.submit(prompt(4, count: 30), new: 20, mode: .optimized, tenant: 1)
        #expect(harness.modes[third] == .optimized)
        let fourth = harness.submit(prompt(5, count: 30), new: 20, mode: .optimized, tenant: 1)
        #expect(harness.modes[fourth] == .standard)
        harness.now = harness.now + .seconds(1)
        let next = harness.submit(prompt(6, count: 30), new: 20, mode: .optimized, tenant: 1)
        #expect(harness.modes[next] == .optimized)
    }
}
