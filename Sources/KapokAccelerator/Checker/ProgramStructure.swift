/// What must hold for a program before anything else may be asked of it: indices point into their
/// tables, reserved fields are zero, and sizes are so bounded that no product of them overflows.
///
/// Readers of files refuse programs that are not so; behind them, nobody checks it again.
struct ProgramStructure {
    /// The most elements that an access covers in one partition.
    static let maximumElements = 1 << 32
    /// The largest offset in bytes, and the farthest that one dimension reaches, in elements.
    static let maximumReach = 1 << 48
    /// The most elements of a tensor, and the largest extent of a tile.
    static let maximumSize = 1 << 46

    private let program: Program

    init(_ program: Program) { self.program = program }

    /// The first thing that is wrong; nil when the program is well-formed. Linear in its size.
    func firstProblem() -> KirError? {
        tableProblem() ?? loopProblem() ?? tensorProblem() ?? tileProblem()
            ?? patternProblem() ?? instructionProblem() ?? reasonProblem()
    }

    private func problem(
        _ kind: KirError.Kind, _ table: String, _ index: Int, _ text: String,
        remedy: String = "the program that made this does not follow docs/kir.md"
    ) -> KirError {
        KirError(kind, at: .entry(table: table, index: index), text, remedy: remedy)
    }

    private func missing(
        _ table: String, _ index: Int, _ what: String, _ value: UInt32
    ) -> KirError {
        problem(.reference, table, index, "there is no \(what) \(value)")
    }

    // MARK: Lines, loops, iterations

    private func tableProblem() -> KirError? {
        let limit = Int(UInt32.max)
        guard program.instructions.count < limit, program.patterns.count < limit,
            program.tiles.count < limit, program.iterations.count < limit
        else { return problem(.tooLarge, "instruction", 0, "a table has 2^32 - 1 entries or more") }
        guard program.lines.first == SourceLine(file: "", line: 0) else {
            return problem(.malformed, "line", 0, "the first source line is not the unknown one")
        }
        for (i, line) in program.lines.enumerated()
        where line.line < 0 || line.line > Int(Int32.max) {
            return problem(.tooLarge, "line", i, "line number \(line.line)")
        }
        return nil
    }

    private func loopProblem() -> KirError? {
        for (i, loop) in program.loops.enumerated() where Int(loop.line) >= program.lines.count {
            return missing("loop", i, "source line", loop.line)
        }
        for (i, iteration) in program.iterations.enumerated() {
            if Int(iteration.loop) >= program.loops.count {
                return missing("iteration", i, "loop", iteration.loop)
            }
            if iteration.parent != LoopIteration.none, Int(iteration.parent) >= i {
                return problem(
                    .reference, "iteration", i,
                    "its enclosing iteration \(iteration.parent) does not stand before it")
            }
        }
        let count = program.iterationOfInstruction.count
        guard count == 0 || count == program.instructions.count else {
            return problem(
                .malformed, "iteration of instruction", count,
                "there are \(count) entries for \(program.instructions.count) instructions")
        }
        for (i, iteration) in program.iterationOfInstruction.enumerated()
        where iteration != LoopIteration.none && Int(iteration) >= program.iterations.count {
            return missing("iteration of instruction", i, "iteration", iteration)
        }
        return nil
    }

    // MARK: Tensors and tiles

    private func tensorProblem() -> KirError? {
        guard program.tensors.count <= Int(UInt16.max) else {
            return problem(.tooLarge, "tensor", 65_535, "there are more than 65,535 tensors")
        }
        var names: Set<String> = []
        for (i, tensor) in program.tensors.enumerated() {
            guard names.insert(tensor.name).inserted else {
                return problem(
                    .malformed, "tensor", i, "there are two tensors named \(tensor.name)",
                    remedy: "give each tensor a name of its own")
            }
            if let problem = problem(of: tensor, i) { return problem }
        }
        return nil
    }

    /// What is wrong with the shape of a tensor, entry `i` of its table.
    func problem(of tensor: TensorDeclaration, _ i: Int) -> KirError? {
        guard tensor.shape.count <= KirLayout.maximumRank else {
            return problem(.tooLarge, "tensor", i, "it has \(tensor.shape.count) dimensions")
        }
        var elements = 1
        for extent in tensor.shape {
            guard extent >= 1, extent <= Self.maximumSize / elements else {
                return problem(.tooLarge, "tensor", i, "its shape is \(tensor.shape)")
            }
            elements *= extent
        }
        return nil
    }

    private func tileProblem() -> KirError? {
        for (i, tile) in program.tiles.enumerated() {
            if let problem = problem(of: tile, i) { return problem }
        }
        return nil
    }

    /// What is wrong with a tile, entry `i` of its table.
    func problem(of tile: TileAllocation, _ i: Int) -> KirError? {
        let range = 0...Self.maximumSize
        guard range.contains(tile.partitionStart), range.contains(tile.partitionCount),
            range.contains(tile.offset), range.contains(tile.bytesPerPartition)
        else { return problem(.tooLarge, "tile", i, "its place or size makes no sense") }
        guard tile.space != .hbm else {
            return problem(
                .malformed, "tile", i, "a tile lies in HBM", remedy: "declare a tensor instead")
        }
        if Int(tile.line) >= program.lines.count {
            return missing("tile", i, "source line", tile.line)
        }
        return nil
    }

    // MARK: Patterns

    private func patternProblem() -> KirError? {
        for i in program.patterns.indices {
            if let problem = problem(of: program.patterns[i], i) { return problem }
        }
        return nil
    }

    /// What is wrong with an access pattern, entry `i` of its table.
    func problem(of pattern: AccessPattern, _ i: Int) -> KirError? {
        guard pattern.reserved == 0 else {
            return problem(.malformed, "pattern", i, "a reserved field is not zero")
        }
        if pattern.tile != AccessPattern.noTile, Int(pattern.tile) >= program.tiles.count {
            return missing("pattern", i, "tile", pattern.tile)
        }
        if pattern.space == .hbm {
            guard Int(pattern.tensor) < program.tensors.count else {
                return missing("pattern", i, "tensor", UInt32(pattern.tensor))
            }
            guard pattern.partitionStart == 0 else {
                return problem(.malformed, "pattern", i, "its first partition in HBM is not 0")
            }
        } else if pattern.tensor != 0 || pattern.partitionStride != 0 {
            return problem(
                .malformed, "pattern", i, "it has a tensor or a row stride, and is not in HBM")
        }
        guard pattern.partitionCount >= 1 else {
            return problem(.malformed, "pattern", i, "it covers no partition")
        }
        let reach = Int64(Self.maximumReach)
        guard pattern.offset >= -reach, pattern.offset <= reach else {
            return problem(.tooLarge, "pattern", i, "its offset is \(pattern.offset)")
        }
        return dimensionProblem(pattern, i)
    }

    private func dimensionProblem(_ pattern: AccessPattern, _ i: Int) -> KirError? {
        var elements = 1
        for k in 0..<4 {
            let dimension = pattern.dimension(k)
            guard dimension.count >= 1 else {
                return problem(.malformed, "pattern", i, "a dimension has no elements")
            }
            let count = Int(dimension.count)
            guard count <= Self.maximumElements / elements,
                (count - 1) * abs(Int(dimension.stride)) <= Self.maximumReach
            else { return problem(.tooLarge, "pattern", i, "dimension \(k) is too long") }
            elements *= count
        }
        return nil
    }

    // MARK: Instructions

    private func instructionProblem() -> KirError? {
        program.instructions.withUnsafeBufferPointer { instructions in
            for i in 0..<instructions.count {
                if let problem = problem(of: instructions[i], i) { return problem }
            }
            return nil
        }
    }

    private func problem(of one: Instruction, _ i: Int) -> KirError? {
        guard one.reserved == 0, one.flags.isSubset(of: .known) else {
            return problem(.malformed, "instruction", i, "a reserved field or flag is not zero")
        }
        let patterns = UInt32(program.patterns.count)
        func isMissing(_ operand: UInt32) -> Bool {
            operand != Instruction.noPattern && operand >= patterns
        }
        if isMissing(one.destination) {
            return missing("instruction", i, "pattern", one.destination)
        }
        if isMissing(one.source0) { return missing("instruction", i, "pattern", one.source0) }
        if !one.opcode.hasCoefficients {
            if isMissing(one.source1) { return missing("instruction", i, "pattern", one.source1) }
            if isMissing(one.source2) { return missing("instruction", i, "pattern", one.source2) }
        }
        if Int(one.line) >= program.lines.count {
            return missing("instruction", i, "source line", one.line)
        }
        guard isWellFormed(one.wait0), isWellFormed(one.wait1), isWellFormed(one.wait2) else {
            return problem(
                .malformed, "instruction", i,
                "a wait has an unknown kind, or no semaphore but a value or kind")
        }
        guard one.signal != SemaphoreWait.none || one.signalAmount == 0 else {
            return problem(.malformed, "instruction", i, "it signals an amount but no semaphore")
        }
        return nil
    }

    private func isWellFormed(_ wait: SemaphoreWait) -> Bool {
        wait.isPresent
            ? wait.kind <= UInt16(DependenceKind.bank.rawValue)
            : wait.kind == 0 && wait.value == 0
    }

    private func reasonProblem() -> KirError? {
        let instructions = program.instructions.count
        for (i, reason) in program.waitReasons.enumerated() {
            if Int(reason.consumer) >= instructions {
                return missing("wait reason", i, "instruction", reason.consumer)
            }
            if Int(reason.producer) >= instructions {
                return missing("wait reason", i, "instruction", reason.producer)
            }
            if reason.tile != AccessPattern.noTile, Int(reason.tile) >= program.tiles.count {
                return missing("wait reason", i, "tile", reason.tile)
            }
            guard reason.slot <= 2 else {
                return problem(.malformed, "wait reason", i, "there is no wait \(reason.slot)")
            }
        }
        return nil
    }
}

extension InstructionFlags {
    /// All flags that there are.
    static let known = InstructionFlags(rawValue: 1023)
}

extension Opcode {
    /// Whether the fields of `source1` and `source2` hold integers.
    var hasCoefficients: Bool { self == .iota || self == .affineSelect }
}

extension AccessPattern {
    /// Free dimension `k`, 0 (outermost) to 3.
    func dimension(_ k: Int) -> FreeDimension {
        switch k {
        case 0: dimension0
        case 1: dimension1
        case 2: dimension2
        default: dimension3
        }
    }
}
