/// All ports of a plan under one numbering: those of the switches, then the server ports. What a
/// number's far end is, is one look into an array.
struct PlannedPorts: Sendable {
    let fabric: Fabric
    let servers: ServerLayout
    /// Where the ports of each switch begin; one more at the end.
    private let firstPorts: [Int32]
    /// Where the host ports of each switch begin, counted over all host ports.
    private let firstHosts: [Int32]
    /// The planned far end of each port.
    let peers: [Int32]
    private let switchNumbers: [String: Int]
    private let portNumbers: [[String: Int]]

    /// How many ports of switches there are; server ports follow.
    var switchPortCount: Int { Int(firstPorts[fabric.switchCount]) }
    /// How many there are in all.
    var count: Int { peers.count }

    init(_ fabric: Fabric, topologyName: String) {
        self.fabric = fabric
        servers = ServerLayout(fabric, topologyName: topologyName)
        var firstPorts: [Int32] = [0]
        var firstHosts: [Int32] = [0]
        for index in 0..<fabric.switchCount {
            let id = SwitchID(index)
            let hosts = fabric.hostPortCount(of: id)
            firstPorts.append(
                firstPorts[index] + Int32(fabric.fabricPortCount(of: id) + hosts))
            firstHosts.append(firstHosts[index] + Int32(hosts))
        }
        let switchPorts = firstPorts[fabric.switchCount]
        var peers = [Int32](
            repeating: -1, count: Int(switchPorts + firstHosts[fabric.switchCount]))
        for index in 0..<fabric.linkCount {
            let (lower, upper) = fabric.ends(of: LinkID(index))
            let a = firstPorts[lower.owner.index] + Int32(lower.port)
            let b = firstPorts[upper.owner.index] + Int32(upper.port)
            peers[Int(a)] = b
            peers[Int(b)] = a
        }
        for index in 0..<fabric.switchCount {
            let fabricPorts = Int32(fabric.fabricPortCount(of: SwitchID(index)))
            for host in 0..<firstHosts[index + 1] - firstHosts[index] {
                let a = firstPorts[index] + fabricPorts + host
                let b = switchPorts + firstHosts[index] + host
                peers[Int(a)] = b
                peers[Int(b)] = a
            }
        }
        self.firstPorts = firstPorts
        self.firstHosts = firstHosts
        self.peers = peers
        if case .graph(let graph) = fabric {
            switchNumbers = Dictionary(
                graph.nodes.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { a, _ in a })
            portNumbers = graph.nodes.indices.map { index in
                Dictionary(
                    WiringNames.portNames(graph, SwitchID(index)).enumerated().map { ($1, $0) },
                    uniquingKeysWith: { a, _ in a })
            }
        } else {
            switchNumbers = [:]
            portNumbers = []
        }
    }

    /// Whether a port is a host port of a switch, or a server's.
    func isHostSide(_ port: Int) -> Bool {
        port >= switchPortCount || Int(peers[port]) >= switchPortCount
    }

    /// The number of a port of a switch.
    func number(of port: PortID) -> Int { Int(firstPorts[port.owner.index]) + port.port }

    /// The switch of a name.
    func switchNamed(_ name: String) -> SwitchID? {
        if case .clos = fabric { return fabric.switchNamed(name) }
        return switchNumbers[name].map { SwitchID($0) }
    }

    /// The number of a port; nil when the plan has none of this name.
    func number(of end: SeenReport.End) -> Int? {
        if let id = switchNamed(end.device) {
            let count = Int(firstPorts[id.index + 1] - firstPorts[id.index])
            let port: Int?
            if portNumbers.isEmpty {
                port = end.port.hasPrefix("swp") ? Int(end.port.dropFirst(3)).map { $0 - 1 } : nil
            } else {
                port = portNumbers[id.index][end.port]
            }
            // Only one spelling counts: swp1, not swp01.
            guard let port, (0..<count).contains(port),
                !portNumbers.isEmpty || end.port == "swp\(port + 1)"
            else { return nil }
            return Int(firstPorts[id.index]) + port
        }
        return serverPort(end)
    }

    /// The number of a server's port, from the name that `ServerLayout` gives.
    private func serverPort(_ end: SeenReport.End) -> Int? {
        guard end.port.hasPrefix("eth"), let nic = Int(end.port.dropFirst(3)),
            (0..<servers.portsPerServer).contains(nic),
            let dash = end.device.lastIndex(of: "-"),
            let host = Int(end.device[end.device.index(after: dash)...])
        else { return nil }
        var owner: SwitchID?
        switch fabric {
        case .graph:
            let head = end.device[..<dash]
            guard head.hasSuffix("-host") else { return nil }
            owner = switchNamed(String(head.dropLast(5)))
        case .clos(let clos):
            let numbers = end.device.split(separator: "-").dropFirst().map { Int($0) ?? -1 }
            let isTwoTier = clos.shape.coresPerAggregation == 0
            guard numbers.count == (isTwoTier ? 2 : 3), numbers.allSatisfy({ $0 >= 0 }) else {
                return nil
            }
            let pod = isTwoTier ? 0 : numbers[0]
            let group = numbers[isTwoTier ? 0 : 1]
            let edge = group * servers.edgesPerServer + nic % servers.edgesPerServer
            guard pod < clos.shape.pods, edge < clos.shape.edgesPerPod else { return nil }
            owner = clos.edge(plane: nic / servers.edgesPerServer, pod: pod, edge)
        }
        guard let owner, (0..<fabric.hostPortCount(of: owner)).contains(host) else { return nil }
        let number = switchPortCount + Int(firstHosts[owner.index]) + host
        return self.end(number) == end ? number : nil
    }

    /// The name of a port.
    func end(_ number: Int) -> SeenReport.End {
        if number < switchPortCount {
            let owner = Self.owner(of: number, firstPorts)
            let port = number - Int(firstPorts[owner])
            if case .graph(let graph) = fabric {
                return SeenReport.End(
                    graph.nodes[owner].name,
                    WiringNames.portNames(graph, SwitchID(owner))[port])
            }
            return SeenReport.End(fabric.name(of: SwitchID(owner)), "swp\(port + 1)")
        }
        let host = number - switchPortCount
        let owner = Self.owner(of: host, firstHosts)
        let port = host - Int(firstHosts[owner])
        let nic = servers.attachment(at: SwitchID(owner), hostPort: port).nic
        return SeenReport.End(
            servers.name(at: SwitchID(owner), hostPort: port), "eth\(nic)")
    }

    /// The last index whose start is not beyond `number` and that is not empty.
    private static func owner(of number: Int, _ starts: [Int32]) -> Int {
        var low = 0
        var high = starts.count - 1
        while high - low > 1 {
            let middle = (low + high) / 2
            if Int(starts[middle]) <= number { low = middle } else { high = middle }
        }
        return low
    }
}
