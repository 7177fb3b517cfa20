/// Wiring plans in other people's formats.
public enum WiringDocument {
    /// Why a wiring plan is refused.
    public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        /// The line, counted from 1; 0 when it is about the whole.
        public var line: Int
        /// What is wrong there, and what would be right.
        public var reason: String

        public init(line: Int, reason: String) {
            self.line = line
            self.reason = reason
        }

        public var description: String { line > 0 ? "line \(line): \(reason)" : reason }
    }

    /// Reads a PTM `topology.dot` (an undirected Graphviz graph whose edges are
    /// `"switch":"port" -- "switch":"port"`), by the rules of `WiringList.graph()`.
    public static func graph(fromDOT bytes: [UInt8]) throws(Refusal) -> GraphTopology {
        try WiringList(fromDOT: bytes).graph()
    }
}

extension WiringList {
    /// The graph that a wiring file means.
    ///
    /// - What a device is, `WiringRole` says. Hosts are no switches: each link to one is a host
    ///   port of its switch. The attribute `hostports` of a switch may ask for more.
    /// - Destinations are the switches with host ports and those of the edge tier; where there are
    ///   none, all switches. The attribute `destination` (`true`, `false`) overrides it.
    /// - Switches keep the order in which they are first named, links the order of the file. A link
    ///   that is listed twice counts once.
    /// - A port without a name gets the lowest free `swpN` of its switch.
    /// - `trunk`, or else `srlg`, names the shared risk of a link.
    public func graph() throws(WiringDocument.Refusal) -> GraphTopology {
        let roles = WiringRole.all(of: self)
        var numbers = [Int](repeating: -1, count: nodes.count)
        var switches: [Int] = []
        for (index, role) in roles.enumerated() where role != .host {
            numbers[index] = switches.count
            switches.append(index)
        }
        let (links, hostLinks) = try sortedLinks(roles)
        let ports = try namedPorts(links)
        var hostPorts = [Int](repeating: 0, count: nodes.count)
        for link in hostLinks {
            hostPorts[roles[link.from] == .host ? link.to : link.from] += 1
        }
        for index in switches {
            if let text = nodes[index]["hostports"] {
                guard let count = Int(text), (0...65_536).contains(count) else {
                    throw WiringDocument.Refusal(
                        line: nodes[index].line,
                        reason: "hostports of \(nodes[index].name) is \"\(text.prefix(40))\"; "
                            + "it must be a number from 0 to 65536")
                }
                hostPorts[index] = max(hostPorts[index], count)
            }
        }
        try checkSizes(switches, links, hostPorts)
        var isDestination = switches.map { roles[$0] == .switching(.edge) || hostPorts[$0] > 0 }
        if !isDestination.contains(true) { isDestination = switches.map { _ in true } }
        let made = zip(switches, isDestination).map { index, byRule in
            var tier: Tier?
            if case .switching(let known) = roles[index] { tier = known }
            let told = nodes[index]["destination"]?.lowercased()
            return GraphTopology.Node(
                name: nodes[index].name, tier: tier,
                isDestination: told == "true" || (told != "false" && byRule),
                hostPorts: hostPorts[index])
        }
        let edges = zip(links, ports).map { link, names in
            GraphTopology.Edge(
                from: numbers[link.from], fromPort: names.0, to: numbers[link.to],
                toPort: names.1, trunk: link["trunk"] ?? link["srlg"])
        }
        do { return try GraphTopology(nodes: made, edges: edges) } catch {
            throw WiringDocument.Refusal(line: 0, reason: error.description)
        }
    }

    /// The most links between switches at one of them, and host ports in all.
    private static let maximumPorts = 4_096
    private static let maximumHostPorts = 1 << 21

    private func checkSizes(_ switches: [Int], _ links: [Edge], _ hostPorts: [Int])
        throws(WiringDocument.Refusal)
    {
        let hosts = switches.reduce(0) { $0 + hostPorts[$1] }
        guard hosts <= Self.maximumHostPorts else {
            throw WiringDocument.Refusal(
                line: 0,
                reason: "\(hosts) host ports; the most are \(Self.maximumHostPorts): use a named "
                    + "topology")
        }
        var counts = [Int](repeating: 0, count: nodes.count)
        for link in links {
            for end in [link.from, link.to] {
                counts[end] += 1
                guard counts[end] <= Self.maximumPorts else {
                    throw WiringDocument.Refusal(
                        line: link.line,
                        reason: "more than \(Self.maximumPorts) links to other switches at "
                            + "\(nodes[end].name)")
                }
            }
        }
    }

    /// Links between switches and links to hosts, without those that are listed twice.
    func sortedLinks(_ roles: [WiringRole]) throws(WiringDocument.Refusal)
        -> (fabric: [Edge], host: [Edge])
    {
        var fabric: [Edge] = []
        var host: [Edge] = []
        var seen: [String: (line: Int, peer: String)] = [:]
        for edge in edges {
            guard edge.from != edge.to else {
                throw WiringDocument.Refusal(
                    line: edge.line,
                    reason: "a link from \(nodes[edge.from].name) to itself; a link joins two "
                        + "devices")
            }
            let isHost = roles[edge.from] == .host || roles[edge.to] == .host
            if roles[edge.from] == .host, roles[edge.to] == .host {
                throw WiringDocument.Refusal(
                    line: edge.line,
                    reason: "a link between the hosts \(nodes[edge.from].name) and "
                        + "\(nodes[edge.to].name); give one of them the attribute role with "
                        + "edge, aggregation or core")
            }
            if try isRepeated(edge, &seen) { continue }
            if isHost { host.append(edge) } else { fabric.append(edge) }
        }
        return (fabric, host)
    }

    /// Whether both ends were named by an earlier link to each other; throws when one of them was
    /// named by a link to elsewhere.
    private func isRepeated(_ edge: Edge, _ seen: inout [String: (line: Int, peer: String)])
        throws(WiringDocument.Refusal) -> Bool
    {
        let from = edge.fromPort.map { "\(edge.from)/\($0)" } ?? ""
        let to = edge.toPort.map { "\(edge.to)/\($0)" } ?? ""
        if !from.isEmpty, !to.isEmpty, seen[from]?.peer == to, seen[to]?.peer == from {
            return true
        }
        for (end, far, node, port) in [
            (from, to, edge.from, edge.fromPort), (to, from, edge.to, edge.toPort),
        ] where !end.isEmpty {
            if let earlier = seen[end] {
                throw WiringDocument.Refusal(
                    line: edge.line,
                    reason: "port \(port ?? "") of \(nodes[node].name) has a link in line "
                        + "\(earlier.line) already; a port takes one cable")
            }
            seen[end] = (edge.line, far)
        }
        return false
    }

    /// The names of the ports of links between switches; those without one get the lowest free
    /// `swpN` of their switch.
    private func namedPorts(_ links: [Edge]) throws(WiringDocument.Refusal)
        -> [(String, String)]
    {
        var taken: [Int: Set<String>] = [:]
        for edge in edges {
            if let port = edge.fromPort { taken[edge.from, default: []].insert(port) }
            if let port = edge.toPort { taken[edge.to, default: []].insert(port) }
        }
        var next: [Int: Int] = [:]
        func name(_ node: Int, _ port: String?) -> String {
            if let port { return port }
            var number = next[node] ?? 1
            while taken[node]?.contains("swp\(number)") == true { number += 1 }
            next[node] = number + 1
            return "swp\(number)"
        }
        return links.map { (name($0.from, $0.fromPort), name($0.to, $0.toPort)) }
    }
}
