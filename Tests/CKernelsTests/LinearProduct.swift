import CKernels
import Glibc

/// Memory at a multiple of 64, as packed weights and activations need it.
final class LinearMemory {
    let bytes: UnsafeMutableRawPointer

    init(_ count: Int) {
        bytes = UnsafeMutableRawPointer.allocate(byteCount: max(count, 64), alignment: 64)
        memset(bytes, 0xAA, max(count, 64))
    }

    deinit { bytes.deallocate() }
}

/// A matrix as a file has it, activations, and what their product must be.
struct LinearProduct {
    var format: LinearFileFormat
    var rows: Int
    var columns: Int
    var tokens: Int
    var file: [UInt8]
    var x: [Float]

    init(_ format: LinearFileFormat, rows: Int, columns: Int, tokens: Int, seed: UInt64) {
        var random = LinearRandom(seed: seed)
        self.format = format
        self.rows = rows
        self.columns = columns
        self.tokens = tokens
        file = format.randomRows(rows, columns: columns, from: &random)
        x = (0..<tokens * columns).map { _ in random.float() }
    }

    func packedWeights() -> LinearMemory {
        let memory = LinearMemory(kapok_linear_packed_bytes(format.type, rows, columns))
        kapok_linear_pack(format.type, rows, columns, file, memory.bytes, 0, rows)
        return memory
    }

    func packedActivations(_ implementation: kapok_linear_implementation) -> LinearMemory {
        let memory = LinearMemory(
            tokens * kapok_linear_activation_bytes(format.type, columns))
        kapok_linear_pack_activations_with(
            implementation, format.type, columns, x, columns, tokens, memory.bytes)
        return memory
    }

    /// The product by `implementation`, all at once: a token's rows one after the other.
    func result(_ implementation: kapok_linear_implementation) -> [Float] {
        let (weights, activations) = (packedWeights(), packedActivations(implementation))
        var y = [Float](repeating: .signalingNaN, count: tokens * rows)
        kapok_linear_with(
            implementation, format.type, columns, weights.bytes, 0, rows, activations.bytes, tokens,
            &y, rows)
        return y
    }

    /// Activations as the kernels see them: rounded to 255 steps between minus and plus the largest
    /// of 32, or as they are.
    func seenActivations() -> [Double] {
        guard !format.isFloat else { return x.map(Double.init) }
        var seen: [Double] = []
        for start in stride(from: 0, to: x.count, by: 32) {
            let block = x[start..<start + 32]
            let largest = block.map(\.magnitude).max() ?? 0
            let (scale, factor) = (largest / 127, 127 / largest)
            for value in block {
                let quant = (value * factor).rounded(.toNearestOrEven)
                seen.append(largest == 0 ? 0 : Double(scale) * Double(quant))
            }
        }
        return seen
    }

    /// The product in double precision, and how far FP32 may be from it: a rounding of 2^-24 for
    /// each addition, of numbers no larger than the sum of all sizes.
    func reference() -> [(value: Double, bound: Double)] {
        let seen = seenActivations()
        let blocks = columns / format.blockElements
        let additions = format.isFloat ? columns : columns / 16
        var products = [(value: Double, bound: Double)](
            repeating: (0, 0), count: tokens * rows)
        for row in 0..<rows {
            let weights = (0..<blocks).flatMap {
                format.decode(file, at: (row * blocks + $0) * format.blockBytes)
            }
            for token in 0..<tokens {
                var (value, size) = (0.0, 0.0)
                for k in 0..<columns {
                    let factor = seen[token * columns + k]
                    value += weights[k].value * factor
                    size += weights[k].size * factor.magnitude
                }
                products[token * rows + row] = (value, size * Double(additions + 4) * 0x1p-24)
            }
        }
        return products
    }
}
