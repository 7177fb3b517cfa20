import KapokFabric
import KapokFabricSimulation
import KapokWorld
import Testing

@Suite("Failures in the simulator at size")
struct SizeFailureTests {
    @Test("a silent cut is seen two to four hellos after it, a loss of light at once")
    func detection() throws {
        let silent = try SizeFixtures.run("k6", count: 200, silentShare: 1)
        #expect(silent.detectionMilliseconds.p50 > 2)
        #expect(silent.detectionMilliseconds.max < 4)
        #expect(silent.repairMilliseconds.max < 4.1)
        let light = try SizeFixtures.run("k6", count: 50, silentShare: 0)
        #expect(light.detectionMilliseconds.max == 0.1)
        var fast = SizeOptions()
        fast.timers.hello = .microseconds(100)
        let hardware = try SizeFixtures.run("k6", count: 50, silentShare: 1, fast)
        #expect(hardware.detectionMilliseconds.max < 0.4)
    }

    @Test("no packet is lost once the ends have noticed; all are on shortest paths within 1 ms")
    func repairAndOptimum() throws {
        let report = try SizeFixtures.run("k8", count: 200)
        #expect(report.repairAfterDetectionMilliseconds.max < 0.1)
        #expect(report.optimalAfterDetectionMilliseconds.max < 1)
        #expect(report.detail("oracleChecks") > 400)
        #expect(report.detail("oracleFailures") == 0)
        #expect(report.capacity.last?.delivered == 1)
        #expect(report.capacity.last?.optimal == 1)
    }

    @Test("trunks and switches fail with all their links, and are survived")
    func trunksAndSwitches() throws {
        let trunks = try SizeFixtures.run("k6", count: 60, kinds: [.trunk])
        #expect(trunks.detail("newsDown") > 60)
        #expect(trunks.detail("oracleFailures") == 0)
        #expect(trunks.detail("oracleChecks") > 100)
        let switches = try SizeFixtures.run("k6", count: 60, kinds: [.loss])
        #expect(switches.detail("newsDown") > 60)
        #expect(switches.detail("oracleFailures") == 0)
        #expect(switches.detail("oracleChecks") > 100)
        #expect(switches.repairMilliseconds.max < 4.2)
    }

    @Test("failures at the same instant are repaired as fast as one, and all are told")
    func simultaneous() throws {
        let report = try SizeFixtures.run("k16", count: 40, mode: .simultaneous)
        #expect(report.detail("mostOpenLinks") == 40)
        #expect(report.allRepairedMilliseconds < 4.1)
        #expect(report.allOptimalMilliseconds < 100)
        #expect(report.detail("oracleFailures") == 0)
        #expect(report.detail("untold") == 0)
    }

    @Test("hosts with a port in another plane use that one, without a word in the fabric")
    func hosts() throws {
        let report = try SizeFixtures.run("planes:2,k4", count: 40, kinds: [.host])
        #expect(report.messages == 0)
        #expect(report.repairMilliseconds.max < 4.5)
        #expect(report.repairMilliseconds.p50 > 0.1)
        let single = try SizeFixtures.run("k4", count: 40, kinds: [.host])
        #expect(single.detail("hostsCutOff") == 40)
    }

    @Test("a link that flaps is told of once when it goes and once when it stays")
    func flaps() throws {
        let report = try SizeFixtures.run("k6", count: 30, kinds: [.flap], silentShare: 0)
        #expect(report.detail("newsDown") == 30)
        #expect(report.detail("newsUp") == 30)
        #expect(report.detail("maskedOutages") >= 30)
    }

    @Test("a silent outage shorter than the detection costs its packets and no message")
    func unnoticed() throws {
        var event = SizeFixtures.cut(3, at: SizeFixtures.second(1), isSilent: true)
        event.outages[0].end = event.outages[0].start + .microseconds(900)
        let report = try SizeFixtures.run(try SizeFixtures.fabric("k4"), [event])
        #expect(report.messages == 0)
        #expect(report.detail("unnoticedOutages") == 1)
        #expect(report.repairMilliseconds.max == 0.9)
        #expect(report.lostPackets.max > 0)
    }

    @Test("a grey link is found in its second window at the latest, and drained by both ends")
    func grey() throws {
        let fabric = try SizeFixtures.fabric("k6")
        let report = try SizeFixtures.run(
            fabric, [SizeFixtures.grey(4, at: SizeFixtures.second(5), lossPerMillion: 20_000)])
        #expect(report.detail("newsDown") == 1)
        #expect(report.repairMilliseconds.max < 2_100)
        #expect(report.detail("oracleFailures") == 0)
        // Two per cent of a link's packets for at most two seconds.
        #expect(report.lostPackets.max < 0.02 * 2 * 2_100 * 12_208)
    }

    @Test("a drain never takes more than half of a switch's uplinks")
    func capacityFloor() throws {
        let fabric = try SizeFixtures.fabric("k4")
        let both = (0..<2).map {
            SizeFixtures.grey(
                $0, at: SizeFixtures.second(5 + UInt64($0) * 10), lossPerMillion: 30_000)
        }
        #expect(fabric.ends(of: LinkID(0)).lower.owner == fabric.ends(of: LinkID(1)).lower.owner)
        let report = try SizeFixtures.run(fabric, both)
        #expect(report.detail("newsDown") == 1)
        #expect(report.detail("drainsRefused") > 0)
    }

    @Test("who misses news while cut off learns them before its link is used again")
    func catchUp() throws {
        guard case .clos(let clos) = try SizeFixtures.fabric("k4") else { return }
        // The core's other pods cannot hear of it: their only ways there are dead, too.
        let link = clos.upperLink(plane: 0, pod: 0, aggregation: 0, core: 0)
        let others = (1..<4).flatMap { pod in
            (0..<2).map { clos.upperLink(plane: 0, pod: pod, aggregation: 0, core: $0) }
        }
        var events = others.map { SizeFixtures.cut($0.index, at: SizeFixtures.second(1)) }
        events.append(SizeFixtures.cut(link.index, at: SizeFixtures.second(3), for: 60))
        let report = try SizeFixtures.run(.clos(clos), events)
        #expect(report.detail("cutOff") > 0)
        #expect(report.detail("digestRepairs") > 0)
        #expect(report.detail("untold") == 0)
        #expect(report.detail("oracleFailures") == 0)
    }

    @Test("edge switches are told of links above them when these leave a plane no way to a pod")
    func escalation() throws {
        guard case .clos(let clos) = try SizeFixtures.fabric("k4") else { return }
        // Of the two cores of plane 0, one is lost to pod 0 and the other to pod 3.
        let events = [(0, 0), (3, 1)].enumerated().map { index, end in
            SizeFixtures.cut(
                clos.upperLink(plane: 0, pod: end.0, aggregation: 0, core: end.1).index,
                at: SizeFixtures.second(UInt64(index) * 5 + 1), for: 60)
        }
        let report = try SizeFixtures.run(.clos(clos), events)
        #expect(report.detail("escalations") == 2)
        // Two links, two edge switches in each of two pods.
        #expect(report.detail("escalationMessages") == 8)
        #expect(report.detail("oracleFailures") == 0)
        #expect(report.detail("oracleChecks") > 10)
        #expect(report.optimalMilliseconds.max < 2)
    }

    @Test("after a loss the others of a switch's uplinks carry its part")
    func loads() throws {
        let report = try SizeFixtures.run(
            try SizeFixtures.fabric("k8"), [SizeFixtures.cut(0, at: SizeFixtures.second(1))])
        // Three of four uplinks are left; a detour doubles the load of the links it takes.
        #expect(abs(report.worstLoadAfterRepair - 4.0 / 3) < 1e-9)
        #expect(report.worstLoadDuringRepair == 2)
    }
}
