/// Prints a program as text.
///
/// Patterns and source lines are written where they are used. The parser numbers them in order of
/// first use; when that would not give the program's own tables, the tables are printed first.
struct KirTextPrinter {
    private let program: Program
    private var output = ""
    /// The first entry of each content: what the parser finds.
    private var patternIndices: [AccessPattern: UInt32] = [:]
    private var lineIndices: [SourceLine: UInt32] = [:]
    private var tileNames: [String] = []
    private var loopNames: [String] = []
    /// Where in `waitReasons` the printer is, when they can be printed at their waits.
    private var nextReason = 0
    private let reasonsAreAtWaits: Bool

    init(_ program: Program) {
        self.program = program
        reasonsAreAtWaits = Self.areAtWaits(program)
        for (i, pattern) in program.patterns.enumerated() where patternIndices[pattern] == nil {
            patternIndices[pattern] = UInt32(i)
        }
        for (i, line) in program.lines.enumerated() where lineIndices[line] == nil {
            lineIndices[line] = UInt32(i)
        }
        let tensors = Set(program.tensors.map(\.name))
        tileNames = Self.references(program.tiles.map(\.name), apartFrom: tensors)
        loopNames = Self.references(program.loops.map(\.name), apartFrom: [])
    }

    /// What each of `names` is called in text: by itself when it is unique, else with its index.
    private static func references(
        _ names: [String], apartFrom others: Set<String>
    ) -> [String] {
        var uses: [String: Int] = [:]
        for name in names { uses[name, default: 0] += 1 }
        return names.enumerated().map { i, name in
            let text = self.name(name)
            return uses[name] == 1 && !others.contains(name) ? text : "\(text)#\(i)"
        }
    }

    /// Whether the reasons stand in order of consumers and waits, at waits that are there.
    private static func areAtWaits(_ program: Program) -> Bool {
        var last = (consumer: UInt32(0), slot: UInt8(0))
        for reason in program.waitReasons {
            let one = program.instructions[Int(reason.consumer)]
            guard (reason.consumer, reason.slot) >= (last.consumer, last.slot),
                one.wait(inSlot: Int(reason.slot)).isPresent
            else { return false }
            last = (reason.consumer, reason.slot)
        }
        return true
    }

    private static func name(_ text: String) -> String {
        KirWord.isBareName(text) ? text : KirWord.quoted(text)
    }

    private static func value(_ text: String) -> String {
        KirWord.isBareValue(text) ? text : KirWord.quoted(text)
    }

    /// The whole text.
    mutating func text() -> String {
        output.reserveCapacity(1024 + program.instructions.count * 128)
        output += "kir \(KirText.version)\n"
        output += "kernel \(Self.value(program.name))\n"
        output += "machine \(Self.value(program.machine))\n"
        for parameter in program.parameters {
            output += "parameter \(Self.value(parameter.name)) = \(Self.value(parameter.value))\n"
        }
        printLineTable()
        for tensor in program.tensors {
            let shape = tensor.shape.map(String.init).joined(separator: ", ")
            output += "tensor \(Self.name(tensor.name)) \(tensor.role) \(tensor.type.name) "
            output += "[\(shape)]\n"
        }
        for tile in program.tiles { printTile(tile) }
        printLoops()
        printPatternTable()
        if !program.instructions.isEmpty { output += "\n" }
        for i in program.instructions.indices { printInstruction(i) }
        if !reasonsAreAtWaits {
            for reason in program.waitReasons {
                output += "reason #\(reason.consumer) wait\(reason.slot) "
                printReason(reason)
                output += "\n"
            }
        }
        return output
    }

    // MARK: Tables

    private mutating func printLineTable() {
        var order = FirstUses()
        for tile in program.tiles { order.use(tile.line) }
        for loop in program.loops { order.use(loop.line) }
        for instruction in program.instructions { order.use(instruction.line) }
        // Entry 0 is there without being used.
        let isImplied =
            order.isAscending(from: 1, to: program.lines.count)
            && lineIndices.count == program.lines.count
        guard !isImplied else { return }
        for line in program.lines.dropFirst() {
            output += "source \(Self.value(line.file)):\(line.line)\n"
        }
    }

    private mutating func printPatternTable() {
        var order = FirstUses()
        for instruction in program.instructions {
            for operand in instruction.patternOperands { order.use(operand) }
        }
        let isImplied =
            order.isAscending(from: 0, to: program.patterns.count)
            && patternIndices.count == program.patterns.count
        guard !isImplied else { return }
        for pattern in program.patterns {
            output += "pattern "
            printPattern(pattern)
            output += "\n"
        }
    }

    private mutating func printTile(_ tile: TileAllocation) {
        output += "tile \(Self.name(tile.name)) \(tile.space.name) \(tile.type.name) "
        output += "partitions \(tile.partitionStart)+\(tile.partitionCount) "
        output += "bytes \(tile.offset)+\(tile.bytesPerPartition) "
        output += "uses \(tile.firstUse)...\(tile.lastUse)"
        printLine(tile.line)
        output += "\n"
    }

    private mutating func printLoops() {
        for loop in program.loops {
            output += "loop \(Self.name(loop.name))"
            printLine(loop.line)
            output += "\n"
        }
        for (i, iteration) in program.iterations.enumerated() {
            output += "iteration \(loopNames[Int(iteration.loop)]) \(iteration.index)"
            if iteration.parent != LoopIteration.none { output += " in #\(iteration.parent)" }
            output += "  // #\(i)\n"
        }
        let known = program.iterationOfInstruction
        if !known.isEmpty, known.allSatisfy({ $0 == LoopIteration.none }) { output += "iterated\n" }
    }

    private mutating func printLine(_ line: UInt32) {
        guard line != 0 else { return }
        let source = program.lines[Int(line)]
        output +=
            lineIndices[source] == line
            ? " at \(Self.value(source.file)):\(source.line)" : " at #\(line)"
    }

    // MARK: Operands

    private mutating func printOperand(_ operand: UInt32) {
        guard operand != Instruction.noPattern else {
            output += "_"
            return
        }
        let pattern = program.patterns[Int(operand)]
        if patternIndices[pattern] == operand {
            printPattern(pattern)
        } else {
            output += "#\(operand)"
        }
    }

    private mutating func printPattern(_ pattern: AccessPattern) {
        if pattern.space == .hbm {
            printTensorPattern(pattern)
            return
        }
        let size = pattern.type.byteCount
        if pattern.tile != AccessPattern.noTile,
            program.tiles[Int(pattern.tile)].space == pattern.space
        {
            let tile = program.tiles[Int(pattern.tile)]
            output += tileNames[Int(pattern.tile)]
            if pattern.type != tile.type { output += ":" + KirVocabulary.types.name(pattern.type) }
            let first = Int(pattern.partitionStart) - tile.partitionStart
            output += "[\(first):\(first + Int(pattern.partitionCount)), "
            printFree(pattern, bytes: Int(pattern.offset) - tile.offset, size: size)
            return
        }
        let first = Int(pattern.partitionStart)
        output += pattern.space == .sbuf ? "sbuf:" : "psum:"
        output += KirVocabulary.types.name(pattern.type)
        output += "[\(first):\(first + Int(pattern.partitionCount)), "
        printFree(pattern, bytes: Int(pattern.offset), size: size)
        printOwner(pattern)
    }

    private mutating func printTensorPattern(_ pattern: AccessPattern) {
        let tensor = program.tensors[Int(pattern.tensor)]
        output += Self.name(tensor.name)
        if pattern.type != tensor.type { output += ":" + KirVocabulary.types.name(pattern.type) }
        let size = pattern.type.byteCount
        let rowLength = tensor.rowLength
        let bytes = Int(pattern.offset)
        if Int(pattern.partitionStride) == rowLength, bytes >= 0, bytes % size == 0 {
            let row = bytes / size / rowLength
            output += "[\(row):\(row + Int(pattern.partitionCount)), "
            printFree(pattern, bytes: bytes - row * rowLength * size, size: size)
        } else {
            output += "[\(pattern.partitionCount)x\(pattern.partitionStride), "
            printFree(pattern, bytes: bytes, size: size)
        }
        printOwner(pattern)
    }

    private mutating func printOwner(_ pattern: AccessPattern) {
        if pattern.tile != AccessPattern.noTile { output += " of \(tileNames[Int(pattern.tile)])" }
    }

    /// The free dimensions and the closing bracket.
    private mutating func printFree(_ pattern: AccessPattern, bytes: Int, size: Int) {
        let unused = FreeDimension(count: 1, stride: 0)
        let dimensions = (0..<4).map(pattern.dimension).drop { $0 == unused }
        let isWhole = bytes % size == 0
        if isWhole, dimensions.count == 1, let only = dimensions.first, only.stride == 1 {
            output += "\(bytes / size):\(bytes / size + Int(only.count))]"
            return
        }
        output += isWhole ? "\(bytes / size)" : "@\(bytes)"
        for dimension in dimensions { output += " + \(dimension.count)x\(dimension.stride)" }
        output += "]"
    }

    // MARK: Instructions

    private mutating func printInstruction(_ i: Int) {
        let one = program.instructions[i]
        if i % 10 == 0 { output += "// #\(i)\n" }
        output += KirVocabulary.engines.name(one.engine)
        output += "."
        output += KirVocabulary.opcodes.name(one.opcode)
        if one.destination != Instruction.noPattern {
            output += " "
            printOperand(one.destination)
        }
        printSources(one)
        printImmediates(one)
        for (name, flag) in KirVocabulary.flagNames where one.flags.contains(flag) {
            output += " \(name)"
        }
        if one.ring != 0 { output += " ring=\(one.ring)" }
        printWaits(one, i)
        if one.signal != SemaphoreWait.none {
            output += " signal s\(one.signal)+\(one.signalAmount)"
        }
        printLine(one.line)
        if !program.iterationOfInstruction.isEmpty {
            let iteration = program.iterationOfInstruction[i]
            if iteration != LoopIteration.none { output += " in #\(iteration)" }
        }
        output += "\n"
    }

    private mutating func printSources(_ one: Instruction) {
        var sources = [one.source0]
        if !one.opcode.hasCoefficients { sources += [one.source1, one.source2] }
        while sources.last == Instruction.noPattern { sources.removeLast() }
        for (k, source) in sources.enumerated() {
            output += k == 0 ? " <- " : ", "
            printOperand(source)
        }
    }

    private mutating func printImmediates(_ one: Instruction) {
        if one.operation0 != 0 {
            let name =
                one.opcode == .activation
                ? Activation(rawValue: one.operation0).map(KirVocabulary.activations.name)
                : ALUOperation(rawValue: one.operation0).map(KirVocabulary.operations.name)
            output += " op0=\(name ?? "\(one.operation0)")"
        }
        if one.operation1 != 0 {
            let name = ALUOperation(rawValue: one.operation1).map(KirVocabulary.operations.name)
            output += " op1=\(name ?? "\(one.operation1)")"
        }
        printImmediate("i0", one.immediate0)
        printImmediate("i1", one.immediate1)
        if one.opcode.hasCoefficients {
            let steps = (Int32(bitPattern: one.source1), Int32(bitPattern: one.source2))
            if steps.0 != 0 { output += " partitionStep=\(steps.0)" }
            if steps.1 != 0 { output += " elementStep=\(steps.1)" }
        }
    }

    private mutating func printImmediate(_ name: String, _ value: Float) {
        guard value.bitPattern != 0 else { return }
        let isPlain = !value.isNaN || value.bitPattern == Float.nan.bitPattern
        output += " \(name)="
        output += isPlain ? value.description : "0x" + String(value.bitPattern, radix: 16)
    }

    private mutating func printWaits(_ one: Instruction, _ i: Int) {
        var missing = 0
        for slot in 0..<3 {
            let wait = one.wait(inSlot: slot)
            guard wait.isPresent else {
                missing += 1
                continue
            }
            output += String(repeating: " wait -", count: missing)
            missing = 0
            output += " wait s\(wait.semaphore)>=\(wait.value)"
            printReasons(wait, i, slot)
        }
    }

    private mutating func printReasons(_ wait: SemaphoreWait, _ i: Int, _ slot: Int) {
        let kind = DependenceKind(rawValue: UInt8(truncatingIfNeeded: wait.kind)) ?? .unknown
        let first = nextReason
        if reasonsAreAtWaits {
            while nextReason < program.waitReasons.count,
                Int(program.waitReasons[nextReason].consumer) == i,
                Int(program.waitReasons[nextReason].slot) == slot
            { nextReason += 1 }
        }
        guard kind != .unknown || nextReason > first else { return }
        output += " ("
        output += KirVocabulary.dependences.name(kind)
        for k in first..<nextReason {
            output += k == first ? ": " : ", "
            printReason(program.waitReasons[k])
        }
        output += ")"
    }

    private mutating func printReason(_ reason: WaitReason) {
        output += KirVocabulary.dependences.name(reason.kind)
        output += " #\(reason.producer)"
        if reason.tile != AccessPattern.noTile { output += " \(tileNames[Int(reason.tile)])" }
    }
}

/// The order in which entries of a table are first used.
private struct FirstUses {
    private var order: [UInt32] = []
    private var seen: Set<UInt32> = []

    mutating func use(_ index: UInt32) {
        if seen.insert(index).inserted { order.append(index) }
    }

    /// Whether all entries from `first` up to `end` were used, each for the first time in order of
    /// index.
    func isAscending(from first: Int, to end: Int) -> Bool {
        let used = order.filter { Int($0) >= first }
        return used.count == end - first && used.enumerated().allSatisfy { $1 == first + $0 }
    }
}

extension Instruction {
    /// Wait `slot`, 0 to 2.
    func wait(inSlot slot: Int) -> SemaphoreWait {
        switch slot {
        case 0: wait0
        case 1: wait1
        default: wait2
        }
    }

    /// The operands that are patterns and are there, destination first.
    var patternOperands: [UInt32] {
        let all =
            opcode.hasCoefficients
            ? [destination, source0] : [destination, source0, source1, source2]
        return all.filter { $0 != Instruction.noPattern }
    }
}

extension TensorDeclaration {
    /// Elements from one index of the outermost dimension to the next.
    var rowLength: Int { shape.dropFirst().reduce(1, *) }
}
