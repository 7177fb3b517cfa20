import Foundation
import Testing

@testable import KapokFabric

@Suite("The border of a fabric")
struct BorderTests {
    let fabric = PlanSamples.fabric("fattree:4")

    private func peer(
        _ leaf: Int, _ interface: String, _ asn: UInt32, _ address: BorderDesign.Address
    ) -> BorderDesign.Peer {
        BorderDesign.Peer(leaf: SwitchID(leaf), interface: interface, asn: asn, address: address)
    }

    /// One neighbour of each kind at one leaf, and one at another.
    private func design() throws -> BorderDesign {
        try BorderDesign(
            fabric: fabric, asn: 65_100,
            peers: [
                peer(6, "eth8", 64_512, .ipv4(198 << 24 | 51 << 16 | 100 << 8 | 1)),
                peer(6, "eth9", 64_513, .linkLocal("fe80::5054:ff:fe12:3456")),
                peer(6, "eth10.7", 4_200_000_001, .unnumbered),
                peer(7, "eth8", 64_512, .ipv4(198 << 24 | 51 << 16 | 100 << 8 | 3)),
            ])
    }

    @Test("the aggregate is the shortest prefix over all of the fabric's own")
    func aggregate() throws {
        #expect(try design().aggregates.map(\.description) == ["10.0.0.0/14"])
        #expect(
            BorderDesign.cover(of: PlanSamples.fabric("fattree:64"))?.description == "10.0.0.0/10")
        #expect(
            BorderDesign.cover(of: PlanSamples.fabric("leafspine:1,1,1"))?.description
                == "10.0.0.0/24")
        #expect(BorderDesign.cover(of: PlanSamples.fabric("planes:9,fattree:128")) == nil)
    }

    @Test("several border leaves share the default route in parts that cover everything once")
    func shares() throws {
        for count in 1...9 {
            let leaves = (0..<count).map { SwitchID($0) }
            let fabric = PlanSamples.fabric("fattree:8")
            let parts = try BorderDesign.defaultRoutes(at: leaves, of: fabric)
            #expect(parts.count == count)
            let total = parts.values.joined().reduce(UInt64(0)) {
                $0 + UInt64($1.range.upperBound - $1.range.lowerBound) + 1
            }
            #expect(total == 1 << 32)
            let plan = FabricPlan(
                epoch: 1, fabric: fabric, topologyName: "fattree:8", extraPrefixes: parts)
            let owners = try PrefixOwners(plan)
            // The fabric's own are longer and stay with their owners.
            #expect(owners.owner(of: 10 << 24 | 1 << 16) == DestinationID(4))
            #expect(owners.owner(of: 0).map { $0.index < count } == true)
        }
        #expect(
            try BorderDesign.defaultRoutes(at: [SwitchID(6)], of: fabric)
                == [DestinationID(6): [IPv4Prefix(address: 0, length: 0)]])
        #expect(throws: BorderDesign.Refusal.self) {
            try BorderDesign.defaultRoutes(at: [SwitchID(8)], of: fabric)
        }
    }

    @Test("what would end in a broken or open border is refused")
    func refused() {
        func refusal(
            asn: UInt32 = 65_100, bfd: Int = 300, _ peers: BorderDesign.Peer...
        ) -> String? {
            do {
                _ = try BorderDesign(
                    fabric: fabric, asn: asn, peers: peers, bfdMilliseconds: bfd)
                return nil
            } catch { return error.description }
        }
        let good = peer(6, "eth0", 64_512, .ipv4(1))
        #expect(refusal(good) == nil)
        #expect(refusal()?.contains("needs a neighbour") == true)
        #expect(refusal(asn: 0, good)?.contains("no autonomous system") == true)
        #expect(refusal(bfd: 1, good)?.contains("BFD") == true)
        #expect(refusal(asn: 64_512, good)?.contains("another one") == true)
        #expect(refusal(good, good)?.contains("two neighbours") == true)
        #expect(refusal(peer(8, "eth0", 1, .ipv4(1)))?.contains("no edge switch") == true)
        for name in ["", "a b", "eth0\";", "an-interface-of-20", "eth0\nlog"] {
            #expect(refusal(peer(6, name, 1, .ipv4(1)))?.contains("no interface") == true)
        }
        for text in ["fe80::1%eth0", "2001:db8::1", "fe80::", "fe80::g", "fe80::1; log"] {
            #expect(refusal(peer(6, "e", 1, .linkLocal(text)))?.contains("fe80::/10") == true)
        }
    }

    @Test("both daemons hear the default only and tell the aggregate only")
    func policy() throws {
        let design = try design()
        let bird = design.configuration(at: SwitchID(6), for: .bird)
        #expect(bird.contains("router id 10.3.0.1;"))
        #expect(bird.contains("neighbor 198.51.100.1 as 64512;"))
        #expect(bird.contains("neighbor fe80::5054:ff:fe12:3456%eth9 as 64513;"))
        #expect(bird.components(separatedBy: "import filter only_default;").count == 4)
        #expect(bird.components(separatedBy: "export filter only_aggregate;").count == 4)
        #expect(bird.components(separatedBy: "extended next hop on;").count == 3)
        #expect(!bird.contains("198.51.100.3"))
        let frr = design.configuration(at: SwitchID(6), for: .frr)
        #expect(frr.components(separatedBy: "prefix-list FABRIC-IN in").count == 4)
        #expect(frr.components(separatedBy: "prefix-list FABRIC-OUT out").count == 4)
        #expect(frr.contains(" neighbor eth10.7 interface remote-as 4200000001"))
        let other = design.configuration(at: SwitchID(7), for: .frr)
        #expect(other.contains("bgp router-id 10.3.1.1"))
        #expect(!other.contains("eth9"))
    }

    @Test("BIRD itself accepts the configuration")
    func birdParses() throws {
        let design = try design()
        for leaf in design.leaves {
            guard
                let run = try Self.parse(
                    ["/usr/sbin/bird", "/usr/bin/bird"], ["-p", "-c"],
                    design.configuration(at: leaf, for: .bird), "bird.conf")
            else {
                print("SKIPPED: BIRD is not installed (Debian: bird2); its parser judged nothing")
                return
            }
            #expect(run.status == 0, "\(run.output)")
            #expect(run.output.isEmpty, "\(run.output)")
        }
        // The same question has the other answer for a broken file.
        let broken = design.configuration(at: SwitchID(6), for: .bird) + "protocol bgp x {"
        let run = try Self.parse(
            ["/usr/sbin/bird", "/usr/bin/bird"], ["-p", "-c"], broken, "b.conf")
        #expect(run?.status != 0)
    }

    @Test("FRR itself accepts the configuration")
    func frrParses() throws {
        let design = try design()
        let shells = ["/usr/bin/vtysh", "/usr/local/bin/vtysh"]
        for leaf in design.leaves {
            guard
                let run = try Self.parse(
                    shells, ["-C", "-f"], design.configuration(at: leaf, for: .frr), "frr.conf")
            else {
                print("SKIPPED: FRR is not installed (Debian: frr); its parser judged nothing")
                return
            }
            #expect(run.status == 0, "\(run.output)")
            #expect(!run.output.contains("Unknown command"), "\(run.output)")
            #expect(!run.output.contains("line "), "\(run.output)")
        }
        let broken = design.configuration(at: SwitchID(6), for: .frr) + "router moebius 1\n"
        let run = try Self.parse(shells, ["-C", "-f"], broken, "broken.conf")
        #expect(run.map { $0.status != 0 || $0.output.contains("Unknown command") } == true)
    }

    /// Lets the first program that is installed judge a file; nil when none is.
    private static func parse(
        _ programs: [String], _ arguments: [String], _ text: String, _ name: String
    ) throws -> (status: Int32, output: String)? {
        guard
            let program = programs.first(where: {
                FileManager.default.isExecutableFile(atPath: $0)
            })
        else { return nil }
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "kapok-border-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: name)
        try Data(text.utf8).write(to: file)
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments + [file.path]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
