extension KirTextParser {
    /// `engine.opcode [destination] [<- source, ...] attribute ...`
    mutating func parseInstruction(_ word: String) throws(KirError) {
        let start = scanner
        _ = scanner.word()
        let parts = word.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let engine = KirVocabulary.engines[String(parts[0])]
        else {
            throw start.error(
                .unknownName, "\(start.seen()) begins neither a directive nor an instruction",
                remedy: "an instruction begins with an engine and an opcode: vector.tensorCopy; "
                    + "engines are " + KirVocabulary.engines.list)
        }
        guard let opcode = KirVocabulary.opcodes[String(parts[1])] else {
            throw start.error(
                .unknownName, "\"\(parts[1])\" is not an opcode",
                remedy: "write one of: " + KirVocabulary.opcodes.list)
        }
        var one = Instruction(opcode, on: engine)
        if opcode.hasCoefficients {
            one.source1 = 0
            one.source2 = 0
        }
        if scanner.isAtOperand() { one.destination = try operand() }
        if scanner.takes("<-") { try parseSources(&one) }
        var waits = 0
        while !scanner.isAtLineEnd() { try parseAttribute(&one, &waits) }
        program.instructions.append(one)
    }

    private mutating func parseSources(_ one: inout Instruction) throws(KirError) {
        one.source0 = try operand()
        guard !one.opcode.hasCoefficients, scanner.takes(",") else { return }
        one.source1 = try operand()
        guard scanner.takes(",") else { return }
        one.source2 = try operand()
    }

    // MARK: Attributes

    private mutating func parseAttribute(
        _ one: inout Instruction, _ waits: inout Int
    ) throws(KirError) {
        let start = scanner
        let word = scanner.word()
        switch word {
        case "op0":
            try scanner.expect("=")
            one.operation0 =
                one.opcode == .activation
                ? try operation(KirVocabulary.activations)
                : try operation(KirVocabulary.operations)
        case "op1":
            try scanner.expect("=")
            one.operation1 = try operation(KirVocabulary.operations)
        case "i0":
            try scanner.expect("=")
            one.immediate0 = try scanner.immediate()
        case "i1":
            try scanner.expect("=")
            one.immediate1 = try scanner.immediate()
        case "ring":
            try scanner.expect("=")
            one.ring = UInt8(try scanner.number("a ring", in: 0...255))
        case "partitionStep" where one.opcode.hasCoefficients: one.source1 = try step()
        case "elementStep" where one.opcode.hasCoefficients: one.source2 = try step()
        case "wait": try parseWait(&one, &waits)
        case "signal":
            one.signal = try semaphore()
            try scanner.expect("+")
            one.signalAmount = UInt16(try scanner.number("an amount", in: 0...65_535))
        case "at": one.line = try lineReference()
        case "in": try parseIterationOfInstruction()
        default:
            guard let flag = KirVocabulary.flags[word] else {
                let flags = KirVocabulary.flagNames.map(\.name).joined(separator: ", ")
                throw start.error(
                    .syntax, "\(start.seen()) is no attribute of \(one.opcode.name)",
                    remedy: "write one of: op0=, op1=, i0=, i1=, ring=, wait, signal, at, in, or "
                        + "a flag: \(flags)")
            }
            one.flags.insert(flag)
        }
    }

    /// `add`, or a number for an operation that has no name.
    private mutating func operation<T: CaseIterable & RawRepresentable<UInt8>>(
        _ names: KirNames<T>
    ) throws(KirError) -> UInt8 {
        let start = scanner
        if let first = scanner.word().utf8.first, first >= 0x30, first <= 0x39 {
            scanner = start
            return UInt8(try scanner.number("an operation", in: 0...255))
        }
        scanner = start
        return try choice(names, "an operation").rawValue
    }

    private mutating func step() throws(KirError) -> UInt32 {
        try scanner.expect("=")
        let range = Int(Int32.min)...Int(Int32.max)
        return UInt32(bitPattern: Int32(try scanner.number("a step", in: range)))
    }

    /// `s7`
    private mutating func semaphore() throws(KirError) -> UInt16 {
        try scanner.expect("s")
        return UInt16(try scanner.number("the number of a semaphore", in: 0...65_534))
    }

    private mutating func parseIterationOfInstruction() throws(KirError) {
        let iteration = try iterationReference()
        isIterated = true
        let missing = program.instructions.count - program.iterationOfInstruction.count
        guard missing >= 0 else {
            throw scanner.error(
                .syntax, "the instruction has two iterations", remedy: "keep the innermost")
        }
        program.iterationOfInstruction +=
            Array(repeating: LoopIteration.none, count: missing) + [iteration]
    }

    // MARK: Waits

    /// `wait s7>=12 (flow: flow #3 lhs, anti #9)`, or `wait -` for one that is not there.
    private mutating func parseWait(
        _ one: inout Instruction, _ waits: inout Int
    ) throws(KirError) {
        guard waits < 3 else {
            throw scanner.error(
                .tooLarge, "an instruction has at most three waits",
                remedy: "put the others on a nop before it, on the same engine")
        }
        let slot = waits
        waits += 1
        if scanner.takes("-") { return }
        var wait = SemaphoreWait(semaphore: try semaphore())
        try scanner.expect(">=")
        wait.value = UInt32(try scanner.number("a value", in: 0...Int(UInt32.max)))
        if scanner.takes("(") {
            wait.kind = UInt16(try dependenceKind().rawValue)
            if scanner.takes(":") {
                repeat {
                    try parseReason(UInt32(program.instructions.count), slot)
                } while scanner.takes(",")
            }
            try scanner.expect(")")
        }
        switch slot {
        case 0: one.wait0 = wait
        case 1: one.wait1 = wait
        default: one.wait2 = wait
        }
    }

    private mutating func dependenceKind() throws(KirError) -> DependenceKind {
        try choice(KirVocabulary.dependences, "a kind of dependence")
    }

    /// `flow #3 lhs`
    private mutating func parseReason(_ consumer: UInt32, _ slot: Int) throws(KirError) {
        let kind = try dependenceKind()
        let producer = try instructionReference()
        var tile = AccessPattern.noTile
        if scanner.isAtName() { tile = try tileReference() }
        program.waitReasons.append(
            WaitReason(
                consumer: consumer, slot: UInt8(slot), kind: kind, producer: producer, tile: tile))
    }

    private mutating func instructionReference() throws(KirError) -> UInt32 {
        try scanner.expect("#")
        let place = scanner.place
        let index = UInt32(try scanner.number("an instruction", in: 0...Int(UInt32.max) - 1))
        instructionReferences.append((index, place))
        return index
    }

    /// `reason #5 wait1 flow #3 lhs`
    mutating func parseReasonEntry() throws(KirError) {
        let consumer = try instructionReference()
        try scanner.expect("wait")
        let slot = try scanner.number("a wait", in: 0...2)
        try parseReason(consumer, slot)
    }

    // MARK: Patterns

    /// `lhs[0:128, 0:512]`, `A:bf16[4x1024, 16 + 8x2]`, `psum:fp32[0:128, 0:512] of acc#3`
    mutating func pattern() throws(KirError) -> AccessPattern {
        let start = scanner
        let (name, isQuoted) = try scanner.name("an operand")
        if !isQuoted, name == "sbuf" || name == "psum" {
            return try rawPattern(name == "sbuf" ? .sbuf : .psum)
        }
        if let tensor = tensorIndex(name), !scanner.takesHere("#") {
            return try tensorPattern(tensor)
        }
        scanner = start
        let index = try tileReference()
        let tile = program.tiles[Int(index)]
        var pattern = AccessPattern(
            tile.space, try optionalType() ?? tile.type, partitionCount: 1, tile: index,
            dimensions: [])
        try parsePartitions(&pattern, from: tile.partitionStart)
        try parseFree(&pattern, from: tile.offset)
        return pattern
    }

    private mutating func optionalType() throws(KirError) -> ElementType? {
        scanner.takesHere(":") ? try elementType() : nil
    }

    private mutating func rawPattern(_ space: MemorySpace) throws(KirError) -> AccessPattern {
        guard let type = try optionalType() else {
            throw scanner.error(
                .syntax, "an element type is expected here", remedy: "write it like sbuf:fp32[...]")
        }
        var pattern = AccessPattern(space, type, partitionCount: 1, dimensions: [])
        try parsePartitions(&pattern, from: 0)
        try parseFree(&pattern, from: 0)
        pattern.tile = try optionalOwner()
        return pattern
    }

    private mutating func optionalOwner() throws(KirError) -> UInt32 {
        let start = scanner
        guard scanner.word() == "of" else {
            scanner = start
            return AccessPattern.noTile
        }
        return try tileReference()
    }

    /// `[first:end,`
    private mutating func parsePartitions(
        _ pattern: inout AccessPattern, from base: Int
    ) throws(KirError) {
        try scanner.expect("[")
        let place = scanner.place
        let (first, end) = try range("partitions")
        guard end > first, (0...255).contains(base + first), end - first <= Int(UInt16.max) else {
            throw KirError(
                .malformed, at: place, "there are no partitions \(first):\(end) here",
                remedy: "write the first one and the one behind the last: 0:128")
        }
        pattern.partitionStart = UInt8(base + first)
        pattern.partitionCount = UInt16(end - first)
        try scanner.expect(",")
    }

    private mutating func range(_ what: String) throws(KirError) -> (first: Int, end: Int) {
        let first = try scanner.number(what)
        try scanner.expect(":")
        return (first, try scanner.number(what))
    }

    /// `[first:end,` for whole rows, else `[count x stride,`
    private mutating func tensorPattern(_ index: Int) throws(KirError) -> AccessPattern {
        let tensor = program.tensors[index]
        var pattern = AccessPattern(
            .hbm, try optionalType() ?? tensor.type, partitionCount: 1, tensor: index,
            dimensions: [])
        try scanner.expect("[")
        let place = scanner.place
        let first = try scanner.number("rows")
        var base = 0
        if scanner.takes("x") {
            let strides = Int(Int32.min)...Int(Int32.max)
            pattern.partitionCount = UInt16(clamping: first)
            pattern.partitionStride = Int32(try scanner.number("a row stride", in: strides))
            guard (1...Int(UInt16.max)).contains(first) else { throw rowCountError(place) }
        } else {
            try scanner.expect(":")
            let end = try scanner.number("rows")
            let rowBytes = tensor.rowLength * pattern.type.byteCount
            let (offset, overflow) = first.multipliedReportingOverflow(by: rowBytes)
            guard (1...Int(UInt16.max)).contains(end - first), !overflow,
                abs(offset) <= KirTextScanner.maximumNumber,
                let stride = Int32(exactly: tensor.rowLength)
            else { throw rowCountError(place) }
            pattern.partitionCount = UInt16(end - first)
            pattern.partitionStride = stride
            base = offset
        }
        try scanner.expect(",")
        try parseFree(&pattern, from: base)
        pattern.tile = try optionalOwner()
        return pattern
    }

    private func rowCountError(_ place: KirError.Place) -> KirError {
        KirError(
            .malformed, at: place, "these rows cannot be: there are none, or too many or too long",
            remedy: "write the first one and the one behind the last (0:128), or how many and "
                + "their distance in elements (128x4096)")
    }

    /// `first:end]` for elements side by side, else `start + count x stride + ...]`; `start` is in
    /// elements, or in bytes as `@start`.
    private mutating func parseFree(
        _ pattern: inout AccessPattern, from base: Int
    ) throws(KirError) {
        let place = scanner.place
        let size = pattern.type.byteCount
        let isInBytes = scanner.takes("@")
        let start = try scanner.number("elements")
        pattern.offset = Int64(base + (isInBytes ? start : start * size))
        var dimensions: [FreeDimension] = []
        if !isInBytes, scanner.takes(":") {
            let end = try scanner.number("elements")
            guard end > start, end - start <= Int(UInt32.max) else {
                throw KirError(
                    .malformed, at: place, "there are no elements \(start):\(end)",
                    remedy: "write the first one and the one behind the last: 0:512")
            }
            dimensions = [FreeDimension(count: end - start, stride: 1)]
        }
        while dimensions.count < 4, scanner.takes("+") {
            let count = try scanner.number("a count", in: 1...Int(UInt32.max))
            try scanner.expect("x")
            let strides = Int(Int32.min)...Int(Int32.max)
            let stride = try scanner.number("a stride", in: strides)
            dimensions.append(FreeDimension(count: count, stride: stride))
        }
        try scanner.expect("]")
        setDimensions(dimensions, of: &pattern)
    }

    private func setDimensions(_ dimensions: [FreeDimension], of pattern: inout AccessPattern) {
        let padded =
            Array(
                repeating: FreeDimension(count: 1, stride: 0), count: 4 - dimensions.count)
            + dimensions
        pattern.dimension0 = padded[0]
        pattern.dimension1 = padded[1]
        pattern.dimension2 = padded[2]
        pattern.dimension3 = padded[3]
    }
}
