/// Goes through a program in its order and looks at every byte that is touched: who wrote it last,
/// and who has read it since. Finds pairs of accesses that must be ordered and are not, reads of
/// bytes to which nothing was written, and reads of a tile's bytes that another tile has
/// overwritten.
///
/// Only neighbouring accesses of a byte are compared: each with the last write, each write also
/// with the reads since then. If all of those are ordered, so are all others.
struct MemoryTrace {
    /// Two accesses of the same bytes that nothing orders.
    struct Race {
        var first: UInt32
        var second: UInt32
        var kind: DependenceKind
        /// The pattern through which `second` touches the bytes.
        var pattern: UInt32
        /// The first cell found, and how many.
        var cell: Int
        var cells: Int
    }

    /// An access that does not find what it should.
    struct BadRead {
        var instruction: UInt32
        var pattern: UInt32
        /// Who overwrote it; ``CompletionOrder/none`` when nobody has written at all.
        var writer: UInt32
        var cell: Int
        var cells: Int
    }

    private(set) var races: [Race] = []
    private(set) var uninitialised: [BadRead] = []
    private(set) var clobbered: [BadRead] = []
    /// For instruction `i` at `i * streams + s`: how many instructions of stream `s` must have
    /// completed when it starts, for memory's sake.
    private(set) var needs: [UInt32]
    /// The last write of each cell: instruction + 1, or 0.
    private(set) var lastWrite: [UInt32]

    /// The most races and bad reads of each kind that are listed.
    static let maximumFindings = 10_000

    private let program: Program
    private let order: CompletionOrder
    private let map: CellMap
    /// For each cell, the first of a list of readers since the last write, in `readers`.
    private var firstReader: [UInt32]
    private var readers: ReaderLists
    private var raceIndices: [UInt64: Int] = [:]
    /// Tiles that each instruction writes, or ``AccessPattern/noTile``: its destination's first.
    private var writtenTiles: [(UInt32, UInt32)] = []

    init(_ program: Program, _ order: CompletionOrder, _ map: CellMap) {
        self.program = program
        self.order = order
        self.map = map
        needs = Array(repeating: 0, count: program.instructions.count * order.streams.count)
        lastWrite = Array(repeating: 0, count: map.cellCount)
        firstReader = Array(repeating: 0, count: map.cellCount)
        readers = ReaderLists()
        writtenTiles = program.instructions.map { one in
            func tile(_ pattern: UInt32, _ isWritten: Bool) -> UInt32 {
                guard isWritten, pattern != Instruction.noPattern else {
                    return AccessPattern.noTile
                }
                return program.patterns[Int(pattern)].tile
            }
            let sums = one.opcode == .activation && one.flags.contains(.reduces)
            return (tile(one.destination, true), tile(one.source1, sums))
        }
        run()
    }

    private mutating func run() {
        for i in program.instructions.indices {
            let uses = OperandUses(program.instructions[i])
            for use in uses where use.reads || use.keeps { visit(use, i, isRead: true) }
            for use in uses where use.writes { visit(use, i, isRead: false) }
        }
    }

    /// Visits all cells of an operand, first to read, then to write.
    private mutating func visit(_ use: OperandUse, _ i: Int, isRead: Bool) {
        let cells = map.patterns[Int(use.pattern)]
        guard cells.plane >= 0 else { return }
        let plane = map.planes[Int(cells.plane)]
        let columns = plane.columns
        let rowRanges = Int(cells.firstRange)..<Int(cells.firstRange + cells.rowRanges)
        let columnRanges = rowRanges.upperBound..<rowRanges.upperBound + Int(cells.columnRanges)
        var access = Access(use, i, program, isFilled: isFilled(plane))
        for rowRange in rowRanges {
            let rows = map.ranges[rowRange]
            for row in Int(rows.start)..<Int(rows.end) {
                let base = plane.firstCell + row * columns
                for columnRange in columnRanges {
                    let range = map.ranges[columnRange]
                    let first = base + Int(range.start)
                    let end = base + Int(range.end)
                    if isRead {
                        for cell in first..<end { read(cell, &access) }
                    } else {
                        for cell in first..<end { write(cell, &access) }
                    }
                }
            }
        }
    }

    /// Whether the bytes of a plane were there before the kernel ran.
    private func isFilled(_ plane: CellMap.Plane) -> Bool {
        guard case .tensor(let tensor) = plane.memory else { return false }
        return program.tensors[tensor].role == .input
    }

    /// What stays the same over the cells of one operand.
    private struct Access {
        let instruction: Int
        let pattern: UInt32
        let tile: UInt32
        let isFilled: Bool
        let keepsOnly: Bool
        /// The writer and the reader found last, and their races with this one: most cells of an
        /// operand have the same.
        var writer = Neighbour()
        var reader = Neighbour()

        init(_ use: OperandUse, _ i: Int, _ program: Program, isFilled: Bool) {
            instruction = i
            pattern = use.pattern
            let one = program.patterns[Int(use.pattern)]
            tile = one.space == .hbm ? AccessPattern.noTile : one.tile
            self.isFilled = isFilled
            keepsOnly = use.keeps && !use.reads
        }
    }

    /// An instruction that touched a cell before, and the index of its race with the one that
    /// touches it now; -1 when they do not race.
    private struct Neighbour {
        var instruction = CompletionOrder.none
        var race = -1
    }

    /// As ``require(_:_:_:_:)``, quick when it is the same neighbour as in the last cell.
    @inline(__always)
    private mutating func meet(
        _ neighbour: inout Neighbour, _ first: UInt32, _ kind: DependenceKind, _ cell: Int,
        _ instruction: Int, _ pattern: UInt32
    ) {
        if neighbour.instruction == first {
            if neighbour.race >= 0 { races[neighbour.race].cells += 1 }
            return
        }
        neighbour.instruction = first
        neighbour.race = require(Int(first), kind, cell, instruction, pattern)
    }

    private mutating func read(_ cell: Int, _ access: inout Access) {
        let writer = lastWrite[cell]
        if writer == 0 {
            if !access.isFilled, !access.keepsOnly {
                Self.add(
                    &uninitialised, access.instruction, access.pattern, CompletionOrder.none, cell)
            }
        } else {
            meet(&access.writer, writer - 1, .flow, cell, access.instruction, access.pattern)
            if access.tile != AccessPattern.noTile, !access.keepsOnly {
                checkTile(cell, Int(writer) - 1, access)
            }
        }
        readers.add(UInt32(access.instruction), to: &firstReader[cell], order.streams)
    }

    private mutating func write(_ cell: Int, _ access: inout Access) {
        let writer = lastWrite[cell]
        if writer != 0 {
            meet(&access.writer, writer - 1, .output, cell, access.instruction, access.pattern)
        }
        var node = firstReader[cell]
        while node != 0 {
            let reader = readers.instruction(of: node)
            meet(&access.reader, reader, .anti, cell, access.instruction, access.pattern)
            node = readers.next(of: node)
        }
        readers.free(&firstReader[cell])
        lastWrite[cell] = UInt32(access.instruction) + 1
    }

    // MARK: Findings

    /// Notes that `first` must have completed before the access, and a race if it may not have.
    /// Index of that race, or -1.
    private mutating func require(
        _ first: Int, _ kind: DependenceKind, _ cell: Int, _ second: Int, _ pattern: UInt32
    ) -> Int {
        guard first != second, !isKeptByHardware(first, second, kind) else { return -1 }
        let streams = order.streams
        let entry = second * streams.count + Int(streams.of[first])
        if needs[entry] < streams.ordinal[first] { needs[entry] = streams.ordinal[first] }
        guard !order.isComplete(first, atStartOf: second) else { return -1 }
        let key = UInt64(first) << 32 | UInt64(second)
        if let known = raceIndices[key] {
            races[known].cells += 1
            // What is read wrongly says most.
            if kind == .flow { races[known].kind = .flow }
            return known
        }
        guard races.count < Self.maximumFindings else { return -1 }
        raceIndices[key] = races.count
        races.append(
            Race(
                first: UInt32(first), second: UInt32(second), kind: kind, pattern: pattern,
                cell: cell, cells: 1))
        return races.count - 1
    }

    /// A unit starts and completes in order: what it overwrites has been read and written. What it
    /// wrote itself it sees only later, but for sums in PSUM.
    private func isKeptByHardware(_ first: Int, _ second: Int, _ kind: DependenceKind) -> Bool {
        guard order.streams.of[first] == order.streams.of[second] else { return false }
        let one = program.instructions[second]
        if one.opcode.isDMA { return false }
        if kind != .flow { return true }
        return one.opcode == .multiplyMoving
            && program.instructions[first].opcode == .multiplyMoving
    }

    private mutating func checkTile(_ cell: Int, _ writer: Int, _ access: Access) {
        let (first, second) = writtenTiles[writer]
        guard first != access.tile, second != access.tile else { return }
        // Memory without a name may be anyone's.
        guard first != AccessPattern.noTile else { return }
        Self.add(&clobbered, access.instruction, access.pattern, UInt32(writer), cell)
    }

    private static func add(
        _ list: inout [BadRead], _ i: Int, _ pattern: UInt32, _ writer: UInt32, _ cell: Int
    ) {
        if let last = list.last, last.instruction == UInt32(i), last.pattern == pattern,
            last.writer == writer
        {
            list[list.count - 1].cells += 1
        } else if list.count < maximumFindings {
            list.append(
                BadRead(
                    instruction: UInt32(i), pattern: pattern, writer: writer, cell: cell, cells: 1))
        }
    }
}

/// Lists of the instructions that have read a cell since its last write: the latest of each stream,
/// for streams complete in order.
private struct ReaderLists {
    private var instructions: [UInt32] = [0]
    private var nexts: [UInt32] = [0]
    private var firstFree: UInt32 = 0

    func instruction(of node: UInt32) -> UInt32 { instructions[Int(node)] }
    func next(of node: UInt32) -> UInt32 { nexts[Int(node)] }

    /// Adds a reader to the list that begins with node `first` (0: empty).
    mutating func add(_ reader: UInt32, to first: inout UInt32, _ streams: Streams) {
        let stream = streams.of[Int(reader)]
        var node = first
        while node != 0 {
            if streams.of[Int(instructions[Int(node)])] == stream {
                instructions[Int(node)] = reader
                return
            }
            node = nexts[Int(node)]
        }
        node = firstFree
        if node == 0 {
            node = UInt32(instructions.count)
            instructions.append(reader)
            nexts.append(first)
        } else {
            firstFree = nexts[Int(node)]
            instructions[Int(node)] = reader
            nexts[Int(node)] = first
        }
        first = node
    }

    /// Empties the list that begins with node `first`.
    mutating func free(_ first: inout UInt32) {
        while first != 0 {
            let next = nexts[Int(first)]
            nexts[Int(first)] = firstFree
            firstFree = first
            first = next
        }
    }
}
