import KapokFabric
import KapokWorld
import Testing

@Suite("Wiring files")
struct WiringDocumentTests {
    static let names = [
        "leafspine:4,3,2", "fattree:4", "fattree:8", "planes:2,fattree:4", "rail:1,8,4,16",
        "rail:4,8,4,16", "dualtor:4,4,16", "ab:4", "leafspine:1,1,0", "fattree:2",
    ]

    static func dot(_ fabric: Fabric, _ name: String = "", withHosts: Bool = false) -> [UInt8] {
        WiringWriter.bytes {
            WiringDocument.writeDOT(fabric, topologyName: name, withHosts: withHosts, to: $0)
        }
    }

    /// The same switches, links, ports and shared risks under the same numbers.
    static func expectSame(_ a: Fabric, _ b: Fabric) {
        #expect(a.switchCount == b.switchCount)
        #expect(a.linkCount == b.linkCount)
        #expect(a.destinationCount == b.destinationCount)
        guard a.switchCount == b.switchCount, a.linkCount == b.linkCount else { return }
        for index in 0..<a.switchCount {
            let id = SwitchID(index)
            #expect(a.name(of: id) == b.name(of: id))
            #expect(a.tier(of: id) == b.tier(of: id))
            #expect(a.destination(of: id) == b.destination(of: id))
            #expect(a.hostPortCount(of: id) == b.hostPortCount(of: id))
            for port in 0..<a.fabricPortCount(of: id) {
                #expect(a.neighbor(of: id, port: port) == b.neighbor(of: id, port: port))
                #expect(a.portName(PortID(id, port)) == b.portName(PortID(id, port)))
            }
        }
        var trunks: [TrunkID: TrunkID] = [:]
        for index in 0..<a.linkCount {
            let link = LinkID(index)
            #expect(a.ends(of: link) == b.ends(of: link))
            let trunk = b.trunk(of: link)
            #expect(trunks[a.trunk(of: link), default: trunk] == trunk)
            trunks[a.trunk(of: link)] = trunk
        }
        #expect(Set(trunks.values).count == trunks.count)
    }

    @Test("a fabric that is written and read keeps its numbers", arguments: names)
    func roundTrip(name: String) throws {
        let fabric = try TopologyName(name).fabric
        for withHosts in [false, true] {
            let text = Self.dot(fabric, name, withHosts: withHosts)
            let graph = try WiringDocument.graph(fromDOT: text)
            Self.expectSame(fabric, .graph(graph))
            // A graph comes back equal, and its file is a fixed point.
            let again = try WiringDocument.graph(fromDOT: Self.dot(.graph(graph)))
            #expect(again == graph)
            #expect(Self.dot(.graph(again)) == Self.dot(.graph(graph)))
        }
    }

    @Test("a graph with odd names, missing tiers and chosen destinations comes back equal")
    func oddGraph() throws {
        let graph = try GraphTopology(
            nodes: [
                GraphTopology.Node(name: "a \"b\" \\ c", isDestination: false, hostPorts: 3),
                GraphTopology.Node(name: "host-1", isDestination: true),
                GraphTopology.Node(name: "e1", isDestination: false),
                GraphTopology.Node(name: "Züg,rich\n2", tier: .edge, isDestination: false),
            ],
            edges: [
                GraphTopology.Edge(from: 1, fromPort: "Eth 1/1", to: 0, toPort: "\"", trunk: "x\""),
                GraphTopology.Edge(from: 0, fromPort: "swp1", to: 2, toPort: "et-0/0/1:2"),
                GraphTopology.Edge(from: 3, fromPort: "swp1", to: 2, toPort: "swp2", trunk: "x\""),
            ])
        for withHosts in [false, true] {
            let text = Self.dot(.graph(graph), withHosts: withHosts)
            #expect(try WiringDocument.graph(fromDOT: text) == graph)
        }
    }

    static let ptm = """
        # global settings and templates, as in PTM's own sample
        graph G {
            LLDP=""
            BFD="upMinTx=150,requiredMinRx=250"
            B1="upMinTx=250, detectMult=4"
            L1="match_type=portdescr"   // and a comment
            hostnametype="hostname"
            "switch1":"swp1" -- "switch2":"swp41"
            "switch1":"swp2" -- "switch2":"swp42" [LLDP="match_type=portdescr", BFD="upMinTx=400"]
            "switch1":"swp3" -- "switch2":"swp43" [LLDP="lldptmpl=L1", BFD="bfdtmpl=B1"];
            switch3:swp1:n -- switch1:swp4 /* bare words,
            and a compass */ switch3 -- switch2 [weight=2]
        }
        """

    @Test("a PTM file keeps links, ports, templates and attributes when it is written again")
    func ptmFile() throws {
        let list = try WiringList(fromDOT: Array(Self.ptm.utf8))
        #expect(list.nodes.map(\.name) == ["switch1", "switch2", "switch3"])
        #expect(list.edges.count == 5)
        #expect(list.edges[1]["BFD"] == "upMinTx=400")
        #expect(list.edges[2]["LLDP"] == "lldptmpl=L1")
        #expect(list.edges.map(\.line) == [8, 9, 10, 11, 12])
        #expect(
            list.attributes.map(\.name) == ["LLDP", "BFD", "B1", "L1", "hostnametype"])
        let again = try WiringList(fromDOT: WiringWriter.bytes { list.writeDOT(to: $0) })
        #expect(again.attributes == list.attributes)
        #expect(again.nodes.map(\.name) == list.nodes.map(\.name))
        #expect(again.edges.map(\.attributes) == list.edges.map(\.attributes))
        #expect(again.edges.map(\.fromPort) == list.edges.map(\.fromPort))
        let graph = try list.graph()
        #expect(try again.graph() == graph)
        // No host and no edge switch: all are destinations. Ports without names get free ones.
        #expect(graph.destinations.count == 3)
        #expect(graph.edges[4].fromPort == "swp2" && graph.edges[4].toPort == "swp1")
    }

    @Test("roles, hosts, defaults and subgraphs say what a device is")
    func roles() throws {
        let text = """
            strict graph "dc" { rankdir=LR; node [shape=box]
              subgraph cluster_leaves { node [role=leaf] x1; x2; label="leaves" }
              "y1" [function="spine"]
              edge [trunk=t7]
              x1 -- y1 -- x2
              edge [trunk=t8]
              { "srv-a":eth0 -- x1:swp10; server2:eth0 -- x1:swp11 }
              x2:swp9 -- core1
            }
            """
        let graph = try WiringDocument.graph(fromDOT: Array(text.utf8))
        #expect(graph.nodes.map(\.name) == ["x1", "x2", "y1", "core1"])
        #expect(graph.nodes.map(\.tier) == [.edge, .edge, .aggregation, .core])
        #expect(graph.nodes.map(\.hostPorts) == [2, 0, 0, 0])
        #expect(graph.nodes.map(\.isDestination) == [true, true, false, false])
        #expect(graph.edges.map(\.trunk) == ["t7", "t7", "t8"])
        #expect(graph.trunkCount == 2)
    }

    @Test(
        "names tell roles where attributes do not",
        arguments: [
            ("leaf01", Tier.edge), ("dc1-leaf-01", .edge), ("gpu-leaf-2", .edge),
            ("plane0-edge-1-2", .edge), ("TOR7", .edge), ("spine-1", .aggregation),
            ("pod1agg2", .aggregation), ("superspine3", .core), ("core-1-1", .core),
            ("switch1", nil), ("score", nil), ("planet", nil),
        ])
    func namedRoles(name: String, tier: Tier?) throws {
        let graph = try WiringDocument.graph(fromDOT: Array("graph{\"\(name)\" -- other}".utf8))
        #expect(graph.nodes[0].tier == tier)
    }

    @Test("letters with numbers count only where some device is e and a number")
    func letters() throws {
        let tiers = { (text: String) in
            try WiringDocument.graph(fromDOT: Array(text.utf8)).nodes.map(\.tier)
        }
        #expect(try tiers("graph{a1--b1--c1}") == [nil, nil, nil])
        #expect(try tiers("graph{e1--a1--c1;h1--e1}") == [.edge, .aggregation, .core])
        // Hosts by name that are linked to each other are switches.
        #expect(try tiers("graph{h1--h2--h3--h1}") == [nil, nil, nil])
    }

    @Test(
        "what is wrong is told with its line and a remedy",
        arguments: [
            ("digraph{a->b}", 1, "--"), ("graph{\na -- b\n", 3, "'}'"),
            ("graph{\na:p--b:p\na:p--c:p}", 3, "line 2"), ("graph{a--a}", 1, "itself"),
            ("graph{\n\"a\n\n", 2, "quotation"), ("graph{a--{b c}}", 1, "one link a cable"),
            ("graph{9a--b}", 1, "quotation marks"), ("graph{}", 0, "no switch"),
            ("graph{/* }", 1, "*/"), ("graph{a[hostports=x]; a--b}", 1, "65536"),
            ("graph{host1 [role=host] host2 [role=host]\nhost1--host2}", 2, "role"),
            ("graph{a--b}}", 1, "one graph"), ("hello", 1, "graph NAME"), ("", 1, "the end"),
        ])
    func refusals(text: String, line: Int, remedy: String) throws {
        do {
            _ = try WiringDocument.graph(fromDOT: Array(text.utf8))
            Issue.record("accepted: \(text)")
        } catch {
            #expect(error.line == line, "\(error)")
            #expect(error.reason.contains(remedy), "\(error)")
        }
    }

    @Test("what is too large is refused before it is built")
    func bounds() throws {
        let hosts = (0..<40).map { "l\($0) [hostports=65536]" }.joined(separator: "\n")
        let star = (0..<4_097).map { "hub -- x\($0)" }.joined(separator: "\n")
        let deep = String(repeating: "{", count: 40)
        for (text, word) in [
            ("graph{\(hosts)}", "host ports"), ("graph{\(star)}", "more than 4096 links"),
            ("graph{\(deep)", "nested"),
            (
                "graph{a[\(String(repeating: "x", count: 5_000))=1]}",
                "more than 4096 bytes"
            ),
        ] {
            #expect {
                try WiringDocument.graph(fromDOT: Array(text.utf8))
            } throws: { error in
                (error as? WiringDocument.Refusal)?.reason.contains(word) == true
            }
        }
    }

    @Test("NetBox cables become links with their attributes; power cables are passed over")
    func netBox() throws {
        let text = """
            side_a_device,side_a_type,side_a_name,side_b_device,side_b_type,side_b_name,type,\
            label,length,length_unit\r
            leaf1,dcim.interface,swp1,spine1,dcim.interface,"swp,1",smf,"L ""1"" x",3,m\r
            pdu1,dcim.powerport,1,leaf1,dcim.poweroutlet,1,power,,,\r
            \r
            leaf2,interface,swp1,spine1,interface,swp2,,,,\r
            """
        let (list, ignored) = try WiringList.readNetBox(Array(text.utf8))
        #expect(ignored == 1)
        #expect(list.edges.count == 2)
        #expect(list.edges[0].toPort == "swp,1")
        #expect(list.edges[0]["label"] == "L \"1\" x")
        #expect(list.edges[1].attributes.isEmpty)
        #expect(list.edges.map(\.line) == [2, 5])
        #expect(try list.graph().destinations.count == 2)
        for (bad, line, word) in [
            ("a,b\n", 1, "side_a_device"),
            ("side_a_device,side_a_name,side_b_device,side_b_name\nx,y,z\n", 2, "3 fields"),
            (
                "side_a_device,side_a_type,side_a_name,side_b_device,side_b_name\n"
                    + "p,dcim.frontport,1,q,1\n", 2, "patch panel"
            ),
        ] {
            #expect {
                try WiringList.readNetBox(Array(bad.utf8))
            } throws: { error in
                let refusal = error as? WiringDocument.Refusal
                return refusal?.line == line && refusal?.reason.contains(word) == true
            }
        }
    }

    @Test("Batfish's layer-1 topology comes back with the same links", arguments: names)
    func batfish(name: String) throws {
        let fabric = try TopologyName(name).fabric
        let text = WiringWriter.bytes {
            WiringDocument.writeBatfish(fabric, topologyName: name, withHosts: true, to: $0)
        }
        let graph = try WiringList(fromBatfish: text).graph()
        #expect(graph.edges.count == fabric.linkCount)
        #expect(graph.nodes.reduce(0) { $0 + $1.hostPorts } == fabric.hostLinkCount)
        for index in 0..<fabric.linkCount {
            let (lower, upper) = fabric.ends(of: LinkID(index))
            let edge = graph.edges[index]
            let ends = [
                "\(graph.nodes[edge.from].name) \(edge.fromPort)",
                "\(graph.nodes[edge.to].name) \(edge.toPort)",
            ]
            #expect(ends.contains("\(fabric.name(of: lower.owner)) \(fabric.portName(lower))"))
            #expect(ends.contains("\(fabric.name(of: upper.owner)) \(fabric.portName(upper))"))
        }
    }

    @Test("links of Batfish that are listed in both directions count once")
    func bothDirections() throws {
        let node = { (name: String, port: String) in
            "{\"hostname\":\"\(name)\",\"interfaceName\":\"\(port)\"}"
        }
        let (a, b) = (node("x\\u0031", "e1"), node("x2", "e1"))
        let text = """
            {"edges": [{"node1":\(a),"node2":\(b)}, {"node1":\(b),"node2":\(a), "more": [1e3]}]}
            """
        let graph = try WiringList(fromBatfish: Array(text.utf8)).graph()
        #expect(graph.edges.count == 1)
        #expect(graph.nodes.map(\.name) == ["x1", "x2"])
    }

    @Test("containerlab gets each switch, each server once and each link")
    func containerlab() throws {
        let fabric = try TopologyName("dualtor:2,2,3").fabric
        let text = String(
            decoding: WiringWriter.bytes {
                WiringDocument.writeContainerlab(
                    fabric, topologyName: "dualtor:2,2,3", withHosts: true, to: $0)
            }, as: UTF8.self)
        #expect(text.hasPrefix("name: \"dualtor-2-2-3\"\n"))
        #expect(text.split(separator: "\n").count { $0.contains("kind:") } == 6 + 6)
        #expect(text.split(separator: "\n").count { $0.contains("endpoints:") } == 8 + 12)
        #expect(text.contains("[\"leaf-3:swp5\", \"server-1-2:eth2\"]"))
    }

    @Test("mutilated files are refused or read, and never crash")
    func fuzz() throws {
        let fabric = try TopologyName("leafspine:2,2,1").fabric
        let seeds: [[UInt8]] = [
            Array(Self.ptm.utf8), Self.dot(fabric, "leafspine:2,2,1", withHosts: true),
            WiringWriter.bytes {
                WiringDocument.writeBatfish(fabric, topologyName: "", withHosts: true, to: $0)
            },
            Array(
                ("side_a_device,side_a_name,side_b_device,side_b_name,label\n"
                    + "a,\"p\"\"1\",b,p2,x\r\nc,p1,b,p3,\"y\n\"\n").utf8),
        ]
        var random = RandomStream(seed: 4)
        var read = 0
        var refused = 0
        for round in 0..<6_000 {
            var bytes = seeds[round % seeds.count]
            for _ in 0...random.below(4) {
                let at = random.below(bytes.count)
                switch random.below(4) {
                case 0: bytes[at] = UInt8(random.below(256))
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(Array("{}[]\"\\-:=;,<>/*#\n".utf8)[random.below(17)], at: at)
                default:
                    let end = min(bytes.count, at + random.below(30))
                    bytes.replaceSubrange(at..<end, with: bytes[..<min(end - at, bytes.count)])
                }
                if bytes.isEmpty { bytes = [0] }
            }
            do {
                switch round % seeds.count {
                case 2: _ = try WiringList(fromBatfish: bytes).graph()
                case 3: _ = try WiringList.readNetBox(bytes).list.graph()
                default:
                    let graph = try WiringDocument.graph(fromDOT: bytes)
                    let again = try WiringDocument.graph(fromDOT: Self.dot(.graph(graph)))
                    #expect(again == graph)
                }
                read += 1
            } catch {
                #expect(!error.reason.isEmpty)
                refused += 1
            }
        }
        #expect(read > 500 && refused > 500)
    }
}
