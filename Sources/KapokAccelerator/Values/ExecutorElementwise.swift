internal import CKernels

// Instructions that compute each element from the elements at the same place.
extension Executor {
    func tensorTensor(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let left = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let right = unharmed(operand(instruction.source1), by: destination, keeping: &copies)
        let operation = ElementOperation.first(instruction)
        for row in 0..<destination.rows {
            let a = read(left, row: row, into: scratch.first)
            let b = read(right, row: row, into: scratch.second)
            let result = target(destination, row: row, or: scratch.third)
            combine(operation, a, b, step: 1, result, destination.elements)
            write(result, to: destination, row: row)
        }
    }

    func tensorScalar(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let first = scalars(
            instruction, .scalar0, instruction.source1, instruction.immediate0,
            unharmedBy: destination, keeping: &copies)
        let second = scalars(
            instruction, .scalar1, instruction.source2, instruction.immediate1,
            unharmedBy: destination, keeping: &copies)
        let operation0 = ElementOperation.first(instruction)
        let operation1 = ElementOperation.second(instruction)
        for row in 0..<destination.rows {
            let values = read(source, row: row, into: scratch.first)
            var a = scalar(first, row: row)
            var b = scalar(second, row: row)
            let result = target(destination, row: row, or: scratch.second)
            combine(operation0, values, &a, step: 0, result, destination.elements)
            if !operation1.isBypass {
                combine(operation1, result, &b, step: 0, result, destination.elements)
            }
            write(result, to: destination, row: row)
        }
    }

    func scalarTensorTensor(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let left = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let right = unharmed(operand(instruction.source1), by: destination, keeping: &copies)
        let first = scalars(
            instruction, .scalar0, instruction.source2, instruction.immediate0,
            unharmedBy: destination, keeping: &copies)
        let operation0 = ElementOperation.first(instruction)
        let operation1 = ElementOperation.second(instruction)
        for row in 0..<destination.rows {
            let values = read(left, row: row, into: scratch.first)
            var a = scalar(first, row: row)
            // Not in place: `right` may lie there.
            combine(operation0, values, &a, step: 0, scratch.third, destination.elements)
            let others = read(right, row: row, into: scratch.second)
            let result = target(destination, row: row, or: scratch.third)
            combine(operation1, scratch.third, others, step: 1, result, destination.elements)
            write(result, to: destination, row: row)
        }
    }

    func activation(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let scales = scalars(
            instruction, .scalar0, instruction.source1, instruction.immediate0,
            unharmedBy: destination, keeping: &copies)
        let biases = scalars(
            instruction, .scalar1, instruction.source2, instruction.immediate1,
            unharmedBy: destination, keeping: &copies)
        let function = kapok_activation(rawValue: UInt32(instruction.operation0))
        let reduces = instruction.flags.contains(.reduces)
        for row in 0..<destination.rows {
            let values = read(source, row: row, into: scratch.first)
            var scale = scalar(scales, row: row)
            var bias = scalar(biases, row: row)
            let elements = destination.elements
            let result = target(destination, row: row, or: scratch.second)
            kernels.combine(KAPOK_MULTIPLY, values, 1, &scale, 0, result, elements)
            kernels.combine(KAPOK_ADD, result, 1, &bias, 0, result, elements)
            kernels.activate(function, result, result, elements)
            if reduces { scratch.fourth[row] = kernels.reduce(KAPOK_ADD, result, elements) }
            write(result, to: destination, row: row)
        }
        guard reduces else { return }
        let sums = operand(instruction.source1)
        for row in 0..<sums.rows { write(scratch.fourth + row, to: sums, row: row) }
    }

    func reciprocal(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        for row in 0..<destination.rows {
            let values = read(source, row: row, into: scratch.first)
            let result = target(destination, row: row, or: scratch.second)
            kernels.activate(KAPOK_RECIPROCAL, values, result, destination.elements)
            write(result, to: destination, row: row)
        }
    }

    /// The recurrence keeps its state in FP32; only what is written is rounded.
    func tensorTensorScan(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let left = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        let right = unharmed(operand(instruction.source1), by: destination, keeping: &copies)
        let initial = scalars(
            instruction, .scalar0, instruction.source2, instruction.immediate0,
            unharmedBy: destination, keeping: &copies)
        let operation0 = ElementOperation.first(instruction)
        let operation1 = ElementOperation.second(instruction)
        for row in 0..<destination.rows {
            let a = read(left, row: row, into: scratch.first)
            let b = read(right, row: row, into: scratch.second)
            let result = target(destination, row: row, or: scratch.third)
            kernels.scan(
                operation0.kernel, operation0.isReversed ? 1 : 0, operation1.kernel,
                operation1.isReversed ? 1 : 0, a, b, scalar(initial, row: row), result,
                destination.elements)
            write(result, to: destination, row: row)
        }
    }

    // MARK: Operations and scalars

    @inline(__always)
    private func combine(
        _ operation: ElementOperation, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
        step: Int, _ result: UnsafeMutablePointer<Float>, _ count: Int
    ) {
        if operation.isReversed {
            kernels.combine(operation.kernel, b, step, a, 1, result, count)
        } else {
            kernels.combine(operation.kernel, a, 1, b, step, result, count)
        }
    }

    /// A scalar operand: one number, or one for each partition.
    enum Scalars {
        case immediate(Float)
        case tensor(Operand)
    }

    private func scalars(
        _ instruction: Instruction, _ flag: InstructionFlags, _ index: UInt32, _ immediate: Float,
        unharmedBy destination: Operand, keeping copies: inout Copies
    ) -> Scalars {
        guard instruction.flags.contains(flag) else { return .immediate(immediate) }
        return .tensor(unharmed(operand(index), by: destination, keeping: &copies))
    }

    @inline(__always)
    private func scalar(_ scalars: Scalars, row: Int) -> Float {
        switch scalars {
        case .immediate(let value): value
        case .tensor(let operand): scalar(operand, row: row)
        }
    }
}

/// An operation on two numbers, and which of them comes first.
struct ElementOperation {
    let kernel: kapok_operation
    let isReversed: Bool

    /// `op0`, with the flag `reverse0`.
    static func first(_ instruction: Instruction) -> ElementOperation {
        ElementOperation(
            kernel: kapok_operation(rawValue: UInt32(instruction.operation0)),
            isReversed: instruction.flags.contains(.reverse0))
    }

    /// `op1`, with the flag `reverse1`.
    static func second(_ instruction: Instruction) -> ElementOperation {
        ElementOperation(
            kernel: kapok_operation(rawValue: UInt32(instruction.operation1)),
            isReversed: instruction.flags.contains(.reverse1))
    }

    /// Whether it only passes on its first operand.
    var isBypass: Bool { kernel == KAPOK_BYPASS && !isReversed }
}
