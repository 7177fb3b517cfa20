import KapokSimulation
import KapokWorld
import Testing

@Suite("Simulated network")
struct SimulatedNetworkTests {
    private func network(_ profile: LinkProfile, nodes: Int = 4, seed: UInt64 = 1)
        -> SimulatedNetwork
    {
        SimulatedNetwork(nodeCount: nodes, profile: profile, random: RandomStream(seed: seed))
    }

    @Test("without faults every message arrives once, in order, within the link's delay")
    func reliable() {
        var network = network(.reliable)
        var last = Instant.zero
        for i in 0..<10_000 as Range<UInt64> {
            let now = Instant(nanoseconds: i * 100)
            let deliveries = network.send(from: 0, to: 1, at: now)
            #expect(deliveries.count == 1)
            #expect(deliveries[0] >= last)
            #expect(deliveries[0] >= now + .microseconds(20))
            #expect(deliveries[0] <= now + .microseconds(60))
            last = deliveries[0]
        }
        #expect(network.counts.sent == 10_000 && network.counts.lost == 0)
    }

    @Test("loss, duplication and reordering happen as often as the profile says")
    func faultRates() {
        var profile = LinkProfile(delay: .constant(.microseconds(10)))
        profile.loss = 0.1
        profile.duplication = 0.2
        profile.reordering = 0.3
        var network = network(profile)
        var (arrivals, overtaken) = (0, 0)
        var latest = Instant.zero
        for i in 0..<50_000 as Range<UInt64> {
            let deliveries = network.send(from: 2, to: 3, at: Instant(nanoseconds: i * 1_000))
            arrivals += deliveries.count
            guard deliveries.count > 0 else { continue }
            if deliveries[0] < latest { overtaken += 1 }
            latest = max(latest, deliveries[0])
        }
        let counts = network.counts
        #expect(abs(Double(counts.lost) / 50_000 - 0.1) < 0.01)
        #expect(abs(Double(counts.duplicated) / 45_000 - 0.2) < 0.01)
        #expect(abs(Double(counts.reordered) / 45_000 - 0.3) < 0.01)
        #expect(arrivals == 50_000 - Int(counts.lost) + Int(counts.duplicated))
        #expect(overtaken > 1_000)
    }

    @Test("one seed gives one schedule, another seed another")
    func determinism() {
        func schedule(_ seed: UInt64) -> UInt64 {
            var network = network(.hostile, seed: seed)
            var trace = TraceHash()
            for i in 0..<5_000 as Range<UInt64> {
                let deliveries = network.send(
                    from: Int(i % 4), to: Int(i / 4 % 4), at: Instant(nanoseconds: i * 500))
                for index in 0..<deliveries.count { trace.mix(deliveries[index]) }
            }
            return trace.value
        }
        #expect(schedule(1) == schedule(1))
        #expect(Set((0..<100).map { schedule($0) }).count == 100)
    }

    @Test("a partition cuts both directions between the sides and leaves each side whole")
    func partition() {
        var network = network(.reliable)
        network.partition([0, 1])
        for source in 0..<4 {
            for target in 0..<4 {
                let isSameSide = (source < 2) == (target < 2)
                #expect(network.isOpen(from: source, to: target) == isSameSide)
                let count = network.send(from: source, to: target, at: .zero).count
                #expect(count == (isSameSide ? 1 : 0))
            }
        }
        #expect(network.counts.cutAtSending == 8)
        network.heal()
        #expect(network.send(from: 0, to: 3, at: .zero).count == 1)
    }

    @Test("a muted node hears the others and is not heard")
    func oneWay() {
        var network = network(.reliable)
        network.mute([2])
        #expect(network.send(from: 2, to: 0, at: .zero).count == 0)
        #expect(network.send(from: 0, to: 2, at: .zero).count == 1)
        network.heal()
        network.setCut(true, from: 1, to: 3)
        #expect(!network.isOpen(from: 1, to: 3) && network.isOpen(from: 3, to: 1))
    }

    @Test("a message under way when the link is cut is dropped if the scenario asks on arrival")
    func cutUnderWay() {
        var network = network(.reliable)
        #expect(network.send(from: 0, to: 1, at: .zero).count == 1)
        #expect(network.arrives(from: 0, to: 1) == true)
        network.partition([0])
        #expect(network.arrives(from: 0, to: 1) == false)
        #expect(network.counts.cutAtArrival == 1)
    }

    @Test("one link can behave differently from all others")
    func profiles() {
        var network = network(.reliable)
        let dead = LinkProfile(delay: .constant(.zero), loss: .always)
        network.setProfile(dead, from: 1, to: 2)
        #expect((0..<100).allSatisfy { _ in network.send(from: 1, to: 2, at: .zero).count == 0 })
        #expect((0..<100).allSatisfy { _ in network.send(from: 2, to: 1, at: .zero).count == 1 })
        network.setProfile(.reliable)
        #expect(network.send(from: 1, to: 2, at: .zero).count == 1)
    }

    @Test("delays have the bounds and the mean of their distribution, and a tail where it has one")
    func delays() {
        var random = RandomStream(seed: 5)
        func draw(_ distribution: DelayDistribution) -> [UInt64] {
            (0..<100_000).map { _ in distribution.draw(&random).nanoseconds }
        }
        func mean(_ values: [UInt64]) -> Double {
            Double(values.reduce(0, +)) / Double(values.count)
        }
        #expect(Set(draw(.constant(.microseconds(3)))) == [3_000])
        let uniform = draw(.uniform(.microseconds(10), .microseconds(30)))
        #expect(uniform.allSatisfy { (10_000...30_000).contains($0) })
        #expect(abs(mean(uniform) - 20_000) < 100)
        let tailed = draw(.tailed(minimum: .microseconds(50), meanExcess: .microseconds(100)))
        #expect(tailed.allSatisfy { $0 >= 50_000 })
        #expect(abs(mean(tailed) - 150_000) < 1_500)
        // The octaves are 66.7 us wide; ten of them are passed by one in 1,024.
        let far = tailed.filter { $0 > 50_000 + 666_667 }.count
        #expect((60...140).contains(far))
    }
}
