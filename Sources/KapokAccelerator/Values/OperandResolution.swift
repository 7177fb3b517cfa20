/// Turns access patterns into operands, once for each pattern of a program.
struct OperandResolution {
    /// The machine's limits.
    let machine: Machine
    /// Bytes of each tensor.
    let tensorSizes: [Int]

    /// - Parameter operand: the name of the operand's field, for errors.
    func resolve(
        _ pattern: AccessPattern, as operand: String, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) -> Operand {
        let size = pattern.type.byteCount
        let rows = Int(pattern.partitionCount)
        var dimensions = [
            pattern.dimension0, pattern.dimension1, pattern.dimension2, pattern.dimension3,
        ]
        guard let (elements, last) = Self.measure(dimensions), rows > 0,
            elements <= limit(of: pattern, in: memory), pattern.offset >= 0,
            Int(pattern.offset) % size == 0, pattern.partitionStride >= 0
        else { throw ExecutionError(.malformedPattern(operand)) }
        let rowSpan = (last + 1) * size
        Self.merge(&dimensions)
        let place = try place(of: pattern, rowSpan: rowSpan, as: operand, in: memory)
        return Operand(
            address: place.address, rowStride: place.rowStride, rows: rows, elements: elements,
            space: pattern.space, type: pattern.type, innerCount: Int(dimensions[3].count),
            innerStride: Int(dimensions[3].stride), outer0: dimensions[0], outer1: dimensions[1],
            outer2: dimensions[2], rowSpan: rowSpan)
    }

    /// The most elements that a row may have: as many as there are bytes, in a partition or in all
    /// memory. (Repeated elements count; without a limit, a few bytes could keep the host busy for
    /// years.)
    private func limit(of pattern: AccessPattern, in memory: borrowing DeviceMemory) -> Int {
        pattern.space == .hbm
            ? memory.hbmByteCount + memory.sbufByteCount : machine.sbufBytesPerPartition
    }

    /// Elements of a row, and how many elements behind the first the last one lies; nil for shapes
    /// that are empty, go backwards or cannot be counted.
    private static func measure(_ dimensions: [FreeDimension]) -> (elements: Int, last: Int)? {
        var elements = 1
        var last = 0
        for dimension in dimensions {
            guard dimension.count > 0, dimension.stride >= 0 else { return nil }
            let (product, overflow) = elements.multipliedReportingOverflow(by: Int(dimension.count))
            // Counts and strides of 32 bits: their product fits, and so do four of them in a sum
            // once each is below 2^60.
            let reach = (Int(dimension.count) - 1) * Int(dimension.stride)
            guard !overflow, reach < 1 << 58 else { return nil }
            elements = product
            last += reach
        }
        return (elements, last)
    }

    /// Joins dimensions of which the outer continues the inner one; afterwards the innermost comes
    /// last and those that are left over are 1 x 0.
    private static func merge(_ dimensions: inout [FreeDimension]) {
        var merged: [FreeDimension] = []
        for dimension in dimensions.reversed() where dimension.count > 1 {
            if let inner = merged.last,
                Int(dimension.stride) == Int(inner.stride) * Int(inner.count),
                let count = UInt32(exactly: Int(inner.count) * Int(dimension.count))
            {
                merged[merged.count - 1].count = count
            } else {
                merged.append(dimension)
            }
        }
        if merged.isEmpty { merged.append(FreeDimension(count: 1, stride: 1)) }
        while merged.count < 4 { merged.append(FreeDimension(count: 1, stride: 0)) }
        dimensions = merged.reversed()
    }

    private func place(
        of pattern: AccessPattern, rowSpan: Int, as operand: String,
        in memory: borrowing DeviceMemory
    ) throws(ExecutionError) -> (address: UnsafeMutableRawPointer, rowStride: Int) {
        let offset = Int(pattern.offset)
        let rows = Int(pattern.partitionCount)
        var span = rowSpan
        let size: Int
        let base: UnsafeMutableRawPointer
        let rowStride: Int
        switch pattern.space {
        case .hbm:
            guard Int(pattern.tensor) < tensorSizes.count else {
                throw ExecutionError(.missingOperand(operand))
            }
            rowStride = Int(pattern.partitionStride) * pattern.type.byteCount
            span += (rows - 1) * rowStride
            size = tensorSizes[Int(pattern.tensor)]
            base = memory.hbm + memory.tensorOffsets[Int(pattern.tensor)]
        case .sbuf, .psum:
            let isSBUF = pattern.space == .sbuf
            let start = Int(pattern.partitionStart)
            guard start + rows <= machine.partitions else {
                throw ExecutionError(.outOfPartitions(operand: operand, end: start + rows))
            }
            rowStride = isSBUF ? memory.sbufPitch : memory.psumPitch
            size = isSBUF ? machine.sbufBytesPerPartition : machine.psumBytesPerPartition
            base = (isSBUF ? memory.sbuf : memory.psum) + start * rowStride
        }
        guard span <= size, offset <= size - span else {
            let end = offset.addingReportingOverflow(span)
            throw ExecutionError(
                .outOfBounds(
                    operand: operand, space: pattern.space, from: offset,
                    to: end.overflow ? .max : end.partialValue, size: size))
        }
        return (base + offset, rowStride)
    }
}
