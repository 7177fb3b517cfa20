/// What the two kinds of SentencePiece models share: the vocabulary, its special and byte tokens,
/// and the way of a text through them.
struct SentencePieces: Sendable {
    let vocabulary: Vocabulary
    let normaliser: SentencePieceNormaliser
    /// The token of each byte, -1 where there is none.
    let byteTokens: [Int32]
    let unknown: TokenID?
    /// Whether no piece goes on after a word's end: then words can be cut one by one.
    let splitsAtSpaces: Bool
    /// Whether a space is a piece, so that no unknown token lies on both sides of a cut before one.
    private let hasSpace: Bool
    private let allSpecial: SpecialTokens
    private let userDefined: SpecialTokens

    init(_ description: TokenizerDescription, replacesInvalid: Bool) throws(TokenizerError) {
        guard !description.scores.isEmpty else { throw .malformed("it has no scores") }
        guard description.scores.allSatisfy({ !$0.isNaN }) else {
            throw .malformed("a score is not a number")
        }
        let vocabulary = try Vocabulary(description)
        self.vocabulary = vocabulary
        normaliser = try SentencePieceNormaliser(description, replacesInvalid: replacesInvalid)
        allSpecial = vocabulary.specialTokens(description, special: true)
        userDefined = vocabulary.specialTokens(description, special: false)
        unknown =
            description.unknown
            ?? vocabulary.kinds.firstIndex(of: .unknown).map { TokenID($0) }
        byteTokens = (0..<256).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            let token = vocabulary.token(of: "<0x\(digits.count < 2 ? "0" : "")\(digits)>")
            guard let token, vocabulary.kinds[Int(token)] == .byte else { return -1 }
            return token
        }
        hasSpace =
            vocabulary.token(of: "\u{2581}").map {
                Self.isPlain(vocabulary.kinds[Int($0)])
            } ?? false
        splitsAtSpaces = zip(vocabulary.pieces, vocabulary.kinds).allSatisfy { piece, kind in
            !Self.isPlain(kind) || !Self.hasInnerSpace(piece)
        }
    }

    /// Whether pieces of `kind` are what text is cut into.
    static func isPlain(_ kind: TokenizerDescription.Kind) -> Bool {
        kind == .normal || kind == .unused || kind == .userDefined
    }

    private static func hasInnerSpace(_ piece: String) -> Bool {
        var before = true
        for scalar in piece.unicodeScalars {
            let isSpace = scalar == "\u{2581}"
            if isSpace && !before { return true }
            before = isSpace
        }
        return false
    }

    /// Calls `plain` with each stretch of normalised text and `special` with each token between.
    func split(
        _ text: UnsafeBufferPointer<UInt8>, special: Bool, continues: Bool,
        plain: (UnsafeBufferPointer<UInt8>) -> Void, token: (TokenID) -> Void
    ) {
        var continues = continues
        (special ? allSpecial : userDefined).split(
            text,
            plain: { range in
                let part = UnsafeBufferPointer(rebasing: text[range])
                normaliser.normalised(part, continues: continues).withUnsafeBufferPointer(plain)
                continues = false
            },
            special: {
                token($0)
                continues = false
            })
    }

    /// Calls `body` with each word of `text`: up to the next U+2581 after anything else.
    func words(
        _ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
    ) {
        guard splitsAtSpaces else { return body(text) }
        var start = 0
        var index = 0
        var isInWord = false
        while index < text.count {
            let isSpace =
                text[index] == 0xE2 && index + 2 < text.count && text[index + 1] == 0x96
                && text[index + 2] == 0x81
            if isSpace && isInWord {
                body(UnsafeBufferPointer(rebasing: text[start..<index]))
                start = index
            }
            isInWord = !isSpace
            index += isSpace ? 3 : 1
        }
        if start < text.count { body(UnsafeBufferPointer(rebasing: text[start...])) }
    }

    /// Adds the tokens of text that no piece has: its bytes, or one unknown token.
    func appendUnknown(_ text: UnsafeBufferPointer<UInt8>, to output: inout [TokenID]) {
        if text.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
            for byte in text { output.append(byteTokens[Int(byte)]) }
        } else if let unknown {
            output.append(unknown)
        }
    }

    /// Makes one unknown token of several in a row, as sentencepiece does.
    func joinUnknown(in output: inout [TokenID], from start: Int) {
        guard let unknown, output[start...].contains(unknown) else { return }
        var end = start
        for index in start..<output.count {
            let token = output[index]
            if token == unknown && end > start && output[end - 1] == unknown { continue }
            output[end] = token
            end += 1
        }
        output.removeLast(output.count - end)
    }

    func allowsCuts(special: Bool) -> Bool {
        splitsAtSpaces && hasSpace && normaliser.allowsCuts
            && (special ? allSpecial : userDefined).allowsCuts
    }

    /// What `token` stands for in a text.
    func bytes(of token: TokenID) -> [UInt8] {
        guard vocabulary.contains(token), !vocabulary.isControl(token) else { return [] }
        let piece = vocabulary.pieces[Int(token)]
        if vocabulary.kinds[Int(token)] == .byte {
            let digits = piece.dropFirst(3).dropLast()
            return UInt8(digits, radix: 16).map { [$0] } ?? []
        }
        var bytes: [UInt8] = []
        for scalar in piece.unicodeScalars {
            UTF8Text.append(scalar == "\u{2581}" ? 0x20 : scalar.value, to: &bytes)
        }
        return bytes
    }
}
