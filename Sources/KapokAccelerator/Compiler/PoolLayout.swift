/// A kernel with its tiles in their places, and the dependences that follow from that.
struct PoolLayout: Sendable {
    /// The pools with their buffers.
    var pools: [TilePool]
    /// Where each tile lies.
    var placement: TilePlacement
    /// The kernel's patterns, with addresses.
    var patterns: [AccessPattern]
    /// All dependences among the kernel's instructions.
    var dependences: DependenceGraph

    init(_ kernel: WorkingKernel, _ lifetimes: TileLifetimes, pools: [TilePool]) {
        self.pools = pools
        placement = TilePlacement(pools, lifetimes: lifetimes, tileCount: kernel.tiles.count)
        patterns = placement.relocate(kernel.patterns)
        dependences = DependenceGraph(
            kernel.instructions, patterns: patterns, tensors: kernel.tensors)
    }

    /// What reports say about the pools.
    func report(_ kernel: WorkingKernel) -> [BufferPool] {
        pools.map { pool in
            let first = kernel.tiles[Int(pool.tiles[0])]
            return BufferPool(
                name: first.name, line: kernel.lines.known(first.line), space: pool.space,
                bytesPerPartition: pool.slotBytes, tiles: pool.tiles.count, live: pool.live,
                buffers: pool.buffers)
        }
    }

    /// The program's table of tiles, without first and last uses.
    func tiles(_ kernel: WorkingKernel) -> [TileAllocation] {
        kernel.tiles.indices.map { index in
            let tile = kernel.tiles[index]
            return TileAllocation(
                name: tile.name, space: tile.space, partitionStart: placement.partitions[index],
                partitionCount: tile.partitionCount, offset: placement.offsets[index],
                bytesPerPartition: tile.bytesPerPartition, type: tile.type, line: tile.line)
        }
    }
}

/// Finds places for a kernel's tiles: pools by line while memory suffices, then pools that share
/// more.
struct MemoryPlanner {
    private let kernel: WorkingKernel
    private let lifetimes: TileLifetimes
    private let machine: Machine
    private let maximumExtra: Int

    /// Buffers of pools that take less than this part of a memory are not worth moving.
    private static let smallestShare = 32

    init(_ kernel: WorkingKernel, machine: Machine, maximumExtra: Int) {
        self.kernel = kernel
        lifetimes = TileLifetimes(kernel)
        self.machine = machine
        self.maximumExtra = maximumExtra
    }

    /// A layout; nil when SBUF does not suffice.
    ///
    /// - Parameter share: how much of the memory that is left goes to more buffers, 0 to 1.
    /// - Throws: ``CompilerError`` when PSUM does not suffice.
    func layout(share: Double) throws(CompilerError) -> PoolLayout? {
        guard let sbuf = sbufPools(share: share) else { return nil }
        return PoolLayout(kernel, lifetimes, pools: sbuf + (try psumPools()))
    }

    /// Pools with two other numbers of buffers, and what was changed in words.
    struct Move: Sendable {
        var pools: [TilePool]
        var name: String
    }

    /// Pools that differ from those of `layout` in that one takes a buffer, and another one gives
    /// up as many as that takes, or several do. First those of PSUM, then the large ones of SBUF.
    func moves(from layout: PoolLayout) -> [Move] {
        let sbuf = layout.pools.filter { $0.space == .sbuf }
        let psum = layout.pools.filter { $0.space == .psum }
        return moves(among: psum, machine.psumBytesPerPartition).map {
            Move(pools: sbuf + $0.pools, name: $0.name)
        }
            + moves(among: sbuf, machine.sbufBytesPerPartition).map {
                Move(pools: $0.pools + psum, name: $0.name)
            }
    }

    private func moves(among pools: [TilePool], _ capacity: Int) -> [Move] {
        let large = pools.indices.filter { pools[$0].slotBytes * Self.smallestShare >= capacity }
        let takers = large.filter { pools[$0].buffers < pools[$0].tiles.count }
        var result: [Move] = []
        for giver in large {
            for taker in takers where taker != giver {
                if let move = move(pools, to: taker, from: [giver], capacity) {
                    result.append(move)
                }
            }
        }
        for taker in takers {
            let givers = large.filter { $0 != taker }
            guard let move = move(pools, to: taker, from: givers, capacity),
                givers.count(where: { move.pools[$0].buffers < pools[$0].buffers }) > 1
            else { continue }
            result.append(move)
        }
        return result
    }

    /// One more buffer for `taker`, at the cost of those of `givers` that have most to spare; nil
    /// when that does not free enough, or nothing needs to be given.
    private func move(
        _ pools: [TilePool], to taker: Int, from givers: [Int], _ capacity: Int
    ) -> Move? {
        var changed = pools
        changed[taker].buffers += 1
        while true {
            let richest = givers.filter { changed[$0].buffers > changed[$0].live }.max {
                changed[$0].buffers - changed[$0].live < changed[$1].buffers - changed[$1].live
            }
            guard let richest else { return nil }
            changed[richest].buffers -= 1
            let plan = BufferPlan(changed, capacity: capacity, maximumExtra: maximumExtra)
            guard let packed = plan.packed() else { continue }
            let touched = [taker] + givers.filter { changed[$0].buffers < pools[$0].buffers }
            let names = touched.map { "\(changed[$0].buffers) x \(name(of: pools[$0]))" }
            return Move(pools: packed, name: names.joined(separator: " and "))
        }
    }

    private func name(of pool: TilePool) -> String { kernel.tiles[Int(pool.tiles[0])].name }

    /// The layout with these pools, which must be those of another layout with other buffers.
    func layout(pools: [TilePool]) -> PoolLayout {
        PoolLayout(kernel, lifetimes, pools: pools)
    }

    private func sbufPools(share: Double) -> [TilePool]? {
        let capacity = machine.sbufBytesPerPartition
        for sharing in [PoolSharing.line, .size] {
            for stacks in [false, true] {
                let pools = TilePools(
                    kernel, lifetimes, machine: machine, sharing: sharing, stacks: stacks
                ).sbuf
                if let solved = solve(pools, capacity, share, .reach) { return solved }
            }
        }
        return nil
    }

    private func psumPools() throws(CompilerError) -> [TilePool] {
        let byLine = TilePools(
            kernel, lifetimes, machine: machine, sharing: .line, stacks: false
        ).psum
        for sharesBanks in [false, true] {
            var pools = byLine
            for index in pools.indices { pools[index].sharesBanks = sharesBanks }
            if let solved = solve(pools, machine.psumBytesPerPartition, 1, .multiple) {
                return solved
            }
        }
        throw MemoryOverflow(kernel, lifetimes, machine).error(in: .psum)
    }

    /// Buffers and addresses for `pools`, merged as far as memory demands.
    private func solve(
        _ pools: [TilePool], _ capacity: Int, _ share: Double, _ policy: BufferPlan.Policy
    ) -> [TilePool]? {
        var pools = pools
        var merger = PoolMerger(pools, lifetimes)
        while true {
            let plan = BufferPlan(pools, capacity: capacity, maximumExtra: maximumExtra)
            if let solved = plan.solve(share: share, policy: policy) { return solved }
            guard let fewer = merger.mergeOnce() else { return nil }
            pools = fewer
        }
    }

    /// Whether everything that lives at the same time fits into SBUF.
    var fitsSBUF: Bool { sbufPools(share: 0) != nil }

    /// What lives at the same time, by size.
    func spillBudget() -> SpillBudget { SpillBudget(kernel, poolsBySize) }

    /// Budgets for tiles of all sizes together.
    func spillBudgetsInBytes() -> [SpillBudget] {
        SpillBudget.inBytes(kernel, poolsBySize, capacity: machine.sbufBytesPerPartition)
    }

    private var poolsBySize: [TilePool] {
        TilePools(kernel, lifetimes, machine: machine, sharing: .size, stacks: true).sbuf
    }

    /// What does not fit into SBUF, as an error.
    func sbufOverflow() -> CompilerError {
        MemoryOverflow(kernel, lifetimes, machine).error(in: .sbuf)
    }

    /// The instruction whose operands do not fit into SBUF, as an error.
    func instructionOverflow() -> CompilerError {
        MemoryOverflow(kernel, lifetimes, machine).errorOfInstruction()
    }
}
