// Conversions of single numbers, written to be read. The kernels for arrays give the same bits.

extension ElementType {
    /// The value of an element.
    ///
    /// Integers of 32 bits are rounded to nearest even; TF32 drops its 13 unused bits by rounding.
    /// NaNs of 16 bits keep their payload, those of 8 bits become the quiet NaN.
    ///
    /// - Parameter bits: the element's bits; those above its width do not matter
    public func decode(_ bits: UInt32) -> Float {
        switch self {
        case .fp32: Float(bitPattern: bits)
        case .tf32: Float(bitPattern: encode(Float(bitPattern: bits)))
        case .int32: Float(Int32(bitPattern: bits))
        case .uint32: Float(bits)
        case .int16: Float(Int16(truncatingIfNeeded: bits))
        case .uint16: Float(UInt16(truncatingIfNeeded: bits))
        case .int8: Float(Int8(truncatingIfNeeded: bits))
        case .uint8: Float(UInt8(truncatingIfNeeded: bits))
        case .bf16, .fp16, .fp8e4m3, .fp8e4m3fn, .fp8e5m2, .fp8e3m4:
            format.map { $0.decode(bits) } ?? .nan
        }
    }

    /// The element that is nearest to `value`; of two that are as near, the even one.
    ///
    /// What is too large becomes infinity, or NaN where the type has no infinities; integers
    /// saturate. NaN becomes the quiet NaN with its sign, and the integer 0. FP32 passes all bits.
    ///
    /// - Returns: its bits, the upper ones zero
    public func encode(_ value: Float) -> UInt32 {
        if let format {
            return format.encode(value) { $0.rounded(.toNearestOrEven) } << unusedBits
        }
        switch self {
        case .int32: return UInt32(bitPattern: Self.saturating(value, Int32.self))
        case .uint32: return Self.saturating(value, UInt32.self)
        case .int16: return UInt32(UInt16(bitPattern: Self.saturating(value, Int16.self)))
        case .uint16: return UInt32(Self.saturating(value, UInt16.self))
        case .int8: return UInt32(UInt8(bitPattern: Self.saturating(value, Int8.self)))
        case .uint8: return UInt32(Self.saturating(value, UInt8.self))
        default: return value.bitPattern
        }
    }

    /// `value` rounded stochastically: away from zero if `random` is less than the part that would
    /// be cut off, as a fraction of 2^32 and without what lies below 2^-32; else towards zero. FP32
    /// and integers do not round so.
    ///
    /// - Parameter random: uniform in 32 bits
    public func encode(_ value: Float, random: UInt32) -> UInt32 {
        guard let format else { return encode(value) }
        let bits = format.encode(value) { quotient in
            let kept = quotient.rounded(.towardZero)
            let fraction = UInt32((quotient - kept) * 0x1p32)
            return random < fraction ? kept + 1 : kept
        }
        return bits << unusedBits
    }

    /// Low bits of an element that are always zero.
    private var unusedBits: UInt32 { self == .tf32 ? 13 : 0 }

    private static func saturating<I: FixedWidthInteger>(_ value: Float, _: I.Type) -> I {
        if value.isNaN { return 0 }
        let rounded = Double(value).rounded(.toNearestOrEven)
        return rounded <= Double(I.min) ? .min : rounded >= Double(I.max) ? .max : I(rounded)
    }
}

extension FloatFormat {
    func decode(_ bits: UInt32) -> Float {
        let magnitude = bits & (signBit - 1)
        let sign: UInt32 = bits & signBit == 0 ? 0 : 0x8000_0000
        guard magnitude < topCode else {
            let keepsPayload = exponentBits + significandBits == 15
            let infinity = top == .infinity && magnitude == topCode
            let payload = keepsPayload ? magnitude << (23 - significandBits) : 0x0040_0000
            return Float(bitPattern: sign | 0x7F80_0000 | (infinity ? 0 : payload))
        }
        let stored = Int(magnitude >> significandBits)
        let fraction = magnitude & ((1 << significandBits) - 1)
        let significand = stored == 0 ? fraction : fraction | 1 << significandBits
        let exponent = max(stored, 1) - bias - significandBits
        let value = Double(sign: .plus, exponent: exponent, significand: Double(significand))
        return Float(bitPattern: sign | Float(value).bitPattern)
    }

    /// - Parameter round: a number of units in the last place to a whole number of them
    func encode(_ value: Float, round: (Double) -> Double) -> UInt32 {
        let sign = value.sign == .minus ? signBit : 0
        if value.isNaN { return sign | nanCode }
        if value.isInfinite { return sign | topCode }
        if value.isZero { return sign }
        let magnitude = Double(value.magnitude)
        let exponent = max(Int(magnitude.exponent), leastExponent)
        let unit = Double(sign: .plus, exponent: exponent - significandBits, significand: 1)
        // With the units of one binade more, a number is the first of the next: carries are right.
        let units = UInt32(round(magnitude / unit))
        let code = UInt32(exponent - leastExponent) << significandBits + units
        return sign | min(code, topCode)
    }
}
