import KapokWorld

/// What an agent shows of itself, for `kapok fabric agent status` and scripts.
public struct AgentStatus: Codable, Hashable, Sendable {
    /// A fabric port.
    public struct Port: Codable, Hashable, Sendable {
        /// Its name: `swp1`, or what the wiring says.
        public var name: String
        /// The kernel's interface.
        public var interface: String
        /// The port at the far end: `switch:port`.
        public var neighbor: String
        /// `up`, `waiting` or `down`.
        public var state: String
        /// Why it is down; empty while it is not.
        public var reason: String
        /// Whether packets are sent here.
        public var isInUse: Bool
        /// Whether packets are sent here only where nothing else leads on.
        public var isAvoided: Bool
        /// Whether the kernel reports a carrier.
        public var hasCarrier: Bool
        /// Hellos that came, and that are missing.
        public var received: UInt64
        public var lost: UInt64
        /// How long the link must be sound before it is used again, in milliseconds.
        public var holdDownMilliseconds: UInt64
    }

    /// What the kernel holds.
    public struct Kernel: Codable, Hashable, Sendable {
        /// Next-hop objects, groups of them, and routes.
        public var ways: Int
        public var groups: Int
        public var routes: Int
        /// What is not yet written.
        public var backlog: Int
        /// Whether something is left to work out for detoured packets.
        public var isSettled: Bool
        /// Requests that the kernel refused, and the last of them.
        public var refusals: UInt64
        public var lastRefusal: String
        /// Changes of what is known, and the mean CPU time until rank 0 was in the kernel.
        public var updates: UInt64
        public var meanUpdateMicroseconds: Double
    }

    /// The switch's name; empty without a plan.
    public var name: String
    /// The switch's number.
    public var switchNumber: Int
    /// The epoch in force; nil without a plan.
    public var epoch: UInt64?
    /// The epoch of the plan that is kept for later.
    public var storedEpoch: UInt64?
    /// All in one line.
    public var summary: String
    /// The fabric ports, in order.
    public var ports: [Port]
    /// Links known to be dead, by name.
    public var dead: [String]
    /// Links that had better not be used, by name.
    public var avoided: [String]
    /// What the kernel holds.
    public var kernel: Kernel
    /// Counters by name.
    public var counters: [String: UInt64]

    init(
        _ agent: SwitchAgent, _ dataPlane: DataPlane, _ counts: AgentLoopCounts, at now: Instant
    ) {
        let snapshot = agent.snapshot(at: now)
        let fabric = agent.plan?.fabric
        name = fabric?.name(of: snapshot.switchID) ?? ""
        switchNumber = snapshot.switchID.index
        epoch = snapshot.epoch
        storedEpoch = snapshot.storedEpoch
        summary = agent.stateLine
        dead = snapshot.dead.map { fabric?.describe($0) ?? "\($0)" }
        avoided = snapshot.avoided.map { fabric?.describe($0) ?? "\($0)" }
        ports = snapshot.ports.map { port in
            let id = PortID(snapshot.switchID, port.port)
            let far = port.expected
            let names = dataPlane.layout.interfaces
            return Port(
                name: fabric?.portName(id) ?? "swp\(port.port + 1)",
                interface: names.indices.contains(port.port) ? names[port.port] : "",
                neighbor: fabric.map { "\($0.name(of: far.owner)):\($0.portName(far))" } ?? "",
                state: "\(port.state)", reason: port.reason?.rawValue ?? "",
                isInUse: port.isInUse, isAvoided: port.isAvoided, hasCarrier: port.hasCarrier,
                received: port.received, lost: port.lost,
                holdDownMilliseconds: port.holdDown.nanoseconds / 1_000_000)
        }
        let held = dataPlane.kernel.held
        let mean =
            counts.updates == 0
            ? 0 : Double(counts.updateNanoseconds) / Double(counts.updates) / 1_000
        kernel = Kernel(
            ways: held.ways, groups: held.groups, routes: held.routes,
            backlog: dataPlane.kernel.backlog,
            isSettled: dataPlane.kernel.isSettled && dataPlane.tables?.hasDeferredWork != true,
            refusals: dataPlane.kernel.counts.refusals,
            lastRefusal: dataPlane.kernel.lastRefusal ?? dataPlane.lastRefusal ?? "",
            updates: counts.updates, meanUpdateMicroseconds: mean)
        counters = agent.counters.merging(counts.byName) { $1 }
    }
}

extension AgentLoopCounts {
    /// The counters by name.
    var byName: [String: UInt64] {
        [
            "loop_turns": turns, "loop_missed_ticks": missedTicks,
            "loop_longest_lateness_microseconds": longestLateness.nanoseconds / 1_000,
            "datagrams_from_strangers": strangers, "datagrams_unsent": unsent,
            "table_updates": updates,
        ]
    }
}

/// The agent's counters in the text format of Prometheus (version 0.0.4).
enum AgentMetrics {
    static func text(
        _ agent: SwitchAgent, _ dataPlane: DataPlane, _ counts: AgentLoopCounts, at now: Instant
    ) -> String {
        let status = AgentStatus(agent, dataPlane, counts, at: now)
        let label = "{switch=\"\(status.name)\"}"
        var lines: [String] = []
        func add(_ name: String, _ type: String, _ samples: [(String, String)]) {
            lines.append("# TYPE kapok_fabric_\(name) \(type)")
            for (labels, value) in samples {
                lines.append("kapok_fabric_\(name)\(labels) \(value)")
            }
        }
        for (name, value) in status.counters.sorted(by: { $0.key < $1.key }) {
            let isGauge = name.hasSuffix("microseconds")
            add(
                isGauge ? name : "\(name)_total", isGauge ? "gauge" : "counter",
                [(label, "\(value)")])
        }
        add("epoch", "gauge", [(label, "\(status.epoch ?? 0)")])
        add("links_dead", "gauge", [(label, "\(status.dead.count)")])
        add("links_avoided", "gauge", [(label, "\(status.avoided.count)")])
        add("kernel_groups", "gauge", [(label, "\(status.kernel.groups)")])
        add("kernel_routes", "gauge", [(label, "\(status.kernel.routes)")])
        add("kernel_backlog", "gauge", [(label, "\(status.kernel.backlog)")])
        add("kernel_refusals_total", "counter", [(label, "\(status.kernel.refusals)")])
        func ports(_ value: (AgentStatus.Port) -> UInt64) -> [(String, String)] {
            status.ports.map {
                ("{switch=\"\(status.name)\",port=\"\($0.name)\"}", "\(value($0))")
            }
        }
        add("port_in_use", "gauge", ports { $0.isInUse ? 1 : 0 })
        add("port_hellos_received_total", "counter", ports(\.received))
        add("port_hellos_lost_total", "counter", ports(\.lost))
        return lines.joined(separator: "\n") + "\n"
    }
}
