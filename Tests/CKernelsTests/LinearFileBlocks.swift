import CKernels
import Testing

/// A storage of weights as model files have it, decoded in plain Swift from the definitions in
/// ggml-common.h and ggml-quants.c: what the linear kernels are held against.
struct LinearFileFormat: CustomTestStringConvertible, Sendable {
    var type: kapok_weight_type
    var name: String
    var blockElements: Int
    var blockBytes: Int
    /// Where a block has FP16 numbers.
    var halves: [Int]

    var testDescription: String { name }

    static let all = floats + quantised

    static let floats = [
        LinearFileFormat(KAPOK_WEIGHT_F32, "F32", 1, 4, []),
        LinearFileFormat(KAPOK_WEIGHT_F16, "F16", 1, 2, [0]),
        LinearFileFormat(KAPOK_WEIGHT_BF16, "BF16", 1, 2, []),
    ]

    static let quantised = [
        LinearFileFormat(KAPOK_WEIGHT_Q4_0, "Q4_0", 32, 18, [0]),
        LinearFileFormat(KAPOK_WEIGHT_Q4_1, "Q4_1", 32, 20, [0, 2]),
        LinearFileFormat(KAPOK_WEIGHT_Q5_0, "Q5_0", 32, 22, [0]),
        LinearFileFormat(KAPOK_WEIGHT_Q5_1, "Q5_1", 32, 24, [0, 2]),
        LinearFileFormat(KAPOK_WEIGHT_Q8_0, "Q8_0", 32, 34, [0]),
        LinearFileFormat(KAPOK_WEIGHT_Q4_K, "Q4_K", 256, 144, [0, 2]),
        LinearFileFormat(KAPOK_WEIGHT_Q5_K, "Q5_K", 256, 176, [0, 2]),
        LinearFileFormat(KAPOK_WEIGHT_Q6_K, "Q6_K", 256, 210, [208]),
    ]

    init(
        _ type: kapok_weight_type, _ name: String, _ blockElements: Int, _ blockBytes: Int,
        _ halves: [Int]
    ) {
        self.type = type
        self.name = name
        self.blockElements = blockElements
        self.blockBytes = blockBytes
        self.halves = halves
    }

    var isFloat: Bool { blockElements == 1 }

    /// `rows` rows of arbitrary bits, with numbers of either sign where the format has floats.
    func randomRows(_ rows: Int, columns: Int, from random: inout LinearRandom) -> [UInt8] {
        let blocks = rows * columns / blockElements
        var bytes = (0..<blocks * blockBytes).map { _ in random.byte() }
        for block in 0..<blocks {
            let start = block * blockBytes
            switch type {
            case KAPOK_WEIGHT_F32:
                Self.store(random.float().bitPattern, in: &bytes, at: start)
            case KAPOK_WEIGHT_BF16:
                Self.store(
                    UInt16(random.float().bitPattern >> 16), in: &bytes, at: start)
            default:
                for offset in halves {
                    let half = Float16(random.float() / 16).bitPattern
                    Self.store(half, in: &bytes, at: start + offset)
                }
            }
        }
        return bytes
    }

    private static func store(
        _ value: some FixedWidthInteger, in bytes: inout [UInt8], at offset: Int
    ) {
        withUnsafeBytes(of: value.littleEndian) { raw in
            for (i, byte) in raw.enumerated() { bytes[offset + i] = byte }
        }
    }

    /// The numbers of a file's block at `start`, each with the size of its parts: what it was a sum
    /// of, without signs.
    func decode(_ bytes: [UInt8], at start: Int) -> [(value: Double, size: Double)] {
        let block = Array(bytes[start..<start + blockBytes])
        switch type {
        case KAPOK_WEIGHT_F32:
            let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(block[$1]) << UInt32(8 * $1) }
            return [Self.plain(Double(Float(bitPattern: bits)))]
        case KAPOK_WEIGHT_F16: return [Self.plain(Self.half(block, 0))]
        case KAPOK_WEIGHT_BF16:
            let bits = UInt32(block[0]) << 16 | UInt32(block[1]) << 24
            return [Self.plain(Double(Float(bitPattern: bits)))]
        case KAPOK_WEIGHT_Q4_K, KAPOK_WEIGHT_Q5_K: return decodeWithMinimums(block)
        case KAPOK_WEIGHT_Q6_K: return Self.decodeSixBits(block)
        default: return decodeShort(block)
        }
    }

    private static func plain(_ value: Double) -> (value: Double, size: Double) {
        (value, value.magnitude)
    }

    private static func half(_ block: [UInt8], _ offset: Int) -> Double {
        Double(Float16(bitPattern: UInt16(block[offset]) | UInt16(block[offset + 1]) << 8))
    }

    /// Blocks of 32: nibbles with or without a plane of fifth bits, or bytes.
    private func decodeShort(_ block: [UInt8]) -> [(value: Double, size: Double)] {
        let d = Self.half(block, 0)
        let hasMinimum = type == KAPOK_WEIGHT_Q4_1 || type == KAPOK_WEIGHT_Q5_1
        let hasFifths = type == KAPOK_WEIGHT_Q5_0 || type == KAPOK_WEIGHT_Q5_1
        let m = hasMinimum ? Self.half(block, 2) : 0
        if type == KAPOK_WEIGHT_Q8_0 {
            return (0..<32).map { Self.plain(d * Double(Int8(bitPattern: block[2 + $0]))) }
        }
        let bits = hasMinimum ? 4 : 2
        let nibbles = bits + (hasFifths ? 4 : 0)
        return (0..<32).map { k in
            let byte = Int(block[nibbles + k % 16])
            var quant = k < 16 ? byte & 15 : byte >> 4
            if hasFifths { quant |= (Int(block[bits + k / 8]) >> (k % 8) & 1) << 4 }
            if !hasMinimum { quant -= hasFifths ? 16 : 8 }
            return (d * Double(quant) + m, (d * Double(quant)).magnitude + m.magnitude)
        }
    }

    /// Q4_K and Q5_K: 8 blocks of 32, each with a scale and a minimum of six bits.
    private func decodeWithMinimums(_ block: [UInt8]) -> [(value: Double, size: Double)] {
        let (d, minimum) = (Self.half(block, 0), Self.half(block, 2))
        let scales = block[4..<16].map(Int.init)
        let hasFifths = type == KAPOK_WEIGHT_Q5_K
        let nibbles = hasFifths ? 48 : 16
        return (0..<256).map { k in
            let part = k / 32
            let (scale, least) =
                part < 4
                ? (scales[part] & 63, scales[part + 4] & 63)
                : (
                    scales[part + 4] & 15 | (scales[part - 4] >> 6) << 4,
                    scales[part + 4] >> 4 | (scales[part] >> 6) << 4
                )
            let byte = Int(block[nibbles + k / 64 * 32 + k % 32])
            var quant = part % 2 == 0 ? byte & 15 : byte >> 4
            if hasFifths { quant |= (Int(block[16 + k % 32]) >> part & 1) << 4 }
            let (first, second) = (d * Double(scale * quant), minimum * Double(least))
            return (first - second, first.magnitude + second.magnitude)
        }
    }

    /// Q6_K: 16 blocks of 16, each with a scale of eight bits.
    private static func decodeSixBits(_ block: [UInt8]) -> [(value: Double, size: Double)] {
        let d = half(block, 208)
        return (0..<256).map { k in
            let (part, l) = (k / 128, k % 128)
            let byte = Int(block[part * 64 + l % 64])
            let nibble = l < 64 ? byte & 15 : byte >> 4
            let upper = Int(block[128 + part * 32 + l % 32]) >> (l / 32 * 2) & 3
            let scale = Int(Int8(bitPattern: block[192 + k / 16]))
            return plain(d * Double(scale * ((nibble | upper << 4) - 32)))
        }
    }
}

/// Numbers without a pattern, the same in every run.
struct LinearRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func byte() -> UInt8 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }

    /// From -4 to 4, some of them much smaller.
    mutating func float() -> Float {
        let mantissa = Float(Int(byte()) << 8 | Int(byte())) / 8192 - 4
        return byte() < 32 ? mantissa / 256 : mantissa
    }
}
