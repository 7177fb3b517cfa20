/// Says which tiles are too many for a memory.
struct MemoryOverflow {
    private let kernel: WorkingKernel
    private let lifetimes: TileLifetimes
    private let machine: Machine

    /// Tiles that an error names at most.
    private static let named = 8

    init(_ kernel: WorkingKernel, _ lifetimes: TileLifetimes, _ machine: Machine) {
        self.kernel = kernel
        self.lifetimes = lifetimes
        self.machine = machine
    }

    /// The error for `space`: where most memory is in use, and by which tiles, the largest first.
    func error(in space: MemorySpace) -> CompilerError {
        let (bundle, bytes) = peak(space)
        let alive = kernel.tiles.indices.filter { isAlive($0, in: space, at: bundle) }
        let instruction = kernel.bundle(bundle).lowerBound
        let isSBUF = space == .sbuf
        let capacity = isSBUF ? machine.sbufBytesPerPartition : machine.psumBytesPerPartition
        let name = isSBUF ? "SBUF" : "PSUM"
        let remedy =
            isSBUF
            ? "Make tiles smaller or their lives shorter, or allow spilling"
            : "Copy results to SBUF earlier: PSUM has \(machine.psumBanks) banks of "
                + "\(machine.psumBankBytes) bytes, and a multiplication's tile lies in one bank"
        return CompilerError(
            kind: isSBUF ? .outOfSBUF : .outOfPSUM, line: kernel.line(of: instruction),
            problem: "out of \(name): \(alive.count) tiles of \(bytes) bytes a partition "
                + "are alive here, \(name) has \(capacity): \(list(alive))",
            remedy: remedy)
    }

    /// The error for the bundle whose operands take most of SBUF.
    func errorOfInstruction() -> CompilerError {
        var worst = (bundle: 0, bytes: 0, tiles: [Int]())
        for bundle in 0..<kernel.bundleCount {
            var tiles: [Int] = []
            for index in kernel.bundle(bundle) {
                let operands = OperandAccesses(kernel.instructions[index])
                for slot in 0..<operands.count {
                    let pattern = kernel.patterns[Int(operands[slot].pattern)]
                    guard pattern.space == .sbuf, !tiles.contains(Int(pattern.tile))
                    else { continue }
                    tiles.append(Int(pattern.tile))
                }
            }
            let bytes = tiles.reduce(0) { $0 + kernel.tiles[$1].bytesPerPartition }
            if bytes > worst.bytes { worst = (bundle, bytes, tiles) }
        }
        let instruction = kernel.bundle(worst.bundle).lowerBound
        let opcode = kernel.instructions[instruction].opcode.name
        return CompilerError(
            kind: .outOfSBUF, line: kernel.line(of: instruction),
            problem: "out of SBUF: the operands of one \(opcode) take \(worst.bytes) bytes "
                + "a partition, SBUF has \(machine.sbufBytesPerPartition): \(list(worst.tiles))",
            remedy: "Work on smaller tiles: no spilling can help a single instruction")
    }

    /// The bundle at which most bytes are alive, and how many.
    private func peak(_ space: MemorySpace) -> (bundle: Int, bytes: Int) {
        var change = [Int](repeating: 0, count: kernel.bundleCount + 1)
        for (index, tile) in kernel.tiles.enumerated() where tile.space == space {
            guard lifetimes.first[index] != TileLifetimes.unused else { continue }
            change[Int(lifetimes.first[index])] += tile.bytesPerPartition
            change[Int(lifetimes.last[index]) + 1] -= tile.bytesPerPartition
        }
        var best = (bundle: 0, bytes: 0)
        var bytes = 0
        for bundle in 0..<kernel.bundleCount {
            bytes += change[bundle]
            if bytes > best.bytes { best = (bundle, bytes) }
        }
        return best
    }

    private func isAlive(_ tile: Int, in space: MemorySpace, at bundle: Int) -> Bool {
        kernel.tiles[tile].space == space && lifetimes.first[tile] != TileLifetimes.unused
            && lifetimes.first[tile] <= bundle && lifetimes.last[tile] >= bundle
    }

    /// Tiles by line, the largest sum first: `64 x rhs (2048 bytes, Kernels/Matmul.swift:80)`.
    private func list(_ tiles: [Int]) -> String {
        struct Key: Hashable {
            var line: UInt32
            var bytes: Int
        }
        var groups: [Key: (count: Int, first: Int)] = [:]
        for tile in tiles {
            let key = Key(
                line: kernel.tiles[tile].line, bytes: kernel.tiles[tile].bytesPerPartition)
            groups[key, default: (0, tile)].count += 1
        }
        let sorted = groups.sorted {
            let sizes = ($0.key.bytes * $0.value.count, $1.key.bytes * $1.value.count)
            return sizes.0 != sizes.1 ? sizes.0 > sizes.1 : $0.value.first < $1.value.first
        }
        var parts = sorted.prefix(Self.named).map { key, value in
            let place = kernel.lines.known(key.line).map { ", \($0.file):\($0.line)" } ?? ""
            let name = kernel.tiles[value.first].name
            return "\(value.count) x \(name) (\(key.bytes) bytes\(place))"
        }
        if sorted.count > Self.named { parts.append("\(sorted.count - Self.named) more lines") }
        return parts.joined(separator: ", ")
    }
}
