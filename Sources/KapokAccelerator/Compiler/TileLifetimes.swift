/// When each tile is in use, in bundles of the kernel's order.
struct TileLifetimes: Sendable {
    /// The bundles that touch a tile first and last; `first` is ``unused`` for a tile that none
    /// touches.
    private(set) var first: [Int32]
    private(set) var last: [Int32]

    /// Stands for no bundle.
    static let unused: Int32 = -1

    init(_ kernel: WorkingKernel) {
        first = Array(repeating: Self.unused, count: kernel.tiles.count)
        last = first
        for bundle in 0..<kernel.bundleCount {
            for index in kernel.bundle(bundle) {
                let operands = OperandAccesses(kernel.instructions[index])
                for slot in 0..<operands.count {
                    let pattern = kernel.patterns[Int(operands[slot].pattern)]
                    guard pattern.space != .hbm else { continue }
                    let tile = Int(pattern.tile)
                    if first[tile] == Self.unused { first[tile] = Int32(bundle) }
                    last[tile] = Int32(bundle)
                }
            }
        }
    }
}
