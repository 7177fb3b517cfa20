/// A small dense square matrix, row by row.
struct SquareMatrix: Hashable, Sendable {
    let size: Int
    var values: [Double]

    /// All zero.
    init(size: Int) {
        self.size = size
        values = Array(repeating: 0, count: size * size)
    }

    static func identity(size: Int) -> SquareMatrix {
        var matrix = SquareMatrix(size: size)
        for index in 0..<size { matrix[index, index] = 1 }
        return matrix
    }

    subscript(row: Int, column: Int) -> Double {
        get { values[row * size + column] }
        set { values[row * size + column] = newValue }
    }

    var transposed: SquareMatrix {
        var result = SquareMatrix(size: size)
        for row in 0..<size {
            for column in 0..<size { result[column, row] = self[row, column] }
        }
        return result
    }

    func scaled(by factor: Double) -> SquareMatrix {
        var result = self
        for index in values.indices { result.values[index] *= factor }
        return result
    }

    static func + (a: SquareMatrix, b: SquareMatrix) -> SquareMatrix {
        var result = a
        for index in a.values.indices { result.values[index] += b.values[index] }
        return result
    }

    static func * (a: SquareMatrix, b: SquareMatrix) -> SquareMatrix {
        var result = SquareMatrix(size: a.size)
        for row in 0..<a.size {
            for inner in 0..<a.size where a[row, inner] != 0 {
                let factor = a[row, inner]
                for column in 0..<a.size { result[row, column] += factor * b[inner, column] }
            }
        }
        return result
    }

    /// The largest sum of absolute values of a column.
    var norm: Double {
        (0..<size).map { column in
            (0..<size).reduce(0) { $0 + abs(self[$1, column]) }
        }.max() ?? 0
    }

    /// `e` to the power of the matrix: Taylor's series of a matrix scaled down to a norm of at most
    /// 1/2, to where its terms vanish in double precision, squared back up (Moler and Van Loan,
    /// SIAM Review 2003, method 3).
    var exponential: SquareMatrix {
        var squarings = 0
        var scale = 1.0
        while norm * scale > 0.5, squarings < 64 {
            scale /= 2
            squarings += 1
        }
        let small = scaled(by: scale)
        var sum = Self.identity(size: size)
        var term = sum
        for order in 1...18 {
            term = (term * small).scaled(by: 1 / Double(order))
            sum = sum + term
        }
        for _ in 0..<squarings { sum = sum * sum }
        return sum
    }

    /// `x^T M x`.
    func quadraticForm(_ x: [Double]) -> Double {
        var sum = 0.0
        for row in 0..<size {
            var inner = 0.0
            for column in 0..<size { inner += self[row, column] * x[column] }
            sum += x[row] * inner
        }
        return sum
    }
}
