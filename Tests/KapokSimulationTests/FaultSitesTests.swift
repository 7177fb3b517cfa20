import KapokSimulation
import KapokWorld
import Testing

@Suite("Fault sites and probabilities")
struct FaultSitesTests {
    @Test("a site is enabled in a quarter of the runs and then fires a quarter of the time")
    func rates() {
        var (enabled, fired, reached) = (0, 0, 0)
        for seed in 0..<2_000 as Range<UInt64> {
            var sites = FaultSites(random: RandomStream(seed: seed))
            var firedHere = 0
            for _ in 0..<100 where sites.fires("drop the reply") { firedHere += 1 }
            let report = sites.report[0]
            #expect(report.isEnabled || firedHere == 0)
            #expect(report.fired == UInt64(firedHere) && report.reached == 100)
            if report.isEnabled {
                enabled += 1
                fired += firedHere
                reached += 100
            }
        }
        // 500 with a standard deviation of 19; 12,500 of 50,000 with about 97.
        #expect(abs(enabled - 500) < 100)
        #expect(abs(Double(fired) / Double(reached) - 0.25) < 0.02)
    }

    @Test("what a site does depends on the seed and its name, not on the sites around it")
    func independence() {
        for seed in 0..<50 as Range<UInt64> {
            var alone = FaultSites(random: RandomStream(seed: seed))
            var among = FaultSites(random: RandomStream(seed: seed))
            for _ in 0..<50 {
                _ = among.fires("another site")
                #expect(alone.fires("the site") == among.fires("the site"))
                _ = among.fires("a third site")
            }
        }
    }

    @Test("equal names at different places are one site, and the report is sorted by name")
    func report() {
        var sites = FaultSites(random: RandomStream(seed: 1))
        _ = sites.fires("zebra")
        _ = sites.fires("ape")
        for _ in 0..<3 { _ = sites.fires("zebra") }
        _ = sites.fires("m")
        #expect(sites.report.map(\.name) == ["ape", "m", "zebra"])
        #expect(sites.report.map(\.reached) == [1, 1, 4])
    }

    @Test("probabilities can be set, forced for one site, and switched off for all")
    func control() {
        var sites = FaultSites(random: RandomStream(seed: 1), enabling: .always, firing: .always)
        #expect((0..<100).allSatisfy { _ in sites.fires("a") })
        sites.isActive = false
        #expect((0..<100).allSatisfy { _ in !sites.fires("a") })
        sites.isActive = true
        sites.force("a", firing: .never)
        #expect((0..<100).allSatisfy { _ in !sites.fires("a") })

        var quiet = FaultSites.none
        #expect((0..<100).allSatisfy { _ in !quiet.fires("a") })
        quiet = FaultSites(random: RandomStream(seed: 1), enabling: .never)
        quiet.force("b", firing: .always)
        #expect(!quiet.fires("a") && quiet.fires("b"))
    }

    @Test("how bad a fault is comes from the site's stream and stays in its range")
    func magnitudes() {
        var sites = FaultSites(random: RandomStream(seed: 1))
        let drawn = (0..<1_000).map { _ in sites.draw(3...7, at: "delay") }
        #expect(Set(drawn) == [3, 4, 5, 6, 7])
        _ = sites.draw(0...UInt64.max, at: "delay")
    }

    @Test("a probability draws one number whatever it is, and happens as often as it says")
    func probability() {
        for value in [0, 0.001, 0.25, 0.5, 1] {
            var (random, other) = (RandomStream(seed: 2), RandomStream(seed: 2))
            let probability = Probability(value)
            let hits = (0..<100_000).filter { _ in probability.happens(&random) }.count
            for _ in 0..<100_000 { _ = other.next() }
            #expect(random.next() == other.next())
            #expect(abs(Double(hits) / 100_000 - value) < 0.01)
            #expect(probability.value == value)
        }
        var random = RandomStream(seed: 3)
        #expect((0..<10_000).allSatisfy { _ in Probability.always.happens(&random) })
        #expect((0..<10_000).allSatisfy { _ in !Probability.never.happens(&random) })
    }
}
