import KapokFabric
import KapokFabricSimulation
import KapokWorld
import Testing

@Suite("Schedules of failures, and reports")
struct SizeScheduleTests {
    @Test("a schedule is the same for the same seed, and in order")
    func deterministic() throws {
        let fabric = try SizeFixtures.fabric("planes:2,k6")
        for mode in FailureSchedule.Mode.allCases {
            let a = try FailureSchedule(fabric: fabric, count: 50, seed: 4, mode: mode)
            let b = try FailureSchedule(fabric: fabric, count: 50, seed: 4, mode: mode)
            #expect(a.events.map(\.links) == b.events.map(\.links))
            #expect(a.events.map(\.outages) == b.events.map(\.outages))
            #expect(a.events.count == 50)
            #expect(zip(a.events, a.events.dropFirst()).allSatisfy { $0.instant <= $1.instant })
            #expect(a.events.allSatisfy { !$0.outages.isEmpty && $0.repair > $0.instant })
        }
    }

    @Test("links that fail at the same instant are different ones")
    func distinct() throws {
        let fabric = try SizeFixtures.fabric("k6")
        let schedule = try FailureSchedule(
            fabric: fabric, count: 80, seed: 1, mode: .simultaneous)
        #expect(Set(schedule.events.flatMap(\.links)).count == 80)
        #expect(throws: FailureSchedule.Refusal.self) {
            try FailureSchedule(fabric: fabric, count: 109, seed: 1, mode: .simultaneous)
        }
    }

    @Test("a trunk's failure takes exactly the links of one trunk")
    func trunks() throws {
        for name in ["k8", "k16", "leafspine:40,9,4", "ab:8"] {
            let fabric = try SizeFixtures.fabric(name)
            var sizes: [TrunkID: Int] = [:]
            for link in 0..<fabric.linkCount {
                sizes[fabric.trunk(of: LinkID(link)), default: 0] += 1
            }
            let schedule = try FailureSchedule(
                fabric: fabric, count: 40, seed: 3, kinds: [.trunk])
            for event in schedule.events {
                let trunks = Set(event.links.map { fabric.trunk(of: $0) })
                #expect(trunks.count == 1)
                #expect(event.links.count == trunks.first.flatMap { sizes[$0] })
            }
        }
    }

    @Test("rates give mostly flaps, three tenths of the others silent or grey")
    func rates() throws {
        let fabric = try SizeFixtures.fabric("k16")
        let events = try FailureSchedule(fabric: fabric, count: 20_000, seed: 1, mode: .rates)
            .events
        let flaps = events.count { $0.kind == .flap }
        #expect(flaps > 16_000 && flaps < 19_800)
        let hard = events.filter { $0.kind == .link || $0.kind == .grey }
        #expect(hard.count > 100)
        #expect(events.contains { $0.kind == .loss })
        let hours = events.filter { $0.kind == .link }.map {
            Double(($0.repair - $0.instant).nanoseconds) / 3.6e12
        }
        #expect(hours.allSatisfy { $0 >= 1 && $0 <= 24 })
    }

    @Test("what cannot be drawn is refused with a reason")
    func refusals() throws {
        let fabric = try SizeFixtures.fabric("leafspine:2,2,0")
        for kinds: Set<FailureCause> in [[], [.host]] {
            #expect(throws: FailureSchedule.Refusal.self) {
                try FailureSchedule(fabric: fabric, count: 1, seed: 1, kinds: kinds)
            }
        }
        #expect(throws: FailureSchedule.Refusal.self) {
            try FailureSchedule(fabric: fabric, count: -1, seed: 1)
        }
        #expect(throws: FailureSchedule.Refusal.self) {
            try FailureSchedule(fabric: fabric, count: 1, seed: 1, silentShare: 1.5)
        }
        let large = try SizeFixtures.fabric("k64")
        #expect(throws: FailureSchedule.Refusal.self) {
            try FailureSchedule(
                fabric: large, count: 1_000, seed: 1, mode: .simultaneous, kinds: [.loss])
        }
    }

    @Test("percentiles are samples: the nearest rank")
    func percentiles() {
        #expect(Percentiles([]) == Percentiles(p50: 0, p99: 0, max: 0))
        #expect(Percentiles([7]) == Percentiles(p50: 7, p99: 7, max: 7))
        let hundred = (1...100).map(Double.init).reversed()
        #expect(Percentiles(Array(hundred)) == Percentiles(p50: 50, p99: 99, max: 100))
    }

    @Test("the capacity curve rises to 1 and never falls")
    func capacity() {
        var tally = CapacityTally()
        #expect(tally.points.isEmpty)
        tally.add(weight: 1, repaired: .milliseconds(1), optimal: .milliseconds(3))
        tally.add(weight: 3, repaired: .microseconds(100), optimal: .microseconds(100))
        let points = tally.points
        #expect(points.first?.delivered == 0)
        #expect(points.last?.optimal == 1)
        #expect(zip(points, points.dropFirst()).allSatisfy { $0.delivered <= $1.delivered })
        let early = points.last { $0.milliseconds < 0.2 }
        #expect(early?.delivered == 0.75)
    }

    @Test("host links belong to their edge switches, in a graph too")
    func hostLinks() throws {
        for name in ["planes:2,k4", "ab:4"] {
            let fabric = try SizeFixtures.fabric(name)
            let hosts = HostLinks(fabric)
            var counted = 0
            for id in (0..<fabric.switchCount).map({ SwitchID($0) }) {
                let range = hosts.range(of: id)
                #expect(range.count == fabric.hostPortCount(of: id))
                #expect(range.allSatisfy { hosts.owner(of: $0) == id })
                counted += range.count
            }
            #expect(counted == hosts.count)
            #expect(counted == fabric.hostLinkCount)
        }
    }

    @Test("the plot is one SVG with a solid and a dashed curve in both panels")
    func plot() throws {
        var report = try SizeFixtures.run("k6", count: 30)
        report.topology = "<a & b>"
        let text = FabricPlot.svg([report])
        #expect(text.hasPrefix("<svg "))
        #expect(text.hasSuffix("</svg>\n"))
        #expect(text.contains("&lt;a &amp; b&gt;: 30 failures"))
        #expect(text.components("<path ") == 4)
        #expect(!text.contains("nan") && !text.contains("inf"))
        #expect(FabricPlot.svg([]).hasSuffix("</svg>\n"))
        report.repairSamples = []
        report.optimalSamples = []
        report.capacity = []
        #expect(FabricPlot.svg([report]).components("<path ") == 0)
    }
}

extension String {
    /// How often `part` occurs.
    fileprivate func components(_ part: String) -> Int {
        ranges(of: part).count
    }
}
