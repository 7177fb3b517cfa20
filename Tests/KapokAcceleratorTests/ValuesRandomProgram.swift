import KapokWorld

@testable import KapokAccelerator

/// Random legal programs over small memories: every opcode, all types, strides, repeated elements,
/// operands that overlap.
struct ValuesRandomProgram {
    var builder = ValuesProgram()
    var random: RandomStream

    /// Memories small enough that operands meet.
    static func machine() throws -> Machine {
        let small = MachineDescription.trainium2
            .setting(.sbufBytesPerPartition, to: 2048, source: "test", confidence: .assumed)
            .setting(.psumBytesPerPartition, to: 1024, source: "test", confidence: .assumed)
        return try Machine(small)
    }

    init(seed: UInt64) {
        random = RandomStream(seed: seed)
        builder.tensor("a", [60_000], .uint8, .scratch)
        builder.tensor("b", [60_000], .uint8, .scratch)
    }

    private mutating func pick<T>(_ choices: [T]) -> T { choices[random.below(choices.count)] }
    private mutating func pick(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + random.below(range.count)
    }

    mutating func type() -> ElementType { pick(ElementType.allCases) }
    mutating func onChip() -> MemorySpace { random.chance(2, in: 3) ? .sbuf : .psum }

    /// An operand of a given shape somewhere.
    mutating func operand(
        _ rows: Int, _ elements: Int, _ type: ElementType, _ space: MemorySpace
    ) -> UInt32 {
        let size = type.byteCount
        let limit = space == .sbuf ? 2048 : space == .psum ? 1024 : 30_000
        while true {
            let dimensions = self.dimensions(of: elements)
            let last = dimensions.reduce(0) { $0 + (Int($1.count) - 1) * Int($1.stride) }
            guard (last + 1) * size <= limit else { continue }
            let offset = pick(0...(limit - (last + 1) * size) / size) * size
            let isRemote = space == .hbm
            let step = isRemote ? pick([0, 1, last + 1, last + 7]) : 0
            guard !isRemote || offset + (last + 1 + (rows - 1) * step) * size <= 60_000 else {
                continue
            }
            return builder.pattern(
                AccessPattern(
                    space, type, partitionStart: isRemote ? 0 : pick(0...128 - rows),
                    partitionCount: rows, offset: offset, tensor: isRemote ? pick(0...1) : 0,
                    partitionStride: step, dimensions: dimensions))
        }
    }

    /// Cuts `elements` into up to four dimensions, side by side or not.
    private mutating func dimensions(of elements: Int) -> [FreeDimension] {
        var counts = [elements]
        for _ in 0..<random.below(4) {
            let last = counts.removeLast()
            let divisor = pick((1...last).filter { last % $0 == 0 })
            counts += [divisor, last / divisor]
        }
        var stride = pick([1, 1, 1, 2, 3])
        var dimensions: [FreeDimension] = []
        for count in counts.reversed() {
            let isRepeated = random.chance(1, in: 16)
            dimensions.insert(FreeDimension(count: count, stride: isRepeated ? 0 : stride), at: 0)
            stride *= count
            if random.chance(1, in: 3) { stride += pick(0...3) }
        }
        return dimensions
    }

    mutating func number() -> Float {
        random.chance(1, in: 20)
            ? Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
            : Float(pick(-20...20)) * 0.375
    }

    /// Adds a random instruction.
    mutating func add(_ opcode: Opcode) {
        let rows = pick([1, 2, 5, 16])
        let elements = pick([1, 7, 16, 33, 60])
        switch opcode {
        case .nop: builder.add(.nop)
        case .loadStationary, .multiplyMoving: addProduct()
        case .dmaCopy, .dmaTranspose: addTransfer(opcode, rows, elements)
        case .tensorReduce, .partitionReduce, .bnStats, .bnAggregate:
            addReduction(opcode, rows, elements)
        case .max8, .findIndex8, .matchReplace8: addSearch(opcode, rows, 8 + elements)
        default: addElementwise(opcode, rows, elements)
        }
    }

    private mutating func addElementwise(_ opcode: Opcode, _ rows: Int, _ elements: Int) {
        var flags: InstructionFlags = random.chance(1, in: 4) ? .stochastic : []
        for flag: InstructionFlags in [.reverse0, .reverse1, .scalar0, .scalar1]
        where random.chance(1, in: 3) {
            flags.insert(flag)
        }
        let destination = operand(rows, elements, type(), onChip())
        let inPlace = random.chance(1, in: 6)
        let x = inPlace ? destination : operand(rows, elements, type(), onChip())
        var y = operand(rows, elements, type(), onChip())
        var z = operand(rows, 1, type(), onChip())
        var operations = (pick(ALUOperation.allCases), pick(ALUOperation.allCases))
        switch opcode {
        case .tensorScalar: y = operand(rows, 1, type(), onChip())
        case .activation:
            if random.chance(1, in: 3) { flags = [.reduces] }
            y = operand(rows, 1, type(), onChip())
            let functions: [Activation] = [.identity, .sqrt, .square, .reciprocal, .relu, .abs]
            operations.0 = ALUOperation(rawValue: pick(functions).rawValue) ?? .bypass
        case .affineSelect, .iota:
            y = UInt32(bitPattern: Int32(pick(-3...3)))
            z = UInt32(bitPattern: Int32(pick(-3...3)))
            operations.0 = pick([.isEqual, .notEqual, .greaterEqual, .greater, .lessEqual, .less])
        default: break
        }
        builder.add(
            opcode, to: destination, x, y, z, immediates: (number(), number()),
            operations: operations, flags: flags)
    }

    private mutating func addReduction(_ opcode: Opcode, _ rows: Int, _ elements: Int) {
        let operation = pick([ALUOperation.add, .multiply, .max, .min, .absMax])
        let flags: InstructionFlags = random.chance(1, in: 2) ? .negate : []
        let groups = pick(1...3)
        let (inputs, outputs) =
            switch opcode {
            case .tensorReduce: (elements * groups, groups)
            case .partitionReduce: (elements, elements)
            case .bnStats: (elements, 3)
            default: (elements * 3, 2)
            }
        let source = operand(rows, inputs, type(), .sbuf)
        let destination = operand(
            opcode == .partitionReduce ? 1 : rows, outputs, type(), onChip())
        builder.add(
            opcode, to: destination, source, operations: (operation, .bypass), flags: flags)
    }

    private mutating func addSearch(_ opcode: Opcode, _ rows: Int, _ elements: Int) {
        let searched = operand(rows, elements, pick([.fp8e4m3, .bf16, .fp32, .int8]), .sbuf)
        let eight = operand(rows, 8, pick([.fp8e4m3, .fp32]), .sbuf)
        switch opcode {
        case .max8: builder.add(.max8, to: eight, searched)
        case .findIndex8:
            let places = operand(rows, 8, .uint32, .sbuf)
            builder.add(.findIndex8, to: places, eight, searched)
        default:
            let result = operand(rows, elements, type(), .sbuf)
            builder.add(
                .matchReplace8, to: result, searched, eight, immediates: (number(), 0))
        }
    }

    private mutating func addTransfer(_ opcode: Opcode, _ rows: Int, _ elements: Int) {
        let from = pick([MemorySpace.hbm, .sbuf])
        let to = pick([MemorySpace.hbm, .sbuf])
        if opcode == .dmaTranspose {
            let type = pick([ElementType.fp32, .int32, .bf16, .uint16])
            let source = operand(rows, elements, type, from)
            let destination = operand(elements, rows, type, to)
            builder.add(.dmaTranspose, on: .sync, to: destination, source)
            return
        }
        let sourceType = type()
        let isEqual = random.chance(2, in: 3)
        let source = operand(rows, elements * 2, sourceType, from)
        let isReshaped = random.chance(1, in: 2)
        let destination = operand(
            isReshaped ? rows * 2 : rows, isReshaped ? elements : elements * 2,
            isEqual ? sourceType : type(), to)
        let flags: InstructionFlags = random.chance(1, in: 4) ? .stochastic : []
        builder.add(.dmaCopy, on: .sync, to: destination, source, flags: flags)
    }

    /// A stationary matrix and a multiplication with it.
    private mutating func addProduct() {
        let floats = ElementType.allCases.filter(\.isFloatingPoint)
        let isDouble = random.chance(1, in: 5)
        let types = isDouble ? floats.filter { $0.byteCount == 1 } : floats
        let halves = isDouble ? 2 : 1
        let (k, m, n) = (pick([1, 3, 40]), pick([1, 6, 8, 19]), pick([1, 15, 16, 50]))
        let flags: InstructionFlags = isDouble ? .doubleRow : []
        builder.add(
            .loadStationary, on: .tensor, operand(k, m * halves, pick(types), .sbuf), flags: flags)
        if !isDouble, random.chance(1, in: 4) {
            let type = pick(floats)
            let source = operand(k, n, type, .sbuf)
            let result = operand(n, k, type, .psum)
            builder.add(.multiplyMoving, on: .tensor, to: result, source, flags: .transpose)
            return
        }
        let moving = operand(k, n * halves, pick(types), .sbuf)
        let result = operand(m, n, random.chance(2, in: 3) ? .fp32 : pick(floats), .psum)
        let accumulates: InstructionFlags = random.chance(1, in: 2) ? .accumulate : []
        builder.add(
            .multiplyMoving, on: .tensor, to: result, moving, flags: flags.union(accumulates))
    }
}
