/// What text and tokens are to a model.
public protocol Tokenizer: Sendable {
    /// How many tokens there are.
    var vocabularySize: Int { get }
    /// The token that begins a text, where the model has one.
    var beginningOfText: TokenID? { get }
    /// The token that ends a text, where the model has one.
    var endOfText: TokenID? { get }
    /// The tokens that end a generation: end of text, end of turn.
    var endOfGeneration: Set<TokenID> { get }
    /// Whether the model expects `beginningOfText` before a prompt.
    var addsBeginningOfText: Bool { get }

    /// The tokens of `text`, any bytes, valid UTF-8 or not. Never adds `beginningOfText`.
    /// - Parameter special: whether the texts of special tokens in `text` become these tokens, as
    ///   a rendered chat template needs it; if not, they are text like any other.
    func encode(_ text: [UInt8], special: Bool) -> [TokenID]

    /// The bytes that `token` stands for in a text; tokens of control have none.
    func bytes(of token: TokenID) -> [UInt8]

    /// Whether `token` is one of control (end of text, start of a turn), not of text.
    func isControl(_ token: TokenID) -> Bool

    /// The vocabulary's own spelling of `token`, as its file has it.
    func piece(of token: TokenID) -> String

    /// The token that the vocabulary spells `piece`.
    func token(of piece: String) -> TokenID?

    /// Whether `encode` puts a space before a text, as SentencePiece does, that a detokenizer
    /// takes away again at the beginning of a text.
    var putsSpaceBeforeText: Bool { get }
}

extension Tokenizer {
    /// False: byte-level vocabularies take texts as they are.
    public var putsSpaceBeforeText: Bool { false }
}
