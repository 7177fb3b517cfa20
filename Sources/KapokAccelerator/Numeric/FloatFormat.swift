/// How a floating-point type narrower than FP32 is laid out: a sign, an exponent with the usual
/// bias, a significand.
struct FloatFormat: Hashable, Sendable {
    /// Bits of the exponent and stored bits of the significand.
    var exponentBits: Int
    var significandBits: Int
    /// What the code above the largest finite value means.
    var top: Top

    enum Top: Hashable, Sendable {
        /// Infinity, and NaNs above it.
        case infinity
        /// The only NaN; there is no infinity.
        case nan
    }

    var bias: Int { (1 << (exponentBits - 1)) - 1 }
    /// The exponent of the smallest normal number, and of all subnormal ones.
    var leastExponent: Int { 1 - bias }
    /// Of a code, without the sign: the first that is no finite value.
    var topCode: UInt32 {
        let infinity = ((UInt32(1) << exponentBits) - 1) << significandBits
        return top == .infinity ? infinity : infinity | ((1 << significandBits) - 1)
    }
    /// The quiet NaN without a payload.
    var nanCode: UInt32 { top == .nan ? topCode : topCode | 1 << (significandBits - 1) }
    var signBit: UInt32 { 1 << (exponentBits + significandBits) }
}

extension ElementType {
    /// The layout of a type narrower than FP32; TF32 without its 13 unused bits.
    var format: FloatFormat? {
        switch self {
        case .tf32: FloatFormat(exponentBits: 8, significandBits: 10, top: .infinity)
        case .bf16: FloatFormat(exponentBits: 8, significandBits: 7, top: .infinity)
        case .fp16: FloatFormat(exponentBits: 5, significandBits: 10, top: .infinity)
        case .fp8e4m3: FloatFormat(exponentBits: 4, significandBits: 3, top: .infinity)
        case .fp8e4m3fn: FloatFormat(exponentBits: 4, significandBits: 3, top: .nan)
        case .fp8e5m2: FloatFormat(exponentBits: 5, significandBits: 2, top: .infinity)
        case .fp8e3m4: FloatFormat(exponentBits: 3, significandBits: 4, top: .infinity)
        case .fp32, .int32, .uint32, .int16, .uint16, .int8, .uint8: nil
        }
    }
}
