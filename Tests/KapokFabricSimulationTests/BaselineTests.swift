import KapokFabric
import KapokFabricSimulation
import KapokWorld
import Testing

@Suite("Baselines")
struct BaselineTests {
    /// One failure of the given links, carrier lost.
    private func schedule(_ links: [LinkID], isSilent: Bool = false) -> FailureSchedule {
        let start = Instant(nanoseconds: 1_000_000_000)
        return FailureSchedule(events: [
            FailureEvent(
                kind: .link, links: links, hostLinks: 0..<0, failedSwitch: nil,
                isSilent: isSilent, lossPerMillion: 1_000_000,
                outages: [Outage(start: start, end: start + .seconds(3_600))])
        ])
    }

    private func outcome(
        _ name: FabricProtocol, _ fabric: Fabric, _ links: [LinkID], isSilent: Bool = false
    ) throws -> BaselineOutcome {
        let run = try BaselineSimulation(name).run(fabric, schedule(links, isSilent: isSilent))
        return try #require(run.outcomes.first)
    }

    @Test(
        "BGP withdraws one edge prefix from everybody behind the aggregation switch",
        arguments: [4, 6, 8, 16])
    func lowerLinkMessages(k: Int) throws {
        let fabric = try TopologyName("fattree:\(k)").fabric
        let half = k / 2
        // Other edges of the pod and cores; each core tells the other pods; each pod its edges.
        let expected = (half - 1) + half + half * (k - 1) + (k - 1) * half
        #expect(try outcome(.bgp, fabric, [LinkID(0)]).messages == UInt64(expected))
    }

    @Test("BGP tells of a dead core link the other pods only", arguments: [4, 6, 8, 16])
    func upperLinkMessages(k: Int) throws {
        let fabric = try TopologyName("fattree:\(k)").fabric
        let upper = LinkID(fabric.linkCount - 1)
        #expect(try outcome(.bgp, fabric, [upper]).messages == UInt64(k - 1))
    }

    @Test("when the last core of a plane withdraws, the edge switches hear of it")
    func allCoresOfAPlane() throws {
        let fabric = try TopologyName("fattree:4").fabric
        guard case .clos(let clos) = fabric else { return }
        let links = (0..<2).map { clos.upperLink(plane: 0, pod: 0, aggregation: 0, core: $0) }
        // Two cores tell three pods each; three aggregation switches then tell two edges each.
        #expect(try outcome(.bgp, fabric, links).messages == 2 * 3 + 3 * 2)
    }

    @Test("a link-state advertisement crosses every link of its plane")
    func linkStateMessages() throws {
        let fabric = try TopologyName("fattree:4").fabric
        // 32 links both ways less the 19 arrivals that are not sent back; two ends tell.
        #expect(try outcome(.ospf, fabric, [LinkID(0)]).messages == 2 * (64 - 19))
    }

    @Test("the controller reports, and writes to each switch that has to choose anew")
    func centralMessages() throws {
        let fabric = try TopologyName("fattree:4").fabric
        #expect(try outcome(.central, fabric, [LinkID(0)]).messages == 2 + 2 * 7)
    }

    @Test("without the controller nothing is repaired before the hardware is")
    func deadController() throws {
        let fabric = try TopologyName("fattree:4").fabric
        var simulation = BaselineSimulation(.central)
        simulation.isControllerAlive = false
        let run = try simulation.run(fabric, schedule([LinkID(0)]))
        #expect(run.outcomes.first?.repair == .seconds(3_600))
    }

    @Test(
        "a silent failure is found after two to three BFD intervals",
        arguments: [
            FabricProtocol.bgp, .ospf, .central,
        ])
    func silentDetection(name: FabricProtocol) throws {
        let fabric = try TopologyName("fattree:4").fabric
        let found = try outcome(name, fabric, [LinkID(0)], isSilent: true)
        #expect(found.detection > .milliseconds(100) && found.detection <= .milliseconds(150))
        #expect(found.repair >= found.detection)
        let seen = try outcome(name, fabric, [LinkID(0)])
        #expect(seen.detection == .microseconds(100))
        #expect(seen.repair < found.repair)
    }

    @Test("BGP in the lab's size repairs within what BIRD was measured to take: 1 to 5 ms")
    func measuredBIRD() throws {
        let fabric = try TopologyName("fattree:4").fabric
        for index in 0..<fabric.linkCount {
            let repair = try outcome(.bgp, fabric, [LinkID(index)]).repair
            #expect(repair >= .milliseconds(1) && repair <= .milliseconds(5))
        }
    }

    @Test("larger networks take longer, and all but the fabric's own take longer together")
    func growth() throws {
        for name in [FabricProtocol.bgp, .ospf, .central] {
            var last = 0.0
            for topology in ["fattree:4", "fattree:8", "fattree:16"] {
                let fabric = try TopologyName(topology).fabric
                let single = try BaselineSimulation(name).report(
                    topology: topology, fabric: fabric,
                    schedule: FailureSchedule(fabric: fabric, count: 50, seed: 7))
                let together = try BaselineSimulation(name).report(
                    topology: topology, fabric: fabric,
                    schedule: FailureSchedule(
                        fabric: fabric, count: min(50, fabric.linkCount), seed: 7,
                        mode: .simultaneous, silentShare: 0))
                #expect(single.messages > 0)
                #expect(together.repairMilliseconds.max >= last)
                last = together.repairMilliseconds.max
            }
        }
    }

    @Test("one seed gives one run", arguments: [FabricProtocol.bgp, .ospf, .central])
    func replay(name: FabricProtocol) throws {
        let fabric = try TopologyName("fattree:8").fabric
        func hash(_ seed: UInt64) throws -> UInt64 {
            try BaselineSimulation(name).run(
                fabric, FailureSchedule(fabric: fabric, count: 40, seed: seed, mode: .rates)
            ).traceHash
        }
        #expect(try hash(3) == hash(3))
        #expect(try hash(3) != hash(4))
    }

    @Test("a wiring from a file is refused by name")
    func graph() throws {
        let fabric = try TopologyName("ab:4").fabric
        #expect(throws: BaselineRefusal.needsClos(.bgp)) {
            try BaselineSimulation(.bgp).run(fabric, schedule([LinkID(0)]))
        }
    }
}
