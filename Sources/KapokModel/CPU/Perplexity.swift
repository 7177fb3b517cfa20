import Glibc

/// How well a model predicts a text, counted as llama.cpp's perplexity tool does: the text is cut
/// into windows of `context` tokens, each goes through the model by itself (beginning with the
/// token that begins a text, where the model wants it), and the second half of each window counts.
public struct Perplexity: Hashable, Sendable {
    /// Tokens that were predicted.
    public private(set) var count = 0
    private var sum = 0.0
    private var squares = 0.0

    /// Nothing yet.
    public init() {}

    /// e to the mean negative log-likelihood of a token; NaN without tokens.
    public var value: Double { exp(sum / Double(count)) }

    /// The standard error of `value`.
    public var uncertainty: Double {
        guard count > 1 else { return .nan }
        let mean = sum / Double(count)
        let variance = max(squares / Double(count) - mean * mean, 0)
        return (variance / Double(count - 1)).squareRoot() * value
    }

    /// Counts a token's likelihood under the logits of the token before it.
    public mutating func add(_ token: TokenID, logits: UnsafeBufferPointer<Float>) {
        var largest = -Double.infinity
        for logit in logits { largest = max(largest, Double(logit)) }
        var total = 0.0
        for logit in logits { total += exp(Double(logit) - largest) }
        let loss = log(total) + largest - Double(logits[Int(token)])
        count += 1
        sum += loss
        squares += loss * loss
    }

    /// Runs a window of tokens and counts its second half.
    /// - Parameter first: what the window's first token is replaced by.
    public mutating func add(
        window: ArraySlice<TokenID>, first: TokenID?, executor: CPUExecutor, pages: [PageID]
    ) throws(CPUModelError) {
        var tokens = Array(window)
        if let first { tokens[0] = first }
        let counted = tokens.count - tokens.count / 2
        let logits = try executor.run(
            StepBatch(spans: [.init(tokens: tokens, start: 0, pages: pages, logits: counted)]))
        let vocabulary = logits.count / counted
        // The last token's logits have nothing to predict.
        for row in 0..<(counted - 1) {
            add(
                tokens[tokens.count / 2 + row + 1],
                logits: UnsafeBufferPointer(
                    rebasing: logits[(row * vocabulary)..<((row + 1) * vocabulary)]))
        }
    }
}
