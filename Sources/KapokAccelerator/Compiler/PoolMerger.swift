/// Lets pools share buffers whose tiles are seldom alive at the same time, while that saves memory.
///
/// A pool of its own for each line costs as many buffers as its tiles need when there are most of
/// them, even if another pool is idle just then. Merged pools need fewer, but then tiles of one
/// line wait for those of another, so this is done only as far as memory is short.
struct PoolMerger {
    private let lifetimes: TileLifetimes
    private var pools: [TilePool]

    /// Pools that are compared at most: the largest.
    private static let limit = 64

    init(_ pools: [TilePool], _ lifetimes: TileLifetimes) {
        self.lifetimes = lifetimes
        self.pools = pools
    }

    /// Merges the pair that saves most; nil when no pair saves anything.
    mutating func mergeOnce() -> [TilePool]? {
        let order = pools.indices.sorted {
            (-pools[$0].extent(pools[$0].live), $0) < (-pools[$1].extent(pools[$1].live), $1)
        }.prefix(Self.limit)
        var best: (first: Int, second: Int, saving: Int)?
        for (position, first) in order.enumerated() {
            for second in order.dropFirst(position + 1) {
                guard pools[first].mayMerge(with: pools[second]) else { continue }
                // No pair can save more than its smaller pool takes.
                let most = pools[second].extent(pools[second].live)
                if let best, best.saving >= most { continue }
                let merged = merge(pools[first], pools[second])
                let saving =
                    pools[first].extent(pools[first].live) + most - merged.extent(merged.live)
                if saving > best?.saving ?? 0 { best = (first, second, saving) }
            }
        }
        guard let best else { return nil }
        pools[best.first] = merge(pools[best.first], pools[best.second])
        pools.remove(at: best.second)
        return pools
    }

    private func merge(_ a: TilePool, _ b: TilePool) -> TilePool {
        var merged = a
        merged.slotBytes = max(a.slotBytes, b.slotBytes)
        merged.first = min(a.first, b.first)
        merged.last = max(a.last, b.last)
        merged.tiles = (a.tiles + b.tiles).sorted {
            (lifetimes.first[Int($0)], $0) < (lifetimes.first[Int($1)], $1)
        }
        merged.live = TilePool.mostAlive(merged.tiles, lifetimes)
        merged.buffers = merged.live
        return merged
    }
}

extension TilePool {
    /// Whether the same buffers could serve both.
    fileprivate func mayMerge(with other: TilePool) -> Bool {
        space == other.space && lanes == other.lanes && sharesBanks == other.sharesBanks
    }
}
