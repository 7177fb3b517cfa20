internal import CKernels

/// Rows of FP32 numbers that instructions work in.
struct ScratchRows: ~Copyable {
    /// Four rows that can hold the longest operand each.
    let first: UnsafeMutablePointer<Float>
    let second: UnsafeMutablePointer<Float>
    let third: UnsafeMutablePointer<Float>
    let fourth: UnsafeMutablePointer<Float>
    /// Elements that each of them holds.
    let capacity: Int

    init(elements: Int) {
        capacity = elements
        // Sixteen floats more, so that the rows do not share cache sets.
        let pitch = (elements + 31) & ~15
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: 4 * pitch * MemoryLayout<Float>.stride, alignment: 64)
        first = memory.initializeMemory(as: Float.self, repeating: 0, count: 4 * pitch)
        second = first + pitch
        third = second + pitch
        fourth = third + pitch
    }

    deinit { UnsafeMutableRawPointer(first).deallocate() }
}

// Rows on their way between memory and FP32.
extension Executor {
    /// The values of a row: in place where memory holds them as FP32 side by side, else converted
    /// into `buffer`.
    @inline(__always)
    func read(
        _ operand: Operand, row: Int, into buffer: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
        if operand.isPlainFP32 { return UnsafePointer(operand.floats(row)) }
        decode(operand, row: row, into: buffer)
        return UnsafePointer(buffer)
    }

    /// Converts a row into `buffer`.
    func decode(_ operand: Operand, row: Int, into buffer: UnsafeMutablePointer<Float>) {
        let base = operand.row(row)
        let type = operand.type.kernelType
        if operand.isUniform {
            kernels.decode(type, base, operand.innerStride, buffer, operand.elements)
            return
        }
        operand.forEachRun { byte, index in
            kernels.decode(
                type, base + byte, operand.innerStride, buffer + index, operand.innerCount)
        }
    }

    /// Where an instruction puts the results of a row: in place when it can, else in `buffer`, from
    /// where `write` rounds them into memory.
    @inline(__always)
    func target(
        _ operand: Operand, row: Int, or buffer: UnsafeMutablePointer<Float>
    ) -> UnsafeMutablePointer<Float> {
        operand.isPlainFP32 ? operand.floats(row) : buffer
    }

    /// Rounds a row's results into memory, unless they are there already.
    @inline(__always)
    func write(_ values: UnsafePointer<Float>, to operand: Operand, row: Int) {
        if operand.isPlainFP32, values == UnsafePointer(operand.floats(row)) { return }
        encode(values, to: operand, row: row)
    }

    private func encode(_ values: UnsafePointer<Float>, to operand: Operand, row: Int) {
        let base = operand.row(row)
        operand.forEachRun { byte, index in
            encode(
                values + index, as: operand.type, to: base + byte, stride: operand.innerStride,
                count: operand.innerCount, first: row * operand.elements + index)
        }
    }

    /// Rounds `count` values to `type`.
    ///
    /// - Parameter first: the linear number of the first one, for stochastic rounding.
    @inline(__always)
    func encode(
        _ values: UnsafePointer<Float>, as type: ElementType, to address: UnsafeMutableRawPointer,
        stride: Int, count: Int, first: Int
    ) {
        switch rounding {
        case .nearest: kernels.encode(type.kernelType, values, address, stride, count)
        case .stochastic(let seed):
            kernels.encode_stochastic(
                type.kernelType, values, address, stride, count, seed, UInt64(first))
        }
    }

    /// The value of a row of one element.
    func scalar(_ operand: Operand, row: Int) -> Float {
        var value: Float = 0
        kernels.decode(operand.type.kernelType, operand.row(row), 1, &value, 1)
        return value
    }

    /// `source` as it is, or a copy of it when `destination` would overwrite parts of it before
    /// they are read: instructions read all their operands first. Elements that are overwritten in
    /// their own place do no harm.
    func unharmed(_ source: Operand, by destination: Operand, keeping copies: inout Copies)
        -> Operand
    {
        let pitch = source.space == .psum ? memory.psumPitch : memory.sbufPitch
        guard source.mayOverlap(destination, pitch: pitch), !source.coincides(with: destination)
        else { return source }
        return copies.copy(of: source)
    }
}

/// Copies of operands, for as long as an instruction needs them.
struct Copies: ~Copyable {
    private var addresses: [UnsafeMutableRawPointer] = []

    /// The same operand in other memory.
    mutating func copy(of operand: Operand) -> Operand {
        let isRepeated = operand.rowStride == 0
        let rows = isRepeated ? 1 : operand.rows
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: rows * operand.rowSpan, alignment: 64)
        addresses.append(memory)
        for row in 0..<rows {
            (memory + row * operand.rowSpan).copyMemory(
                from: operand.row(row), byteCount: operand.rowSpan)
        }
        var copy = operand
        copy.address = memory
        copy.rowStride = isRepeated ? 0 : operand.rowSpan
        return copy
    }

    deinit { for address in addresses { address.deallocate() } }
}
