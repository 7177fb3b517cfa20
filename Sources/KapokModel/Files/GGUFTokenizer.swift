/// Reads what a GGUF file says about its tokenizer: `tokenizer.ggml.*`.
struct GGUFTokenizer {
    private let keys: GGUFMetadata
    private let path: String

    init(_ keys: GGUFMetadata, path: String) {
        self.keys = keys
        self.path = path
    }

    /// The tokenizer of a model with embeddings for `vocabularySize` tokens.
    func description(vocabularySize: Int) throws(ModelFileError) -> TokenizerDescription {
        guard let model = try keys.text(name("model")) else { throw missing(name("model")) }
        guard let pieces = try keys.texts(name("tokens")) else { throw missing(name("tokens")) }
        guard pieces.count == vocabularySize else {
            throw malformed(
                name("tokens"),
                "\(pieces.count) tokens; the embedding has \(vocabularySize) rows")
        }
        var description = TokenizerDescription(
            model: model, preTokenizer: try keys.text(name("pre")), pieces: pieces)
        description.scores = try keys.numbers(name("scores")) ?? []
        description.kinds = try kinds()
        description.merges = try keys.texts(name("merges")) ?? []
        for (key, count) in [
            (name("scores"), description.scores.count),
            (name("token_type"), description.kinds.count),
        ] where count != 0 && count != pieces.count {
            throw malformed(key, "\(count) elements for \(pieces.count) tokens")
        }
        description.beginningOfText = try token("bos_token_id", pieces.count)
        description.endOfText = try token("eos_token_id", pieces.count)
        description.endOfTurn = try token("eot_token_id", pieces.count)
        description.unknown = try token("unknown_token_id", pieces.count)
        description.padding = try token("padding_token_id", pieces.count)
        description.addsBeginningOfText = try keys.flag(name("add_bos_token"))
        description.addsSpacePrefix = try keys.flag(name("add_space_prefix"))
        description.removesExtraSpaces = try keys.flag(name("remove_extra_whitespaces"))
        description.normalisation = try keys.bytes(name("precompiled_charsmap")) ?? []
        return description
    }

    private func name(_ key: String) -> String { "tokenizer.ggml.\(key)" }

    private func kinds() throws(ModelFileError) -> [TokenizerDescription.Kind] {
        let key = name("token_type")
        guard let numbers = try keys.integers(key) else { return [] }
        var kinds: [TokenizerDescription.Kind] = []
        kinds.reserveCapacity(numbers.count)
        for number in numbers {
            // 0 is "undefined" in llama.h: converters of old wrote it for what is normal.
            let kind = TokenizerDescription.Kind(rawValue: Int32(clamping: max(1, number)))
            guard let kind, number >= 0 else { throw malformed(key, "the kind \(number) of token") }
            kinds.append(kind)
        }
        return kinds
    }

    /// A token's number; one beyond the vocabulary means none, as converters write -1 for it.
    private func token(_ key: String, _ count: Int) throws(ModelFileError) -> TokenID? {
        guard let value = try keys.number(name(key)), value >= 0, value < Double(count) else {
            return nil
        }
        return TokenID(value)
    }

    private func missing(_ key: String) -> ModelFileError {
        ModelFileError(
            .missing, path: path, place: "key '\(key)'", "is not in the file",
            remedy: "convert the model again, with its tokenizer")
    }

    private func malformed(_ key: String, _ problem: String) -> ModelFileError {
        ModelFileError(.malformed, path: path, place: "key '\(key)'", problem)
    }
}
