import KapokFabric
import Testing

@Suite("The checker: how news spreads")
struct CheckerFloodTests {
    @Test(
        "each copy alone reaches everyone who must hear of a dead link",
        arguments: ["fattree:4", "fattree:6", "leafspine:4,3,1", "ab:4"])
    func copies(name: String) throws {
        let report = FloodChecker(try TopologyName(name).fabric).check()
        #expect(report.unheard == 0, "\(String(describing: report.example))")
        #expect(report.links > 0 && report.sets == report.links && !report.isSample)
    }

    @Test("news that stops one hop short leaves somebody without it")
    func short() throws {
        let fabric = try TopologyName("fattree:4").fabric
        var checker = FloodChecker(fabric)
        checker.defect = .oneHopShort
        let report = checker.check()
        #expect(report.unheard > 0)
        let example = try #require(report.example)
        #expect(FloodTree(fabric).isInScope(example.link, of: example.unheard))
        #expect(example.text(in: fabric).contains("does not reach"))
    }

    @Test("one copy instead of two misses more when a second link is dead")
    func oneCopy() throws {
        let fabric = try TopologyName("fattree:4").fabric
        let right = FloodChecker(fabric).check(withSecondFailure: true)
        var checker = FloodChecker(fabric)
        checker.defect = .oneCopyOnly
        let wrong = checker.check(withSecondFailure: true)
        #expect(right.sets == 32 * 32 && wrong.sets == right.sets)
        #expect(wrong.unheard > right.unheard)
    }

    @Test("of a large fabric a sample is followed, and the report says so")
    func sample() throws {
        let report = FloodChecker(try TopologyName("fattree:32").fabric).check()
        #expect(report.isSample && report.unheard == 0)
    }
}
