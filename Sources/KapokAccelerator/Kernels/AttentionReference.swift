internal import Glibc

/// What the attention kernels are held against, in double precision.
enum AttentionReference {
    /// The mean of rows of `values`, weighted by the softmax of `scores`.
    ///
    /// - Parameters:
    ///   - first: where the rows begin in `values`; they stand one after the other.
    ///   - size: elements of a row.
    ///   - scores: one a row.
    static func mean(
        of values: [Double], from first: Int, size: Int, weightedBy scores: [Double]
    ) -> [Double] {
        let maximum = scores.max() ?? 0
        let weights = scores.map { exp($0 - maximum) }
        let total = weights.reduce(0, +)
        var mean = [Double](repeating: 0, count: size)
        for (row, weight) in weights.enumerated() {
            for index in 0..<size {
                mean[index] += weight / total * values[first + row * size + index]
            }
        }
        return mean
    }
}
