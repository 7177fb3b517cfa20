/// The bundles that touch each tile, in order: flat arrays.
struct TileUses: Sendable {
    private var start: [Int]
    private var bundles: [Int32]

    /// Stands for a tile that nothing touches any more.
    static let never: Int32 = .max

    init(_ kernel: WorkingKernel) {
        var counts = [Int](repeating: 0, count: kernel.tiles.count + 1)
        Self.visit(kernel) { tile, _ in counts[tile + 1] += 1 }
        for tile in kernel.tiles.indices { counts[tile + 1] += counts[tile] }
        start = counts
        var found = [Int32](repeating: 0, count: counts[kernel.tiles.count])
        Self.visit(kernel) { tile, bundle in
            found[counts[tile]] = bundle
            counts[tile] += 1
        }
        bundles = found
    }

    /// The first bundle after `bundle` that touches `tile`; `never` when there is none.
    func next(_ tile: Int, after bundle: Int32) -> Int32 {
        var low = start[tile]
        var high = start[tile + 1]
        while low < high {
            let middle = (low + high) / 2
            if bundles[middle] <= bundle { low = middle + 1 } else { high = middle }
        }
        return low < start[tile + 1] ? bundles[low] : Self.never
    }

    /// Calls `body` once for each tile of each bundle.
    private static func visit(_ kernel: WorkingKernel, _ body: (Int, Int32) -> Void) {
        var lastSeen = [Int32](repeating: -1, count: kernel.tiles.count)
        for bundle in 0..<kernel.bundleCount {
            for index in kernel.bundle(bundle) {
                let operands = OperandAccesses(kernel.instructions[index])
                for slot in 0..<operands.count {
                    let pattern = kernel.patterns[Int(operands[slot].pattern)]
                    guard pattern.space != .hbm else { continue }
                    let tile = Int(pattern.tile)
                    guard lastSeen[tile] != bundle else { continue }
                    lastSeen[tile] = Int32(bundle)
                    body(tile, Int32(bundle))
                }
            }
        }
    }
}
