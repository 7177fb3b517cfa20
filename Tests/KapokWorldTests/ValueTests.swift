import KapokWorld
import Testing

@Suite("Identities and epochs")
struct UniqueIDTests {
    @Test("an identity is written as 32 lower-case digits, leading zeroes included, and read back")
    func text() {
        let id = UniqueID(high: 0x0123_4567_89AB_CDEF, low: 0xFF)
        #expect(id.description == "0123456789abcdef00000000000000ff")
        #expect(UniqueID(id.description) == id)
        var random = RandomStream(seed: 1)
        for _ in 0..<1000 {
            let drawn = UniqueID(from: &random)
            #expect(UniqueID(drawn.description) == drawn)
        }
    }

    @Test(
        "anything but 32 lower-case digits is no identity",
        arguments: [
            "", "0", String(repeating: "0", count: 31), String(repeating: "0", count: 33),
            "0123456789ABCDEF00000000000000ff", "+123456789abcdef00000000000000ff",
            "0123456789abcdef-0000000000000ff", "0123456789abcdef0000000000000 ff",
            "0123456789abcdeg00000000000000ff", String(repeating: "٣", count: 16),
            String(repeating: "é", count: 16),
        ])
    func malformed(text: String) {
        #expect(UniqueID(text) == nil)
    }

    @Test("identities are ordered as their texts are")
    func order() {
        var random = RandomStream(seed: 2)
        var ids = (0..<200).map { _ in UniqueID(from: &random) }
        ids += ids.map { UniqueID(high: $0.high, low: ~$0.low) }
        #expect(ids.sorted().map(\.description) == ids.map(\.description).sorted())
    }

    @Test("the next epoch is larger, and none comes before all")
    func epochs() {
        #expect(Epoch.none < Epoch.none.next)
        #expect(Epoch(41).next == Epoch(42))
        #expect(Epoch(42).description == "42")
    }
}

@Suite("Time")
struct InstantTests {
    @Test("the time from a later to an earlier instant is zero, never negative")
    func difference() {
        let (early, late) = (Instant(nanoseconds: 5), Instant(nanoseconds: 12))
        #expect(late - early == Interval(nanoseconds: 7))
        #expect(early - late == .zero)
        #expect(early + (late - early) == late)
        #expect(early < late)
    }

    @Test("units are thousands of one another")
    func units() {
        #expect(Interval.microseconds(1).nanoseconds == 1_000)
        #expect(Interval.milliseconds(1) == .microseconds(1_000))
        #expect(Interval.seconds(1) == .milliseconds(1_000))
    }
}

@Suite("Effects")
struct EffectBufferTests {
    @Test("effects are drained in order, once")
    func drain() {
        var effects = EffectBuffer<Int>()
        for i in 0..<100 { effects.append(i) }
        var seen: [Int] = []
        effects.drain { seen.append($0) }
        #expect(seen == Array(0..<100))
        #expect(effects.isEmpty)
        effects.drain { seen.append($0) }
        #expect(seen.count == 100)
    }

    @Test("taking all leaves the buffer empty and usable")
    func takeAll() {
        var effects = EffectBuffer<Int>()
        effects.append(1)
        #expect(effects.takeAll() == [1])
        #expect(effects.isEmpty)
        effects.append(2)
        #expect(effects.count == 1)
        #expect(effects.takeAll() == [2])
    }
}

@Suite("Aligned memory")
struct AlignedBufferTests {
    @Test(
        "memory is aligned to 4 KiB and rounded up to whole blocks",
        arguments: [1, 4095, 4096, 4097])
    func alignment(byteCount: Int) {
        let buffer = AlignedBuffer(byteCount: byteCount)
        #expect(UInt(bitPattern: buffer.baseAddress) % 4096 == 0)
        #expect(buffer.count == (byteCount <= 4096 ? 4096 : 8192))
        buffer.mutableBytes[buffer.count - 1] = 7
        buffer.zero()
        #expect(buffer.bytes.allSatisfy { $0 == 0 })
    }
}
