public import KapokInference
public import KapokWorld

/// The machines of a simulated fleet.
public struct FleetConfiguration: Sendable {
    /// Machines of one kind.
    public struct Pool: Sendable {
        /// What its machines are to others.
        public var role: EngineRole
        /// How many machines.
        public var machines: Int
        /// How each one's scheduler decides.
        public var scheduler: SchedulerConfiguration
        /// How long its steps take.
        public var costs: StepCostModel

        /// A pool of equal machines.
        public init(
            role: EngineRole, machines: Int, scheduler: SchedulerConfiguration,
            costs: StepCostModel
        ) {
            self.role = role
            self.machines = machines
            self.scheduler = scheduler
            self.costs = costs
        }
    }

    /// How requests are dealt to the machines that serve clients.
    public enum Routing: String, Sendable, CaseIterable {
        case roundRobin = "round-robin"
        /// To the machine with the fewest tokens still to compute.
        case leastLoaded = "least-loaded"
        /// Requests whose prompts begin alike to the same machine; others as `leastLoaded`.
        case prefixAffinity = "prefix-affinity"
    }

    /// The machines.
    public var pools: [Pool]
    /// How requests are dealt.
    public var routing = Routing.leastLoaded
    /// Of each machine's link between prefill and decode roles.
    public var bandwidthBytesPerSecond = 1.25e9
    /// From the end of a prefill's part to the first byte at the decode role.
    public var transferLatency = Interval.microseconds(200)
    /// Bytes of a KV page.
    public var pageBytes: Int

    /// A fleet of pools.
    public init(pools: [Pool], pageBytes: Int) {
        self.pools = pools
        self.pageBytes = pageBytes
    }

    /// Why no load can be given to it; nil when one can.
    public var fault: String? {
        guard pools.allSatisfy({ $0.machines >= 0 && $0.machines <= 10_000 }) else {
            return "a pool has 0 to 10,000 machines"
        }
        func machines(_ role: EngineRole) -> Int {
            pools.reduce(0) { $1.role == role ? $0 + $1.machines : $0 }
        }
        guard machines(.alone) + machines(.decode) > 0 else {
            return "no machine serves clients: there must be one that is alone or decodes"
        }
        guard machines(.decode) == 0 || machines(.prefill) > 0 else {
            return "decode roles need at least one prefill role"
        }
        guard bandwidthBytesPerSecond > 0, pageBytes > 0 else {
            return "bandwidth and page bytes must be above 0"
        }
        return pools.lazy.compactMap(\.scheduler.fault).first
    }
}
