import KapokWorld

/// Whose turn it is: the virtual token counter of Sheng et al., "Fairness in Serving Large Language
/// Models" (arXiv 2401.00588). Each tenant has a counter of the service that it got; the waiting
/// tenant with the smallest one is next; a tenant that had nothing to do is lifted to the smallest
/// counter of the others, so that idleness earns no credit.
struct TenantTable {
    /// What a generated token costs; a prompt token costs 1 (the paper's 2 : 1).
    static let generatedTokenCost: UInt64 = 2

    struct Tenant {
        var name: UInt32
        var weight: UInt64
        /// Service in tokens, times `scale`, divided by the weight.
        var counter: UInt64 = 0
        /// Requests that wait, oldest first, by mode.
        var standard: [Int] = []
        var optimized: [Int] = []
        /// Requests that are not over.
        var live = 0
        var liveOptimized = 0
        /// Tokens used in optimised mode in window number `window`.
        var window: UInt64 = 0
        var windowTokens = 0
        /// When it last had nothing to do any more.
        var idleSince: UInt64 = 0

        func line(_ mode: LatencyMode) -> [Int] { mode == .standard ? standard : optimized }
    }

    private static let scale: UInt64 = 1 << 16

    private(set) var tenants: [Tenant] = []
    private var indexByName: [UInt32: Int] = [:]
    private var weights: [UInt32: UInt32]
    private let limit: Int
    private var clock: UInt64 = 0
    /// The counter of whoever was served last: where newcomers begin when nobody else is there.
    private var floor: UInt64 = 0

    /// A table that remembers at least `limit` tenants; there are never more with live requests.
    init(weights: [UInt32: UInt32], limit: Int) {
        self.weights = weights
        self.limit = limit
    }

    subscript(index: Int) -> Tenant {
        _read { yield tenants[index] }
        _modify { yield &tenants[index] }
    }

    /// The index of the tenant of this name. A tenant without requests makes room when there are
    /// too many.
    mutating func index(of name: UInt32) -> Int {
        if let index = indexByName[name] { return index }
        let tenant = Tenant(name: name, weight: UInt64(max(1, weights[name] ?? 1)))
        guard tenants.count >= limit else {
            indexByName[name] = tenants.count
            tenants.append(tenant)
            return tenants.count - 1
        }
        var oldest = -1
        for index in tenants.indices where tenants[index].live == 0 {
            if oldest < 0 || tenants[index].idleSince < tenants[oldest].idleSince {
                oldest = index
            }
        }
        precondition(oldest >= 0, "more tenants with requests than requests")
        indexByName[tenants[oldest].name] = nil
        indexByName[name] = oldest
        tenants[oldest] = tenant
        return oldest
    }

    /// How many live requests a tenant has, without remembering it.
    func live(_ name: UInt32) -> Int { indexByName[name].map { tenants[$0].live } ?? 0 }

    /// Counts a request that came.
    mutating func begin(_ index: Int, mode: LatencyMode) {
        if tenants[index].live == 0 {
            var smallest = UInt64.max
            for tenant in tenants where tenant.live > 0 { smallest = min(smallest, tenant.counter) }
            let lift = smallest == .max ? floor : smallest
            tenants[index].counter = max(tenants[index].counter, lift)
        }
        tenants[index].live += 1
        if mode == .optimized { tenants[index].liveOptimized += 1 }
    }

    /// Counts a request that is over.
    mutating func end(_ index: Int, mode: LatencyMode) {
        tenants[index].live -= 1
        if mode == .optimized { tenants[index].liveOptimized -= 1 }
        clock += 1
        if tenants[index].live == 0 { tenants[index].idleSince = clock }
    }

    /// Charges service of `cost` tokens.
    mutating func charge(_ index: Int, cost: UInt64) {
        tenants[index].counter &+= cost * Self.scale / tenants[index].weight
        floor = max(floor, tenants[index].counter)
    }

    /// Puts a request into its line at `place`.
    mutating func enqueue(_ slot: Int, tenant: Int, mode: LatencyMode, at place: Int) {
        if mode == .standard {
            tenants[tenant].standard.insert(slot, at: place)
        } else {
            tenants[tenant].optimized.insert(slot, at: place)
        }
    }

    /// Takes a request out of its line.
    mutating func dequeue(_ slot: Int, tenant: Int, mode: LatencyMode) {
        guard let place = tenants[tenant].line(mode).firstIndex(of: slot) else {
            preconditionFailure("a request that waits stands in its line")
        }
        if mode == .standard {
            tenants[tenant].standard.remove(at: place)
        } else {
            tenants[tenant].optimized.remove(at: place)
        }
    }

    /// The first request in the line of the tenant whose turn it is; nil when none waits.
    func next(_ mode: LatencyMode) -> Int? {
        var best = -1
        for index in tenants.indices where !tenants[index].line(mode).isEmpty {
            if best < 0 || tenants[index].counter < tenants[best].counter { best = index }
        }
        return best < 0 ? nil : tenants[best].line(mode)[0]
    }
}
