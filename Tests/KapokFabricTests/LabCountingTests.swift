import KapokWorld
import Testing

@testable import KapokFabric

@Suite("What the lab counts")
struct LabCountingTests {
    /// `.` arrived, `x` lost, `-` not sent, `2` arrived twice.
    private func flow(_ text: String, milliseconds: Double = 1) -> LabFlowResult {
        LabFlowResult(
            sent: text.map { $0 != "-" },
            arrivals: text.map { $0 == "." ? UInt8(1) : $0 == "2" ? 2 : 0 }, reordered: 0,
            intervalMilliseconds: milliseconds)
    }

    @Test("the outage of a flow is its longest run of lost packets, also at the end")
    func longestRun() {
        #expect(flow("....").lostMilliseconds == 0)
        #expect(flow(".xx.x.").lostMilliseconds == 2)
        #expect(flow(".xx.x.").lost == 3)
        #expect(flow(".x.xxx").lostMilliseconds == 3)
        #expect(flow(".x.xxx").isLostAtEnd)
        #expect(!flow("xxx.").isLostAtEnd)
        #expect(flow(".xx.", milliseconds: 0.1).lostMilliseconds == 0.2)
    }

    @Test("what the probe itself was too late to send is not lost")
    func lateSender() {
        #expect(flow("..----..").lost == 0)
        #expect(flow("..----..").lostMilliseconds == 0)
        #expect(flow("..----..").sent == 4)
        #expect(flow(".x--..").lostMilliseconds == 1, "nobody knows when it worked again")
        #expect(flow(".--x..").lostMilliseconds == 1)
        #expect(flow("...x--").lostMilliseconds == 1)
    }

    @Test("between two lost packets the network is not given the benefit of a stall")
    func stallInsideAnOutage() { #expect(flow(".x--x.").lostMilliseconds == 4) }

    @Test("packets that come twice are counted, and are not lost")
    func duplicates() {
        #expect(flow(".22.").duplicated == 2)
        #expect(flow(".22.").lost == 0)
    }

    @Test("next hops are counted as ip prints them")
    func hops() {
        let text = """
            10.0.0.0/24 dev swp3 proto kernel scope link src 10.0.0.1
            10.0.1.0/24 proto bird metric 32
            \tnexthop via 172.16.0.1 dev swp1 weight 1
            \tnexthop via 172.16.0.3 dev swp2 weight 1 dead linkdown
            10.1.0.0/24 nhid 10 via 172.16.0.3 dev swp2 proto bgp metric 20
            """
        let counts = LabConvergence.hopCounts(in: text)
        #expect(counts["10.0.0.0/24"] == 0)
        #expect(counts["10.0.1.0/24"] == 1)
        #expect(counts["10.1.0.0/24"] == 1)
    }

    @Test("the worst of few values is their 99th percentile")
    func quantiles() {
        #expect(LabSummary.quantile(0.5, of: [3, 1, 2]) == 2)
        #expect(LabSummary.quantile(0.99, of: [3, 1, 2]) == 3)
        #expect(LabSummary.quantile(0.99, of: (1...200).map(Double.init)) == 198)
        #expect(LabSummary.quantile(0.5, of: []) == 0)
    }

    @Test("rows whose link carried nothing are discarded and counted")
    func summary() throws {
        func row(_ lost: Double, isDiscarded: Bool) -> LabRow {
            LabRow(
                routing: .bird, kind: .down, linkClass: .core, link: "", cutEnd: "",
                direction: "remote", repetition: 0, flowsCarried: 1, flowsAffected: 1,
                lostMilliseconds: [lost], lostMillisecondsMax: lost, lostMillisecondsMedian: lost,
                lostPackets: 1, reordered: 0, duplicated: 0, lateSlots: 0, isUnrepaired: false,
                isDiscarded: isDiscarded)
        }
        let all = LabSummary.all(of: [
            row(2, isDiscarded: false), row(5, isDiscarded: false), row(0, isDiscarded: true),
        ])
        let cell = try #require(all.first)
        #expect(all.count == 1)
        #expect(cell.count == 2)
        #expect(cell.discarded == 1)
        #expect(cell.median == 2)
        #expect(cell.worst == 5)
    }
}

@Suite("The names of a lab")
struct LabLayoutTests {
    private func layout(_ id: String = "lab") throws -> LabLayout {
        try LabLayout(id: id, fabric: try TopologyName("k4").fabric)
    }

    @Test("links are named by a port or by both ends")
    func links() throws {
        let layout = try layout()
        let link = try layout.link(named: "edge-0-0:swp1")
        #expect(try layout.link(named: "agg-0-0:swp1") == link)
        #expect(try layout.link(named: "edge-0-0 -- agg-0-0") == link)
        #expect(try layout.link(named: "agg-0-0:swp1 -- edge-0-0") == link)
        let (lower, upper) = layout.fabric.ends(of: link)
        #expect(try layout.end(named: "edge-0-0:swp1") == lower)
        #expect(try layout.end(named: "agg-0-0 -- edge-0-0") == upper)
        for wrong in ["edge-0-0", "edge-0-0:swp3", "edge-9-0:swp1", "edge-0-0 -- core-0-0", ""] {
            #expect(throws: LabFailure.self) { try layout.link(named: wrong) }
        }
    }

    @Test("every interface has an address and its far end the other one of the pair")
    func addresses() throws {
        let layout = try layout()
        var seen: Set<UInt32> = []
        for id in layout.switches {
            for port in 0..<layout.fabric.fabricPortCount(of: id) {
                let own = PortID(id, port)
                let far = try #require(layout.fabric.neighbor(of: id, port: port)).far
                #expect(layout.address(of: own) ^ 1 == layout.address(of: far))
                #expect(seen.insert(layout.address(of: own)).inserted)
            }
        }
        #expect(seen.count == 64)
    }

    @Test("probes run between the first and the last pod")
    func ends() throws {
        let layout = try layout()
        #expect(layout.fabric.name(of: layout.fabric.owner(of: layout.probeEnds.0)) == "edge-0-0")
        #expect(layout.fabric.name(of: layout.fabric.owner(of: layout.probeEnds.1)) == "edge-3-1")
    }

    @Test("names that no namespace can have and fabrics that are too large are refused")
    func refusals() throws {
        for id in ["", "A", "a/b", "..", "-x", String(repeating: "a", count: 25)] {
            #expect(throws: LabFailure.self) { try layout(id) }
        }
        let large = try TopologyName("k8").fabric
        #expect(throws: LabFailure.self) { try LabLayout(id: "lab", fabric: large) }
    }

    @Test("peers are numbered so that no path goes down and up again")
    func peers() throws {
        let configuration = LabPeerConfiguration(layout: try layout())
        let fabric = configuration.layout.fabric
        func number(_ name: String) throws -> UInt32 {
            configuration.number(of: try #require(fabric.switchNamed(name)))
        }
        #expect(try number("core-0-0") == number("core-1-1"))
        #expect(try number("agg-1-0") == number("agg-1-1"))
        #expect(try number("agg-1-0") != number("agg-2-0"))
        #expect(try number("edge-1-0") != number("edge-1-1"))
        let bird = configuration.bird(of: try #require(fabric.switchNamed("edge-0-0")))
        #expect(bird.contains("neighbor 172.16.0.1 as 64600;"))
    }
}
