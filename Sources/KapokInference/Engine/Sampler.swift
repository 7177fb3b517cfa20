import KapokModel
import KapokWorld

/// Chooses a request's next token from logits.
///
/// The choice depends on the logits, the tokens so far, the options and the number of the token
/// within the request alone: never on how many tokens a step tried. That is why text is the same
/// with and without speculation.
struct Sampler {
    let options: SamplingOptions
    /// Source of the draws: one stream for each token's number.
    private let stream: RandomStream
    /// Logits that were changed, and later probabilities: `vocabularySize` numbers, made when
    /// first needed.
    private var scratch: [Float] = []
    /// How often each token was generated.
    private var generated: [TokenID: Int32] = [:]
    /// Tokens of the prompt; filled only where the repetition penalty asks for them.
    private var prompt: Set<TokenID> = []

    /// A sampler for a request; `entropy` is its seed where the request names none.
    init(options: SamplingOptions, prompt: [TokenID], entropy: UInt64) {
        self.options = options
        self.stream = RandomStream(seed: options.seed ?? entropy)
        if options.repetitionPenalty != 1 { self.prompt = Set(prompt) }
    }

    /// Whether the most probable token of unchanged logits is what is wanted.
    private var isPlain: Bool {
        options.logitBias.isEmpty && options.repetitionPenalty == 1
            && options.presencePenalty == 0 && options.frequencyPenalty == 0
    }

    /// Takes note of a token that was generated.
    mutating func record(_ token: TokenID) {
        if !isPlain { generated[token, default: 0] += 1 }
    }

    /// The token chosen from `logits` as the request's `index`-th generated one.
    /// - Parameter mask: the tokens that are allowed; nil for all.
    mutating func choose(
        from logits: UnsafeBufferPointer<Float>, mask: TokenMask?, index: Int
    ) -> TokenID {
        if options.temperature <= 0, isPlain, mask == nil {
            return TokenID(LogitArithmetic.indexOfMaximum(logits))
        }
        if scratch.count != logits.count {
            scratch = [Float](repeating: 0, count: logits.count)
        }
        var values: [Float] = []
        swap(&values, &scratch)
        defer { swap(&values, &scratch) }
        return values.withUnsafeMutableBufferPointer { values in
            values.baseAddress?.update(from: logits.baseAddress!, count: logits.count)
            adjust(values)
            if let mask { mask.forbidOthers(in: values) }
            if options.temperature <= 0 {
                return TokenID(LogitArithmetic.indexOfMaximum(UnsafeBufferPointer(values)))
            }
            return draw(from: values, index: index)
        }
    }

    /// Applies biases and penalties.
    private func adjust(_ values: UnsafeMutableBufferPointer<Float>) {
        guard !isPlain else { return }
        let repetition = options.repetitionPenalty
        func repeatPenalty(_ token: TokenID) {
            let i = Int(token)
            guard values.indices.contains(i) else { return }
            values[i] = values[i] > 0 ? values[i] / repetition : values[i] * repetition
        }
        if repetition != 1 {
            for token in prompt { repeatPenalty(token) }
            for token in generated.keys where !prompt.contains(token) { repeatPenalty(token) }
        }
        for (token, count) in generated where values.indices.contains(Int(token)) {
            values[Int(token)] -=
                options.presencePenalty + options.frequencyPenalty * Float(count)
        }
        for (token, bias) in options.logitBias where values.indices.contains(Int(token)) {
            values[Int(token)] += bias
        }
    }

    /// Draws from the distribution that temperature, top-k, top-p and min-p leave, in this order.
    private func draw(from values: UnsafeMutableBufferPointer<Float>, index: Int) -> TokenID {
        let best = LogitArithmetic.maximum(UnsafeBufferPointer(values))
        // All forbidden: nothing to choose from, which a grammar never does.
        guard best > -.infinity else { return 0 }
        LogitArithmetic.exponentials(values, minus: best, dividedBy: options.temperature)
        var random = stream.split(UInt64(index))
        let point = random.unit()
        guard options.topK > 0 || options.topP < 1 || options.minP > 0 else {
            return pick(point, values)
        }
        return pick(point, values, among: candidates(values))
    }

    /// The tokens that top-k, top-p and min-p keep, the most probable first.
    private func candidates(_ weights: UnsafeMutableBufferPointer<Float>) -> [Int32] {
        var total = 0.0
        for weight in weights { total += Double(weight) }
        // The best token's weight is 1, so min-p is a bound on weights. Tokens below
        // (1 - top-p) / count of the whole cannot belong to the nucleus: together they are less
        // than what it leaves out. With top-k the whole is smaller, and so is the bound.
        var bound = options.minP
        if options.topP < 1, options.topK == 0 {
            bound = max(bound, Float((1 - Double(options.topP)) * total / Double(weights.count)))
        }
        var kept: [Int32] = []
        for i in weights.indices where weights[i] >= bound && weights[i] > 0 {
            kept.append(Int32(i))
        }
        kept.sort {
            let (a, b) = (weights[Int($0)], weights[Int($1)])
            return a != b ? a > b : $0 < $1
        }
        if options.topK > 0, kept.count > options.topK {
            kept.removeSubrange(options.topK...)
            total = kept.reduce(0.0) { $0 + Double(weights[Int($1)]) }
        }
        if options.topP < 1 {
            var sum = 0.0
            let needed = Double(options.topP) * total
            if let last = kept.firstIndex(where: {
                sum += Double(weights[Int($0)])
                return sum >= needed
            }) {
                kept.removeSubrange((last + 1)...)
            }
        }
        return kept
    }

    private func pick(_ point: Double, _ weights: UnsafeMutableBufferPointer<Float>) -> TokenID {
        var total = 0.0
        for weight in weights { total += Double(weight) }
        var rest = point * total
        var last = 0
        for i in weights.indices where weights[i] > 0 {
            rest -= Double(weights[i])
            last = i
            if rest < 0 { break }
        }
        return TokenID(last)
    }

    private func pick(
        _ point: Double, _ weights: UnsafeMutableBufferPointer<Float>, among kept: [Int32]
    ) -> TokenID {
        let total = kept.reduce(0.0) { $0 + Double(weights[Int($1)]) }
        var rest = point * total
        for token in kept {
            rest -= Double(weights[Int(token)])
            if rest < 0 { return token }
        }
        return kept.last ?? 0
    }
}
