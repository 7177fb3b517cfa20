/// Why a vocabulary cannot be used.
public enum TokenizerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of tokenizer (GGUF's `tokenizer.ggml.model`) is not one that this package has.
    case unsupportedModel(String)
    /// The way of cutting text (GGUF's `tokenizer.ggml.pre`) is not known.
    case unsupportedPreTokenizer(String)
    /// The parts of the description contradict each other; the text says which and how.
    case malformed(String)

    /// What is wrong and what to do about it.
    public var description: String {
        switch self {
        case .unsupportedModel(let name):
            """
            The tokenizer model \(quoted(name)) is not supported. Supported are "gpt2" (byte-level \
            BPE), "llama" (SentencePiece BPE) and "t5" (Unigram).
            """
        case .unsupportedPreTokenizer(let name):
            """
            The pre-tokenizer \(quoted(name)) is not known, and guessing would give wrong tokens. \
            Known are \(PieceSplitter.names.joined(separator: ", ")).
            """
        case .malformed(let text):
            "The vocabulary is damaged: \(text). Convert or download the model again."
        }
    }
}

/// `text` in quotation marks, cut to a length that an error message can bear.
func quoted(_ text: String) -> String {
    let limit = 60
    let shown = text.unicodeScalars.prefix(limit).map { $0.escaped(asASCII: false) }.joined()
    return "\"\(shown)\(text.unicodeScalars.count > limit ? "..." : "")\""
}
