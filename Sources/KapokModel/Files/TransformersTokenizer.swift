import OrderedCollections

/// Reads `tokenizer.json`, `tokenizer_config.json` and what else says something about tokens, into
/// the terms that GGUF uses.
struct TransformersTokenizer {
    private let folder: String
    private let path: String
    private let document: JSONValue
    /// tokenizer_config.json.
    private let settings: JSONValue
    /// config.json and generation_config.json, which may name more ends.
    private let others: [JSONValue]

    init(folder: String, configuration: JSONValue) throws(ModelFileError) {
        self.folder = folder
        path = "\(folder)/tokenizer.json"
        document = try JSONFile.read(path)
        settings = try JSONFile.readIfThere("\(folder)/tokenizer_config.json") ?? [:]
        let generation = try JSONFile.readIfThere("\(folder)/generation_config.json")
        others = [generation ?? [:], configuration]
    }

    /// The chat template: a file of its own, or a text in the settings; of several the default.
    func chatTemplate() throws(ModelFileError) -> String? {
        let file = "\(folder)/chat_template.jinja"
        if FileBytes.exists(file) {
            return try FileBytes(path: file).withBytes { String(decoding: $0, as: UTF8.self) }
        }
        guard let value = settings["chat_template"] else { return nil }
        if let text = value.stringValue { return text }
        let named = value.arrayValue ?? []
        let chosen = named.first { $0["name"] == "default" } ?? named.first
        return chosen?["template"]?.stringValue
    }

    /// The tokenizer of a model with embeddings for `vocabularySize` tokens.
    func description(vocabularySize: Int) throws(ModelFileError) -> TokenizerDescription {
        let kind = document["model"]?["type"]?.stringValue ?? ""
        var description =
            switch kind {
            case "BPE": try pairs(vocabularySize)
            case "Unigram": try unigram(vocabularySize)
            default:
                throw unsupported("model.type", "'\(kind)'; Kapok reads BPE and Unigram")
            }
        try addTokens(&description)
        describeSpecials(&description)
        return description
    }

    // MARK: Models

    private func pairs(_ size: Int) throws(ModelFileError) -> TokenizerDescription {
        guard let vocabulary = document["model"]?["vocab"]?.objectValue else {
            throw malformed("model.vocab", "is no object")
        }
        var pieces = [String?](repeating: nil, count: size)
        for (piece, value) in vocabulary {
            guard let id = value.integerValue, pieces.indices.contains(id) else {
                throw malformed("model.vocab", "'\(piece)' has no number below \(size)")
            }
            pieces[id] = piece
        }
        let merges = try merges()
        let isByteLevel = PreTokenizer(document["pre_tokenizer"]).isByteLevel
        var description = TokenizerDescription(
            model: isByteLevel ? "gpt2" : "llama",
            preTokenizer: isByteLevel ? try preTokenizerName() : nil, pieces: padded(pieces))
        description.kinds = pieces.map { $0 == nil ? .unused : .normal }
        description.merges = merges
        if isByteLevel { return description }
        guard document["model"]?["byte_fallback"]?.boolValue == true else {
            throw unsupported("model", "BPE that is neither of bytes nor falls back to them")
        }
        describeSentencePiece(&description)
        return description
    }

    private func merges() throws(ModelFileError) -> [String] {
        guard let list = document["model"]?["merges"]?.arrayValue else {
            throw malformed("model.merges", "is no array")
        }
        var merges: [String] = []
        merges.reserveCapacity(list.count)
        for merge in list {
            if let text = merge.stringValue {
                merges.append(text)
            } else if let left = merge[0]?.stringValue, let right = merge[1]?.stringValue {
                merges.append("\(left) \(right)")
            } else {
                throw malformed("model.merges", "\(merge.text()) is no pair")
            }
        }
        return merges
    }

    /// Scores in place of ranks: SentencePiece merges the pair whose result has the best score.
    private func describeSentencePiece(_ description: inout TokenizerDescription) {
        var rank: [String: Int] = [:]
        for (index, merge) in description.merges.enumerated() {
            let result = merge.split(separator: " ", maxSplits: 1).joined()
            if rank[result] == nil { rank[result] = index }
        }
        description.scores = description.pieces.map { piece in
            rank[piece].map { -Float($0) } ?? -1e9
        }
        markBytes(&description)
        description.addsSpacePrefix =
            PreTokenizer(document["pre_tokenizer"]).addsPrefix
            || PreTokenizer(document["normalizer"]).prepends
        description.removesExtraSpaces = false
    }

    private func unigram(_ size: Int) throws(ModelFileError) -> TokenizerDescription {
        guard let vocabulary = document["model"]?["vocab"]?.arrayValue, vocabulary.count <= size
        else { throw malformed("model.vocab", "is no array of at most \(size) elements") }
        var pieces = [String?](repeating: nil, count: size)
        var scores = [Float](repeating: 0, count: size)
        for (id, entry) in vocabulary.enumerated() {
            guard let piece = entry[0]?.stringValue, let score = entry[1]?.doubleValue else {
                throw malformed("model.vocab", "element \(id) is no pair of piece and score")
            }
            pieces[id] = piece
            scores[id] = Float(score)
        }
        var description = TokenizerDescription(model: "t5", pieces: padded(pieces))
        description.scores = scores
        description.kinds = pieces.map { $0 == nil ? .unused : .normal }
        markBytes(&description)
        if let unknown = document["model"]?["unk_id"]?.integerValue,
            pieces.indices.contains(unknown)
        {
            description.kinds[unknown] = .unknown
            description.unknown = TokenID(unknown)
        }
        let normaliser = PreTokenizer(document["normalizer"])
        description.addsSpacePrefix = PreTokenizer(document["pre_tokenizer"]).addsPrefix
        description.removesExtraSpaces = normaliser.collapsesSpaces
        if let text = normaliser.charactersMap {
            guard let bytes = Base64.decode(text) else {
                throw malformed("normalizer.precompiled_charsmap", "is no Base64")
            }
            description.normalisation = bytes
        }
        return description
    }

    private func markBytes(_ description: inout TokenizerDescription) {
        for (id, piece) in description.pieces.enumerated()
        where piece.utf8.count == 6 && piece.hasPrefix("<0x") && piece.hasSuffix(">") {
            description.kinds[id] = .byte
        }
    }

    /// Embeddings without a token get a name, as llama.cpp's converter gives them.
    private func padded(_ pieces: [String?]) -> [String] {
        pieces.enumerated().map { $1 ?? "[PAD\($0)]" }
    }

    private func preTokenizerName() throws(ModelFileError) -> String {
        let steps = PreTokenizer(document["pre_tokenizer"])
        guard let name = steps.name else {
            throw unsupported(
                "pre_tokenizer",
                "cuts text in a way that Kapok does not know: \(steps.summary)",
                remedy: "convert the model to GGUF with llama.cpp, which may know its tokenizer")
        }
        return name
    }

    // MARK: Special tokens

    private func addTokens(_ description: inout TokenizerDescription) throws(ModelFileError) {
        for token in document["added_tokens"]?.arrayValue ?? [] {
            guard let id = token["id"]?.integerValue, let text = token["content"]?.stringValue,
                description.pieces.indices.contains(id)
            else {
                throw malformed(
                    "added_tokens",
                    "\(token.text()) has no content and number below \(description.pieces.count)")
            }
            description.pieces[id] = text
            if description.kinds[id] == .unknown { continue }
            description.kinds[id] = token["special"]?.boolValue == true ? .control : .userDefined
        }
        if let unknown = document["model"]?["unk_token"]?.stringValue,
            let id = description.pieces.firstIndex(of: unknown)
        {
            description.unknown = TokenID(id)
            description.kinds[id] = .unknown
        }
    }

    private func describeSpecials(_ description: inout TokenizerDescription) {
        func token(_ key: String) -> TokenID? {
            let value = settings[key]
            guard let text = value?.stringValue ?? value?["content"]?.stringValue else {
                return nil
            }
            return description.pieces.firstIndex(of: text).map { TokenID($0) }
        }
        description.beginningOfText = token("bos_token")
        description.endOfText = token("eos_token")
        description.padding = token("pad_token")
        // Instruction models name several ends; those beyond the first end a turn.
        for other in others {
            let value = other["eos_token_id"]
            let ids = value?.arrayValue?.compactMap(\.integerValue) ?? [value?.integerValue ?? -1]
            for id in ids where description.pieces.indices.contains(id) {
                let id = TokenID(id)
                if description.endOfText == nil { description.endOfText = id }
                if description.endOfTurn == nil, id != description.endOfText {
                    description.endOfTurn = id
                }
            }
        }
        description.addsBeginningOfText = settings["add_bos_token"]?.boolValue ?? templateBegins
    }

    /// Whether the post-processor puts a special token before a text.
    private var templateBegins: Bool? {
        guard let processor = document["post_processor"], !processor.isNull else { return nil }
        let all = processor["processors"]?.arrayValue ?? [processor]
        return all.contains { $0["single"]?[0]?["SpecialToken"] != nil }
    }

    private func malformed(_ key: String, _ problem: String) -> ModelFileError {
        ModelFileError(.malformed, path: path, place: "key '\(key)'", problem)
    }

    private func unsupported(
        _ key: String, _ problem: String, remedy: String = ""
    ) -> ModelFileError {
        ModelFileError(
            .unsupported, path: path, place: "key '\(key)'", problem, remedy: remedy)
    }
}
