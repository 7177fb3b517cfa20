import KapokWorld
import Testing

@testable import KapokFabric

@Suite("Wiring plans")
struct WiringPlanTests {
    static let names = [
        "leafspine:4,3,2", "fattree:4", "fattree:12", "planes:2,fattree:4", "ab:4", "ab:8",
        "rail:1,8,4,16", "rail:4,8,4,16", "dualtor:4,4,16", "leafspine:1,1,0", "fattree:2",
        "leafspine:18,3,40", "planes:2,leafspine:6,4,60",
    ]

    /// A graph with tiers left out, trunks of many shapes and single links.
    static func irregular() throws -> Fabric {
        var random = RandomStream(seed: 3)
        let count = 60
        let nodes = (0..<count).map { index in
            GraphTopology.Node(
                name: "n\(index)", tier: index % 3 == 0 ? .edge : index % 3 == 1 ? nil : .core,
                isDestination: true, hostPorts: random.below(5) * (index % 2))
        }
        var edges: [GraphTopology.Edge] = []
        for index in 0..<400 {
            let from = random.below(count)
            let to = random.below(count)
            if from == to { continue }
            edges.append(
                GraphTopology.Edge(
                    from: from, fromPort: "p\(index)", to: to, toPort: "p\(index)",
                    trunk: random.chance(1, in: 3) ? nil : "t\(random.below(12))"))
        }
        return .graph(try GraphTopology(nodes: nodes, edges: edges))
    }

    static func plans() throws -> [(String, WiringPlan)] {
        try names.map { name in
            (
                name,
                try WiringPlan(try TopologyName(name).fabric, topologyName: name)
            )
        } + [("irregular", try WiringPlan(try irregular(), topologyName: ""))]
    }

    @Test("no two things stand in one place, and nothing stands outside its rack")
    func places() throws {
        for (name, plan) in try Self.plans() {
            var taken: Set<[Int]> = []
            var isFine = true
            func take(_ place: WiringPlan.Place, _ height: Int) {
                isFine = isFine && (0..<plan.rackCount).contains(place.rack)
                for unit in place.unit..<place.unit + height {
                    isFine =
                        isFine && (1...plan.options.rackUnits).contains(unit)
                        && taken.insert([place.rack, unit]).inserted
                }
            }
            for index in 0..<plan.fabric.switchCount { take(plan.place(of: SwitchID(index)), 1) }
            for server in 0..<plan.servers.serverCount { take(plan.place(ofServer: server), 1) }
            var panels: Set<[Int]> = []
            var cassettes: Set<[Int]> = []
            for turn in 0..<plan.trunkCount {
                let trunk = plan.trunk(turn: turn)
                for panel in [trunk.panels.near, trunk.panels.far] {
                    let (place, cassette) = (panel.place, panel.cassette)
                    #expect(cassettes.insert([place.rack, place.unit, cassette]).inserted)
                    #expect((0..<plan.options.trunksPerPanelUnit).contains(cassette))
                    if panels.insert([place.rack, place.unit]).inserted { take(place, 1) }
                }
            }
            #expect(isFine, "\(name)")
        }
    }

    @Test("a trunk joins one pair of racks, has one shared risk, and a lane for each link")
    func trunks() throws {
        for (name, plan) in try Self.plans() {
            var lanes: [Int: Set<Int>] = [:]
            for index in 0..<plan.fabric.linkCount {
                let link = LinkID(index)
                let (lower, upper) = plan.fabric.ends(of: link)
                let racks = [plan.place(of: lower.owner).rack, plan.place(of: upper.owner).rack]
                let cable = plan.cable(of: link)
                guard let port = cable.trunk, let cords = cable.cords else {
                    #expect(cable.trunk == nil && cable.cords == nil)
                    continue
                }
                let (turn, lane) = (port.trunk, port.lane)
                let trunk = plan.trunk(turn: turn)
                #expect(trunk.turn == turn)
                #expect(Set(racks) == [trunk.racks.near, trunk.racks.far], "\(name) \(link)")
                #expect(trunk.racks.near != trunk.racks.far)
                #expect(trunk.risk == plan.fabric.trunk(of: link))
                #expect((0..<ClosTopology.fibresPerTrunk).contains(lane))
                #expect(lanes[turn, default: []].insert(lane).inserted)
                #expect(cable.length == trunk.length + cords.near + cords.far)
                #expect(cable.medium == trunk.medium && cable.length <= cable.medium.reach)
                #expect(cords.near > 0 && cords.far > 0)
            }
            #expect(lanes.count == plan.trunkCount)
            for turn in 0..<plan.trunkCount {
                #expect(lanes[turn]?.count == plan.trunk(turn: turn).links)
            }
        }
    }

    @Test("no shared risk has more than half of a switch's uplinks")
    func risks() throws {
        for (name, plan) in try Self.plans() where name != "irregular" {
            #expect(plan.summary().largestRiskShare <= 0.5, "\(name)")
        }
        // The graph's own trunks are what they are; the plan reports them.
        let worst = try WiringPlan(try Self.irregular(), topologyName: "").summary()
        #expect(worst.largestRiskShare > 0 && worst.dividedRisks > 0)
    }

    @Test("trunks are full from k = 32 on", arguments: [32, 48])
    func fill(k: Int) throws {
        let name = "fattree:\(k)"
        let plan = try WiringPlan(try TopologyName(name).fabric, topologyName: name)
        let summary = plan.summary()
        #expect(summary.trunkFill >= 0.95)
        #expect(summary.ownCables == 0 && summary.dividedRisks == 0)
        #expect(summary.trunks * 16 == plan.fabric.linkCount)
        #expect(summary.racks.reduce(0) { $0 + $1.count } == plan.rackCount)
        #expect(summary.media.values.reduce(0, +) == summary.links + summary.hostLinks)
    }

    @Test("cables are long enough for their way, of stock lengths, and of a medium that reaches")
    func lengths() throws {
        for (name, plan) in try Self.plans() {
            for turn in 0..<plan.trunkCount {
                let trunk = plan.trunk(turn: turn)
                let (a, b) = (trunk.panels.near.place, trunk.panels.far.place)
                let (rowA, columnA) = plan.placement.position(of: a.rack)
                let (rowB, columnB) = plan.placement.position(of: b.rack)
                let floor = abs(columnA - columnB) * 600 + abs(rowA - rowB) * 2_400
                #expect(trunk.length * 10 >= floor + 2 * 1_000 + 2 * 500, "\(name)")
                #expect(StockLengths.cables.contains(trunk.length))
            }
            HostLinks(plan.fabric).forEach { id, port in
                let cable = plan.hostCable(at: id, hostPort: port)
                let server = plan.servers.attachment(at: id, hostPort: port).server
                let isHere = plan.place(ofServer: server).rack == plan.place(of: id).rack
                #expect(isHere || cable.medium != .copper)
                #expect(cable.medium != .copper || cable.length <= 300)
                #expect(cable.length <= cable.medium.reach)
            }
        }
        #expect(StockLengths.cableAtLeast(1) == 100)
        #expect(StockLengths.cableAtLeast(10_001) == 1_500)
        #expect(StockLengths.cableAtLeast(500_001) == 60_000)
        #expect(StockLengths.shortAtLeast(10_001) == 1_500)
    }

    @Test("trunks in turn join all edge switches of a plane long before all are laid")
    func order() throws {
        for name in ["fattree:16", "planes:2,fattree:8", "rail:4,8,4,16", "leafspine:64,3,40"] {
            let plan = try WiringPlan(try TopologyName(name).fabric, topologyName: name)
            let until = try #require(plan.trunksUntilFirstPlane)
            #expect(until <= plan.trunkCount / 2, "\(name)")
            // Walk the links of those trunks from one edge switch.
            var open: Set<SwitchID> = [plan.fabric.owner(of: DestinationID(0))]
            var queue = Array(open)
            while let at = queue.popLast() {
                for port in 0..<plan.fabric.fabricPortCount(of: at) {
                    guard let next = plan.fabric.neighbor(of: at, port: port),
                        let trunk = plan.cable(of: next.link).trunk, trunk.trunk < until,
                        open.insert(next.far.owner).inserted
                    else { continue }
                    queue.append(next.far.owner)
                }
            }
            for index in 0..<plan.fabric.destinationCount {
                let owner = plan.fabric.owner(of: DestinationID(index))
                #expect(open.contains(owner) == (plan.fabric.plane(of: owner) == 0))
            }
        }
    }

    @Test("all three methods of polarity work with their cords, and with no others")
    func polarity() {
        for method in PolarityMethod.allCases {
            let (near, far) = method.cords
            let ports = method.farPorts(near: near, far: far)
            #expect(ports?.sorted() == Array(0..<8))
            #expect(ports == (0..<8).map { method.farLane($0) })
            #expect((8..<16).map { method.farLane($0) } == ports?.map { $0 + 8 })
            // One cord of the other kind, and transmitters look at each other.
            #expect(method.farPorts(near: near, far: far == .crossed ? .straight : .crossed) == nil)
        }
        #expect(PolarityMethod.b.farLane(0) == 7 && PolarityMethod.a.farLane(5) == 5)
    }

    // MARK: Files

    static func lines(_ plan: WiringPlan, _ file: WiringPlanFile) -> [Substring] {
        let bytes = WiringWriter.bytes { plan.write(file, to: $0) }
        #expect(bytes.last == UInt8(ascii: "\n"))
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }

    @Test("files have a row for everything, and as many fields as their header")
    func files() throws {
        for (name, plan) in try Self.plans() {
            let fabric = plan.fabric
            let all = fabric.linkCount + fabric.hostLinkCount
            let rows: [WiringPlanFile: Int] = [
                .cables: all, .labels: all + plan.trunkCount, .trunks: plan.trunkCount,
                .racks: plan.rackCount, .netbox: all,
                .devices: fabric.switchCount + plan.servers.serverCount,
                .bom: plan.summary().items.count,
            ]
            for (file, count) in rows {
                let lines = Self.lines(plan, file)
                #expect(lines.count == count + 1, "\(name) \(file)")
                let fields = lines[0].split(separator: ",").count
                let odd = lines.first { line in line.utf8.count { $0 == 44 } != fields - 1 }
                #expect(odd == nil, "\(name) \(file): \(odd ?? "")")
            }
            let steps = Self.lines(plan, .install)
            #expect(steps.count > plan.rackCount + plan.trunkCount)
            #expect(steps[1].hasPrefix("1,set up rack"))
        }
    }

    @Test("NetBox's file comes back as the same wiring", arguments: names)
    func netBox(name: String) throws {
        let fabric = try TopologyName(name).fabric
        let plan = try WiringPlan(fabric, topologyName: name)
        let text = WiringWriter.bytes { plan.write(.netbox, to: $0) }
        let (list, ignored) = try WiringList.readNetBox(text)
        #expect(ignored == 0)
        let graph = try list.graph()
        #expect(graph.edges.count == fabric.linkCount)
        #expect(graph.nodes.reduce(0) { $0 + $1.hostPorts } == fabric.hostLinkCount)
        for (index, edge) in graph.edges.enumerated() {
            let (from, to) = TopologyEnds.oriented(LinkID(index), in: fabric)
            #expect(graph.nodes[edge.from].name == fabric.name(of: from.owner))
            #expect(edge.toPort == fabric.portName(to))
        }
    }

    @Test("the bill counts a transceiver for each fibre end and two cassettes for each trunk")
    func bill() throws {
        let plan = try WiringPlan(
            try TopologyName("fattree:8").fabric, topologyName: "fattree:8")
        let summary = plan.summary()
        func count(_ name: String) -> Int {
            summary.items.filter { $0.name == name }.reduce(0) { $0 + $1.count }
        }
        let fibres = summary.media.filter { $0.key.needsTransceivers }.values.reduce(0, +)
        #expect(count("transceiver") == 2 * fibres)
        #expect(count("cassette") == 2 * plan.trunkCount)
        #expect(count("trunk") == plan.trunkCount)
        #expect(count("patch cord") == 2 * (summary.links - summary.ownCables))
        #expect(count("rack") == plan.rackCount)
        #expect(count("switch") == 80)
        #expect(
            count("cable") == summary.ownCables + summary.hostLinks)
        // Method A needs straight cords at one end.
        var hall = HallOptions()
        hall.polarity = .a
        let straight = try WiringPlan(
            plan.fabric, topologyName: "fattree:8", options: hall
        ).summary().items.filter { $0.detail.contains("straight") }
        #expect(straight.reduce(0) { $0 + $1.count } == summary.links)
    }

    @Test("halls that make no sense are refused with a reason")
    func refusals() throws {
        let fabric = try TopologyName("fattree:4").fabric
        for (set, word): ((inout HallOptions) -> Void, String) in [
            ({ $0.rackUnits = 4 }, "rack units"), ({ $0.serverUnits = 61 }, "server units"),
            ({ $0.switchUnits = 4 }, "16 switches"), ({ $0.racksPerRow = 0 }, "racks per row"),
        ] {
            var hall = HallOptions()
            set(&hall)
            #expect {
                try WiringPlan(fabric, topologyName: "", options: hall)
            } throws: { error in
                (error as? WiringPlan.Refusal)?.description.contains(word) == true
            }
        }
        // 296 racks, one a row, and the rows far apart.
        var field = HallOptions()
        field.racksPerRow = 1
        field.rowPitch = 100_000
        let large = try TopologyName("fattree:32").fabric
        #expect {
            try WiringPlan(large, topologyName: "fattree:32", options: field)
        } throws: { error in
            (error as? WiringPlan.Refusal)?.description.contains("10 km") == true
        }
    }
}
