import Foundation
import KapokWorld
import Testing

@testable import KapokFabric

/// Four switches (two leaves, two spines) in network namespaces of their own, with the kernel's
/// tables of each, and no agents: what the data plane alone does.
private final class KernelFabric: @unchecked Sendable {
    // One thread at a time uses it: each step waits for the one before.
    let fabric: Fabric
    private let prefix: String
    private var planes: [DataPlane] = []

    init() throws {
        fabric = try TopologyName("leafspine:2,2,0").fabric
        prefix = "kapok-dp\(getpid())-"
        for id in switches {
            try ip("netns", "add", namespace(id).name)
            try ip("-n", namespace(id).name, "link", "set", "lo", "up")
        }
        for index in 0..<fabric.linkCount {
            let (lower, upper) = fabric.ends(of: LinkID(index))
            let (here, there) = (namespace(lower.owner).name, namespace(upper.owner).name)
            try ip(
                "-n", here, "link", "add", fabric.portName(lower), "type", "veth", "peer", "name",
                fabric.portName(upper), "netns", there)
            try ip("-n", here, "link", "set", fabric.portName(lower), "up")
            try ip("-n", there, "link", "set", fabric.portName(upper), "up")
        }
        for id in switches {
            let plan = SwitchPlan(
                epoch: 1, switchID: id, fabric: fabric, topologyName: "leafspine:2,2,0")
            planes.append(
                try namespace(id).inside { () throws -> SendablePlane in
                    let plane = try DataPlane()
                    try plane.use(plan, names: [:])
                    plane.finishWork()
                    return SendablePlane(plane: plane)
                }.plane)
        }
        for leaf in 0...1 {
            try ip(
                "-n", namespace(SwitchID(leaf)).name, "addr", "add", "10.0.\(leaf).1/32", "dev",
                "lo")
        }
        // The leaf itself sends here, in place of a host behind it: what a detour leads back over
        // it would be taken for forged.
        try namespace(SwitchID(0)).set([("net/ipv4/conf/all/accept_local", "1")])
        try learnNeighbors()
    }

    /// A data plane on its way out of the thread that made it.
    private struct SendablePlane: @unchecked Sendable { var plane: DataPlane }

    var switches: [SwitchID] { (0..<fabric.switchCount).map { SwitchID($0) } }

    func namespace(_ id: SwitchID) -> LabNamespace {
        LabNamespace(name: prefix + fabric.name(of: id))
    }

    func id(_ name: String) throws -> SwitchID { try #require(fabric.switchNamed(name)) }

    func remove() {
        planes.removeAll()
        for id in switches { _ = try? ip("netns", "del", namespace(id).name) }
    }

    @discardableResult
    func ip(_ words: String...) throws -> String { try run(["ip"] + words) }

    private func run(_ words: [String], input: String = "") throws -> String {
        let result = try CommandRun.run(words, input: input)
        guard result.status == 0 else {
            throw DataPlaneFailure("\(words.joined(separator: " ")): \(result.output)")
        }
        return result.output
    }

    /// Runs a program in a switch's namespace; its output, also when it fails.
    func inside(_ id: SwitchID, _ words: String..., input: String = "") throws -> String {
        try CommandRun.run(["ip", "netns", "exec", namespace(id).name] + words, input: input).output
    }

    func plane<Value: Sendable>(
        _ id: SwitchID, _ body: @escaping @Sendable (DataPlane) throws -> Value
    ) throws -> Value {
        let plane = SendablePlane(plane: planes[id.index])
        return try namespace(id).inside { try body(plane.plane) }
    }

    /// What hellos do in a running fabric: they make the kernel find its neighbours.
    private func learnNeighbors() throws {
        for id in switches {
            for gateway in try plane(id, { $0.layout.gateways }) {
                _ = try inside(id, "ping", "-c", "1", "-W", "2", IPv4Prefix.dotted(gateway))
            }
            _ = try plane(id) { try $0.readNews().count }
        }
    }

    /// Echo requests from leaf 0 to leaf 1 that were answered, of 12 flows' worth.
    func answered() throws -> Int {
        let text = try inside(
            SwitchID(0), "ping", "-c", "6", "-i", "0.002", "-W", "1", "-I", "10.0.0.1", "10.0.1.1")
        let match = try #require(text.firstMatch(of: #/(\d+) received/#), "\(text)")
        return try #require(Int(match.output.1))
    }

    /// Sends UDP datagrams of many flows to leaf 1 and counts those that arrive with a raised DSCP
    /// and all that arrive.
    func arrivals(flows: Int) throws -> (raised: Int, all: Int) {
        let leaf = SwitchID(1)
        _ = try inside(
            leaf, "nft", "-f", "-",
            input: """
                table ip probe
                delete table ip probe
                table ip probe {
                  chain c {
                    type filter hook prerouting priority -400;
                    udp dport 9999 counter comment "all"
                    udp dport 9999 ip dscp != 0 counter comment "raised"
                  }
                }

                """)
        try namespace(SwitchID(0)).inside {
            for flow in 0..<flows {
                let socket = try DatagramSocket(udp: UInt16(20_000 + flow))
                socket.enqueue(
                    [1], interface: 0, from: 10 << 24 | 1, to: 10 << 24 | 1 << 8 | 1, port: 9_999)
                #expect(socket.flush().failed == 0)
            }
        }
        let text = try inside(leaf, "nft", "list", "table", "ip", "probe")
        func count(_ name: String) throws -> Int {
            let line = try #require(
                text.split(separator: "\n").first { $0.contains("\"\(name)\"") })
            return try #require(line.firstMatch(of: #/packets (\d+)/#).flatMap { Int($0.output.1) })
        }
        return (try count("raised"), try count("all"))
    }
}

private let hasNamespaces =
    getuid() == 0 && access("/usr/sbin/nft", X_OK) == 0
    && access("/bin/ping", X_OK) == 0
    && ((try? CommandRun.run(["ip", "netns", "list"], input: "").status) ?? 1) == 0

@Suite("The data plane in real kernels", .serialized)
struct LinuxDataPlaneTests {
    @Test(
        "tables, detours with a raised tag, failover by the kernel alone, a restart, a clean end",
        .enabled(if: hasNamespaces, "needs root, iproute2, nftables, ping and network namespaces"))
    func fourSwitches() throws {
        let fabric = try KernelFabric()
        defer { fabric.remove() }
        let (leaf0, leaf1) = (try fabric.id("leaf-0"), try fabric.id("leaf-1"))
        let spine0 = try fabric.id("spine-0")

        // Healthy: one route of rank 0 over a group of two, nobody raises.
        let routes = try fabric.inside(leaf0, "ip", "route", "show", "proto", "75")
        #expect(routes.hasPrefix("10.0.1.0/24 nhid"), "\(routes)")
        #expect(routes.split(separator: "\n").count == 1)
        #expect(try fabric.answered() == 6)
        let healthy = try fabric.arrivals(flows: 40)
        #expect(healthy.all == 40 && healthy.raised == 0)

        // The agent of spine 0 finds its link to leaf 1 dead; nobody else knows. What comes to
        // spine 0 goes back over leaf 0 with a raised tag and arrives by spine 1.
        let link = try #require(fabric.fabric.neighbor(of: leaf1, port: 0)).link
        let writes = try fabric.plane(spine0) { plane in
            let before = plane.kernel.counts
            plane.forward(dead: [link], avoided: [], cause: link)
            return plane.kernel.counts.groupWrites - before.groupWrites
        }
        #expect(writes >= 1)
        let detoured = try fabric.arrivals(flows: 40)
        #expect(detoured.all == 40)
        #expect(detoured.raised > 5 && detoured.raised < 35)
        #expect(try fabric.answered() == 6)

        // It lives again, and then the kernel loses its carrier: nobody but the kernel acts.
        try fabric.plane(spine0) { plane in
            plane.forward(dead: [], avoided: [], cause: link)
            plane.finishWork()
        }
        try fabric.ip("-n", fabric.namespace(leaf1).name, "link", "set", "swp1", "down")
        let alone = try fabric.arrivals(flows: 40)
        #expect(alone.all == 40 && alone.raised > 5)

        // The agent hears of it, and what it takes for the kernel's state is the kernel's state.
        for id in [spine0, leaf1] {
            let isSame = try fabric.plane(id) { plane in
                _ = try plane.readNews()
                plane.forward(dead: [link], avoided: [], cause: link)
                plane.finishWork()
                try plane.kernel.compare(trees: plane.layout.trees)
                return plane.kernel.isSettled
            }
            #expect(isSame)
        }
        #expect(try fabric.arrivals(flows: 40).all == 40)

        try restart(fabric)

        // A clean end leaves nothing.
        try fabric.plane(leaf0) { $0.clean() }
        #expect(try fabric.inside(leaf0, "ip", "nexthop") == "")
        #expect(
            try fabric.inside(leaf0, "ip", "route", "show", "proto", "75", "table", "all") == "")
        #expect(try !fabric.inside(leaf0, "ip", "rule").contains("fwmark"))
        #expect(try !fabric.inside(leaf0, "nft", "list", "tables").contains("kapok"))
    }

    /// A restart takes over what the kernel holds without a gap.
    private func restart(_ fabric: KernelFabric) throws {
        let leaf0 = try fabric.id("leaf-0")
        let held = try fabric.plane(leaf0) { $0.kernel.held }
        let again = try fabric.namespace(leaf0).inside { [topology = fabric.fabric] in
            let plane = try DataPlane()
            try plane.use(
                SwitchPlan(
                    epoch: 2, switchID: SwitchID(0), fabric: topology, topologyName: ""), names: [:]
            )
            plane.finishWork()
            try plane.kernel.compare(trees: plane.layout.trees)
            return (plane.kernel.held, plane.kernel.isSettled, plane.kernel.counts.refusals)
        }
        #expect(again.0.routes == held.routes && again.0.groups == held.groups)
        #expect(again.1 && again.2 == 0)
        #expect(try fabric.answered() == 6)
        // The one that was there before looks at what its successor has left.
        try fabric.plane(leaf0) { try $0.kernel.compare(trees: $0.layout.trees) }
    }
}
