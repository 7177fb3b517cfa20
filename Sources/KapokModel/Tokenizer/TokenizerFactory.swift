/// What a byte-level tokenizer does with bytes that are no UTF-8.
public enum InvalidBytes: Sendable {
    /// Each becomes U+FFFD before the text is cut, as llama.cpp does it: the ids are llama.cpp's,
    /// the bytes are lost.
    case replaced
    /// Each is a symbol of its own: `bytes(of:)` of all tokens gives the text back bit by bit,
    /// where the vocabulary has all 256 bytes.
    case kept
}

/// The tokenizer that `description` describes.
///
/// Takes time in proportion to the vocabulary (about 20 ms for 50,000 tokens). The result may be
/// used by many threads at once.
/// - Parameter invalidBytes: what byte-level BPE does with broken UTF-8. SentencePiece models
///   ignore it: their bytes become byte tokens or U+FFFD as the vocabulary has it.
/// - Throws: `TokenizerError` for a kind of tokenizer that is not supported, and for one that
///   contradicts itself.
public func makeTokenizer(
    _ description: TokenizerDescription, invalidBytes: InvalidBytes = .replaced
) throws(TokenizerError) -> any Tokenizer {
    switch description.model {
    case "gpt2": try ByteLevelTokenizer(description, invalidBytes: invalidBytes)
    case "llama": try SentencePieceTokenizer(description)
    case "t5": try UnigramTokenizer(description)
    default: throw .unsupportedModel(description.model)
    }
}
