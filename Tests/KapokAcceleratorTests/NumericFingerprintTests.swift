import KapokWorld
import Testing

@testable import KapokAccelerator

/// Conversions against NumPy and ml_dtypes: the constants were printed by
/// Tests/InteropTests/Clients/accelerator/numeric_fingerprints.py, which says how the inputs are made
/// (ml_dtypes 0.6.0, NumPy 2.4.6).
@Suite("Numeric: bit-exact against NumPy and ml_dtypes")
struct NumericFingerprintTests {
    private static let decoded: [ElementType: [UInt64]] = [
        .bf16: [0xFF5C_7CE1_C45B_B9E7],
        .fp16: [0xD58C_927D_0A95_7A0D],
        .fp8e4m3: [0xBED2_B639_639A_7D6B],
        .fp8e4m3fn: [0x69CA_BF76_8457_70CB],
        .fp8e5m2: [0x2C6B_210A_9031_A331],
        .fp8e3m4: [0x6A3B_8362_2A24_1569],
    ]

    /// Patterns, numbers near the type, boundaries (not for all types).
    private static let encoded: [ElementType: [UInt64]] = [
        .bf16: [0x4147_8B70_1C92_F118, 0x5C9A_A0FE_3E0B_B5D0, 0x90FA_32BC_C182_4A91],
        .fp16: [0xBF23_4B37_7074_B3A7, 0xCB23_CCD1_3514_0B82, 0x144F_01A4_C874_C0C6],
        .fp8e4m3: [0x198D_45F9_5242_866F, 0x559E_99A0_4A4D_81E4, 0x0A81_ABA1_FA0A_BF4A],
        .fp8e4m3fn: [0xC988_01A4_CF18_60E1, 0xB9B7_71E2_3166_7314, 0x4078_AB70_FCB7_7E81],
        .fp8e5m2: [0xA4ED_1A7D_E426_D774, 0x714F_2ADA_99EA_F49B, 0xEBF8_D6FE_9EA1_7CA7],
        .fp8e3m4: [0x8BF5_9C79_3843_B639, 0xEE42_EB07_B546_92ED, 0x57F9_D212_231C_ADC4],
        .tf32: [0x0DC1_3F0E_75CE_ACA5, 0xAFE5_6A65_4575_EA30],
        .int32: [0xE65D_B9A8_E362_8C76, 0x0F96_EF50_9C1D_929A],
        .uint32: [0x5F82_9395_0CA2_F266, 0xD4B6_F030_020A_5426],
        .int16: [0x48F5_3243_B303_8C01, 0x8475_CCFB_60D6_BF06],
        .uint16: [0xE122_9F64_4B81_21A5, 0xC4E8_1B5C_3285_BE12],
        .int8: [0x47F6_8295_EBD1_B54B, 0xFED5_26D7_8155_43CE],
        .uint8: [0x0216_9055_D170_B34C, 0x4A22_2323_2C55_8F1A],
    ]

    /// Least and greatest binary exponent of the numbers near a type.
    private static func exponents(near type: ElementType) -> ClosedRange<Int> {
        switch type {
        case .bf16, .tf32: -149...127
        case .fp16: -28...18
        case .fp8e4m3: -13...10
        case .fp8e4m3fn: -13...11
        case .fp8e5m2: -20...18
        case .fp8e3m4: -10...6
        default: -3...34
        }
    }

    @Test("every code of the types of 8 and 16 bits has NumPy's value", arguments: decoded.keys)
    func decodesAllCodes(type: ElementType) {
        let codes = (0..<UInt32(1) << (8 * type.byteCount)).map { $0 }
        let bytes = codes.flatMap { code in
            (0..<type.byteCount).map { UInt8(truncatingIfNeeded: code >> (8 * $0)) }
        }
        let byKernel = type.decode(bytes).map(\.bitPattern)
        #expect(NumericInputs.fingerprint(byKernel) == Self.decoded[type]?[0])
        #expect(codes.map { type.decode($0).bitPattern } == byKernel)
    }

    @Test(
        "a million FP32 patterns of every kind are rounded as NumPy does", arguments: encoded.keys)
    func encodesPatterns(type: ElementType) {
        let codes = NumericInputs.codes(type, NumericInputs.patterns)
        #expect(NumericInputs.fingerprint(codes) == Self.encoded[type]?[0])
    }

    @Test(
        "numbers that the type can hold, and a little beyond, are rounded as NumPy does",
        arguments: encoded.keys)
    func encodesNearNumbers(type: ElementType) {
        let numbers = NumericInputs.near(Self.exponents(near: type))
        let codes = NumericInputs.codes(type, numbers)
        #expect(NumericInputs.fingerprint(codes) == Self.encoded[type]?[1])
        let some = numbers.prefix(20_000)
        #expect(some.map(type.encode) == Array(codes.prefix(20_000)))
    }

    @Test(
        "each value, each middle between two, and their FP32 neighbours are rounded as NumPy does",
        arguments: decoded.keys)
    func encodesBoundaries(type: ElementType) {
        let codes = NumericInputs.codes(type, NumericInputs.boundaries(of: type))
        #expect(NumericInputs.fingerprint(codes) == Self.encoded[type]?[2])
    }
}

/// The inputs of numeric_fingerprints.py.
enum NumericInputs {
    /// The sum of `mix(x[i] ^ i << 32)`.
    static func fingerprint(_ codes: [UInt32]) -> UInt64 {
        var sum: UInt64 = 0
        for (index, code) in codes.enumerated() {
            sum &+= mix(UInt64(code) ^ UInt64(index) << 32)
        }
        return sum
    }

    /// SplitMix64's output function.
    private static func mix(_ input: UInt64) -> UInt64 {
        var z = input
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Every kind of FP32.
    static let patterns: [Float] = {
        var stream = RandomStream(seed: 1)
        return (0..<1 << 20).map { _ in Float(bitPattern: UInt32(stream.next() >> 32)) }
    }()

    /// Numbers of these binary exponents.
    static func near(_ exponents: ClosedRange<Int>) -> [Float] {
        var stream = RandomStream(seed: 2)
        return (0..<1 << 18).map { _ in
            let bits = stream.next()
            let exponent = Int(bits >> 32) % exponents.count + exponents.lowerBound
            let sign = UInt32(truncatingIfNeeded: bits & 0x80_0000) << 8
            let stored = UInt32(max(exponent + 127, 0)) << 23
            return Float(bitPattern: sign | stored | UInt32(truncatingIfNeeded: bits & 0x7F_FFFF))
        }
    }

    /// Each value of a type, the middle between it and the next, and their neighbours.
    static func boundaries(of type: ElementType) -> [Float] {
        let half = UInt32(1) << (8 * type.byteCount - 1)
        let values = (0..<half).map { Double(type.decode($0)) }.filter(\.isFinite)
        let beyond = 2 * values[values.count - 1] - values[values.count - 2]
        var bits: [UInt32] = []
        for (value, next) in zip(values, values.dropFirst() + [beyond]) {
            for point in [value, (value + next) / 2] {
                let at = Float(point).bitPattern
                bits += [at, max(at, 1) - 1, at + 1]
            }
        }
        return (bits + bits.map { $0 | 1 << 31 }).map(Float.init(bitPattern:))
    }

    /// The codes that the kernel gives.
    static func codes(_ type: ElementType, _ values: [Float]) -> [UInt32] {
        let bytes = type.encode(values)
        return bytes.withUnsafeBytes { buffer in
            (0..<values.count).map { index in
                switch type.byteCount {
                case 1: UInt32(buffer[index])
                case 2: UInt32(buffer.load(fromByteOffset: 2 * index, as: UInt16.self))
                default: buffer.load(fromByteOffset: 4 * index, as: UInt32.self)
                }
            }
        }
    }
}
