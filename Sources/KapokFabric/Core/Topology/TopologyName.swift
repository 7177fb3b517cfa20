/// A topology as scripts write it. Small and capital letters are the same.
///
/// - `leafspine:LEAVES,SPINES,HOSTS`: two tiers; HOSTS host ports a leaf.
/// - `fattree:K` (`kK` for short): three tiers of switches with K ports, K even.
/// - `ab:K`: the fat tree with AB wiring (F10, NSDI 2013).
/// - `rail:UNITS,RAILS,SPINES,HOSTS`: NIC i of each of HOSTS servers of a unit at leaf i. With one
///   unit the SPINES join the rails; with more each rail is a plane of its own that joins its
///   leaves of all units.
/// - `dualtor:PAIRS,SPINES,HOSTS`: two leaves a rack, HOSTS servers with a port at both.
/// - `planes:P,NAME`: P separate copies; hosts have a port in each.
public struct TopologyName: Hashable, Sendable, CustomStringConvertible {
    /// As it was written, in small letters.
    public var description: String
    /// What it names.
    public var fabric: Fabric

    /// Why a name is refused.
    public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        /// What is wrong, and what would be right.
        public var description: String
    }

    /// The most links, to hosts and between switches, of a named topology.
    public static let maximumLinks = 1 << 24

    /// Reads a name.
    public init(_ text: String) throws(Refusal) {
        let name = text.lowercased()
        description = name
        fabric = try Self.parse(name[...], planes: 1)
        let links = fabric.linkCount + fabric.hostLinkCount
        guard links <= Self.maximumLinks else {
            throw Refusal(
                description: "\(name) has \(links) links; the most are \(Self.maximumLinks)")
        }
    }

    private static func parse(_ name: Substring, planes: Int) throws(Refusal) -> Fabric {
        if name.first == "k", let k = Int(name.dropFirst()) {
            return .clos(ClosTopology(try fatTree(k, planes)))
        }
        guard let colon = name.firstIndex(of: ":") else { throw unknown(name) }
        let kind = name[..<colon]
        let rest = name[name.index(after: colon)...]
        if kind == "planes" {
            guard let comma = rest.firstIndex(of: ","), planes == 1 else { throw unknown(name) }
            let count = try numbers(rest[..<comma], name, [("P", 1...64)])[0]
            return try parse(rest[rest.index(after: comma)...], planes: count)
        }
        switch kind {
        case "leafspine":
            let n = try numbers(
                rest, name, [("LEAVES", 1...8192), ("SPINES", 1...1024), ("HOSTS", 0...1024)])
            return .clos(
                ClosTopology(
                    ClosShape(
                        planes: planes, pods: 1, edgesPerPod: n[0], aggregationsPerPod: n[1],
                        coresPerAggregation: 0, hostsPerEdge: n[2])))
        case "fattree":
            return .clos(
                ClosTopology(
                    try fatTree(try numbers(rest, name, [("K", 2...256)])[0], planes)))
        case "dualtor":
            let n = try numbers(
                rest, name, [("PAIRS", 1...4096), ("SPINES", 1...1024), ("HOSTS", 0...1024)])
            return .clos(
                ClosTopology(
                    ClosShape(
                        planes: planes, pods: 1, edgesPerPod: 2 * n[0], aggregationsPerPod: n[1],
                        coresPerAggregation: 0, hostsPerEdge: n[2])))
        case "rail":
            let n = try numbers(
                rest, name,
                [
                    ("UNITS", 1...1024), ("RAILS", 1...64), ("SPINES", 1...1024),
                    ("HOSTS", 0...1024),
                ])
            // One unit: its rails are the leaves. More: leaf r of every unit joins rail plane r.
            let isOneUnit = n[0] == 1
            return .clos(
                ClosTopology(
                    ClosShape(
                        planes: isOneUnit ? planes : planes * n[1], pods: 1,
                        edgesPerPod: isOneUnit ? n[1] : n[0], aggregationsPerPod: n[2],
                        coresPerAggregation: 0, hostsPerEdge: n[3])))
        case "ab":
            let k = try numbers(rest, name, [("K", 4...32)])[0]
            guard k % 2 == 0, planes == 1 else {
                throw Refusal(description: "\(name): K must be even, and AB wiring has one plane")
            }
            return .graph(try abWiring(k))
        default: throw unknown(name)
        }
    }

    private static func fatTree(_ k: Int, _ planes: Int) throws(Refusal) -> ClosShape {
        guard k >= 2, k <= 256, k % 2 == 0 else {
            throw Refusal(
                description: "fattree:\(k): K is the number of ports, even, from 2 to 256")
        }
        var shape = ClosShape.fatTree(k)
        shape.planes = planes
        return shape
    }

    private static func numbers(
        _ text: Substring, _ name: Substring, _ bounds: [(String, ClosedRange<Int>)]
    ) throws(Refusal) -> [Int] {
        let words = text.split(separator: ",", omittingEmptySubsequences: false)
        let wanted = bounds.map(\.0).joined(separator: ",")
        guard words.count == bounds.count else {
            throw Refusal(description: "\(name): expected \(wanted) behind the colon")
        }
        var values: [Int] = []
        for (word, bound) in zip(words, bounds) {
            guard let value = Int(word), bound.1.contains(value) else {
                throw Refusal(
                    description: "\(name): \(bound.0) must be a number from "
                        + "\(bound.1.lowerBound) to \(bound.1.upperBound), not \"\(word)\"")
            }
            values.append(value)
        }
        return values
    }

    private static func unknown(_ name: Substring) -> Refusal {
        Refusal(
            description: "unknown topology \"\(name)\"; write leafspine:LEAVES,SPINES,HOSTS, "
                + "fattree:K, ab:K, rail:UNITS,RAILS,SPINES,HOSTS, dualtor:PAIRS,SPINES,HOSTS "
                + "or planes:P,NAME")
    }

    /// The fat tree whose odd pods (type B) are joined to the cores by columns instead of rows: in
    /// an A pod aggregation switch i reaches cores (i, *), in a B pod cores (*, i), so that the
    /// loss of a core or aggregation switch leaves a short way through a pod of the other type
    /// (F10, section 3).
    private static func abWiring(_ k: Int) throws(Refusal) -> GraphTopology {
        let half = k / 2
        let plain = Fabric.clos(ClosTopology(.fatTree(k)))
        guard case .clos(let clos) = plain else { throw Refusal(description: "unreachable") }
        let nodes = (0..<clos.switchCount).map { index in
            let id = SwitchID(index)
            let tier = clos.position(of: id).tier
            return GraphTopology.Node(
                name: plain.name(of: id), tier: tier, isDestination: tier == .edge,
                hostPorts: tier == .edge ? half : 0)
        }
        let edges = (0..<clos.linkCount).map { index in
            var (lower, upper) = clos.ends(of: LinkID(index))
            if case .upper(_, let pod, let aggregation, let core) = clos.kind(of: LinkID(index)),
                pod % 2 == 1
            {
                upper = PortID(clos.core(plane: 0, aggregation: core, aggregation), pod)
                lower = PortID(lower.owner, half + core)
            }
            return GraphTopology.Edge(
                from: lower.owner.index, fromPort: "swp\(lower.port + 1)",
                to: upper.owner.index, toPort: "swp\(upper.port + 1)",
                trunk: "t\(clos.trunk(of: LinkID(index)).index)")
        }
        do { return try GraphTopology(nodes: nodes, edges: edges) } catch {
            throw Refusal(description: error.description)
        }
    }
}
