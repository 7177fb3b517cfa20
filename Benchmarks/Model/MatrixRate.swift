import CKernels
import KapokModel

/// How fast many tokens go through matrices of the model's shapes: billion operations a second
/// (a multiplication and an addition each count), as a share of what the integer units can do at
/// most from registers alone.
struct MatrixRate {
    /// What is computed.
    enum Work: Hashable {
        /// The int8 kernel alone: packed bytes of weights times packed bytes of activations, whole
        /// sums. No scales.
        case integers
        /// What a prefill does with weights of that type: the int8 kernel, its sums scaled block
        /// by block and added in FP32.
        case weights(WeightType)

        var name: String {
            switch self {
            case .integers: "int8"
            case .weights(let type): type.name
            }
        }
        var type: WeightType {
            switch self {
            case .integers: .q8_0
            case .weights(let type): type
            }
        }
    }

    /// One kernel and number of tokens.
    struct Row {
        var work: Work
        var tokens: Int
        /// By shape of matrix.
        var shapes: [(shape: MatrixShape, share: Share)]
        /// All matrices of one of the model's blocks.
        var layer: Share
        /// The same with the quantisation of activations, of each input once; not for `integers`.
        var whole: Share?
    }

    /// The least acceptable share of the int8 kernel over a block's matrices.
    static let bar = 0.85

    let meter: Meter
    let rounds: Int
    let implementation: kapok_linear_implementation
    /// Nanoseconds that a sample takes at least, about.
    private static let sampleNanoseconds = 6e6
    /// What prefill hands out to threads: 128 tokens by 4 groups of 16 rows.
    private static let tokenBlock = 128
    private static let groupChunk = 4

    /// The peak in operations a nanosecond, from a first look at it.
    private let expected: Double

    init(meter: Meter, rounds: Int, implementation: kapok_linear_implementation) {
        self.meter = meter
        self.rounds = rounds
        self.implementation = implementation
        _ = Self.peak(meter, implementation, rounds: 1_000_000)
        expected = max(Self.peak(meter, implementation, rounds: 1_000_000).cpu, 0.01)
    }

    /// The instructions of the peak.
    var peakName: String {
        switch implementation {
        case KAPOK_LINEAR_AVX512: "vpdpbusd on 512 bits"
        case KAPOK_LINEAR_AVX2: "vpmaddubsw, vpmaddwd and vpaddd on 256 bits"
        default: "plain C multiplications, as the compiler made them"
        }
    }

    /// Whether the bar, a share of the VNNI peak, can be judged.
    var hasVNNI: Bool { implementation == KAPOK_LINEAR_AVX512 }

    /// All of `works` with so many tokens each.
    func measure(works: [Work], tokens: [Int]) -> [Row] {
        works.flatMap { work in tokens.map { measure(work, tokens: $0) } }
    }

    private func measure(_ work: Work, tokens: Int) -> Row {
        var products: [Product] = []
        for (index, shape) in LayerShape.matrices.enumerated() {
            let input = LayerShape.beginsInput(index) ? nil : products.last?.packed
            products.append(Product(shape.fitting(work.type), work, tokens, input: input))
        }
        let output = Product(LayerShape.output.fitting(work.type), work, tokens)
        let tiles = (0..<meter.threads).map { _ in
            HugeMemory(bytes: Self.tokenBlock * LayerShape.output.rows)
        }
        // Queries, keys, gate, down: the others have the same shapes.
        let shapes = [1, 0, 4, 6].map { products[$0] } + [output]
        return Row(
            work: work, tokens: tokens,
            shapes: shapes.map { ($0.shape, share([$0], tiles, packing: false)) },
            layer: share(products, tiles, packing: false),
            whole: work == .integers ? nil : share(products, tiles, packing: true))
    }

    private func share(_ products: [Product], _ tiles: [HugeMemory], packing: Bool) -> Share {
        let operations = products.reduce(0) { $0 + $1.operations }
        let passes = max(1, Int(Self.sampleNanoseconds * expected / operations))
        let peakRounds = Self.sampleNanoseconds * expected / Double(meter.threads)
        let step = Double(2 * 16 * kapok_linear_peak_products(implementation))
        return Share(
            rounds: rounds,
            limit: { Self.peak(meter, implementation, rounds: UInt64(peakRounds / step) + 1) },
            kernel: {
                meter.measure { thread in
                    var done = 0.0
                    for _ in 0..<passes {
                        for (index, product) in products.enumerated() {
                            if packing, LayerShape.beginsInput(index) {
                                product.packActivations(thread, meter.threads)
                            }
                            done += multiply(product, tiles[thread], thread)
                        }
                    }
                    return done
                }
            })
    }

    private static func peak(
        _ meter: Meter, _ implementation: kapok_linear_implementation, rounds: UInt64
    ) -> Rate {
        let step = Double(2 * 16 * kapok_linear_peak_products(implementation))
        return meter.measure { _ in
            _ = kapok_linear_peak(implementation, rounds)
            return Double(rounds) * step
        }
    }

    /// One thread's part of a product, piece by piece as in a prefill; results go to the thread's
    /// own tile, from where the model adds them or multiplies them by one another. Returns how
    /// many operations that was.
    private func multiply(_ product: Product, _ tile: HugeMemory, _ thread: Int) -> Double {
        let (shape, tokens) = (product.shape, product.tokens)
        let blocks = (tokens + Self.tokenBlock - 1) / Self.tokenBlock
        let chunks = (shape.groups + Self.groupChunk - 1) / Self.groupChunk
        let stride = Self.groupChunk * Int(KAPOK_LINEAR_ROWS)
        var done = 0
        for item in Swift.stride(from: thread, to: blocks * chunks, by: meter.threads) {
            let (block, chunk) = item.quotientAndRemainder(dividingBy: chunks)
            let (first, last) = (tokens * block / blocks, tokens * (block + 1) / blocks)
            let (begin, end) = (chunk * stride, min((chunk + 1) * stride, shape.rows))
            let input = product.packed.base + first * product.activationBytes
            if product.work == .integers {
                let y = tile.base.assumingMemoryBound(to: Int32.self) - begin
                kapok_linear_integers(
                    implementation, shape.columns, product.weights.base, begin, end, input,
                    last - first, y, stride)
            } else {
                let y = tile.base.assumingMemoryBound(to: Float.self) - begin
                kapok_linear_with(
                    implementation, product.type, shape.columns, product.weights.base, begin, end,
                    input, last - first, y, stride)
            }
            done += (end - begin) * (last - first)
        }
        return Double(2 * done * shape.columns)
    }

    // MARK: Reports

    func printTable(_ rows: [Row]) {
        print("GEMM, \(meter.threads) threads, % of the peak of \(peakName), by CPU time")
        let names = rows.first?.shapes.map { column($0.shape.name, 11) } ?? []
        print(
            "weights tokens" + names.joined() + "      block    GOPS of    peak   whole   bar")
        for row in rows {
            print(
                column(row.work.name, -8) + column("\(row.tokens)", 6)
                    + row.shapes.map { column(Self.percent($0.share.share), 11) }.joined()
                    + column(Self.percent(row.layer.share), 11)
                    + column(digits(row.layer.kernel, 0), 8)
                    + column(digits(row.layer.limit, 0), 10)
                    + column(row.whole.map { Self.percent($0.share) } ?? "-", 8)
                    + column(passes(row).map { $0 ? "met" : "MISSED" } ?? "-", 8))
        }
    }

    func json(_ rows: [Row]) -> String {
        let entries = rows.map { row in
            let shapes = row.shapes.map {
                "{\"shape\":\"\($0.shape.name)\",\($0.share.members("GOPS"))}"
            }
            let whole = row.whole.map { ",\"whole\":{\($0.members("GOPS"))}" } ?? ""
            let passes = passes(row).map { ",\"passes\":\($0)" } ?? ""
            return """
                {"kernel":"\(row.work.name)","tokens":\(row.tokens),\
                "shapes":[\(shapes.joined(separator: ","))],\
                "block":{\(row.layer.members("GOPS"))}\(whole)\(passes)}
                """
        }
        return """
            {"bar":\(Self.bar),"peak":"\(peakName)","rows":[\(entries.joined(separator: ","))]}
            """
    }

    /// Whether a row that there is a bar for reaches it.
    private func passes(_ row: Row) -> Bool? {
        hasVNNI && row.work == .integers ? row.layer.share >= Self.bar : nil
    }

    private static func percent(_ share: Double) -> String { digits(share * 100, 1) + "%" }
}

/// A matrix and the activations of some tokens.
private struct Product {
    let shape: MatrixShape
    let work: MatrixRate.Work
    let tokens: Int
    let type: kapok_weight_type
    let weights: HugeMemory
    let packed: HugeMemory
    let activationBytes: Int
    private let floats: HugeMemory
    /// What threads pack to: a place that no thread reads from, so that none has to wait.
    private let target: HugeMemory

    /// `input` are packed activations of the same columns, nil for some of its own.
    init(_ shape: MatrixShape, _ work: MatrixRate.Work, _ tokens: Int, input: HugeMemory? = nil) {
        self.shape = shape
        self.work = work
        self.tokens = tokens
        type = work.type.kernelType
        var samples = PackedSamples()
        weights = HugeMemory(bytes: kapok_linear_packed_bytes(type, shape.rows, shape.columns))
        _ = samples.pack(work.type, shape, to: weights.base)
        activationBytes = kapok_linear_activation_bytes(type, shape.columns)
        packed = input ?? HugeMemory(bytes: activationBytes * tokens)
        target = HugeMemory(bytes: activationBytes * tokens)
        floats = HugeMemory(bytes: shape.columns * tokens * 4)
        samples.activations(
            work.type, columns: shape.columns, tokens: tokens,
            floats: floats.base.assumingMemoryBound(to: Float.self), packed: packed.base)
    }

    var operations: Double { 2 * Double(shape.rows) * Double(shape.columns) * Double(tokens) }

    /// One thread's part of the tokens, from floats that are in its cache, as the model's are.
    func packActivations(_ thread: Int, _ threads: Int) {
        let (first, last) = (tokens * thread / threads, tokens * (thread + 1) / threads)
        for token in first..<last {
            let from = token % Self.freshTokens * shape.columns
            kapok_linear_pack_activations(
                type, shape.columns, floats.base.assumingMemoryBound(to: Float.self) + from,
                shape.columns, 1, target.base + token * activationBytes)
        }
    }

    private static let freshTokens = 4
}
