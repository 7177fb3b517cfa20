/// What all kinds of tokenizers know of their tokens.
struct Vocabulary: Sendable {
    let pieces: [String]
    let kinds: [TokenizerDescription.Kind]
    let beginningOfText: TokenID?
    let endOfText: TokenID?
    let endOfGeneration: Set<TokenID>
    private let table: ByteTable

    init(_ description: TokenizerDescription) throws(TokenizerError) {
        pieces = description.pieces
        guard !pieces.isEmpty else { throw .malformed("it has no tokens") }
        guard pieces.count < 1 << 24 else { throw .malformed("it has \(pieces.count) tokens") }
        for (name, count) in [
            ("kinds", description.kinds.count), ("scores", description.scores.count),
        ]
        where count != 0 && count != pieces.count {
            throw .malformed("it has \(pieces.count) tokens and \(count) \(name)")
        }
        for (name, token) in [
            ("beginning of text", description.beginningOfText),
            ("end of text", description.endOfText), ("end of turn", description.endOfTurn),
            ("unknown text", description.unknown), ("padding", description.padding),
        ] {
            if let token, !pieces.indices.contains(Int(token)) {
                throw .malformed("the token for \(name) is \(token) of \(pieces.count)")
            }
        }
        var table = ByteTable(count: pieces.count, bytes: pieces.count * 8)
        for piece in pieces {
            var piece = piece
            piece.withUTF8 { table.append($0) }
        }
        self.table = table
        var kinds = description.kinds
        if kinds.isEmpty { kinds = Array(repeating: .normal, count: pieces.count) }
        let ends = EndTokens(description, find: { Self.find($0, in: table) })
        // Files with these as ordinary text are converted wrongly (llama.cpp says so too).
        for token in ends.mustBeControl where kinds[Int(token)] == .normal {
            kinds[Int(token)] = .control
        }
        self.kinds = kinds
        beginningOfText = description.beginningOfText
        endOfText = description.endOfText
        endOfGeneration = ends.tokens
    }

    private static func find(_ piece: String, in table: ByteTable) -> TokenID? {
        var piece = piece
        return piece.withUTF8 { table.number(of: $0).map(TokenID.init) }
    }

    /// The token that is spelled `piece`.
    func token(of piece: String) -> TokenID? { Self.find(piece, in: table) }

    /// The token that is spelled `piece`.
    @inline(__always)
    func token(of piece: UnsafeBufferPointer<UInt8>) -> TokenID? {
        table.number(of: piece).map(TokenID.init)
    }

    /// The most bytes of a piece.
    var longestPiece: Int { table.longest }

    func contains(_ token: TokenID) -> Bool { pieces.indices.contains(Int(token)) }

    func isControl(_ token: TokenID) -> Bool {
        guard contains(token) else { return false }
        let kind = kinds[Int(token)]
        return kind == .control || kind == .unknown
    }

    /// The tokens whose texts are found in text: those that users defined, and with `special` those
    /// of control too.
    func specialTokens(
        _ description: TokenizerDescription, special: Bool
    ) -> SpecialTokens {
        let found = pieces.indices.lazy.filter { index in
            switch kinds[index] {
            case .userDefined: true
            case .control, .unknown: special
            default: false
            }
        }
        return SpecialTokens(
            found.map { (Array(pieces[$0].utf8), TokenID($0)) },
            leftStripping: description.leftStripping, rightStripping: description.rightStripping)
    }
}

/// The tokens after which a model has said what it had to say. GGUF names one or two of them, the
/// others are known by their spelling (the list is llama.cpp's).
private struct EndTokens {
    private(set) var tokens: Set<TokenID> = []
    private(set) var mustBeControl: [TokenID] = []

    private static let spellings = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
        "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]",
        "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
        "<｜end▁of▁sentence｜>", "[e~[", "<|fim_pad|>", "<|fim_repo|>", "<|file_sep|>",
    ]

    init(_ description: TokenizerDescription, find: (String) -> TokenID?) {
        for spelling in Self.spellings {
            if let token = find(spelling) { mustBeControl.append(token) }
        }
        tokens = Set(mustBeControl)
        // With tokens of their own for the end of a call, "<|end|>" only ends a part of an answer.
        let hasCall = find("<|call|>") != nil || find("<|calls|>") != nil
        if hasCall, find("<|return|>") != nil || find("<|flush|>") != nil, let end = find("<|end|>")
        {
            drop(end)
        }
        // Gemma 4 has "</s>" as a mark-up tag.
        if find("<|tool_response>") != nil, let tag = find("</s>") { drop(tag) }
        tokens.formUnion([description.endOfText, description.endOfTurn].compactMap(\.self))
    }

    private mutating func drop(_ token: TokenID) {
        tokens.remove(token)
        mustBeControl.removeAll { $0 == token }
    }
}
