/// What SentencePiece does to a text before it cuts it: characters are normalised, spaces become
/// U+2581, one may be put before the text, runs of them may become one.
struct SentencePieceNormaliser: Sendable {
    /// U+2581 in UTF-8, which stands for a space.
    static let space: [UInt8] = [0xE2, 0x96, 0x81]

    let addsSpacePrefix: Bool
    let removesExtraSpaces: Bool
    /// Whether broken UTF-8 becomes U+FFFD; if not it is left to byte tokens.
    let replacesInvalid: Bool
    private let map: CharacterMap?

    init(_ description: TokenizerDescription, replacesInvalid: Bool) throws(TokenizerError) {
        addsSpacePrefix = description.addsSpacePrefix ?? true
        removesExtraSpaces = description.removesExtraSpaces ?? false
        self.replacesInvalid = replacesInvalid
        map = description.normalisation.isEmpty ? nil : try CharacterMap(description.normalisation)
    }

    /// Whether a text may be cut between two letters and a space: a table may know more.
    var allowsCuts: Bool { map == nil }

    /// `text` as the pieces of the vocabulary are written.
    /// - Parameter continues: whether more of the same text went before.
    func normalised(_ text: UnsafeBufferPointer<UInt8>, continues: Bool) -> [UInt8] {
        guard let base = text.baseAddress else { return [] }
        var writer = Writer(normaliser: self, continues: continues, capacity: text.count)
        var index = 0
        while index < text.count {
            if let (length, replacement) = map?.longest(text, at: index) {
                writer.append(replacement)
                index += length
                continue
            }
            let (scalar, length) = UTF8Text.decode(base, at: index, end: text.count)
            if scalar == 0xFFFD && length == 1 && replacesInvalid {
                writer.append([0xEF, 0xBF, 0xBD])
            } else {
                writer.append(text[index..<index + length])
            }
            index += length
        }
        return writer.finish()
    }

    private struct Writer {
        let removesExtraSpaces: Bool
        let addsSpacePrefix: Bool
        /// Whether the next space would be one too many.
        var dropsSpace: Bool
        var hasBegun: Bool
        var output: [UInt8] = []

        init(normaliser: SentencePieceNormaliser, continues: Bool, capacity: Int) {
            removesExtraSpaces = normaliser.removesExtraSpaces
            addsSpacePrefix = normaliser.addsSpacePrefix
            dropsSpace = removesExtraSpaces && !continues
            hasBegun = continues
            output.reserveCapacity(capacity + capacity / 2 + 3)
        }

        mutating func append(_ bytes: some Sequence<UInt8>) {
            for byte in bytes {
                let isSpace = byte == UInt8(ascii: " ")
                if isSpace && dropsSpace { continue }
                if !hasBegun {
                    hasBegun = true
                    if addsSpacePrefix { output += SentencePieceNormaliser.space }
                }
                if isSpace {
                    output += SentencePieceNormaliser.space
                } else {
                    output.append(byte)
                }
                dropsSpace = isSpace && removesExtraSpaces
            }
        }

        mutating func finish() -> [UInt8] {
            if removesExtraSpaces && dropsSpace && output.count >= 3 { output.removeLast(3) }
            return output
        }
    }
}
