extension WeightType {
    /// Turns numbers into whole blocks. F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 follow the rules
    /// of ggml's `quantize_row_*_ref`, bit by bit; the K types search their scales.
    /// - Parameters:
    ///   - numbers: whole blocks of them. What is not finite gives a block that is not either, or
    ///     some value: check before.
    ///   - bytes: as many as the blocks take.
    public func quantize(
        _ numbers: UnsafeBufferPointer<Float>, into bytes: UnsafeMutableRawBufferPointer
    ) {
        precondition(bytes.count == self.bytes(elements: numbers.count))
        guard let source = numbers.baseAddress, let target = bytes.baseAddress else { return }
        for block in 0..<(numbers.count / blockElements) {
            let from = source + block * blockElements
            let to = target + block * blockBytes
            switch self {
            case .f32: to.store(from[0].bitPattern)
            case .f16: to.store(Float16(from[0]).bitPattern)
            case .bf16: to.store(SmallBlocks.bfloat(from[0]))
            case .q4_0: SmallBlocks.q4_0(from, to)
            case .q4_1: SmallBlocks.q4_1(from, to)
            case .q5_0: SmallBlocks.q5_0(from, to)
            case .q5_1: SmallBlocks.q5_1(from, to)
            case .q8_0: SmallBlocks.q8_0(from, to)
            case .q4_K: SuperBlocks.q4K(from, to)
            case .q5_K: SuperBlocks.q5K(from, to)
            case .q6_K: SuperBlocks.q6K(from, to)
            }
        }
    }

    /// The blocks of `numbers`, of which there must be whole blocks.
    public func quantized(_ numbers: [Float]) -> [UInt8] {
        let count = numbers.count / blockElements * blockBytes
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            numbers.withUnsafeBufferPointer { source in
                quantize(
                    source,
                    into: UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(
                            buffer)[..<count]))
            }
            initialized = count
        }
    }

    /// The type for rows of `columns` elements: this one, or where they are no whole blocks the
    /// one that llama.cpp falls back to (`tensor_type_fallback` in llama-quant.cpp).
    public func fitting(columns: Int) -> WeightType {
        if columns % blockElements == 0 { return self }
        let smaller: WeightType =
            switch self {
            case .q4_K: .q5_0
            case .q5_K: .q5_1
            case .q6_K: .q8_0
            default: .f16
            }
        return smaller.fitting(columns: columns)
    }
}

extension UnsafeMutableRawPointer {
    /// Stores an integer as little-endian bytes.
    func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int = 0) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }

    /// Stores a number as 16 bits and returns what was stored.
    @discardableResult
    func storeHalf(_ value: Float, at offset: Int) -> Float {
        let half = Float16(value)
        store(half.bitPattern, at: offset)
        return Float(half)
    }
}

/// Blocks of 32 with one scale, as ggml's reference functions make them.
enum SmallBlocks {
    /// The upper half of the bits, rounded to nearest even; what is no number stays so.
    static func bfloat(_ number: Float) -> UInt16 {
        let bits = number.bitPattern
        guard !number.isNaN else { return UInt16(bits >> 16) | 64 }
        return UInt16(truncatingIfNeeded: (bits &+ (0x7FFF + bits >> 16 & 1)) >> 16)
    }

    /// The element of the largest magnitude, with its sign; the first of equal ones.
    private static func extreme(_ x: UnsafePointer<Float>) -> Float {
        var magnitude: Float = 0
        var extreme: Float = 0
        for j in 0..<32 where x[j].magnitude > magnitude {
            magnitude = x[j].magnitude
            extreme = x[j]
        }
        return extreme
    }

    private static func range(_ x: UnsafePointer<Float>) -> (least: Float, greatest: Float) {
        var least = Float.greatestFiniteMagnitude
        var greatest = -Float.greatestFiniteMagnitude
        for j in 0..<32 {
            if x[j] < least { least = x[j] }
            if x[j] > greatest { greatest = x[j] }
        }
        return (least, greatest)
    }

    /// `value` without its fraction, in `0...greatest`.
    private static func level(_ value: Float, _ greatest: Float) -> UInt8 {
        // In this order what is no number becomes zero.
        value > 0 ? UInt8(value < greatest ? value : greatest) : 0
    }

    static func q4_0(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        let scale = extreme(x) / -8
        let inverse = scale != 0 ? 1 / scale : 0
        to.storeHalf(scale, at: 0)
        for j in 0..<16 {
            let low = level(x[j] * inverse + 8.5, 15)
            let high = level(x[j + 16] * inverse + 8.5, 15)
            to.store(low | high << 4, at: 2 + j)
        }
    }

    static func q4_1(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        let (least, greatest) = range(x)
        let scale = (greatest - least) / 15
        let inverse = scale != 0 ? 1 / scale : 0
        to.storeHalf(scale, at: 0)
        to.storeHalf(least, at: 2)
        for j in 0..<16 {
            let low = level((x[j] - least) * inverse + 0.5, 15)
            let high = level((x[j + 16] - least) * inverse + 0.5, 15)
            to.store(low | high << 4, at: 4 + j)
        }
    }

    static func q5_0(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        let scale = extreme(x) / -16
        let inverse = scale != 0 ? 1 / scale : 0
        to.storeHalf(scale, at: 0)
        fiveBits(to + 2) { level(x[$0] * inverse + 16.5, 31) }
    }

    static func q5_1(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        let (least, greatest) = range(x)
        let scale = (greatest - least) / 31
        let inverse = scale != 0 ? 1 / scale : 0
        to.storeHalf(scale, at: 0)
        to.storeHalf(least, at: 2)
        fiveBits(to + 4) { level((x[$0] - least) * inverse + 0.5, 31) }
    }

    /// 32 fifth bits, then 16 bytes of the other four.
    private static func fiveBits(_ to: UnsafeMutableRawPointer, _ level: (Int) -> UInt8) {
        var fifths: UInt32 = 0
        for j in 0..<16 {
            let low = level(j)
            let high = level(j + 16)
            to.store(low & 15 | (high & 15) << 4, at: 4 + j)
            fifths |= UInt32(low >> 4) << UInt32(j) | UInt32(high >> 4) << UInt32(j + 16)
        }
        to.store(fifths)
    }

    static func q8_0(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        let scale = extreme(x).magnitude / 127
        let inverse = scale != 0 ? 1 / scale : 0
        to.storeHalf(scale, at: 0)
        for j in 0..<32 {
            let value = (x[j] * inverse).rounded(.toNearestOrAwayFromZero)
            to.store(Int8(value > -127 ? (value < 127 ? value : 127) : -127), at: 2 + j)
        }
    }
}
