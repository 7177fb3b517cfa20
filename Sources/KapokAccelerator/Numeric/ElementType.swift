/// The numeric types that tiles and tensors hold.
///
/// Engines compute in FP32 and round to nearest even on writing; narrower types exist in memory
/// only.
public enum ElementType: UInt8, CaseIterable, Codable, Sendable {
    /// IEEE 754 binary32.
    case fp32 = 0
    /// FP32 with a significand of 11 bits (10 stored); occupies 4 bytes.
    case tf32 = 1
    /// The upper half of an FP32.
    case bf16 = 2
    /// IEEE 754 binary16.
    case fp16 = 3
    /// 1-4-3 with infinities, largest finite value 240 (IEEE-like; OCP calls another type E4M3).
    case fp8e4m3 = 4
    /// OCP FP8 E4M3: no infinities, one NaN, largest value 448.
    case fp8e4m3fn = 5
    /// OCP FP8 E5M2, with infinities.
    case fp8e5m2 = 6
    /// 1-3-4 with infinities, largest finite value 15.5.
    case fp8e3m4 = 7
    /// Two's complement and unsigned integers.
    case int32 = 8
    case uint32 = 9
    case int16 = 10
    case uint16 = 11
    case int8 = 12
    case uint8 = 13

    /// Bytes of one element in memory.
    public var byteCount: Int {
        switch self {
        case .fp32, .tf32, .int32, .uint32: 4
        case .bf16, .fp16, .int16, .uint16: 2
        case .fp8e4m3, .fp8e4m3fn, .fp8e5m2, .fp8e3m4, .int8, .uint8: 1
        }
    }

    /// Whether values are floating-point numbers.
    public var isFloatingPoint: Bool { rawValue <= ElementType.fp8e3m4.rawValue }

    /// The name on the command line and in text files.
    public var name: String { "\(self)" }

    /// The type of that name; nil when there is none.
    public init?(name: some StringProtocol) {
        guard let type = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = type
    }
}
