import Foundation
import Testing

@testable import KapokAccelerator

@Suite("Comparisons of two profiles")
struct ReportComparisonTests {
    private let before = ReportFixture.profile(count: 200, seed: 1)
    private let after = ReportFixture.profile(count: 300, seed: 1)

    @Test("the text names both, tells the totals apart and fits into 100 columns")
    func text() {
        let text = ComparisonReport.text(before, after)
        let lines = text.split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 100 })
        #expect(lines[0] == "before: fixture on trn2, m = 64, type = bf16")
        #expect(lines[2].hasSuffix("times as long"))
        #expect(
            ComparisonReport.text(after, before).split(separator: "\n")[2]
                .hasSuffix("times as fast"))
        for unit in before.units where unit.busy > 0 {
            #expect(text.contains("\n  \(EngineSummary.name(of: unit.unit)) "))
        }
        #expect(text.contains("\n  semaphoreLatency "))
        #expect(text.contains("Metrics that changed"))
    }

    @Test("a profile beside itself shows no changed lines and no changed metrics")
    func same() {
        let text = ComparisonReport.text(before, before)
        #expect(!text.contains("that changed"))
        #expect(text.contains(": 1.000 times as fast"))
    }

    @Test("the JSON has before, after and delta of totals, engines, stalls, lines and metrics")
    func json() throws {
        let text = ComparisonReport.json(before, after)
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
        let json = try #require(object as? [String: Any])
        #expect(json["schema"] as? String == "kapok.comparison")
        #expect(json["version"] as? Int == 1)
        #expect((json["before"] as? [String: Any])?["instructions"] as? Int == 200)
        let total = try #require(json["totalMilliseconds"] as? [String: Double])
        let (first, second) = (before.timeline.makespan, after.timeline.makespan)
        let expected = after.machine.nanoseconds(ticks: second - first) / 1e6
        #expect(abs(try #require(total["delta"]) - expected) < 1e-9)
        let engines = try #require(json["engines"] as? [String: [String: Any]])
        let tensor = try #require(engines["tensor"])
        let active = try #require(tensor["activeMilliseconds"] as? [String: Double])
        let busy = before.machine.nanoseconds(ticks: before.units[1].busy) / 1e6
        #expect(abs(try #require(active["before"]) - busy) < 1e-9)
        let stalls = try #require(tensor["stalls"] as? [String: [String: Double]])
        #expect(stalls.keys.allSatisfy { key in StallReason.allCases.contains { $0.name == key } })
        #expect(stalls["data"] != nil)
        #expect((json["lines"] as? [[String: Any]])?.count == 10)
        let metrics = try #require(json["metrics"] as? [String: [String: Double]])
        #expect(metrics["packets"]?["before"] == Double(before.metrics.packets))
    }
}
