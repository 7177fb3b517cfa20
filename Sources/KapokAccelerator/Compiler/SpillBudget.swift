/// How much may be in SBUF at the same time.
///
/// Tiles of one size form a class with buffers of that size, so that memory is never in pieces too
/// small for a tile. Where that does not do, all tiles form one class that is counted in bytes.
struct SpillBudget: Sendable {
    /// A class of tiles that compete for the same memory.
    struct Class: Sendable {
        /// Bytes of a buffer in each partition, and tiles that fit into it beside each other.
        var bytes: Int
        var lanes: Int
        /// Most that lives at the same time: tiles, or bytes.
        var live: Int
        /// Most that one bundle touches.
        var needed: Int
        /// What may be in SBUF at the same time.
        var allowed: Int

        /// Bytes of a partition for what is allowed.
        var total: Int { (allowed + lanes - 1) / lanes * bytes }
    }

    /// The classes.
    private(set) var classes: [Class] = []
    /// The class of each tile; nil for tiles in PSUM and tiles that nobody uses.
    private(set) var classOfTile: [Int?]
    /// What each tile counts in its class.
    private(set) var weightOfTile: [Int]

    /// Classes that are tried as the one that gives up buffers at most: those that take most.
    private static let victims = 6
    /// Parts of SBUF that tiles of all sizes fill before it is in too many pieces, in sixteenths.
    private static let fillings = [16, 15, 14, 12, 10, 8]

    /// Every class with what lives at the same time.
    init(_ kernel: WorkingKernel, _ pools: [TilePool]) {
        classOfTile = Array(repeating: nil, count: kernel.tiles.count)
        weightOfTile = Array(repeating: 1, count: kernel.tiles.count)
        for pool in pools {
            for tile in pool.tiles { classOfTile[Int(tile)] = classes.count }
            classes.append(
                Class(
                    bytes: pool.slotBytes, lanes: pool.lanes, live: pool.live, needed: 0,
                    allowed: pool.live))
        }
        countNeeds(kernel)
    }

    /// Budgets in bytes for tiles of all sizes, each smaller than the one before. Empty when a
    /// single instruction does not fit.
    static func inBytes(
        _ kernel: WorkingKernel, _ pools: [TilePool], capacity: Int
    ) -> [SpillBudget] {
        var budget = SpillBudget(kernel, pools)
        budget.classes = [
            Class(bytes: 1, lanes: 1, live: capacity + 1, needed: 0, allowed: capacity)
        ]
        for tile in kernel.tiles.indices where budget.classOfTile[tile] != nil {
            budget.classOfTile[tile] = 0
            budget.weightOfTile[tile] = kernel.tiles[tile].bytesPerPartition
        }
        budget.countNeeds(kernel)
        return fillings.compactMap { part in
            budget.classes[0].allowed = capacity * part / 16
            return budget.classes[0].allowed >= budget.classes[0].needed ? budget : nil
        }
    }

    /// Bytes of a partition that all classes take.
    var bytes: Int { classes.reduce(0) { $0 + $1.total } }

    /// Budgets within `capacity`, each of which lets another class give up buffers; the last one
    /// lets all of them. Empty when the tiles of single instructions do not fit, one buffer for
    /// each.
    func reduced(to capacity: Int) -> [SpillBudget] {
        var result: [SpillBudget] = []
        let largest = classes.indices.sorted {
            (-classes[$0].total, $0) < (-classes[$1].total, $1)
        }
        for index in largest.prefix(Self.victims) {
            var budget = self
            let others = bytes - classes[index].total
            budget.classes[index].allowed =
                (capacity - others) / classes[index].bytes * classes[index].lanes
            if others < capacity, budget.classes[index].allowed >= classes[index].needed {
                result.append(budget)
            }
        }
        if let budget = evenlyReduced(to: capacity) { result.append(budget) }
        return result
    }

    /// A budget that keeps part of its buffers back, so that the next tile can be loaded while
    /// others are in use; nil when that changes nothing.
    func keepingBack(_ part: Double) -> SpillBudget? {
        var budget = self
        for index in classes.indices where classes[index].allowed < classes[index].live {
            let back = Int((Double(classes[index].allowed) * part).rounded(.up))
            budget.classes[index].allowed = max(
                classes[index].needed, classes[index].allowed - back)
        }
        return zip(budget.classes, classes).contains { $0.allowed != $1.allowed } ? budget : nil
    }

    /// All classes give up the same part of what they can.
    private func evenlyReduced(to capacity: Int) -> SpillBudget? {
        var budget = self
        for part in stride(from: 64, through: 0, by: -1) {
            for (index, item) in classes.enumerated() {
                budget.classes[index].allowed = item.needed + (item.live - item.needed) * part / 64
            }
            if budget.bytes <= capacity { return budget }
        }
        return nil
    }

    private mutating func countNeeds(_ kernel: WorkingKernel) {
        var seenIn = [Int](repeating: -1, count: kernel.tiles.count)
        var touched = [Int](repeating: 0, count: classes.count)
        for bundle in 0..<kernel.bundleCount {
            for index in touched.indices { touched[index] = 0 }
            for index in kernel.bundle(bundle) {
                let operands = OperandAccesses(kernel.instructions[index])
                for slot in 0..<operands.count {
                    let pattern = kernel.patterns[Int(operands[slot].pattern)]
                    guard pattern.space == .sbuf, seenIn[Int(pattern.tile)] != bundle,
                        let number = classOfTile[Int(pattern.tile)]
                    else { continue }
                    seenIn[Int(pattern.tile)] = bundle
                    touched[number] += weightOfTile[Int(pattern.tile)]
                    classes[number].needed = max(classes[number].needed, touched[number])
                }
            }
        }
    }
}
