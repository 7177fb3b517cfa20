/// A fabric: a Clos network by arithmetic, or a wiring as it is. All that plans, checks, simulates
/// or explains asks this one type, so that everything works on every wiring.
public enum Fabric: Hashable, Sendable {
    /// A named topology that arithmetic describes.
    case clos(ClosTopology)
    /// Anything else.
    case graph(GraphTopology)

    /// Switches.
    public var switchCount: Int {
        switch self {
        case .clos(let clos): clos.switchCount
        case .graph(let graph): graph.nodes.count
        }
    }

    /// Links between switches.
    public var linkCount: Int {
        switch self {
        case .clos(let clos): clos.linkCount
        case .graph(let graph): graph.edges.count
        }
    }

    /// Links to hosts.
    public var hostLinkCount: Int {
        switch self {
        case .clos(let clos): clos.hostLinkCount
        case .graph(let graph): graph.nodes.reduce(0) { $0 + $1.hostPorts }
        }
    }

    /// Destinations.
    public var destinationCount: Int {
        switch self {
        case .clos(let clos): clos.destinationCount
        case .graph(let graph): graph.destinations.count
        }
    }

    /// Trunks (shared risks).
    public var trunkCount: Int {
        switch self {
        case .clos(let clos): clos.trunkCount
        case .graph(let graph): graph.trunkCount
        }
    }

    /// Ports of a switch that lead to other switches: `0 ..< fabricPortCount`.
    public func fabricPortCount(of id: SwitchID) -> Int {
        switch self {
        case .clos(let clos): clos.fabricPortCount(of: id)
        case .graph(let graph): graph.neighbors[id.index].count
        }
    }

    /// Ports of a switch that lead to hosts; their numbers follow those of the fabric ports.
    public func hostPortCount(of id: SwitchID) -> Int {
        switch self {
        case .clos(let clos): clos.hostPortCount(of: id)
        case .graph(let graph): graph.nodes[id.index].hostPorts
        }
    }

    /// What stands at the far end of a fabric port; nil for ports that do not exist.
    public func neighbor(of id: SwitchID, port: Int) -> Neighbor? {
        switch self {
        case .clos(let clos): return clos.neighbor(of: id, port: port)
        case .graph(let graph):
            let all = graph.neighbors[id.index]
            return all.indices.contains(port) ? all[port] : nil
        }
    }

    /// The two ends of a link, the lower tier first.
    public func ends(of link: LinkID) -> (lower: PortID, upper: PortID) {
        switch self {
        case .clos(let clos): clos.ends(of: link)
        case .graph(let graph): graph.ports[link.index]
        }
    }

    /// The switch that owns a destination.
    public func owner(of destination: DestinationID) -> SwitchID {
        switch self {
        case .clos(let clos): clos.owner(of: destination)
        case .graph(let graph): graph.destinations[destination.index]
        }
    }

    /// The destination that a switch owns.
    public func destination(of id: SwitchID) -> DestinationID? {
        switch self {
        case .clos(let clos): clos.destination(of: id)
        case .graph(let graph): graph.destination(of: id)
        }
    }

    /// The trunk that carries a link.
    public func trunk(of link: LinkID) -> TrunkID {
        switch self {
        case .clos(let clos): clos.trunk(of: link)
        case .graph(let graph): graph.trunk(of: link)
        }
    }

    /// The tier of a switch; nil where a wiring does not tell.
    public func tier(of id: SwitchID) -> Tier? {
        switch self {
        case .clos(let clos): clos.position(of: id).tier
        case .graph(let graph): graph.nodes[id.index].tier
        }
    }

    /// The plane of a switch: packets never leave their plane. A wiring as it is has one.
    public func plane(of id: SwitchID) -> Int {
        switch self {
        case .clos(let clos): id.index / clos.switchesPerPlane
        case .graph: 0
        }
    }
}
