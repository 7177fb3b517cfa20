import KapokFabric
import Testing

@Suite("Clos topologies")
struct ClosTopologyTests {
    static let names = [
        "leafspine:4,3,2", "fattree:4", "fattree:6", "fattree:8", "planes:2,fattree:4",
        "planes:3,leafspine:5,2,1", "rail:1,8,4,16", "rail:4,8,4,16", "dualtor:4,4,16", "k4",
        "leafspine:1,1,0", "fattree:2", "ab:4", "ab:6",
    ]

    @Test("numbers, positions, ports and links agree with each other", arguments: names)
    func agreement(name: String) throws {
        let fabric = try TopologyName(name).fabric
        var seen = 0
        for index in 0..<fabric.switchCount {
            let id = SwitchID(index)
            #expect(fabric.switchNamed(fabric.name(of: id)) == id)
            if case .clos(let clos) = fabric {
                #expect(clos.id(of: clos.position(of: id)) == id)
            }
            if let destination = fabric.destination(of: id) {
                #expect(fabric.owner(of: destination) == id)
            }
            let ports = fabric.fabricPortCount(of: id)
            for port in 0..<ports {
                let next = try #require(fabric.neighbor(of: id, port: port))
                #expect(
                    fabric.neighbor(of: next.far.owner, port: next.far.port)
                        == Neighbor(far: PortID(id, port), link: next.link))
                let ends = fabric.ends(of: next.link)
                #expect(
                    [ends.lower, ends.upper].contains(PortID(id, port))
                        && [ends.lower, ends.upper].contains(next.far))
                seen += 1
            }
            #expect(fabric.neighbor(of: id, port: ports) == nil)
            #expect(fabric.neighbor(of: id, port: -1) == nil)
        }
        #expect(seen == 2 * fabric.linkCount)
    }

    @Test(
        "the published sizes",
        arguments: [
            ("fattree:64", 5_120, 131_072, 65_536), ("fattree:128", 20_480, 1_048_576, 524_288),
            ("planes:2,fattree:128", 40_960, 2_097_152, 1_048_576),
        ])
    func sizes(name: String, switches: Int, links: Int, hosts: Int) throws {
        let fabric = try TopologyName(name).fabric
        #expect(fabric.switchCount == switches)
        #expect(fabric.linkCount == links)
        #expect(fabric.hostLinkCount == hosts)
    }
}
