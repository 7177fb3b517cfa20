/// Rewrites a kernel so that no more tiles are in SBUF at a time than a budget allows.
///
/// Walks through the author's order. When a class of tiles is full, the tile whose next use is
/// farthest away leaves (Belady's rule, which loads least). A tile made of loads from input tensors
/// only is loaded from there again; any other is stored to scratch space in HBM first, unless its
/// copy there is still good. A tile that comes back is a new tile to the rest of the compiler.
struct Spiller {
    private let kernel: WorkingKernel
    private let budget: SpillBudget
    private let uses: TileUses
    private var tiles: [SpillingTile]
    private var resident: [[Int]]
    private var inUse: [Int]
    private var result: WorkingKernel
    private var moved: [MovedPattern: UInt32] = [:]
    private var scratch: [ScratchKey: Scratch] = [:]
    private var isInput: [Bool]
    private var footprint = Footprint()
    /// Bytes stored to scratch space, and bytes loaded that had been in SBUF before.
    private(set) var spilledBytes: Int64 = 0
    private(set) var reloadedBytes: Int64 = 0

    private struct MovedPattern: Hashable {
        var pattern: UInt32
        var tile: UInt32
    }

    /// Tiles of one line and shape share a scratch tensor.
    private struct ScratchKey: Hashable {
        var line: UInt32
        var name: String
        var type: ElementType
        var partitions: Int
        var bytes: Int
    }

    private struct Scratch {
        var tensor: Int
        var rows = 0
    }

    init(_ kernel: WorkingKernel, budget: SpillBudget) {
        self.kernel = kernel
        self.budget = budget
        uses = TileUses(kernel)
        tiles = kernel.tiles.indices.map { SpillingTile(incarnation: UInt32($0)) }
        resident = Array(repeating: [], count: budget.classes.count)
        inUse = Array(repeating: 0, count: budget.classes.count)
        result = WorkingKernel(tablesOf: kernel)
        isInput = kernel.tensors.map { $0.role == .input }
        for instruction in kernel.instructions where instruction.opcode.isDMA {
            let pattern = kernel.patterns[Int(instruction.destination)]
            if pattern.space == .hbm { isInput[Int(pattern.tensor)] = false }
        }
    }

    /// The kernel with spills and reloads.
    mutating func run() -> WorkingKernel {
        var touched: [Int] = []
        for bundle in 0..<kernel.bundleCount {
            collectTiles(of: bundle, into: &touched)
            for tile in touched where !tiles[tile].isResident {
                bringIn(tile, for: bundle, beside: touched)
            }
            appendRewritten(bundle)
            for tile in touched where uses.next(tile, after: Int32(bundle)) == TileUses.never {
                leave(tile)
            }
        }
        for entry in scratch.values { result.tensors[entry.tensor].shape[0] = entry.rows }
        return result
    }

    private func collectTiles(of bundle: Int, into touched: inout [Int]) {
        touched.removeAll(keepingCapacity: true)
        for index in kernel.bundle(bundle) {
            let operands = OperandAccesses(kernel.instructions[index])
            for slot in 0..<operands.count {
                let pattern = kernel.patterns[Int(operands[slot].pattern)]
                let tile = Int(pattern.tile)
                guard pattern.space == .sbuf, !touched.contains(tile) else { continue }
                touched.append(tile)
            }
        }
    }

    // MARK: Coming and going

    private mutating func bringIn(_ tile: Int, for bundle: Int, beside touched: [Int]) {
        guard let number = budget.classOfTile[tile] else { return }
        let weight = budget.weightOfTile[tile]
        while inUse[number] + weight > budget.classes[number].allowed {
            guard evict(from: number, at: bundle, sparing: touched) else { break }
        }
        resident[number].append(tile)
        inUse[number] += weight
        tiles[tile].isResident = true
        if !tiles[tile].written.parts.isEmpty { reload(tile, for: bundle) }
    }

    private mutating func leave(_ tile: Int) {
        guard let number = budget.classOfTile[tile] else { return }
        tiles[tile].isResident = false
        inUse[number] -= budget.weightOfTile[tile]
        resident[number].removeAll { $0 == tile }
    }

    /// Makes room in a class; false when all of its tiles are needed now.
    private mutating func evict(
        from number: Int, at bundle: Int, sparing touched: [Int]
    ) -> Bool {
        var farthest: (tile: Int, use: Int32)?
        for tile in resident[number] where !touched.contains(tile) {
            let use = uses.next(tile, after: Int32(bundle))
            if use > farthest?.use ?? -1 { farthest = (tile, use) }
        }
        guard let victim = farthest?.tile else { return false }
        if !tiles[victim].isClean { store(victim, before: bundle) }
        leave(victim)
        return true
    }

    // MARK: Transfers

    private mutating func reload(_ tile: Int, for bundle: Int) {
        let incarnation = UInt32(result.tiles.count)
        result.tiles.append(kernel.tiles[tile])
        tiles[tile].incarnation = incarnation
        if tiles[tile].isMadeOfLoads {
            for index in tiles[tile].loads {
                let load = rewritten(kernel.instructions[index])
                reloadedBytes += bytes(load.destination)
                append(load, for: bundle)
            }
        } else if let place = tiles[tile].copy {
            for part in tiles[tile].written.parts {
                var load = Instruction(.dmaCopy, on: .sync)
                load.line = kernel.tiles[tile].line
                load.source0 = hbmPattern(part, place, tile)
                load.destination = tilePattern(part, tile)
                reloadedBytes += bytes(load.destination)
                append(load, for: bundle)
            }
        }
    }

    private mutating func store(_ tile: Int, before bundle: Int) {
        let place = tiles[tile].copy ?? makePlace(for: tile)
        tiles[tile].copy = place
        tiles[tile].isCopyStale = false
        for part in tiles[tile].written.parts {
            var store = Instruction(.dmaCopy, on: .sync)
            store.line = kernel.tiles[tile].line
            store.source0 = tilePattern(part, tile)
            store.destination = hbmPattern(part, place, tile)
            spilledBytes += bytes(store.source0)
            append(store, for: bundle)
        }
    }

    private func bytes(_ pattern: UInt32) -> Int64 {
        Int64(result.patterns[Int(pattern)].totalBytes)
    }

    private mutating func append(_ transfer: Instruction, for bundle: Int) {
        let iteration = kernel.iterations[kernel.bundle(bundle).lowerBound]
        result.append(CollectionOfOne(transfer), iterations: CollectionOfOne(iteration))
    }

    private mutating func makePlace(for tile: Int) -> SpillPlace {
        let declaration = kernel.tiles[tile]
        let key = ScratchKey(
            line: declaration.line, name: declaration.name, type: declaration.type,
            partitions: declaration.partitionCount, bytes: declaration.bytesPerPartition)
        var entry = scratch[key] ?? Scratch(tensor: result.tensors.count)
        if entry.tensor == result.tensors.count {
            let number = scratch.keys.count { $0.name == declaration.name }
            let name = "spill \(declaration.name)" + (number > 0 ? " \(number + 1)" : "")
            let elements = declaration.bytesPerPartition / declaration.type.byteCount
            result.tensors.append(
                TensorDeclaration(
                    name: name, shape: [0, elements], type: declaration.type, role: .scratch))
        }
        let place = SpillPlace(tensor: entry.tensor, row: entry.rows)
        entry.rows += declaration.partitionCount
        scratch[key] = entry
        return place
    }

    // MARK: Patterns

    /// The columns of a part as elements of its tile, widened to whole ones.
    private func elements(_ part: WrittenParts.Part, _ tile: Int) -> Run {
        let size = kernel.tiles[tile].type.byteCount
        return Run(start: part.columns.start / size, end: (part.columns.end + size - 1) / size)
    }

    private mutating func tilePattern(_ part: WrittenParts.Part, _ tile: Int) -> UInt32 {
        let declaration = kernel.tiles[tile]
        let columns = elements(part, tile)
        return addPattern(
            AccessPattern(
                .sbuf, declaration.type, partitionStart: part.rows.start,
                partitionCount: part.rows.end - part.rows.start,
                offset: columns.start * declaration.type.byteCount,
                tile: tiles[tile].incarnation,
                dimensions: [FreeDimension(count: columns.end - columns.start, stride: 1)]))
    }

    private mutating func hbmPattern(
        _ part: WrittenParts.Part, _ place: SpillPlace, _ tile: Int
    ) -> UInt32 {
        let declaration = kernel.tiles[tile]
        let size = declaration.type.byteCount
        let columns = elements(part, tile)
        let pitch = declaration.bytesPerPartition / size
        return addPattern(
            AccessPattern(
                .hbm, declaration.type, partitionCount: part.rows.end - part.rows.start,
                offset: ((place.row + part.rows.start) * pitch + columns.start) * size,
                tensor: place.tensor, partitionStride: pitch,
                dimensions: [FreeDimension(count: columns.end - columns.start, stride: 1)]))
    }

    private mutating func addPattern(_ pattern: AccessPattern) -> UInt32 {
        result.patterns.append(pattern)
        return UInt32(result.patterns.count - 1)
    }

    /// The pattern on the tile that stands for its own now.
    private mutating func moved(_ pattern: UInt32) -> UInt32 {
        guard pattern != Instruction.noPattern, kernel.patterns[Int(pattern)].space != .hbm
        else { return pattern }
        let tile = kernel.patterns[Int(pattern)].tile
        let incarnation = tiles[Int(tile)].incarnation
        guard incarnation != tile else { return pattern }
        let key = MovedPattern(pattern: pattern, tile: incarnation)
        if let known = moved[key] { return known }
        var copy = kernel.patterns[Int(pattern)]
        copy.tile = incarnation
        moved[key] = addPattern(copy)
        return UInt32(result.patterns.count - 1)
    }

    private mutating func rewritten(_ instruction: Instruction) -> Instruction {
        var copy = instruction
        copy.destination = moved(copy.destination)
        copy.source0 = moved(copy.source0)
        if copy.opcode != .iota, copy.opcode != .affineSelect {
            copy.source1 = moved(copy.source1)
            copy.source2 = moved(copy.source2)
        }
        return copy
    }

    /// Appends a bundle of the kernel, and notes what it writes.
    private mutating func appendRewritten(_ bundle: Int) {
        let range = kernel.bundle(bundle)
        var copies: [Instruction] = []
        for index in range {
            copies.append(rewritten(kernel.instructions[index]))
            let operands = OperandAccesses(kernel.instructions[index])
            for slot in 0..<operands.count where operands[slot].writes {
                noteWrite(by: index, operands[slot].pattern)
            }
        }
        result.append(copies, iterations: kernel.iterations[range])
    }

    private mutating func noteWrite(by index: Int, _ patternIndex: UInt32) {
        let pattern = kernel.patterns[Int(patternIndex)]
        guard pattern.space == .sbuf else { return }
        let tile = Int(pattern.tile)
        footprint.set(onChip: pattern)
        tiles[tile].written.add(footprint)
        tiles[tile].isCopyStale = true
        let instruction = kernel.instructions[index]
        let source =
            instruction.opcode.isDMA ? kernel.patterns[Int(instruction.source0)] : nil
        if let source, source.space == .hbm, isInput[Int(source.tensor)] {
            tiles[tile].loads.append(index)
        } else {
            tiles[tile].isMadeOfLoads = false
        }
    }
}
