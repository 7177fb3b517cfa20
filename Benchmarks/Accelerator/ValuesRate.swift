import KapokAccelerator

/// How fast values are computed: matrix products as a share of what the host's multiply-add units
/// can do at most, measured in turn with them, and elementwise instructions. One thread, CPU time.
struct ValuesRate {
    /// A matrix product.
    struct Product {
        var type: ElementType
        var instructionSet: InstructionSet
        /// Billion floating-point operations a second.
        var rate: Double
        /// The same for the host's registers alone.
        var peak: Double
        /// The median of the shares of both, pair by pair.
        var share: Double
    }

    /// An elementwise instruction or reduction.
    struct Elementwise {
        var name: String
        /// Billion elements a second.
        var rate: Double
    }

    /// The bar for FP32 products with the fastest instruction set.
    static let bar = 0.5

    var isQuick: Bool

    private var repetitions: Int { isQuick ? 3 : 9 }

    // MARK: Matrix products

    func products() throws -> [Product] {
        var products: [Product] = []
        for set in [InstructionSet.avx512, .avx2] where set.isSupported {
            for type in [ElementType.fp32, .bf16, .fp8e4m3] {
                products.append(try product(type, set))
            }
        }
        return products
    }

    private func product(_ type: ElementType, _ set: InstructionSet) throws -> Product {
        let workload = TiledProduct(type: type)
        var executor = try workload.executor(set)
        var rates: [Double] = []
        var peaks: [Double] = []
        for _ in 0..<repetitions {
            peaks.append(measure { HostPeak.run(set, rounds: 2_000_000) })
            rates.append(
                try measure {
                    try executor.run(workload.multiplications)
                    return workload.operations
                })
        }
        let shares = zip(rates, peaks).map { $0 / $1 }
        return Product(
            type: type, instructionSet: set, rate: median(rates), peak: median(peaks),
            share: median(shares))
    }

    /// Billions a second of what `work` says it did.
    private func measure<Failure: Error>(
        _ work: () throws(Failure) -> Double
    ) throws(Failure) -> Double {
        let start = threadCPUNanoseconds()
        let done = try work()
        return done / Double(max(threadCPUNanoseconds() - start, 1))
    }

    // MARK: Elementwise instructions

    func elementwise() throws -> [Elementwise] {
        try ElementwiseWorkload.all.map { workload in
            var executor = try workload.executor()
            let rates = try (0..<repetitions).map { _ in
                try measure {
                    try executor.run()
                    return workload.elements
                }
            }
            return Elementwise(name: workload.name, rate: median(rates))
        }
    }

    // MARK: Reports

    static func printTable(_ products: [Product], _ elementwise: [Elementwise]) {
        print("Values, one thread, CPU time (bar \(bar) of the peak for fp32)")
        print("matrix product                  GFLOPS      peak     share")
        for row in products {
            print(
                column("\(row.type.name) \(row.instructionSet.name)", -28)
                    + column(twoDigits(row.rate), 10) + column(twoDigits(row.peak), 10)
                    + column(twoDigits(row.share), 10))
        }
        print("instruction on 128 x 2048       G elements/s")
        for row in elementwise { print(column(row.name, -28) + column(twoDigits(row.rate), 10)) }
    }

    static func json(_ products: [Product], _ elementwise: [Elementwise]) -> String {
        let rows = products.map { row in
            """
            {"type":"\(row.type.name)","instructionSet":"\(row.instructionSet.name)",\
            "gigaflops":\(twoDigits(row.rate)),"peakGigaflops":\(twoDigits(row.peak)),\
            "share":\(twoDigits(row.share))}
            """
        }
        let others = elementwise.map { row in
            "{\"instruction\":\"\(row.name)\",\"gigaelements\":\(twoDigits(row.rate))}"
        }
        return "{\"bar\":\(bar),\"products\":[\(rows.joined(separator: ","))],"
            + "\"elementwise\":[\(others.joined(separator: ","))]}"
    }
}
