/// What a tokenizer is made from, as GGUF's `tokenizer.ggml.*` keys or a `tokenizer.json` say it.
public struct TokenizerDescription: Sendable {
    /// What a token is for (GGUF's `tokenizer.ggml.token_type`).
    public enum Kind: Int32, Sendable {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    /// GGUF's `tokenizer.ggml.model`: "gpt2" (byte-level BPE), "llama" (SentencePiece BPE),
    /// "t5" (Unigram).
    public var model: String
    /// GGUF's `tokenizer.ggml.pre`: how text is cut before merging ("smollm", "llama-bpe", ...).
    public var preTokenizer: String?
    /// Each token's spelling.
    public var pieces: [String]
    /// Each token's score, where the model has them; else empty.
    public var scores: [Float]
    /// Each token's kind; empty means all normal.
    public var kinds: [Kind]
    /// Merges in order of rank, each "left right" as GGUF has them.
    public var merges: [String]
    public var beginningOfText: TokenID?
    public var endOfText: TokenID?
    public var endOfTurn: TokenID?
    public var unknown: TokenID?
    public var padding: TokenID?
    /// Whether prompts begin with `beginningOfText`; nil where the file does not say.
    public var addsBeginningOfText: Bool?
    /// Whether SentencePiece puts a space before a text; nil where the file does not say.
    public var addsSpacePrefix: Bool?
    /// Whether SentencePiece merges runs of spaces; nil where the file does not say.
    public var removesExtraSpaces: Bool?
    /// Special tokens that swallow the white space before them (`lstrip` of a `tokenizer.json`;
    /// GGUF has no key for it).
    public var leftStripping: Set<TokenID> = []
    /// Special tokens that swallow the white space after them (`rstrip`).
    public var rightStripping: Set<TokenID> = []
    /// SentencePiece's normalisation table (`tokenizer.ggml.precompiled_charsmap`).
    public var normalisation: [UInt8]

    /// A description of `pieces`; everything else is unknown or empty.
    public init(model: String, preTokenizer: String? = nil, pieces: [String]) {
        self.model = model
        self.preTokenizer = preTokenizer
        self.pieces = pieces
        self.scores = []
        self.kinds = []
        self.merges = []
        self.normalisation = []
    }
}
