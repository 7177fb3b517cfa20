/// Servers behind the host ports of a fabric, by arithmetic.
///
/// In most topologies a server has one port in each plane, at the same edge switch of each. Under
/// `dualtor` it has ports at both leaves of its pair; under `rail` with one unit at every leaf.
public struct ServerLayout: Hashable, Sendable {
    /// Edge switches of one plane that a server has a port at.
    public let edgesPerServer: Int
    /// Ports of a server.
    public let portsPerServer: Int
    /// Servers behind the same edge switches.
    public let serversPerGroup: Int
    /// All servers.
    public let serverCount: Int
    private let fabric: Fabric
    /// For a graph: the first server of each switch.
    private let firstServers: [Int]

    /// One server port of a server and the switch port that it is cabled to.
    public struct Attachment: Hashable, Sendable {
        /// The server, in `0 ..< serverCount`.
        public var server: Int
        /// Its port, in `0 ..< portsPerServer`.
        public var nic: Int
    }

    /// - Parameter topologyName: how the fabric is written, as `TopologyName` takes it; "" for
    ///   graphs.
    public init(_ fabric: Fabric, topologyName: String) {
        self.fabric = fabric
        switch fabric {
        case .clos(let clos):
            let shape = clos.shape
            let kind = topologyName.lowercased().split(separator: ",").first {
                !$0.hasPrefix("planes:")
            }
            if kind?.hasPrefix("dualtor:") == true {
                edgesPerServer = 2
            } else if kind == "rail:1" {
                edgesPerServer = shape.edgesPerPod
            } else {
                edgesPerServer = 1
            }
            portsPerServer = shape.planes * edgesPerServer
            serversPerGroup = shape.hostsPerEdge
            serverCount = clos.edgesPerPlane / edgesPerServer * shape.hostsPerEdge
            firstServers = []
        case .graph(let graph):
            edgesPerServer = 1
            portsPerServer = 1
            serversPerGroup = 0
            var first: [Int] = []
            var count = 0
            for node in graph.nodes {
                first.append(count)
                count += node.hostPorts
            }
            firstServers = first
            serverCount = count
        }
    }

    /// The server port at host port `port` (counted from the first host port) of a switch.
    public func attachment(at id: SwitchID, hostPort port: Int) -> Attachment {
        switch fabric {
        case .graph: return Attachment(server: firstServers[id.index] + port, nic: 0)
        case .clos(let clos):
            let plane = id.index / clos.switchesPerPlane
            let edge = id.index - plane * clos.switchesPerPlane
            return Attachment(
                server: edge / edgesPerServer * serversPerGroup + port,
                nic: plane * edgesPerServer + edge % edgesPerServer)
        }
    }

    /// The name of the server at a host port: `server-POD-EDGE-N`, `server-LEAF-N`, or
    /// `SWITCH-host-N` in a graph.
    public func name(at id: SwitchID, hostPort port: Int) -> String {
        switch fabric {
        case .graph(let graph): return "\(graph.nodes[id.index].name)-host-\(port)"
        case .clos(let clos):
            let edge = id.index % clos.switchesPerPlane
            let pod = edge / clos.shape.edgesPerPod
            let group = (edge - pod * clos.shape.edgesPerPod) / edgesPerServer
            return clos.shape.coresPerAggregation == 0
                ? "server-\(group)-\(port)" : "server-\(pod)-\(group)-\(port)"
        }
    }
}

/// Names of switches, ports and servers, ready to be written millions of times.
struct WiringNames {
    let fabric: Fabric
    let servers: ServerLayout
    private var switches = TextColumn()
    /// For a graph: the names of all ports, and where those of a switch begin.
    private var ports = TextColumn()
    private var firstPorts: [Int] = []

    init(_ fabric: Fabric, _ servers: ServerLayout, quoting: WiringQuoting) {
        self.fabric = fabric
        self.servers = servers
        for index in 0..<fabric.switchCount {
            switches.append(quoting.quoted(fabric.name(of: SwitchID(index))))
        }
        guard case .graph(let graph) = fabric else { return }
        for index in graph.nodes.indices {
            firstPorts.append(ports.count)
            for name in Self.portNames(graph, SwitchID(index)) {
                ports.append(quoting.quoted(name))
            }
        }
    }

    /// The ports of a switch of a graph: those of its file, and for its host ports the lowest
    /// `swpN` that the file leaves free.
    static func portNames(_ graph: GraphTopology, _ id: SwitchID) -> [String] {
        let count = graph.neighbors[id.index].count
        var names = (0..<count).map { graph.portName(PortID(id, $0)) }
        let taken = Set(names)
        var number = 1
        for _ in 0..<graph.nodes[id.index].hostPorts {
            while taken.contains("swp\(number)") { number += 1 }
            names.append("swp\(number)")
            number += 1
        }
        return names
    }

    func writeSwitch(_ id: SwitchID, to writer: WiringWriter) {
        switches.write(id.index, to: writer)
    }

    func writePort(_ port: PortID, to writer: WiringWriter) {
        if firstPorts.isEmpty {
            writer.text("swp")
            writer.number(port.port + 1)
        } else {
            ports.write(firstPorts[port.owner.index] + port.port, to: writer)
        }
    }

    func writeServer(at id: SwitchID, hostPort port: Int, to writer: WiringWriter) {
        switch fabric {
        case .graph:
            switches.write(id.index, to: writer)
            writer.text("-host-")
        case .clos(let clos):
            let edge = id.index % clos.switchesPerPlane
            let pod = edge / clos.shape.edgesPerPod
            writer.text("server-")
            if clos.shape.coresPerAggregation > 0 {
                writer.number(pod)
                writer.byte(UInt8(ascii: "-"))
            }
            writer.number((edge - pod * clos.shape.edgesPerPod) / servers.edgesPerServer)
            writer.byte(UInt8(ascii: "-"))
        }
        writer.number(port)
    }
}

/// The two ends of links in the order in which files list them.
enum TopologyEnds {
    /// As the graph's file has them, else the lower tier first.
    static func oriented(_ link: LinkID, in fabric: Fabric) -> (from: PortID, to: PortID) {
        let (lower, upper) = fabric.ends(of: link)
        if case .graph(let graph) = fabric, graph.edges[link.index].from != lower.owner.index {
            return (upper, lower)
        }
        return (lower, upper)
    }
}

/// All links to hosts: their switch and the number of the host port there, in order.
struct HostLinks {
    private let fabric: Fabric
    private let switches: Int

    init(_ fabric: Fabric) {
        self.fabric = fabric
        switches = fabric.switchCount
    }

    /// No link at all.
    init(none fabric: Fabric) {
        self.fabric = fabric
        switches = 0
    }

    func forEach(_ body: (SwitchID, Int) -> Void) {
        for index in 0..<switches {
            let id = SwitchID(index)
            for port in 0..<fabric.hostPortCount(of: id) { body(id, port) }
        }
    }
}
