/// Tiles that take turns in the same buffers.
struct TilePool: Sendable {
    /// SBUF or PSUM.
    var space: MemorySpace
    /// Bytes of a buffer in each partition.
    var slotBytes: Int
    /// Buffers that lie side by side at the same address, in different partitions.
    var lanes: Int
    /// Its tiles, by first use.
    var tiles: [UInt32] = []
    /// From the first to the last bundle that touches any of them.
    var first: Int32 = .max
    var last: Int32 = -1
    /// Most tiles that live at the same time.
    var live = 0
    /// Buffers.
    var buffers = 0
    /// Address of the first buffer.
    var base = 0
    /// Bytes of a PSUM bank, and whether a bank may hold more than one buffer.
    let bank: Int
    var sharesBanks = false

    /// Bytes that `count` buffers take in each partition.
    func extent(_ count: Int) -> Int {
        switch space {
        case .psum: (count + buffersPerBank - 1) / buffersPerBank * bankSpan
        default: (count + lanes - 1) / lanes * slotBytes
        }
    }

    /// Where buffer `index` lies: its address, and its first partition.
    func place(_ index: Int) -> (offset: Int, partition: Int) {
        guard space == .psum else {
            return (base + index / lanes * slotBytes, index % lanes * (128 / lanes))
        }
        // Neighbours lie in different banks, so that engines do not meet.
        let banks = extent(buffers) / bankSpan
        return (base + index % banks * bankSpan + index / banks * slotBytes, 0)
    }

    /// Most of `tiles`, which stand in order of first use, that live at the same time.
    static func mostAlive(_ tiles: [UInt32], _ lifetimes: TileLifetimes) -> Int {
        let lasts = tiles.map { lifetimes.last[Int($0)] }.sorted()
        var most = 0
        var ended = 0
        for (begun, tile) in tiles.enumerated() {
            while lasts[ended] < lifetimes.first[Int(tile)] { ended += 1 }
            most = max(most, begun + 1 - ended)
        }
        return most
    }

    private var bankSpan: Int { (slotBytes + bank - 1) / bank * bank }
    private var buffersPerBank: Int { sharesBanks ? max(1, bank / slotBytes) : 1 }
}

/// What tiles of a pool have in common.
enum PoolSharing: Sendable {
    /// The source line that makes them, and their size.
    case line
    /// Their size only: fewer buffers are needed, but lines wait for each other.
    case size
}

/// How a kernel's tiles are divided into pools.
struct TilePools: Sendable {
    /// The pools of SBUF and of PSUM.
    var sbuf: [TilePool] = []
    var psum: [TilePool] = []

    /// Addresses in SBUF are multiples of it.
    static let alignment = 4

    /// - Parameter stacks: whether small tiles may lie beside each other in different partitions.
    init(
        _ kernel: WorkingKernel, _ lifetimes: TileLifetimes, machine: Machine,
        sharing: PoolSharing, stacks: Bool
    ) {
        let atZero = stacks ? Self.operandsOfTensorEngine(kernel) : []
        var index: [PoolKey: Int] = [:]
        var pools: [TilePool] = []
        let order = kernel.tiles.indices
            .filter { lifetimes.first[$0] != TileLifetimes.unused }
            .sorted { (lifetimes.first[$0], $0) < (lifetimes.first[$1], $1) }
        for tile in order {
            let declaration = kernel.tiles[tile]
            let bytes = max(1, declaration.bytesPerPartition)
            let size = (bytes + Self.alignment - 1) / Self.alignment * Self.alignment
            var lanes = 1
            if stacks, declaration.space == .sbuf, !atZero[tile] {
                lanes =
                    declaration.partitionCount <= 32 ? 4 : declaration.partitionCount <= 64 ? 2 : 1
            }
            let key = PoolKey(
                space: declaration.space, size: size, lanes: lanes,
                line: sharing == .line ? declaration.line : 0)
            let pool = index[key] ?? pools.count
            if pool == pools.count {
                index[key] = pool
                pools.append(
                    TilePool(
                        space: declaration.space, slotBytes: size, lanes: lanes,
                        bank: machine.psumBankBytes))
            }
            pools[pool].tiles.append(UInt32(tile))
            pools[pool].first = min(pools[pool].first, lifetimes.first[tile])
            pools[pool].last = max(pools[pool].last, lifetimes.last[tile])
        }
        for pool in pools.indices {
            pools[pool].live = TilePool.mostAlive(pools[pool].tiles, lifetimes)
            pools[pool].buffers = pools[pool].live
        }
        sbuf = pools.filter { $0.space == .sbuf }
        psum = pools.filter { $0.space == .psum }
    }

    private struct PoolKey: Hashable {
        var space: MemorySpace
        var size: Int
        var lanes: Int
        var line: UInt32
    }

    /// Rows of the array are partitions: its operands begin at partition 0.
    private static func operandsOfTensorEngine(_ kernel: WorkingKernel) -> [Bool] {
        var result = [Bool](repeating: false, count: kernel.tiles.count)
        for instruction in kernel.instructions where instruction.engine == .tensor {
            let operands = OperandAccesses(instruction)
            for slot in 0..<operands.count {
                let pattern = kernel.patterns[Int(operands[slot].pattern)]
                if pattern.space != .hbm { result[Int(pattern.tile)] = true }
            }
        }
        return result
    }
}
