/// Which instructions must come after which, and why: for each instruction, those before it that it
/// depends on. Flat arrays; instructions are numbered in the order that was analysed.
struct DependenceGraph: Sendable {
    /// For instruction `i`, its dependences stand at `start[i] ..< start[i + 1]`.
    private(set) var start: [Int]
    /// The instruction that must come first.
    private(set) var producers: [UInt32]
    /// Why.
    private(set) var kinds: [DependenceKind]
    /// The consumer's tile in question, or ``AccessPattern/noTile``.
    private(set) var tiles: [UInt32]

    /// Instructions.
    var count: Int { start.count - 1 }

    /// Finds all dependences among `instructions`, executed in this order.
    ///
    /// Every pair of instructions that touch the same bytes, one of them writing, is ordered by the
    /// result, directly or through others. Linear in operands, but for cutting segments.
    ///
    /// - Parameter patterns: with addresses in SBUF and PSUM.
    init(
        _ instructions: [Instruction], patterns: [AccessPattern], tensors: [TensorDeclaration]
    ) {
        var memories = WrittenMemories(patterns, tensors, instructions)
        var edges = EdgeCollector(count: instructions.count)
        for instruction in instructions {
            memories.add(instruction, to: &edges)
            edges.finishConsumer()
        }
        start = edges.start
        producers = edges.producers
        kinds = edges.kinds
        tiles = edges.tiles
    }
}

/// The dependences found so far; of several on the same producer one stays, the strongest.
private struct EdgeCollector {
    var start: [Int] = [0]
    var producers: [UInt32] = []
    var kinds: [DependenceKind] = []
    var tiles: [UInt32] = []
    /// The instruction that is being analysed.
    var consumer: UInt32 = 0
    private var lastConsumer: [UInt32]

    init(count: Int) {
        lastConsumer = Array(repeating: .max, count: count)
        start.reserveCapacity(count + 1)
    }

    mutating func add(_ producer: UInt32, _ kind: DependenceKind, tile: UInt32) {
        guard producer != consumer else { return }
        if lastConsumer[Int(producer)] != consumer {
            lastConsumer[Int(producer)] = consumer
            producers.append(producer)
            kinds.append(kind)
            tiles.append(tile)
        } else if kind == .flow {
            strengthen(producer, tile: tile)
        }
    }

    private mutating func strengthen(_ producer: UInt32, tile: UInt32) {
        for index in start[start.count - 1]..<producers.count where producers[index] == producer {
            if kinds[index] != .flow {
                kinds[index] = .flow
                tiles[index] = tile
            }
            return
        }
    }

    mutating func finishConsumer() {
        start.append(producers.count)
        consumer += 1
    }
}

/// All memory whose contents change: SBUF, PSUM and the tensors that a kernel writes. Tensors that
/// are only read cannot be a cause of order, and most traffic is on those.
private struct WrittenMemories {
    private let patterns: [AccessPattern]
    private let pitches: [Int]
    private let historyOfTensor: [Int?]
    private var histories = [AccessHistory(), AccessHistory()]
    private var footprint = Footprint()

    init(
        _ patterns: [AccessPattern], _ tensors: [TensorDeclaration],
        _ instructions: [Instruction]
    ) {
        self.patterns = patterns
        pitches = tensors.map { max(1, ($0.shape.last ?? 1) * $0.type.byteCount) }
        var isWritten = [Bool](repeating: false, count: tensors.count)
        for instruction in instructions where instruction.opcode.isDMA {
            let pattern = patterns[Int(instruction.destination)]
            if pattern.space == .hbm { isWritten[Int(pattern.tensor)] = true }
        }
        var table: [Int?] = []
        for written in isWritten {
            table.append(written ? histories.count : nil)
            if written { histories.append(AccessHistory()) }
        }
        historyOfTensor = table
    }

    mutating func add(_ instruction: Instruction, to edges: inout EdgeCollector) {
        let operands = OperandAccesses(instruction)
        for slot in 0..<operands.count {
            let operand = operands[slot]
            let pattern = patterns[Int(operand.pattern)]
            var memory = pattern.space == .psum ? 1 : 0
            if pattern.space == .hbm {
                guard let history = historyOfTensor[Int(pattern.tensor)] else { continue }
                footprint.set(inHBM: pattern, pitch: pitches[Int(pattern.tensor)])
                memory = history
            } else {
                footprint.set(onChip: pattern)
            }
            let tile = pattern.space == .hbm ? AccessPattern.noTile : pattern.tile
            touch(memory, operand, tile, &edges)
        }
    }

    private mutating func touch(
        _ memory: Int, _ operand: OperandAccess, _ tile: UInt32, _ edges: inout EdgeCollector
    ) {
        let instruction = edges.consumer
        guard operand.writes else {
            histories[memory].read(footprint, by: instruction) {
                edges.add($0, .flow, tile: tile)
            }
            return
        }
        let kind: DependenceKind = operand.reads ? .flow : .output
        histories[memory].write(footprint, by: instruction) {
            edges.add($0, kind, tile: tile)
        } stillRead: {
            edges.add($0, .anti, tile: tile)
        }
    }
}
