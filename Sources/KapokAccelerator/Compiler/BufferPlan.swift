/// Decides how many buffers pools get, and where they lie.
///
/// Every pool needs as many as tiles live at the same time in the kernel's order. More buffers let
/// whoever fills them run ahead; what memory is left is shared out by a policy. A pool whose next
/// buffer does not fit any more stays, and the others go on.
struct BufferPlan {
    /// How memory that is left is shared out.
    enum Policy: Hashable, Sendable {
        /// All pools reach equally far ahead in the kernel's order: for tiles that are loaded.
        case reach
        /// All pools get the same multiple of what they need: for the few banks of PSUM.
        case multiple
    }

    private let capacity: Int
    private let maximumExtra: Int
    private var pools: [TilePool]
    private var frozen: [Bool]

    /// - Parameter maximumExtra: most buffers of a pool beyond those that it needs.
    init(_ pools: [TilePool], capacity: Int, maximumExtra: Int) {
        self.pools = pools
        self.capacity = capacity
        self.maximumExtra = maximumExtra
        frozen = Array(repeating: false, count: pools.count)
    }

    /// The pools with buffers and addresses; nil when the least that they need does not fit.
    ///
    /// - Parameter share: which part of the possible reach is used, 0 to 1.
    consuming func solve(share: Double, policy: Policy) -> [TilePool]? {
        guard pack() != nil else { return nil }
        if policy == .multiple {
            multiply()
        } else if share > 0 {
            let reach = expand()
            if share < 1 {
                for pool in pools.indices {
                    pools[pool].buffers = min(pools[pool].buffers, wanted(pool, reach * share))
                }
            }
        }
        return packed()
    }

    /// The pools with the buffers that they have, and addresses; nil when memory does not suffice.
    consuming func packed() -> [TilePool]? {
        guard let bases = pack() else { return nil }
        for pool in pools.indices { pools[pool].base = bases[pool] }
        return pools
    }

    /// Gives one more buffer to the pool with the smallest multiple of its need, while any fits.
    private mutating func multiply() {
        while true {
            let open = pools.indices.filter { !frozen[$0] }
            let poorest = open.min {
                pools[$0].buffers * pools[$1].live < pools[$1].buffers * pools[$0].live
            }
            guard let poorest else { return }
            let pool = pools[poorest]
            pools[poorest].buffers += 1
            if pool.buffers >= min(pool.tiles.count, pool.live + maximumExtra) || pack() == nil {
                pools[poorest].buffers = pool.buffers
                frozen[poorest] = true
            }
        }
    }

    /// Raises the numbers of buffers as far as memory goes; returns how far ahead the best pool
    /// reaches.
    private mutating func expand() -> Double {
        let longest = Double(pools.map { $0.last - $0.first + 1 }.max() ?? 0)
        var low = 0.0
        while frozen.contains(false) {
            if fits(reach: longest) {
                low = longest
                break
            }
            var high = longest
            for _ in 0..<32 where high - low > 0.5 {
                let middle = (low + high) / 2
                if fits(reach: middle) { low = middle } else { high = middle }
            }
            set(reach: low)
            freezeNext(after: low)
        }
        set(reach: low)
        return low
    }

    /// Buffers of a pool that reaches `reach` bundles ahead.
    private func wanted(_ index: Int, _ reach: Double) -> Int {
        let pool = pools[index]
        let rate = Double(pool.tiles.count) / Double(pool.last - pool.first + 1)
        return min(pool.tiles.count, pool.live + min(maximumExtra, Int(rate * reach)))
    }

    private mutating func set(reach: Double) {
        for pool in pools.indices where !frozen[pool] {
            pools[pool].buffers = wanted(pool, reach)
        }
    }

    private func fits(reach: Double) -> Bool {
        var trial = self
        trial.set(reach: reach)
        return trial.pack() != nil
    }

    /// Freezes the pool that asks for its next buffer first.
    private mutating func freezeNext(after reach: Double) {
        var next: Int?
        var earliest = Double.infinity
        for index in pools.indices where !frozen[index] {
            let pool = pools[index]
            let rate = Double(pool.tiles.count) / Double(pool.last - pool.first + 1)
            let isFull =
                pool.buffers >= min(pool.tiles.count, pool.live + maximumExtra)
            let moment = isFull ? reach : Double(pool.buffers - pool.live + 1) / rate
            if moment < earliest {
                earliest = moment
                next = index
            }
        }
        if let next { frozen[next] = true }
    }

    /// Addresses for all pools, those that are in use at the same time side by side; nil when
    /// memory does not suffice.
    private func pack() -> [Int]? {
        var bases = [Int](repeating: 0, count: pools.count)
        var placed: [Int] = []
        let order = pools.indices.sorted {
            (-pools[$0].extent(pools[$0].buffers), $0) < (-pools[$1].extent(pools[$1].buffers), $1)
        }
        for index in order {
            let pool = pools[index]
            let size = pool.extent(pool.buffers)
            let beside = placed.filter {
                pools[$0].first <= pool.last && pool.first <= pools[$0].last
            }.sorted { bases[$0] < bases[$1] }
            var base = 0
            for other in beside {
                if bases[other] - base >= size { break }
                base = max(base, bases[other] + pools[other].extent(pools[other].buffers))
            }
            guard base + size <= capacity else { return nil }
            bases[index] = base
            placed.append(index)
        }
        return bases
    }
}
