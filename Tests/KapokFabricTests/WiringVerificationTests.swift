import KapokWorld
import Testing

@testable import KapokFabric

@Suite("Wiring against what was seen")
struct WiringVerificationTests {
    static func report(_ pairs: [(SeenReport.End, SeenReport.End)]) -> SeenReport {
        SeenReport(
            rows: pairs.flatMap {
                [
                    SeenReport.Row(local: $0.0, peer: $0.1),
                    SeenReport.Row(local: $0.1, peer: $0.0),
                ]
            })
    }

    static func planned(_ fabric: Fabric) -> [(SeenReport.End, SeenReport.End)] {
        (0..<fabric.linkCount).map { index in
            let (lower, upper) = fabric.ends(of: LinkID(index))
            return (
                SeenReport.End(fabric.name(of: lower.owner), fabric.portName(lower)),
                SeenReport.End(fabric.name(of: upper.owner), fabric.portName(upper))
            )
        }
    }

    @Test(
        "random miswirings of a fabric are found and mended",
        arguments: ["fattree:4", "fattree:8", "planes:2,fattree:4", "ab:4", "rail:1,8,4,2"])
    func miswirings(name: String) throws {
        let fabric = try TopologyName(name).fabric
        let links = Self.planned(fabric)
        for seed in 0..<24 {
            var random = RandomStream(seed: UInt64(seed))
            var seen = links
            // One end in a hundred, and up to half of them in the later seeds.
            let share = seed < 16 ? max(1, links.count / 100) : links.count * seed / 48
            for _ in 0..<share {
                let a = random.below(links.count)
                let b = random.below(links.count)
                (seen[a].1, seen[b].1) = (seen[b].1, seen[a].1)
            }
            let lost = random.below(3)
            seen.removeLast(lost)
            let found = WiringVerification(
                Self.report(seen), against: fabric, topologyName: name)
            #expect(found.correct + found.missing.count == links.count)
            #expect(found.wrong.count == found.missing.count - lost)
            #expect(found.contradictions.isEmpty && found.unknown.isEmpty)
            if found.missing.count <= 9 {
                #expect(found.replugs == WiringSwapTests.leastAssignment(Self.numbered(found)))
            }
            #expect(Self.mended(found, seen) == Set(links.map { [$0.0, $0.1] }))
        }
    }

    /// What is wrong and missing as a case of its own.
    static func numbered(_ found: WiringVerification) -> WiringSwapTests.Case {
        var numbers: [SeenReport.End: Int] = [:]
        func number(_ end: SeenReport.End) -> Int {
            let next = numbers.count
            numbers[end, default: next] = numbers[end] ?? next
            return numbers[end] ?? next
        }
        let planned = found.missing.map { (number($0.a), number($0.b)) }
        let seen = (found.wrong + found.unknown).map { (number($0.a), number($0.b)) }
        return WiringSwapTests.Case(ports: numbers.count, planned: planned, seen: seen)
    }

    /// The cables after all steps, by name.
    static func mended(
        _ found: WiringVerification, _ seen: [(SeenReport.End, SeenReport.End)]
    ) -> Set<Set<SeenReport.End>> {
        var cables = Set(seen.map { Set([$0.0, $0.1]) })
        for step in found.steps {
            switch step {
            case .take(let kept, let from):
                cables.remove([kept, from])
                cables.insert([kept])
            case .put(let kept, let to):
                cables.remove([kept])
                cables.insert([kept, to])
            case .move(let kept, let from, let to):
                cables.remove([kept, from])
                cables.insert([kept, to])
            case .remove(let a, let b, _): cables.remove([a, b])
            case .lay(let a, let b, _): cables.insert([a, b])
            }
        }
        return cables
    }

    @Test("a report of what was planned is correct, with servers and without")
    func correct() throws {
        for name in ["fattree:4", "dualtor:4,2,3", "rail:1,4,2,3", "ab:4", "planes:2,fattree:4"] {
            let fabric = try TopologyName(name).fabric
            var pairs = Self.planned(fabric)
            let plain = WiringVerification(
                Self.report(pairs), against: fabric, topologyName: name)
            #expect(plain.isCorrect && plain.correct == fabric.linkCount && plain.steps.isEmpty)
            let servers = ServerLayout(fabric, topologyName: name)
            let names = PlannedPorts(fabric, topologyName: name)
            HostLinks(fabric).forEach { id, port in
                let nic = servers.attachment(at: id, hostPort: port).nic
                pairs.append(
                    (
                        SeenReport.End(servers.name(at: id, hostPort: port), "eth\(nic)"),
                        SeenReport.End(
                            fabric.name(of: id), "swp\(fabric.fabricPortCount(of: id) + port + 1)")
                    ))
            }
            for pair in pairs { #expect(names.number(of: pair.0).map { names.end($0) } == pair.0) }
            let all = WiringVerification(Self.report(pairs), against: fabric, topologyName: name)
            #expect(all.isCorrect && all.includesHosts)
            #expect(all.correct == fabric.linkCount + fabric.hostLinkCount)
        }
    }

    @Test("a trunk that went missing as a whole is named")
    func wholeTrunk() throws {
        let fabric = try TopologyName("fattree:8").fabric
        let lost = TrunkID(3)
        let kept = zip(Self.planned(fabric), 0...).filter {
            fabric.trunk(of: LinkID($0.1)) != lost && $0.1 != 0
        }.map(\.0)
        let found = WiringVerification(
            Self.report(kept), against: fabric, topologyName: "fattree:8")
        #expect(found.wholeTrunks == [lost])
        #expect(found.missing.count == fabric.linkCount - kept.count)
        #expect(found.replugs == 2 * found.missing.count)
    }

    @Test("unknown devices, one-sided and contradicting reports are told apart")
    func strange() throws {
        let fabric = try TopologyName("leafspine:2,2,2").fabric
        let text = """
            switch,port,peer_switch,peer-port,note
            leaf-0,swp1,spine-0,swp1,one side is enough
            leaf-0,swp2,printer,1,not in the plan
            leaf-0,swp3,node17,eth0,a server by its own name
            leaf-1,swp1,spine-0,swp2,
            leaf-1,swp1,spine-1,swp2,and now something else
            leaf-1,swp2,,,nothing seen
            pdu,1,printer,2,all outside
            """
        let report = try SeenReport(fromCSV: Array(text.utf8))
        #expect(report.rows.count == 6)
        let found = WiringVerification(report, against: fabric, topologyName: "leafspine:2,2,2")
        #expect(found.correct == 1)
        #expect(found.unknown.map(\.description) == ["leaf-0:swp2 -- printer:1"])
        #expect(found.wrong.isEmpty)
        #expect(found.missing.count == 3)
        #expect(found.contradictions.map(\.line) == [5, 6])
        #expect(found.passedOver == 2)
        // The cable to the printer keeps its end at the leaf; two links are laid anew.
        #expect(found.replugs == 1 + 2 + 2)
    }

    @Test("the output of lldpctl is read")
    func lldp() throws {
        let text = """
            {"leaf-0": {"lldp": {"interface": [
               {"swp1": {"via": "LLDP", "chassis": {"spine-0": {"id": {"type": "mac"}}},
                 "port": {"id": {"type": "ifname", "value": "swp1"}, "descr": "down"}}},
               {"swp2": {"chassis": {"id": {"type": "mac", "value": "00:01"}},
                 "port": {"id": {"type": "mac", "value": "00:02"}, "descr": "swp1"}}}]}},
             "leaf-1": {"lldp": {"interface": {"swp1": {"chassis": {"spine-0": {}},
                 "port": {"id": {"type": "local", "value": "swp2"}}}}}},
             "leaf-2": {"lldp": {}}}
            """
        let report = try SeenReport(fromLLDP: Array(text.utf8))
        #expect(
            report.rows.map { "\($0.local) \($0.peer)" } == [
                "leaf-0:swp1 spine-0:swp1", "leaf-0:swp2 00:01:swp1", "leaf-1:swp1 spine-0:swp2",
            ])
        #expect(throws: WiringDocument.Refusal.self) {
            try SeenReport(fromLLDP: Array("{\"lldp\": {}}".utf8))
        }
    }

    @Test("mutilated reports are refused or read, and never crash")
    func fuzz() throws {
        let fabric = try TopologyName("leafspine:2,2,2").fabric
        let seed = Array(
            """
            switch,port,peer-switch,peer-port
            leaf-0,swp1,spine-0,swp1
            spine-0,swp1,leaf-0,swp1
            leaf-1,swp1,server-0-1,eth0
            leaf-1,"swp2",spine-1,swp2
            leaf-0,swp3,server-0-0,eth0
            """.utf8)
        var random = RandomStream(seed: 9)
        for _ in 0..<3_000 {
            var bytes = seed
            for _ in 0...random.below(5) {
                let at = random.below(bytes.count)
                bytes[at] =
                    random.chance(1, in: 2)
                    ? bytes[random.below(bytes.count)] : UInt8(random.below(256))
            }
            guard let report = try? SeenReport(fromCSV: bytes) else { continue }
            let found = WiringVerification(report, against: fabric, topologyName: "")
            #expect(found.correct <= fabric.linkCount + fabric.hostLinkCount)
            #expect(
                found.replugs
                    <= 2 * (found.missing.count + found.wrong.count + found.unknown.count))
        }
    }
}
