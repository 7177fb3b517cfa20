public import KapokFabric
public import KapokWorld

/// Who repairs the network.
public enum FabricProtocol: String, Hashable, Sendable, CaseIterable {
    /// Planned centrally, repaired locally: `SizeSimulation`.
    case sidr
    /// eBGP on every link, in the style of RFC 7938, with BFD.
    case bgp
    /// A link-state protocol in the style of OSPF.
    case ospf
    /// A controller that sees all and tells all.
    case central
}

/// How the wires of a fabric are, the same for all protocols that are compared on it.
public struct WireTiming: Hashable, Sendable {
    /// Metres from a host to its edge switch: within the rack.
    public var hostMetres: UInt64 = 3
    /// Metres from an edge to an aggregation switch: along a row. Also every link of a graph.
    public var lowerMetres: UInt64 = 30
    /// Metres from an aggregation switch to a core: across the hall.
    public var upperMetres: UInt64 = 200
    /// From the loss of light until the switch's software knows: the optic's loss-of-signal time
    /// (within 100 us in the CMIS and SFF-8636 module specifications), then one interrupt.
    public var carrier: Interval = .microseconds(100)

    /// Light in fibre, one way: 4.9 ns a metre.
    public static let nanosecondsPerTenMetres: UInt64 = 49

    public init() {}

    /// One way along a link between switches.
    public func propagation(of link: LinkID, in fabric: Fabric) -> Interval {
        var metres = lowerMetres
        if case .clos(let clos) = fabric, case .upper = clos.kind(of: link) { metres = upperMetres }
        return Interval(nanoseconds: metres * Self.nanosecondsPerTenMetres / 10)
    }
}

/// The links to hosts of a fabric, numbered edge switch by edge switch: `0 ..< count`.
public struct HostLinks: Sendable {
    /// How many there are.
    public let count: Int
    private let fabric: Fabric
    /// In a graph, for each switch the number of its first host link, and at the end the count.
    private let firsts: [Int]

    public init(_ fabric: Fabric) {
        self.fabric = fabric
        count = fabric.hostLinkCount
        var firsts: [Int] = []
        if case .graph(let graph) = fabric {
            firsts = [0]
            firsts.reserveCapacity(graph.nodes.count + 1)
            var next = 0
            for node in graph.nodes {
                next += node.hostPorts
                firsts.append(next)
            }
        }
        self.firsts = firsts
    }

    /// The host links of a switch; empty for a switch without hosts. O(1).
    public func range(of id: SwitchID) -> Range<Int> {
        switch fabric {
        case .clos(let clos):
            guard let destination = clos.destination(of: id) else { return 0..<0 }
            let first = destination.index * clos.shape.hostsPerEdge
            return first..<first + clos.shape.hostsPerEdge
        case .graph: return firsts[id.index]..<firsts[id.index + 1]
        }
    }

    /// The switch that a host link ends at. O(1) in a Clos network, O(log n) in a graph.
    public func owner(of hostLink: Int) -> SwitchID {
        switch fabric {
        case .clos(let clos):
            return clos.owner(of: DestinationID(hostLink / clos.shape.hostsPerEdge))
        case .graph:
            var low = 0
            var high = firsts.count - 1
            while high - low > 1 {
                let middle = (low + high) / 2
                if firsts[middle] <= hostLink { low = middle } else { high = middle }
            }
            return SwitchID(low)
        }
    }
}
