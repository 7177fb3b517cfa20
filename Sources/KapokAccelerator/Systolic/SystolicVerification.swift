internal import KapokWorld

/// Holds the model of folds against the stepped array, and the stepped array against the product.
public enum SystolicVerification {
    /// Steps the problem's array register by register with random numbers of 8 bits.
    ///
    /// - Throws: ``SystolicError`` when the problem is too large to be stepped, or when anything
    ///   differs.
    public static func run(_ problem: SystolicProblem, seed: UInt64 = 1) throws(SystolicError) {
        var random = RandomStream(seed: seed)
        let limit = SystolicArray<Int32>.largestWork / (problem.rows * problem.columns)
        guard problem.cycles <= limit else {
            throw .tooLarge("cycles to step through", problem.cycles, limit: limit)
        }
        let a = (0..<problem.m * problem.k).map { _ in Int32(random.below(256)) - 128 }
        let b = (0..<problem.k * problem.n).map { _ in Int32(random.below(256)) - 128 }
        var array = try SystolicArray(problem, a: a, b: b)
        array.run()
        guard array.cycle == problem.cycles else {
            throw .unequal("cycles", stepped: array.cycle, expected: problem.cycles)
        }
        for row in 0..<problem.m {
            for column in 0..<problem.n {
                var sum: Int32 = 0
                for step in 0..<problem.k {
                    sum = .multiplyAdd(
                        sum, a[row * problem.k + step], b[step * problem.n + column])
                }
                let stepped = array.results[row * problem.n + column]
                guard stepped == sum else {
                    throw .unequal(
                        "C[\(row), \(column)]", stepped: Int(stepped), expected: Int(sum))
                }
            }
        }
    }
}
