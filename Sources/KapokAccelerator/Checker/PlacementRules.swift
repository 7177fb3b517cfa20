/// Where operands may lie: partitions, bytes, banks, tiles and tensors. Facts that depend on the
/// pattern alone are checked once, at the first instruction that uses it.
struct PlacementRules {
    private let program: Program
    private let machine: Machine
    /// What was checked of each pattern.
    private var checked: [Aspect]

    private struct Aspect: OptionSet {
        var rawValue: UInt8
        static let place = Aspect(rawValue: 1)
        static let start = Aspect(rawValue: 2)
        static let destination = Aspect(rawValue: 4)
        static let bank = Aspect(rawValue: 8)
    }

    init(_ program: Program, _ machine: Machine) {
        self.program = program
        self.machine = machine
        checked = Array(repeating: [], count: program.patterns.count)
    }

    /// Checks all operands of instruction `i`, which are there.
    mutating func check(_ one: Instruction, _ i: Int, _ collector: inout DiagnosticCollector) {
        for use in OperandUses(one) {
            let index = Int(use.pattern)
            let pattern = program.patterns[index]
            if first(.place, index) { checkPlace(pattern, i, &collector) }
            if one.opcode.isDMA {
                checkTransfer(pattern, i, &collector)
            } else {
                checkReach(pattern, one, i, &collector)
                if first(.start, index) { checkStart(pattern, i, &collector) }
            }
            guard use.writes else { continue }
            if first(.destination, index) { checkDestination(pattern, i, &collector) }
            if one.opcode == .multiplyMoving, first(.bank, index) {
                checkBank(pattern, i, &collector)
            }
        }
        checkInputs(one, i, &collector)
    }

    private mutating func first(_ aspect: Aspect, _ pattern: Int) -> Bool {
        guard !checked[pattern].contains(aspect) else { return false }
        checked[pattern].insert(aspect)
        return true
    }

    /// A tile's or tensor's name with the memory, for sentences.
    private func name(_ pattern: AccessPattern) -> String {
        if pattern.space == .hbm { return "tensor \(program.tensors[Int(pattern.tensor)].name)" }
        guard pattern.tile != AccessPattern.noTile else { return pattern.space.name.uppercased() }
        let name = program.tiles[Int(pattern.tile)].name
        return "tile \(name) (\(pattern.space.name.uppercased()))"
    }

    // MARK: Engines

    private func checkTransfer(
        _ pattern: AccessPattern, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        guard pattern.space == .psum else { return }
        collector.add(
            .error, .engine, at: i, kind: 1, "moves \(name(pattern))",
            why: "the DMA engines have no path to PSUM",
            remedy: "copy it to SBUF with the vector or scalar engine first")
    }

    private func checkReach(
        _ pattern: AccessPattern, _ one: Instruction, _ i: Int,
        _ collector: inout DiagnosticCollector
    ) {
        if pattern.space == .hbm {
            collector.add(
                .error, .engine, at: i, kind: 2, "has an operand in \(name(pattern))",
                why: "the engines compute on SBUF and PSUM only",
                remedy: "load it into a tile with dmaCopy first")
        } else if pattern.space == .psum, one.engine == .gpsimd {
            collector.add(
                .error, .engine, at: i, kind: 3, "has an operand in \(name(pattern))",
                why: "the gpsimd engine cannot reach PSUM",
                remedy: "use the vector or scalar engine, or copy it to SBUF first")
        }
    }

    private func checkInputs(
        _ one: Instruction, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        func space(_ operand: UInt32) -> MemorySpace { program.patterns[Int(operand)].space }
        switch one.opcode {
        case .tensorTensor where space(one.source0) == .psum && space(one.source1) == .psum:
            collector.add(
                .error, .engine, at: i, kind: 4, "has both inputs in PSUM",
                why: "one of the two must come from SBUF",
                remedy: "copy one of them to SBUF first")
        case .loadStationary where space(one.source0) == .psum,
            .multiplyMoving where space(one.source0) == .psum:
            collector.add(
                .error, .engine, at: i, kind: 5, "reads its matrix from PSUM",
                why: "the tensor engine reads SBUF only",
                remedy: "copy the matrix to SBUF with the vector or scalar engine first")
        case .multiplyMoving where space(one.destination) == .sbuf:
            collector.add(
                .error, .engine, at: i, kind: 6, "writes its result to SBUF",
                why: "the tensor engine writes PSUM only",
                remedy: "give it a tile in PSUM, and copy the result from there")
        default: break
        }
    }

    // MARK: Places

    private func checkPlace(
        _ pattern: AccessPattern, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        let strides = (0..<4).map { Int(pattern.dimension($0).stride) }
        if strides.contains(where: { $0 < 0 }) || pattern.partitionStride < 0 {
            collector.add(
                .error, .capacity, at: i, kind: 1, "steps backwards through \(name(pattern))",
                why: "strides must not be negative",
                remedy: "begin at the lowest address; reverse with a transposition or a matmul")
            return
        }
        if pattern.offset % Int64(pattern.type.byteCount) != 0 {
            collector.add(
                .error, .capacity, at: i, kind: 2,
                "begins at byte \(pattern.offset) of \(name(pattern))",
                why: "elements of \(pattern.type.name) begin at multiples of "
                    + "\(pattern.type.byteCount) bytes",
                remedy: "move the operand to such a byte")
        }
        if pattern.space == .hbm {
            checkTensorBounds(pattern, i, &collector)
        } else {
            checkMemoryBounds(pattern, i, &collector)
            checkTileBounds(pattern, i, &collector)
        }
    }

    private func checkTensorBounds(
        _ pattern: AccessPattern, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        let tensor = program.tensors[Int(pattern.tensor)]
        let rows = (Int(pattern.partitionCount) - 1) * Int(pattern.partitionStride)
        let first = Int(pattern.offset)
        let end = first + (rows + pattern.spanElements) * pattern.type.byteCount
        guard first < 0 || end > tensor.byteCount else { return }
        collector.add(
            .error, .capacity, at: i, kind: 3,
            "accesses bytes \(first)..<\(end) of tensor \(tensor.name)",
            why: "the tensor has \(tensor.byteCount) bytes",
            remedy: "slice the tensor within its shape \(tensor.shape)")
    }

    private func checkMemoryBounds(
        _ pattern: AccessPattern, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        let firstPartition = Int(pattern.partitionStart)
        let lastPartition = firstPartition + Int(pattern.partitionCount) - 1
        if lastPartition >= machine.partitions {
            collector.add(
                .error, .partitions, at: i, kind: 1,
                "accesses partitions \(firstPartition)...\(lastPartition) of \(name(pattern))",
                why: "there are \(machine.partitions) partitions",
                remedy: "cut the operand into pieces of at most \(machine.partitions) partitions")
        }
        let isSBUF = pattern.space == .sbuf
        let capacity = isSBUF ? machine.sbufBytesPerPartition : machine.psumBytesPerPartition
        let first = Int(pattern.offset)
        let end = first + pattern.spanElements * pattern.type.byteCount
        guard first < 0 || end > capacity else { return }
        collector.add(
            .error, .capacity, at: i, kind: 4,
            "accesses bytes \(first)..<\(end) of a partition of \(name(pattern))",
            why: "\(pattern.space.name.uppercased()) has \(capacity) bytes in each partition",
            remedy: "use smaller tiles, or fewer at the same time")
    }

    private func checkTileBounds(
        _ pattern: AccessPattern, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        guard pattern.tile != AccessPattern.noTile else { return }
        let tile = program.tiles[Int(pattern.tile)]
        let firstPartition = Int(pattern.partitionStart)
        let first = Int(pattern.offset)
        let end = first + pattern.spanElements * pattern.type.byteCount
        let isInside =
            tile.space == pattern.space && firstPartition >= tile.partitionStart
            && firstPartition + Int(pattern.partitionCount)
                <= tile.partitionStart + tile.partitionCount
            && first >= tile.offset && end <= tile.offset + tile.bytesPerPartition
        guard !isInside else { return }
        let tilePartitions =
            "\(tile.partitionStart)..<\(tile.partitionStart + tile.partitionCount)"
        collector.add(
            .error, .capacity, at: i, kind: 5,
            "accesses partitions \(firstPartition)..<"
                + "\(firstPartition + Int(pattern.partitionCount)), bytes \(first)..<\(end), "
                + "as part of \(name(pattern))",
            why: "the tile has partitions \(tilePartitions), bytes "
                + "\(tile.offset)..<\(tile.offset + tile.bytesPerPartition) of "
                + tile.space.name.uppercased(),
            remedy: "slice the tile within its shape")
    }

    private func checkStart(
        _ pattern: AccessPattern, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        guard pattern.space != .hbm else { return }
        let count = Int(pattern.partitionCount)
        let step = count > 64 ? 128 : count > 32 ? 64 : 32
        guard Int(pattern.partitionStart) % step != 0 else { return }
        let number = count == 1 ? "1 partition" : "\(count) partitions"
        let starts = step == 128 ? "at 0" : step == 64 ? "at 0 or 64" : "at 0, 32, 64 or 96"
        collector.add(
            .error, .partitions, at: i, kind: 2,
            "accesses \(number) of \(name(pattern)) from \(pattern.partitionStart) on",
            why: "engines access \(number) starting \(starts) only",
            remedy: "move the operand with a DMA transfer, which can start at any partition")
    }

    private func checkDestination(
        _ pattern: AccessPattern, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        guard StridedSet(inOnePlane: pattern).repeatsItself else { return }
        collector.add(
            .error, .shape, at: i, kind: 20,
            "writes the same element of \(name(pattern)) more than once",
            why: "the last of several writes would win, in an order that is not defined",
            remedy: "give the destination strides that do not overlap")
    }

    private func checkBank(
        _ pattern: AccessPattern, _ i: Int, _ collector: inout DiagnosticCollector
    ) {
        guard pattern.space == .psum, pattern.offset >= 0 else { return }
        let bank = machine.psumBankBytes
        let first = Int(pattern.offset)
        let end = first + pattern.spanElements * pattern.type.byteCount
        guard first / bank != (end - 1) / bank else { return }
        collector.add(
            .error, .bank, at: i,
            "writes bytes \(first)..<\(end) of a partition of \(name(pattern))",
            why: "a multiplication writes into one bank of \(bank) bytes; these lie in banks "
                + "\(first / bank) to \((end - 1) / bank)",
            remedy: "let the result begin at a multiple of \(bank) bytes, with at most "
                + "\(bank / pattern.type.byteCount) elements a partition")
    }
}
