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

    /// Layouts that differ from `layout` in PSUM only: one pool gives a buffer up, and another one
    /// takes what it can from that.
    func psumNeighbours(of layout: PoolLayout) -> [[TilePool]] {
        let sbuf = layout.pools.filter { $0.space == .sbuf }
        let psum = layout.pools.filter { $0.space == .psum }
        var result: [[TilePool]] = []
        for giver in psum.indices where psum[giver].buffers > psum[giver].live {
            for taker in psum.indices
            where taker != giver && psum[taker].buffers < psum[taker].tiles.count {
                var changed = psum
                changed[giver].buffers -= 1
                changed[taker].buffers += 1
                let plan = BufferPlan(
                    changed, capacity: machine.psumBytesPerPartition, maximumExtra: maximumExtra)
                if let packed = plan.packed() { result.append(sbuf + packed) }
            }
        }
        return result
    }

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
