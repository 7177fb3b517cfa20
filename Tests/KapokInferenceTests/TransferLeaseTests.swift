import KapokInference
import KapokWorld
import Testing

@Suite("KV transfer: leases of a prefill role")
struct TransferLeaseTests {
    private let a = TransferConnectionID(1)
    private let b = TransferConnectionID(2)

    /// Leases, and what they wanted since it was last asked.
    private struct Bench {
        var leases: PrefillLeases
        var now = Instant.zero
        var timer: Instant?

        init(_ change: (inout LeaseConfiguration) -> Void = { _ in }) {
            var configuration = LeaseConfiguration(vocabularySize: 100, maximumTokens: 64)
            change(&configuration)
            leases = PrefillLeases(configuration)
        }

        @discardableResult
        mutating func handle(_ event: LeaseEvent) -> [String] {
            var effects = EffectBuffer<LeaseEffect>()
            leases.handle(event, at: now, into: &effects)
            return effects.takeAll().compactMap { effect in
                switch effect {
                case .send(_, let reply): return "\(reply)"
                case .sendPage(_, let send):
                    return "page \(send.header.page) of job \(send.job) from \(send.memory)"
                case .submit(let job): return "submit \(job.number)"
                case .release(let job): return "release \(job)"
                case .close(let id, _): return "close \(id.number)"
                case .setTimer(let at):
                    timer = at
                    return nil
                }
            }
        }

        /// Lets time pass, with all timers on the way.
        mutating func pass(_ interval: Interval) -> [String] {
            let end = now + interval
            var wanted: [String] = []
            while let next = timer, next <= end {
                timer = nil
                now = max(now, next)
                wanted += handle(.timer)
            }
            now = end
            return wanted
        }
    }

    private func ask(_ number: UInt64, tokens: Int = 40) -> TransferRequest {
        .prefill(
            PrefillAsk(transfer: TransferID(number), tokens: Array(repeating: 5, count: tokens)))
    }

    @Test("a transfer is accepted, computed, pulled and released")
    func course() {
        var bench = Bench()
        #expect(bench.handle(.opened(a)).isEmpty)
        #expect(bench.handle(.message(a, ask(1))).last == "submit 1")
        bench.handle(.report(job: 1, .progress(tokens: 20, pages: [7, 8, 9])))
        #expect(
            bench.handle(.message(a, .pull(TransferID(1), page: 0))) == ["page 0 of job 1 from 7"])
        #expect(bench.leases.pinnedPages == 3)
        bench.handle(.report(job: 1, .progress(tokens: 40, pages: [7, 8, 9])))
        #expect(
            bench.handle(.message(a, .pull(TransferID(1), page: 2))) == ["page 2 of job 1 from 9"])
        #expect(bench.handle(.message(a, .release(TransferID(1)))).isEmpty, "two pages still leave")
        #expect(bench.handle(.pageSent(job: 1)).isEmpty)
        #expect(bench.handle(.pageSent(job: 1)) == ["release 1"])
        #expect(bench.leases.openTransfers == 0)
    }

    @Test("pages that are not computed cannot be pulled: the connection ends")
    func early() {
        var bench = Bench()
        bench.handle(.opened(a))
        bench.handle(.message(a, ask(1)))
        bench.handle(.report(job: 1, .progress(tokens: 15, pages: [7])))
        #expect(bench.handle(.message(a, .pull(TransferID(1), page: 0))) == ["close 1"])
        #expect(bench.handle(.closed(a)) == ["release 1"])
    }

    @Test("another connection's transfer is unknown, and so is one that was never asked for")
    func others() {
        var bench = Bench()
        bench.handle(.opened(a))
        bench.handle(.opened(b))
        bench.handle(.message(a, ask(1)))
        bench.handle(.report(job: 1, .progress(tokens: 40, pages: [1, 2, 3])))
        let unknown = "\(TransferReply.ended(TransferID(1), .unknown))"
        #expect(bench.handle(.message(b, .pull(TransferID(1), page: 0))) == [unknown])
        #expect(bench.handle(.message(b, .release(TransferID(1)))).isEmpty)
        #expect(bench.leases.openTransfers == 1)
    }

    @Test("a number is never used twice on a connection")
    func numbers() {
        var bench = Bench()
        bench.handle(.opened(a))
        bench.handle(.message(a, ask(5)))
        bench.handle(.message(a, .release(TransferID(5))))
        #expect(bench.handle(.message(a, ask(5))) == ["close 1"])
    }

    @Test("a lease runs out when nobody renews it, and lives as long as somebody does")
    func expiry() {
        var bench = Bench { $0.lease = .seconds(10) }
        bench.handle(.opened(a))
        bench.handle(.message(a, ask(1)))
        bench.handle(.message(a, ask(2)))
        for _ in 0..<5 {
            #expect(!bench.pass(.seconds(5)).contains("release 1"))
            bench.handle(.message(a, .renew([TransferID(1)])))
        }
        #expect(bench.leases.openTransfers == 1, "the one that was not renewed is over")
        let wanted = bench.pass(.seconds(10))
        #expect(wanted.contains("\(TransferReply.ended(TransferID(1), .expired))"))
        #expect(wanted.contains("release 1"))
    }

    @Test("however often it is renewed, no transfer lives longer than the longest life")
    func longestLife() {
        var bench = Bench { $0.longestLife = .seconds(60) }
        bench.handle(.opened(a))
        bench.handle(.message(a, ask(1)))
        for _ in 0..<13 {
            _ = bench.pass(.seconds(5))
            bench.handle(.message(a, .renew([TransferID(1)])))
        }
        #expect(bench.leases.openTransfers == 0)
    }

    @Test("a peer that pulls and does not read loses its connection, and the pages come back")
    func stalled() {
        var bench = Bench { $0.silence = .seconds(1000) }
        bench.handle(.opened(a))
        bench.handle(.message(a, ask(1)))
        bench.handle(.report(job: 1, .progress(tokens: 40, pages: [1, 2, 3])))
        bench.handle(.message(a, .pull(TransferID(1), page: 0)))
        let wanted = bench.pass(.seconds(30))
        #expect(wanted.contains("close 1"))
        #expect(!wanted.contains("release 1"), "the kernel may still read from its pages")
        #expect(bench.handle(.closed(a)) == ["release 1"])
    }

    @Test("silence ends a connection, and its transfers with it")
    func silence() {
        var bench = Bench { $0.silence = .seconds(3) }
        bench.handle(.opened(a))
        bench.handle(.message(a, ask(1)))
        #expect(bench.pass(.seconds(3)) == ["close 1"])
        #expect(bench.handle(.closed(a)) == ["release 1"])
    }

    @Test("too many transfers, too long prompts, tokens outside the vocabulary, draining: refused")
    func refusals() {
        var bench = Bench { $0.maximumTransfers = 1 }
        bench.handle(.opened(a))
        func end(_ number: UInt64, _ why: TransferEnd) -> [String] {
            ["\(TransferReply.ended(TransferID(number), why))"]
        }
        #expect(bench.handle(.message(a, ask(1, tokens: 65))) == end(1, .unacceptable))
        #expect(bench.handle(.message(a, ask(2, tokens: 0))) == end(2, .unacceptable))
        let foreign = PrefillAsk(transfer: TransferID(3), tokens: [4, 100])
        #expect(bench.handle(.message(a, .prefill(foreign))) == end(3, .unacceptable))
        bench.handle(.message(a, ask(4)))
        #expect(bench.handle(.message(a, ask(5))) == end(5, .busy))
        bench.handle(.drain)
        bench.handle(.message(a, .release(TransferID(4))))
        #expect(bench.handle(.message(a, ask(6))) == end(6, .draining))
    }

    @Test("what the engine gives up is not given back a second time")
    func ended() {
        var bench = Bench()
        bench.handle(.opened(a))
        bench.handle(.message(a, ask(1)))
        let wanted = bench.handle(.report(job: 1, .ended("deadline")))
        #expect(wanted == ["\(TransferReply.ended(TransferID(1), .failed))"])
        #expect(bench.leases.openTransfers == 0)
        #expect(bench.handle(.closed(a)).isEmpty)
    }

    @Test("more pages at a time than a window may ask for end the connection")
    func greedy() {
        var bench = Bench { $0.maximumSends = 4 }
        bench.handle(.opened(a))
        bench.handle(.message(a, ask(1)))
        bench.handle(.report(job: 1, .progress(tokens: 40, pages: [1, 2, 3])))
        for _ in 0..<4 { bench.handle(.message(a, .pull(TransferID(1), page: 0))) }
        #expect(bench.handle(.message(a, .pull(TransferID(1), page: 0))) == ["close 1"])
    }
}
