internal import CKernels

// Copies, within the core and by DMA.
extension Executor {
    /// `tensorCopy` and `dmaCopy`: elements in linear order, whatever the shapes. Equal types pass
    /// bits, others are converted by way of FP32.
    func copy(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        copyElements(of: source, to: destination, first: 0)
    }

    /// - Parameter first: the linear number of the first element, for stochastic rounding.
    func copyElements(of source: Operand, to destination: Operand, first: Int) {
        var from = RunCursor(source)
        var to = RunCursor(destination)
        var done = 0
        let total = destination.totalElements
        while done < total {
            var count = min(from.remaining, to.remaining)
            if source.type == destination.type {
                Self.copyBits(from, to, count, byteCount: source.type.byteCount)
            } else {
                count = min(count, scratch.capacity)
                convert(from, source.type, to, destination.type, count, first: first + done)
            }
            from.advance(by: count)
            to.advance(by: count)
            done += count
        }
    }

    /// - Parameter first: the linear number of the first element.
    private func convert(
        _ from: RunCursor, _ sourceType: ElementType, _ to: RunCursor, _ type: ElementType,
        _ count: Int, first: Int
    ) {
        var values = UnsafePointer(scratch.first)
        if sourceType == .fp32, from.stride == 1 {
            values = UnsafePointer(from.address.assumingMemoryBound(to: Float.self))
        } else {
            kernels.decode(
                sourceType.kernelType, from.address, from.stride, scratch.first, count)
        }
        encode(values, as: type, to: to.address, stride: to.stride, count: count, first: first)
    }

    private static func copyBits(
        _ from: RunCursor, _ to: RunCursor, _ count: Int, byteCount: Int
    ) {
        if from.stride == 1, to.stride == 1 {
            if to.address != from.address {
                to.address.copyMemory(from: from.address, byteCount: count * byteCount)
            }
            return
        }
        switch byteCount {
        case 1: copyElements(of: UInt8.self, from, to, count)
        case 2: copyElements(of: UInt16.self, from, to, count)
        default: copyElements(of: UInt32.self, from, to, count)
        }
    }

    @inline(__always)
    private static func copyElements<Bits: FixedWidthInteger>(
        of _: Bits.Type, _ from: RunCursor, _ to: RunCursor, _ count: Int
    ) {
        let source = from.address.assumingMemoryBound(to: Bits.self)
        let destination = to.address.assumingMemoryBound(to: Bits.self)
        for i in 0..<count { destination[i * to.stride] = source[i * from.stride] }
    }

    /// `dmaTranspose`.
    func transposeTransfer(_ instruction: Instruction) {
        let destination = operand(instruction.destination)
        var copies = Copies()
        let source = unharmed(operand(instruction.source0), by: destination, keeping: &copies)
        transpose(source, into: destination)
    }

    /// Element `c` of row `r` becomes element `r` of row `c`, bit by bit. The types are of one
    /// size.
    func transpose(_ source: Operand, into destination: Operand) {
        switch source.type.byteCount {
        case 1: transposeElements(of: UInt8.self, source, into: destination)
        case 2: transposeElements(of: UInt16.self, source, into: destination)
        default: transposeElements(of: UInt32.self, source, into: destination)
        }
    }

    @inline(__always)
    private func transposeElements<Bits: FixedWidthInteger>(
        of _: Bits.Type, _ source: Operand, into destination: Operand
    ) {
        let columns = source.elementOffsets()
        let rows = destination.elementOffsets()
        // Squares that stay in the host's first cache, read and written; all in linear order where
        // rows of the destination meet, so that the last write stays.
        let meet = destination.rows > 1 && destination.rowStride < destination.rowSpan
        let side = meet ? max(source.rows, source.elements) : 16
        for firstColumn in stride(from: 0, to: source.elements, by: side) {
            for firstRow in stride(from: 0, to: source.rows, by: side) {
                for column in firstColumn..<min(firstColumn + side, source.elements) {
                    let to = destination.row(column)
                    let from = source.address + columns[column]
                    for row in firstRow..<min(firstRow + side, source.rows) {
                        let bits = (from + row * source.rowStride).load(as: Bits.self)
                        (to + rows[row]).storeBytes(of: bits, as: Bits.self)
                    }
                }
            }
        }
    }
}
