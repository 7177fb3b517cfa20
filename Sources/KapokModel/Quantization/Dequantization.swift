extension WeightType {
    /// Turns whole blocks into numbers, as ggml's `dequantize_row_*` do, bit by bit.
    /// - Parameters:
    ///   - bytes: whole blocks, of any alignment.
    ///   - numbers: as many as the blocks hold.
    public func dequantize(
        _ bytes: UnsafeRawBufferPointer, into numbers: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(bytes.count == self.bytes(elements: numbers.count))
        guard let source = bytes.baseAddress, let target = numbers.baseAddress else { return }
        let blocks = numbers.count / blockElements
        for block in 0..<blocks {
            let from = source + block * blockBytes
            let to = target + block * blockElements
            switch self {
            case .f32: to[0] = Float(bitPattern: from.word(0))
            case .f16: to[0] = from.half(0)
            case .bf16: to[0] = Float(bitPattern: UInt32(from.short(0)) << 16)
            case .q4_0: Dequantization.q4(from + 2, from.half(0), offset: 8, to)
            case .q4_1: Dequantization.q4(from + 4, from.half(0), minimum: from.half(2), to)
            case .q5_0: Dequantization.q5(from + 6, from.half(0), high: from.word(2), to)
            case .q5_1:
                Dequantization.q5(
                    from + 8, from.half(0), minimum: from.half(2), high: from.word(4), to)
            case .q8_0: Dequantization.q8(from + 2, from.half(0), to)
            case .q4_K: Dequantization.q4K(from, to)
            case .q5_K: Dequantization.q5K(from, to)
            case .q6_K: Dequantization.q6K(from, to)
            }
        }
    }
}

extension WeightTensor {
    /// All numbers, row after row.
    public func floats() -> [Float] {
        defer { withExtendedLifetime(owner) {} }
        return [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
            let numbers = UnsafeMutableBufferPointer(rebasing: buffer[..<(rows * columns)])
            type.dequantize(bytes, into: numbers)
            count = rows * columns
        }
    }

    /// The numbers of one row.
    public func floats(row: Int) -> [Float] {
        precondition((0..<rows).contains(row))
        defer { withExtendedLifetime(owner) {} }
        let rowBytes = bytes.count / rows
        return [Float](unsafeUninitializedCapacity: columns) { buffer, count in
            type.dequantize(
                UnsafeRawBufferPointer(rebasing: bytes[(row * rowBytes)..<((row + 1) * rowBytes)]),
                into: UnsafeMutableBufferPointer(rebasing: buffer[..<columns]))
            count = columns
        }
    }
}

extension UnsafeRawPointer {
    fileprivate func short(_ offset: Int) -> UInt16 {
        UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    fileprivate func word(_ offset: Int) -> UInt32 {
        UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    fileprivate func half(_ offset: Int) -> Float { Float(Float16(bitPattern: short(offset))) }

    fileprivate func byte(_ offset: Int) -> UInt8 {
        load(fromByteOffset: offset, as: UInt8.self)
    }

    fileprivate func signed(_ offset: Int) -> Int8 { load(fromByteOffset: offset, as: Int8.self) }
}

/// Blocks as ggml-common.h lays them out. Multiplications come before additions and are not
/// fused, so that the bits are those of ggml's own functions.
private enum Dequantization {
    /// 16 bytes, the low halves first.
    static func q4(
        _ nibbles: UnsafeRawPointer, _ scale: Float, offset: Int, _ to: UnsafeMutablePointer<Float>
    ) {
        for j in 0..<16 {
            let byte = Int(nibbles.byte(j))
            to[j] = Float(byte & 15 - offset) * scale
            to[j + 16] = Float(byte >> 4 - offset) * scale
        }
    }

    static func q4(
        _ nibbles: UnsafeRawPointer, _ scale: Float, minimum: Float,
        _ to: UnsafeMutablePointer<Float>
    ) {
        for j in 0..<16 {
            let byte = nibbles.byte(j)
            to[j] = Float(byte & 15) * scale + minimum
            to[j + 16] = Float(byte >> 4) * scale + minimum
        }
    }

    /// As four bits, with the fifth bit of element j in bit j of `high`.
    static func q5(
        _ nibbles: UnsafeRawPointer, _ scale: Float, high: UInt32,
        _ to: UnsafeMutablePointer<Float>
    ) {
        for j in 0..<16 {
            let byte = Int(nibbles.byte(j))
            let low = byte & 15 | Int(high >> UInt32(j) & 1) << 4
            let upper = byte >> 4 | Int(high >> UInt32(j + 16) & 1) << 4
            to[j] = Float(low - 16) * scale
            to[j + 16] = Float(upper - 16) * scale
        }
    }

    static func q5(
        _ nibbles: UnsafeRawPointer, _ scale: Float, minimum: Float, high: UInt32,
        _ to: UnsafeMutablePointer<Float>
    ) {
        for j in 0..<16 {
            let byte = Int(nibbles.byte(j))
            let low = byte & 15 | Int(high >> UInt32(j) & 1) << 4
            let upper = byte >> 4 | Int(high >> UInt32(j + 16) & 1) << 4
            to[j] = Float(low) * scale + minimum
            to[j + 16] = Float(upper) * scale + minimum
        }
    }

    static func q8(
        _ values: UnsafeRawPointer, _ scale: Float, _ to: UnsafeMutablePointer<Float>
    ) {
        for j in 0..<32 { to[j] = Float(values.signed(j)) * scale }
    }

    /// Scale and minimum of part `j` of eight, 6 bits each, out of 12 bytes.
    static func scaleAndMinimum(_ j: Int, _ packed: UnsafeRawPointer) -> (Float, Float) {
        if j < 4 { return (Float(packed.byte(j) & 63), Float(packed.byte(j + 4) & 63)) }
        let scale = packed.byte(j + 4) & 15 | (packed.byte(j - 4) >> 6) << 4
        let minimum = packed.byte(j + 4) >> 4 | (packed.byte(j) >> 6) << 4
        return (Float(scale), Float(minimum))
    }

    /// d, dmin, 12 bytes of scales, 128 bytes of nibbles.
    static func q4K(_ block: UnsafeRawPointer, _ to: UnsafeMutablePointer<Float>) {
        let d = block.half(0)
        let least = block.half(2)
        for pair in 0..<4 {
            let nibbles = block + 16 + 32 * pair
            for half in 0..<2 {
                let (scale, minimum) = scaleAndMinimum(2 * pair + half, block + 4)
                let factor = d * scale
                let shift = least * minimum
                let out = to + 64 * pair + 32 * half
                for l in 0..<32 {
                    let value = half == 0 ? nibbles.byte(l) & 15 : nibbles.byte(l) >> 4
                    out[l] = factor * Float(value) - shift
                }
            }
        }
    }

    /// d, dmin, 12 bytes of scales, 32 bytes of fifth bits, 128 bytes of nibbles.
    static func q5K(_ block: UnsafeRawPointer, _ to: UnsafeMutablePointer<Float>) {
        let d = block.half(0)
        let least = block.half(2)
        let high = block + 16
        for pair in 0..<4 {
            let nibbles = block + 48 + 32 * pair
            for half in 0..<2 {
                let part = 2 * pair + half
                let (scale, minimum) = scaleAndMinimum(part, block + 4)
                let factor = d * scale
                let shift = least * minimum
                let out = to + 32 * part
                for l in 0..<32 {
                    let low = half == 0 ? nibbles.byte(l) & 15 : nibbles.byte(l) >> 4
                    let value = low | (high.byte(l) >> UInt8(part) & 1) << 4
                    out[l] = factor * Float(value) - shift
                }
            }
        }
    }

    /// 128 bytes of low halves, 64 bytes of upper pairs of bits, 16 signed scales, d.
    static func q6K(_ block: UnsafeRawPointer, _ to: UnsafeMutablePointer<Float>) {
        let d = block.half(208)
        for half in 0..<2 {
            let low = block + 64 * half
            let high = block + 128 + 32 * half
            let scales = block + 192 + 8 * half
            let out = to + 128 * half
            for l in 0..<32 {
                for quarter in 0..<4 {
                    let byte = low.byte(l + 32 * (quarter & 1))
                    let nibble = quarter < 2 ? byte & 15 : byte >> 4
                    let pair = high.byte(l) >> UInt8(2 * quarter) & 3
                    let value = Float(Int(nibble | pair << 4) - 32)
                    let scale = Float(scales.signed(l / 16 + 2 * quarter))
                    out[l + 32 * quarter] = d * scale * value
                }
            }
        }
    }
}
