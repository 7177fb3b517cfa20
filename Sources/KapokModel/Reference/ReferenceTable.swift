import Dispatch
import Glibc

/// A row of numbers for each token, in double precision, and what can be done with it.
struct ReferenceTable: Hashable, Sendable {
    let rows: Int
    let columns: Int
    var numbers: [Double]

    init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        numbers = [Double](repeating: 0, count: rows * columns)
    }

    func row(_ index: Int) -> ArraySlice<Double> {
        numbers[(index * columns)..<((index + 1) * columns)]
    }

    mutating func set(_ index: Int, _ row: [Double]) {
        numbers.replaceSubrange((index * columns)..<((index + 1) * columns), with: row)
    }

    private func map(_ transform: (Int) -> Double) -> ReferenceTable {
        var table = self
        for index in numbers.indices { table.numbers[index] = transform(index) }
        return table
    }

    func adding(_ other: ReferenceTable) -> ReferenceTable {
        map { numbers[$0] + other.numbers[$0] }
    }

    func gating(_ other: ReferenceTable) -> ReferenceTable {
        map { numbers[$0] / (1 + exp(-numbers[$0])) * other.numbers[$0] }
    }

    func roundedToHalf() -> ReferenceTable { map { Double(Float16(numbers[$0])) } }

    /// Root mean square normalisation of every `gain.count` columns.
    func normalised(gain: [Double], epsilon: Double) -> ReferenceTable {
        let group = gain.count
        var table = self
        for start in stride(from: 0, to: numbers.count, by: group) {
            var sum = 0.0
            for j in 0..<group { sum += numbers[start + j] * numbers[start + j] }
            let factor = 1 / (sum / Double(group) + epsilon).squareRoot()
            for j in 0..<group { table.numbers[start + j] = numbers[start + j] * factor * gain[j] }
        }
        return table
    }

    /// Pairs of each head turned by the row's number times a frequency.
    func rotated(_ rotation: RotaryEmbedding, headWidth: Int) -> ReferenceTable {
        let pairs = rotation.rotatedWidth / 2
        var table = self
        for row in 0..<rows {
            for pair in 0..<pairs {
                let angle = Double(row) * Double(rotation.frequencies[pair])
                let c = cos(angle) * Double(rotation.magnitude)
                let s = sin(angle) * Double(rotation.magnitude)
                let (first, second) =
                    switch rotation.pairing {
                    case .adjacent: (2 * pair, 2 * pair + 1)
                    case .halves: (pair, pair + pairs)
                    }
                for head in stride(from: row * columns, to: (row + 1) * columns, by: headWidth) {
                    let (a, b) = (numbers[head + first], numbers[head + second])
                    table.numbers[head + first] = a * c - b * s
                    table.numbers[head + second] = a * s + b * c
                }
            }
        }
        return table
    }

    /// The products with a matrix' rows, on all processors.
    func multiplied(by matrix: WeightTensor, bias: [Double]?) -> ReferenceTable {
        precondition(matrix.columns == columns)
        var table = ReferenceTable(rows: rows, columns: matrix.rows)
        let rowBytes = matrix.bytes.count / matrix.rows
        let taskRows = 64
        table.numbers.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let target = buffer
            DispatchQueue.concurrentPerform(
                iterations: (matrix.rows + taskRows - 1) / taskRows
            ) { task in
                let range = (task * taskRows)..<min(matrix.rows, (task + 1) * taskRows)
                withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { weights in
                    for output in range {
                        let bytes = matrix.bytes[(output * rowBytes)..<((output + 1) * rowBytes)]
                        matrix.type.dequantize(
                            UnsafeRawBufferPointer(rebasing: bytes), into: weights)
                        for row in 0..<rows {
                            target[row * matrix.rows + output] =
                                dot(row, weights) + (bias?[output] ?? 0)
                        }
                    }
                }
            }
        }
        return table
    }

    private func dot(_ row: Int, _ weights: UnsafeMutableBufferPointer<Float>) -> Double {
        numbers.withUnsafeBufferPointer { buffer in
            // Four sums: one would wait for itself at each element.
            var sums = SIMD4<Double>(repeating: 0)
            let start = row * columns
            let whole = columns & ~3
            for j in stride(from: 0, to: whole, by: 4) {
                for lane in 0..<4 {
                    sums[lane] += buffer[start + j + lane] * Double(weights[j + lane])
                }
            }
            for j in whole..<columns { sums[0] += buffer[start + j] * Double(weights[j]) }
            return sums.sum()
        }
    }
}

/// Causal attention with grouped heads.
struct ReferenceAttention {
    let heads: Int
    let keyValueHeads: Int
    let headWidth: Int
    let scale: Double

    func mixed(
        _ queries: ReferenceTable, _ keys: ReferenceTable, _ values: ReferenceTable
    ) -> ReferenceTable {
        var result = ReferenceTable(rows: queries.rows, columns: heads * headWidth)
        for row in 0..<queries.rows {
            for head in 0..<heads {
                let shared = head / (heads / keyValueHeads) * headWidth
                let query = row * queries.columns + head * headWidth
                var scores = (0...row).map { other in
                    var sum = 0.0
                    for j in 0..<headWidth {
                        sum +=
                            queries.numbers[query + j]
                            * keys.numbers[other * keys.columns + shared + j]
                    }
                    return sum * scale
                }
                let most = scores.max() ?? 0
                var total = 0.0
                for other in scores.indices {
                    scores[other] = exp(scores[other] - most)
                    total += scores[other]
                }
                for (other, score) in scores.enumerated() {
                    for j in 0..<headWidth {
                        result.numbers[row * result.columns + head * headWidth + j] +=
                            score / total * values.numbers[other * values.columns + shared + j]
                    }
                }
            }
        }
        return result
    }
}
