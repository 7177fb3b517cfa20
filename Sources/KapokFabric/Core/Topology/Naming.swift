extension Fabric {
    /// The name of a switch: `edge-POD-N`, `agg-POD-N`, `core-GROUP-N`; `leaf-N` and `spine-N` in
    /// two tiers; with more than one plane behind `planeN-`. Graphs keep the names of their file.
    public func name(of id: SwitchID) -> String {
        switch self {
        case .graph(let graph): return graph.nodes[id.index].name
        case .clos(let clos):
            let at = clos.position(of: id)
            let prefix = clos.shape.planes > 1 ? "plane\(at.plane)-" : ""
            let isTwoTier = clos.shape.coresPerAggregation == 0
            switch at.tier {
            case .edge where isTwoTier: return "\(prefix)leaf-\(at.group)"
            case .aggregation where isTwoTier: return "\(prefix)spine-\(at.group)"
            case .edge: return "\(prefix)edge-\(at.pod)-\(at.group)"
            case .aggregation: return "\(prefix)agg-\(at.pod)-\(at.group)"
            case .core: return "\(prefix)core-\(at.group)-\(at.member)"
            }
        }
    }

    /// The switch of a name; nil when there is none. O(1) in a Clos network, O(n) in a graph.
    public func switchNamed(_ name: String) -> SwitchID? {
        switch self {
        case .graph(let graph):
            return graph.nodes.firstIndex { $0.name == name }.map { SwitchID($0) }
        case .clos(let clos):
            var words = name.split(separator: "-", omittingEmptySubsequences: false)[...]
            var plane = 0
            if clos.shape.planes > 1 {
                guard let first = words.popFirst(), first.hasPrefix("plane"),
                    let number = Int(first.dropFirst(5))
                else { return nil }
                plane = number
            }
            let numbers = words.dropFirst().map { Int($0) ?? -1 }
            guard let kind = words.first,
                let position = Self.position(kind, numbers, plane, clos.shape)
            else { return nil }
            let id = clos.id(of: position)
            // Only the one spelling that `name(of:)` gives.
            return self.name(of: id) == name ? id : nil
        }
    }

    private static func position(
        _ kind: Substring, _ numbers: [Int], _ plane: Int, _ shape: ClosShape
    ) -> ClosPosition? {
        guard (0..<shape.planes).contains(plane), let first = numbers.first else { return nil }
        let second = numbers.count > 1 ? numbers[1] : -1
        let edges = 0..<shape.edgesPerPod
        let aggregations = 0..<shape.aggregationsPerPod
        let pods = 0..<shape.pods
        switch kind {
        case "leaf" where edges.contains(first):
            return ClosPosition(plane: plane, tier: .edge, pod: 0, group: first)
        case "spine" where aggregations.contains(first):
            return ClosPosition(plane: plane, tier: .aggregation, pod: 0, group: first)
        case "edge" where pods.contains(first) && edges.contains(second):
            return ClosPosition(plane: plane, tier: .edge, pod: first, group: second)
        case "agg" where pods.contains(first) && aggregations.contains(second):
            return ClosPosition(plane: plane, tier: .aggregation, pod: first, group: second)
        case "core"
        where aggregations.contains(first) && (0..<shape.coresPerAggregation).contains(second):
            return ClosPosition(
                plane: plane, tier: .core, pod: 0, group: first, member: second)
        default: return nil
        }
    }

    /// The name of a port: `swpN`, counted from 1, fabric ports first. Graphs keep their file's.
    public func portName(_ id: PortID) -> String {
        if case .graph(let graph) = self, id.port < graph.neighbors[id.owner.index].count {
            return graph.portName(id)
        }
        return "swp\(id.port + 1)"
    }

    /// `switch:port -- switch:port`.
    public func describe(_ link: LinkID) -> String {
        let (lower, upper) = ends(of: link)
        return "\(name(of: lower.owner)):\(portName(lower)) -- "
            + "\(name(of: upper.owner)):\(portName(upper))"
    }
}
