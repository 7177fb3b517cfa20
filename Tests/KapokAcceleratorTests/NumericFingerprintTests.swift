import KapokWorld
import Testing

@testable import KapokAccelerator

/// Conversions against NumPy and ml_dtypes: the constants were printed by
/// Tests/InteropTests/Clients/accelerator/numeric_fingerprints.py, which says how the inputs are
/// made (ml_dtypes 0.6.0, NumPy 2.4.6).
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
        .bf16: [0x1886_0AD3_6515_BA05, 0x817A_620F_0A26_FB55, 0x90FA_32BC_C182_4A91],
        .fp16: [0x5115_0E1B_2630_21C7, 0x0A12_F369_0EC0_9F79, 0x144F_01A4_C874_C0C6],
        .fp8e4m3: [0xC0B3_46D8_5EA2_41B2, 0xD8A6_2356_8B01_DAB7, 0x0A81_ABA1_FA0A_BF4A],
        .fp8e4m3fn: [0xE6A8_F9D2_3E5C_408F, 0xF396_27D4_603A_33E8, 0x4078_AB70_FCB7_7E81],
        .fp8e5m2: [0x6305_68A3_6980_8DA9, 0xFF3F_1CF3_F0CA_0555, 0xEBF8_D6FE_9EA1_7CA7],
        .fp8e3m4: [0xA15D_12B9_7EC3_C66B, 0xAD0D_2456_B9CF_1A86, 0x57F9_D212_231C_ADC4],
        .tf32: [0xEDC0_E7E9_33D9_21E9, 0x114D_BD69_A5B5_A7B0],
        .int32: [0x7CE0_35EE_7AFD_9E7E, 0x1773_2413_211B_A922],
        .uint32: [0xDAD9_265D_21A0_2A2F, 0x94A4_C9F9_52E3_FA81],
        .int16: [0x98DC_7070_2C57_ACA7, 0x095B_9214_8835_9EA6],
        .uint16: [0xD654_112D_B917_F230, 0x2FF6_B35F_7095_619E],
        .int8: [0xDC37_258A_D934_7EC9, 0x3DCF_6B71_2199_2DDE],
        .uint8: [0xD04A_5583_D18F_4D5F, 0x6681_EF53_7364_B88F],
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
        "half a million FP32 patterns of every kind are rounded as NumPy does",
        arguments: encoded.keys)
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
        return (0..<1 << 19).map { _ in Float(bitPattern: UInt32(stream.next() >> 32)) }
    }()

    /// Numbers of these binary exponents.
    static func near(_ exponents: ClosedRange<Int>) -> [Float] {
        var stream = RandomStream(seed: 2)
        return (0..<1 << 17).map { _ in
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
        let size = type.byteCount
        return [UInt32](unsafeUninitializedCapacity: values.count) { codes, count in
            bytes.withUnsafeBytes { buffer in
                while count < values.count {
                    codes[count] =
                        size == 1
                        ? UInt32(buffer[count])
                        : size == 2
                            ? UInt32(buffer.load(fromByteOffset: 2 * count, as: UInt16.self))
                            : buffer.load(fromByteOffset: 4 * count, as: UInt32.self)
                    count += 1
                }
            }
        }
    }
}
