/// A wiring that is no named topology: switches and links as they are, from a file. For up to some
/// thousands of switches; the named topologies compute what this one stores.
public struct GraphTopology: Hashable, Sendable {
    /// A switch of the graph.
    public struct Node: Hashable, Sendable {
        /// Its name, unique.
        public var name: String
        /// Its tier, where the file tells it or the name does; nil otherwise.
        public var tier: Tier?
        /// Whether packets are sent to it (hosts or a prefix are attached).
        public var isDestination: Bool
        /// Host ports.
        public var hostPorts: Int

        public init(name: String, tier: Tier? = nil, isDestination: Bool, hostPorts: Int = 0) {
            self.name = name
            self.tier = tier
            self.isDestination = isDestination
            self.hostPorts = hostPorts
        }
    }

    /// A link of the graph.
    public struct Edge: Hashable, Sendable {
        /// One end: a node and the name of its port.
        public var from: Int
        /// The name of the port at `from`.
        public var fromPort: String
        /// The other end.
        public var to: Int
        /// The name of the port at `to`.
        public var toPort: String
        /// The shared risk it belongs to; nil when it has none but itself.
        public var trunk: String?

        public init(from: Int, fromPort: String, to: Int, toPort: String, trunk: String? = nil) {
            self.from = from
            self.fromPort = fromPort
            self.to = to
            self.toPort = toPort
            self.trunk = trunk
        }
    }

    /// Why a graph is refused.
    public enum Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        /// No switch, or none that packets are sent to.
        case empty
        /// More switches or links than `maximumSwitches` and `maximumLinks`.
        case tooLarge(switches: Int, links: Int)
        /// Two switches of one name.
        case duplicateName(String)
        /// A link from a switch to itself, or to a node that does not exist.
        case badLink(String)
        /// Two links at one port.
        case portUsedTwice(node: String, port: String)

        public var description: String {
            switch self {
            case .empty: "the wiring has no switch that packets are sent to"
            case .tooLarge(let switches, let links):
                "the wiring has \(switches) switches and \(links) links; the most are "
                    + "\(GraphTopology.maximumSwitches) and \(GraphTopology.maximumLinks): "
                    + "use a named topology"
            case .duplicateName(let name): "two switches are named \(name)"
            case .badLink(let text): "a link that cannot be: \(text)"
            case .portUsedTwice(let node, let port): "two links at port \(port) of \(node)"
            }
        }
    }

    /// The most switches.
    public static let maximumSwitches = 8_192
    /// The most links.
    public static let maximumLinks = 262_144

    /// The switches, in the order of the file.
    public let nodes: [Node]
    /// The links, in the order of the file: the number of a link is its place.
    public let edges: [Edge]
    /// For each switch its fabric ports, in the order of their links.
    public let neighbors: [[Neighbor]]
    /// The switches that packets are sent to.
    public let destinations: [SwitchID]
    private let destinationNumbers: [Int]
    /// For each link its two ports.
    public let ports: [(lower: PortID, upper: PortID)]
    private let trunkNumbers: [Int]
    /// How many shared risks there are.
    public let trunkCount: Int

    /// A graph of these switches and links. Throws what is wrong with it.
    public init(nodes: [Node], edges: [Edge]) throws(Refusal) {
        guard nodes.count <= Self.maximumSwitches, edges.count <= Self.maximumLinks else {
            throw .tooLarge(switches: nodes.count, links: edges.count)
        }
        var names: Set<String> = []
        for node in nodes where !names.insert(node.name).inserted {
            throw .duplicateName(node.name)
        }
        self.nodes = nodes
        self.edges = edges
        var neighbors = [[Neighbor]](repeating: [], count: nodes.count)
        var ports: [(lower: PortID, upper: PortID)] = []
        var portNames: Set<String> = []
        var trunks: [String: Int] = [:]
        var trunkNumbers: [Int] = []
        var trunkCount = 0
        for (index, edge) in edges.enumerated() {
            guard nodes.indices.contains(edge.from), nodes.indices.contains(edge.to),
                edge.from != edge.to
            else { throw .badLink("\(edge.from):\(edge.fromPort) -- \(edge.to):\(edge.toPort)") }
            for (node, port) in [(edge.from, edge.fromPort), (edge.to, edge.toPort)]
            where !portNames.insert("\(node)/\(port)").inserted {
                throw .portUsedTwice(node: nodes[node].name, port: port)
            }
            let a = PortID(SwitchID(edge.from), neighbors[edge.from].count)
            let b = PortID(SwitchID(edge.to), neighbors[edge.to].count)
            neighbors[edge.from].append(Neighbor(far: b, link: LinkID(index)))
            neighbors[edge.to].append(Neighbor(far: a, link: LinkID(index)))
            let isUpward = (nodes[edge.from].tier ?? .edge) <= (nodes[edge.to].tier ?? .edge)
            ports.append(isUpward ? (a, b) : (b, a))
            if let trunk = edge.trunk {
                if trunks[trunk] == nil {
                    trunks[trunk] = trunkCount
                    trunkCount += 1
                }
                trunkNumbers.append(trunks[trunk] ?? 0)
            } else {
                trunkNumbers.append(trunkCount)
                trunkCount += 1
            }
        }
        self.neighbors = neighbors
        self.ports = ports
        self.trunkNumbers = trunkNumbers
        self.trunkCount = trunkCount
        destinations = nodes.indices.filter { nodes[$0].isDestination }.map { SwitchID($0) }
        guard !destinations.isEmpty else { throw .empty }
        var numbers = [Int](repeating: -1, count: nodes.count)
        for (number, owner) in destinations.enumerated() { numbers[owner.index] = number }
        destinationNumbers = numbers
    }

    public static func == (a: GraphTopology, b: GraphTopology) -> Bool {
        a.nodes == b.nodes && a.edges == b.edges
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(nodes)
        hasher.combine(edges)
    }

    /// The destination that a switch owns.
    public func destination(of id: SwitchID) -> DestinationID? {
        let number = destinationNumbers[id.index]
        return number < 0 ? nil : DestinationID(number)
    }

    /// The trunk that carries a link.
    public func trunk(of link: LinkID) -> TrunkID { TrunkID(trunkNumbers[link.index]) }

    /// The name of a fabric port, as the file has it.
    public func portName(_ id: PortID) -> String {
        let edge = edges[neighbors[id.owner.index][id.port].link.index]
        return edge.from == id.owner.index ? edge.fromPort : edge.toPort
    }
}
