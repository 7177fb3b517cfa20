import KapokWorld
import Testing

@Suite("Random streams")
struct RandomStreamTests {
    @Test("seed 1234567 gives the numbers of the reference implementation of SplitMix64")
    func knownAnswers() {
        // The values published with Vigna's splitmix64.c and used by Rosetta Code's entry for it.
        var random = RandomStream(seed: 1_234_567)
        let drawn = (0..<5).map { _ in random.next() }
        #expect(
            drawn == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }

    @Test("a split stream depends on the seed and the label, not on how much was drawn before")
    func splitIgnoresUse() {
        let fresh = RandomStream(seed: 99)
        var used = fresh
        for _ in 0..<1000 { _ = used.next() }
        var (a, b) = (fresh.split("disk"), used.split("disk"))
        #expect((0..<100).allSatisfy { _ in a.next() == b.next() })
        (a, b) = (fresh.split(7), used.split(7))
        #expect((0..<100).allSatisfy { _ in a.next() == b.next() })
    }

    @Test("streams of different labels, indices, seeds and depths have no number in common")
    func splitsAreIndependent() {
        let root = RandomStream(seed: 5)
        var streams = [
            root, root.split("a"), root.split("b"), root.split("ab"), root.split("a").split("b"),
            root.split("b").split("a"), RandomStream(seed: 6), RandomStream(seed: 6).split("a"),
        ]
        streams += (0..<100).map { root.split($0 as UInt64) }
        var seen: Set<UInt64> = []
        for var stream in streams {
            for _ in 0..<200 { seen.insert(stream.next()) }
        }
        // Among 21,600 numbers of 64 bits a chance repetition has a probability of 10^-11.
        #expect(seen.count == streams.count * 200)
    }

    @Test("the bits of two sibling streams agree half of the time")
    func siblingsAreUncorrelated() {
        let root = RandomStream(seed: 11)
        var (a, b) = (root.split(0 as UInt64), root.split(1 as UInt64))
        var differing = 0
        for _ in 0..<10_000 { differing += (a.next() ^ b.next()).nonzeroBitCount }
        // 640,000 coin tosses: the standard deviation is 400.
        #expect(abs(differing - 320_000) < 2_400)
    }

    @Test("below stays in its bounds and gives each value its share")
    func below() {
        var random = RandomStream(seed: 3)
        var counts = Array(repeating: 0, count: 10)
        for _ in 0..<100_000 { counts[random.below(10)] += 1 }
        // Each 10,000 with a standard deviation of 95.
        #expect(counts.allSatisfy { abs($0 - 10_000) < 600 })
        #expect((0..<100).allSatisfy { _ in random.below(1 as UInt64) == 0 })
        #expect((0..<100).allSatisfy { _ in random.below(UInt64.max) < UInt64.max })
    }

    @Test("a chance of nothing never happens, a certainty always, a quarter a quarter of the time")
    func chance() {
        var random = RandomStream(seed: 4)
        #expect((0..<1000).allSatisfy { _ in !random.chance(0, in: 7) })
        #expect((0..<1000).allSatisfy { _ in random.chance(7, in: 7) })
        let hits = (0..<100_000).filter { _ in random.chance(1, in: 4) }.count
        #expect(abs(hits - 25_000) < 1_000)
    }

    @Test("unit numbers lie in 0 ..< 1 with a mean of a half")
    func unit() {
        var random = RandomStream(seed: 8)
        var sum = 0.0
        for _ in 0..<100_000 {
            let value = random.unit()
            #expect(value >= 0 && value < 1)
            sum += value
        }
        #expect(abs(sum / 100_000 - 0.5) < 0.005)
    }
}
