/// What was seen, held against what was planned, and the fewest replugs between the two.
///
/// **What counts as a cable.** A cable is seen when a port reports a neighbour and the neighbour
/// reports it back, or reports nothing. Where two reports contradict each other neither counts, and
/// both are listed. A port that saw nothing has no cable, as far as anyone can tell.
///
/// **Links to servers** are part of the comparison only when some row names a server as the plan
/// does. Otherwise rows at host ports are passed over unless they name a port of a planned switch.
public struct WiringVerification: Sendable {
    /// A cable between two ports, by name.
    public struct Pair: Hashable, Sendable, CustomStringConvertible {
        /// One end.
        public var a: SeenReport.End
        /// The other end.
        public var b: SeenReport.End

        public init(_ a: SeenReport.End, _ b: SeenReport.End) {
            self.a = a
            self.b = b
        }

        public var description: String { "\(a) -- \(b)" }
    }

    /// Links that are as planned.
    public private(set) var correct = 0
    /// Cables between ports of the plan that should not be joined.
    public private(set) var wrong: [Pair] = []
    /// Cables with an end that the plan does not know; the known end first where there is one.
    public private(set) var unknown: [Pair] = []
    /// Planned links that were not seen.
    public private(set) var missing: [Pair] = []
    /// Shared risks of two or more links of which none was seen as planned: a trunk that was not
    /// laid, or whose connector is in the wrong place.
    public private(set) var wholeTrunks: [TrunkID] = []
    /// Rows that contradict others.
    public private(set) var contradictions: [SeenReport.Row] = []
    /// Rows that were passed over: at host ports, and between devices outside the plan.
    public private(set) var passedOver = 0
    /// Whether links to servers were compared.
    public private(set) var includesHosts = false
    /// What must be done, in an order in which every port is free when a plug goes in.
    public private(set) var steps: [SwapStep] = []

    /// Ends that are touched: the cost that `SwapList` makes least.
    public var replugs: Int { steps.reduce(0) { $0 + $1.cost } }

    /// Whether everything that was planned was seen, and nothing else.
    public var isCorrect: Bool { missing.isEmpty && wrong.isEmpty && unknown.isEmpty }

    /// Compares. Takes O(ports + rows).
    public init(_ report: SeenReport, against fabric: Fabric, topologyName: String) {
        let plan = PlannedPorts(fabric, topologyName: topologyName)
        var ports = SeenPorts(plan)
        for row in report.rows { ports.add(row) }
        includesHosts = ports.namesServers
        passedOver = ports.settle(includesHosts: includesHosts)
        contradictions = ports.contradictions.sorted()
            .map { report.rows[$0] }
        var seen: [(Int, Int)] = []
        var planned: [(Int, Int)] = []
        for (port, far) in ports.peers.enumerated() where Int(far) > port {
            if port < plan.count, Int(plan.peers[port]) == Int(far) {
                correct += 1
                continue
            }
            seen.append((port, Int(far)))
            let pair = Pair(ports.end(port), ports.end(Int(far)))
            if Int(far) < plan.count { wrong.append(pair) } else { unknown.append(pair) }
        }
        for (port, far) in plan.peers.enumerated() where Int(far) > port {
            if plan.isHostSide(port), !includesHosts { continue }
            if ports.peers[port] == far { continue }
            planned.append((port, Int(far)))
            missing.append(Pair(plan.end(port), plan.end(Int(far))))
        }
        wholeTrunks = Self.wholeTrunks(fabric) {
            Int(ports.peers[plan.number(of: $0)]) == plan.number(of: $1)
        }
        let list = SwapList(seen: seen, planned: planned, portCount: ports.peers.count) {
            $0 >= plan.count
        }
        steps = list.steps.map { $0.named { ports.end($0) } }
    }

    private static func wholeTrunks(_ fabric: Fabric, isThere: (PortID, PortID) -> Bool)
        -> [TrunkID]
    {
        var links = [Int32](repeating: 0, count: fabric.trunkCount)
        var missing = links
        for index in 0..<fabric.linkCount {
            let (lower, upper) = fabric.ends(of: LinkID(index))
            let trunk = fabric.trunk(of: LinkID(index)).index
            links[trunk] += 1
            if !isThere(lower, upper) { missing[trunk] += 1 }
        }
        return links.indices.filter { links[$0] > 1 && missing[$0] == links[$0] }
            .map { TrunkID($0) }
    }
}

/// The ports of a plan and those that only the report knows, each with what it sees.
private struct SeenPorts {
    private let plan: PlannedPorts
    private(set) var peers: [Int32]
    /// The row that said so; -1 where none did.
    private var rows: [Int32]
    private var foreign: [SeenReport.End: Int] = [:]
    private var foreignEnds: [SeenReport.End] = []
    private(set) var contradictions: Set<Int> = []
    private(set) var namesServers = false
    private var count = 0

    init(_ plan: PlannedPorts) {
        self.plan = plan
        peers = Array(repeating: -1, count: plan.count)
        rows = peers
    }

    func end(_ port: Int) -> SeenReport.End {
        port < plan.count ? plan.end(port) : foreignEnds[port - plan.count]
    }

    private mutating func number(of end: SeenReport.End) -> Int {
        if let known = plan.number(of: end) ?? foreign[end] { return known }
        let number = peers.count
        foreign[end] = number
        foreignEnds.append(end)
        peers.append(-1)
        rows.append(-1)
        return number
    }

    mutating func add(_ row: SeenReport.Row) {
        let local = number(of: row.local)
        let peer = number(of: row.peer)
        for port in [local, peer] where port >= plan.switchPortCount && port < plan.count {
            namesServers = true
        }
        if peers[local] >= 0, Int(peers[local]) != peer {
            contradictions.insert(Int(rows[local]))
            contradictions.insert(count)
        } else if local == peer {
            contradictions.insert(count)
        } else {
            peers[local] = Int32(peer)
            rows[local] = Int32(count)
        }
        count += 1
    }

    /// Makes `peers` mutual: drops what contradicts, what is outside the plan, and what is about
    /// servers where these do not count. Returns how many rows were passed over.
    mutating func settle(includesHosts: Bool) -> Int {
        var passed = 0
        for port in peers.indices where peers[port] >= 0 {
            let far = Int(peers[port])
            // Cables outside the plan; and servers under names of their own.
            let isOutside = port >= plan.count && far >= plan.count
            let isServer = [(port, far), (far, port)].contains { here, there in
                !includesHosts && here < plan.count && plan.isHostSide(here)
                    && there >= plan.count
            }
            guard isOutside || isServer else { continue }
            drop(port)
            passed += 1
        }
        if !contradictions.isEmpty {
            for port in peers.indices where contradictions.contains(Int(rows[port])) {
                drop(port)
            }
        }
        // Ports that are claimed from elsewhere than where they look, or from several sides.
        var claims = [Int32](repeating: -1, count: peers.count)
        var isDropped = [Bool](repeating: false, count: peers.count)
        for port in peers.indices where peers[port] >= 0 {
            let far = Int(peers[port])
            if peers[far] >= 0, Int(peers[far]) != port {
                isDropped[port] = true
                isDropped[far] = true
            } else if peers[far] < 0 {
                if claims[far] >= 0 {
                    isDropped[port] = true
                    isDropped[Int(claims[far])] = true
                }
                claims[far] = Int32(port)
            }
        }
        for port in peers.indices where isDropped[port] {
            if rows[port] >= 0 { contradictions.insert(Int(rows[port])) }
        }
        for port in peers.indices where isDropped[port] { drop(port) }
        for port in peers.indices where peers[port] >= 0 {
            let far = Int(peers[port])
            if peers[far] < 0 { peers[far] = Int32(port) }
        }
        return passed
    }

    private mutating func drop(_ port: Int) {
        peers[port] = -1
        rows[port] = -1
    }
}
