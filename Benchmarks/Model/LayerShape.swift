import CKernels
import KapokModel

/// The shape of a matrix of weights.
struct MatrixShape: Hashable {
    var rows: Int
    var columns: Int

    /// "1536x576".
    var name: String { "\(rows)x\(columns)" }

    /// The same, in whole blocks of `type`: rows of K types are multiples of 256.
    func fitting(_ type: WeightType) -> MatrixShape {
        let block = type.blockElements
        return MatrixShape(rows: rows, columns: (columns + block - 1) / block * block)
    }

    /// Pieces of 16 rows.
    var groups: Int { rows / Int(KAPOK_LINEAR_ROWS) }
}

/// The matrices of SmolLM2-135M, the model for tests.
enum LayerShape {
    static let layers = 30
    /// Queries, keys, values, attention's output, gate, up and down of one block.
    static let matrices = [
        MatrixShape(rows: 576, columns: 576), MatrixShape(rows: 192, columns: 576),
        MatrixShape(rows: 192, columns: 576), MatrixShape(rows: 576, columns: 576),
        MatrixShape(rows: 1536, columns: 576), MatrixShape(rows: 1536, columns: 576),
        MatrixShape(rows: 576, columns: 1536),
    ]
    /// Whether matrix `index` of a block has another input than the one before it: queries, keys
    /// and values share one, gate and up another.
    static func beginsInput(_ index: Int) -> Bool { [0, 3, 4, 6].contains(index) }
    /// The matrix of the vocabulary, which is the embedding, too.
    static let output = MatrixShape(rows: 49152, columns: 576)
}

extension WeightType {
    var kernelType: kapok_weight_type { kapok_weight_type(rawValue: rawValue) }
}

/// Random matrices, packed as the kernels read them.
struct PackedSamples {
    private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// A number between -1 and 1; splitmix64, for which quality is no matter here.
    mutating func number() -> Float {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return Float(Int32(truncatingIfNeeded: bits >> 32)) * 0x1p-31
    }

    /// Packs a random matrix to `target`, and returns how many bytes it takes.
    mutating func pack(
        _ type: WeightType, _ shape: MatrixShape, to target: UnsafeMutableRawPointer
    ) -> Int {
        // A few groups are enough; the others are copies.
        let rows = min(shape.rows, 192)
        let numbers = (0..<(rows * shape.columns)).map { _ in number() }
        let file = type.quantized(numbers)
        file.withUnsafeBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            kapok_linear_pack(
                type.kernelType, rows, shape.columns, source, target, 0, rows)
        }
        let part = kapok_linear_packed_bytes(type.kernelType, rows, shape.columns)
        let all = kapok_linear_packed_bytes(type.kernelType, shape.rows, shape.columns)
        for offset in stride(from: part, to: all, by: part) {
            (target + offset).copyMemory(from: target, byteCount: min(part, all - offset))
        }
        return all
    }

    /// Packs random activations of `tokens` tokens; `floats` gets them as they are, too.
    mutating func activations(
        _ type: WeightType, columns: Int, tokens: Int, floats: UnsafeMutablePointer<Float>,
        packed: UnsafeMutableRawPointer
    ) {
        for index in 0..<(columns * tokens) { floats[index] = number() }
        kapok_linear_pack_activations(
            type.kernelType, columns, floats, columns, tokens, packed)
    }
}
