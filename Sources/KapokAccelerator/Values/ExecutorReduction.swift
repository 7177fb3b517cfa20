internal import CKernels

// Instructions that make few numbers of many.
extension Executor {
    func tensorReduce(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let operation = kapok_operation(rawValue: UInt32(instruction.operation0))
        let negates = instruction.flags.contains(.negate)
        let run = source.elements / destination.elements
        for row in 0..<destination.rows {
            let values = read(source, row: row, into: scratch.first)
            for element in 0..<destination.elements {
                let reduced = kernels.reduce(operation, values + element * run, run)
                scratch.second[element] = negates && !reduced.isNaN ? -reduced : reduced
            }
            write(scratch.second, to: destination, row: row)
        }
    }

    func partitionReduce(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        let source = operand(instruction.source0)
        let operation = kapok_operation(rawValue: UInt32(instruction.operation0))
        let sums = scratch.second
        sums.update(repeating: Self.neutralElement(operation), count: source.elements)
        for row in 0..<source.rows {
            let values = read(source, row: row, into: scratch.first)
            kernels.combine(operation, sums, 1, values, 1, sums, source.elements)
        }
        write(sums, to: destination, row: 0)
    }

    private static func neutralElement(_ operation: kapok_operation) -> Float {
        switch operation {
        case KAPOK_MULTIPLY: 1
        case KAPOK_MAX: -.infinity
        case KAPOK_MIN: .infinity
        default: 0
        }
    }

    func bnStats(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let count = Float(source.elements)
        for row in 0..<destination.rows {
            let values = read(source, row: row, into: scratch.first)
            let mean = kernels.reduce(KAPOK_ADD, values, source.elements) / count
            scratch.second[0] = count
            scratch.second[1] = Self.canonical(mean)
            scratch.second[2] = kernels.sum_of_squares(values, mean, source.elements)
            write(scratch.second, to: destination, row: row)
        }
    }

    /// The mean of the groups' means, each weighed by its count; then the variance from the groups'
    /// own deviations and those of their means. Sums run over the groups in order.
    func bnAggregate(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        for row in 0..<destination.rows {
            let groups = read(source, row: row, into: scratch.first)
            var count: Float = 0
            var weighed: Float = 0
            for group in stride(from: 0, to: source.elements, by: 3) {
                count += groups[group]
                weighed += groups[group] * groups[group + 1]
            }
            let mean = weighed / count
            var squares: Float = 0
            for group in stride(from: 0, to: source.elements, by: 3) {
                let deviation = groups[group + 1] - mean
                squares += groups[group + 2] + groups[group] * (deviation * deviation)
            }
            scratch.second[0] = Self.canonical(mean)
            scratch.second[1] = Self.canonical(squares / count)
            write(scratch.second, to: destination, row: row)
        }
    }

    private static func canonical(_ value: Float) -> Float { value.isNaN ? .nan : value }
}
