/// The number of a page of the KV cache: `KVPage.tokens` tokens of one sequence, all layers.
public typealias PageID = UInt32

/// What a KV page is.
public enum KVPage {
    /// Tokens in a page.
    public static let tokens = 16
}

/// One pass through a model: for each of several sequences some tokens that follow one another.
public struct StepBatch: Sendable {
    /// One sequence's part of a pass.
    public struct Span: Sendable {
        /// The tokens, in order; at least one.
        public var tokens: [TokenID]
        /// The position of the first of them: all positions before it have keys and values in
        /// `pages` already.
        public var start: Int
        /// The sequence's pages: page `p` holds positions `16 p ..< 16 p + 16`. Enough of them for
        /// `start + tokens.count` positions.
        public var pages: [PageID]
        /// For how many of the last tokens logits are wanted, 0 to `tokens.count`.
        public var logits: Int

        /// A span of a sequence.
        public init(tokens: [TokenID], start: Int, pages: [PageID], logits: Int) {
            self.tokens = tokens
            self.start = start
            self.pages = pages
            self.logits = logits
        }
    }

    /// The spans, each of another sequence.
    public var spans: [Span]

    /// A pass over `spans`.
    public init(spans: [Span]) { self.spans = spans }

    /// How many tokens go through the model.
    public var tokenCount: Int { spans.reduce(0) { $0 + $1.tokens.count } }
    /// How many rows of logits come out, in order of spans and positions.
    public var logitCount: Int { spans.reduce(0) { $0 + $1.logits } }
}
