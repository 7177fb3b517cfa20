import KapokWorld
import Testing

@testable import KapokStore

@Suite("Placement of extents")
struct PlacementTests {
    private static func placement(
        drives: Int, domains: Int, width: Int, scatter: Int, seed: UInt64
    ) -> Placement {
        var random = RandomStream(seed: seed)
        return Placement(
            drives: (0..<drives).map { (UInt32($0), UInt32($0 % domains)) }, width: width,
            scatterWidth: scatter, random: &random)
    }

    @Test(
        "sets have K + M different drives, every drive is in one, and domains share evenly",
        arguments: [(6, 6, 6), (8, 8, 6), (12, 4, 6), (100, 25, 12), (7, 3, 3), (32, 32, 32)])
    func sets(drives: Int, domains: Int, width: Int) {
        for seed in 1...20 as ClosedRange<UInt64> {
            let placement = Self.placement(
                drives: drives, domains: domains, width: width, scatter: 30, seed: seed)
            #expect(!placement.copysets.isEmpty)
            for set in placement.copysets {
                #expect(set.count == width && Set(set).count == width)
            }
            #expect(Set(placement.copysets.joined()).count == drives)
        }
    }

    @Test("with as many domains as shards no domain holds two shards of a stripe")
    func domains() {
        let placement = Self.placement(drives: 48, domains: 12, width: 12, scatter: 44, seed: 5)
        for set in placement.copysets { #expect(Set(set.map { $0 % 12 }).count == 12) }
    }

    @Test("a drive shares data with a bounded number of others")
    func scatter() {
        let placement = Self.placement(drives: 200, domains: 200, width: 6, scatter: 20, seed: 9)
        for drive in 0..<200 as Range<UInt32> {
            let others = Set(placement.copysets.filter { $0.contains(drive) }.joined())
            // Four permutations of sets of six, and one more where a permutation does not divide.
            #expect(others.count - 1 <= 5 * 6)
        }
    }

    @Test("the set with the most room is chosen, and none when one of its drives is full")
    func choice() {
        var placement = Self.placement(drives: 12, domains: 12, width: 6, scatter: 5, seed: 2)
        let roomy = placement.copysets[1]
        #expect(placement.choose { roomy.contains($0) ? 9 : 1 } == roomy)
        #expect(placement.choose { roomy.contains($0) ? 0 : 1 } != roomy)
        #expect(placement.choose { _ in 0 } == nil)
        #expect(
            Self.placement(drives: 5, domains: 5, width: 6, scatter: 5, seed: 1).copysets.isEmpty)
    }
}

@Suite("Conflicts")
struct ConflictWindowTests {
    private func key(_ text: String) -> StoreKey { StoreKey(Array(text.utf8)) }

    @Test("what was written after the read point conflicts, by key and by range")
    func conflicts() {
        var window = ConflictWindow(capacity: 100, floor: 10)
        window.record(key("b").bytes, version: 12)
        let before = ReadPoint(version: 11)
        let after = ReadPoint(version: 12)
        #expect(!window.permits(readPoint: before, keys: [key("b")], ranges: []))
        #expect(window.permits(readPoint: after, keys: [key("b")], ranges: []))
        #expect(window.permits(readPoint: before, keys: [key("a")], ranges: []))
        #expect(
            !window.permits(readPoint: before, keys: [], ranges: [(key("a"), key("c"))]))
        #expect(window.permits(readPoint: before, keys: [], ranges: [(key("c"), key("d"))]))
        #expect(window.permits(readPoint: after, keys: [], ranges: [(key("a"), key("c"))]))
    }

    @Test("a read point older than what is remembered always conflicts")
    func forgetting() {
        var window = ConflictWindow(capacity: 4, floor: 0)
        for version in 1...20 as ClosedRange<UInt64> {
            window.record(key("k\(version)").bytes, version: version)
        }
        #expect(!window.permits(readPoint: ReadPoint(version: 5), keys: [], ranges: []))
        #expect(window.permits(readPoint: ReadPoint(version: 16), keys: [key("k3")], ranges: []))
        #expect(!window.permits(readPoint: ReadPoint(version: 16), keys: [key("k18")], ranges: []))
    }
}

@Suite("Extents that hold outdated records")
struct ShadowSetTests {
    @Test("are remembered until they are gone, also when they are many")
    func shadows() {
        var shadows = ShadowSet()
        for number in 1...10 as ClosedRange<UInt64> { shadows.insert(ExtentID(number)) }
        shadows.insert(ExtentID(3))
        #expect(shadows.extents.count == 10)
        shadows.prune(oldest: ExtentID(4)) { $0.number >= 8 }
        #expect(shadows.extents.map(\.number) == [8, 9, 10])
        for number in 20...60 as ClosedRange<UInt64> { shadows.insert(ExtentID(number)) }
        #expect(shadows.watermark == ExtentID(60))
        shadows.prune(oldest: ExtentID(60)) { _ in false }
        #expect(!shadows.isEmpty)
        shadows.prune(oldest: ExtentID(61)) { _ in false }
        #expect(shadows.isEmpty)
    }
}
