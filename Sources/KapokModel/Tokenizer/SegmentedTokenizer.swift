/// A tokenizer that can take a long text in pieces, with the same tokens as in one go.
protocol SegmentedTokenizer: Tokenizer {
    /// Adds the tokens of `text`.
    /// - Parameter continues: whether more of the same text went before, so that nothing is put
    ///   before this piece.
    func encode(
        _ text: UnsafeBufferPointer<UInt8>, special: Bool, continues: Bool,
        into output: inout [TokenID])

    /// The last place at which `text` may be cut without changing tokens, whatever follows it; nil
    /// when there is none.
    func cut(_ text: UnsafeBufferPointer<UInt8>, special: Bool) -> Int?
}

extension SegmentedTokenizer {
    /// The last space between two lower-case ASCII letters.
    func lastCut(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        var index = text.count - 2
        while index > 0 {
            if text[index] == UInt8(ascii: " "), letters.contains(text[index - 1]),
                letters.contains(text[index + 1])
            {
                return index
            }
            index -= 1
        }
        return nil
    }
}

/// Turns a text that comes in pieces into tokens, the same as those of the whole text, holding
/// only the text from the last place on at which it can be cut.
///
/// Memory is bounded by the longest stretch without a space between two lower-case letters; some
/// vocabularies cannot be cut anywhere, and hold everything until `finish`. Where a byte-level
/// vocabulary lacks bytes, their neighbours merge or not by whether there is broken UTF-8 in the
/// same piece rather than anywhere in the text.
public struct TextEncoder {
    private let tokenizer: any Tokenizer
    private let special: Bool
    private var held: [UInt8] = []
    private var hasBegun = false
    /// Text is cut when this many bytes are held.
    private let pieceSize: Int
    /// How many bytes must be held before the next try to cut: a long stretch that cannot be cut
    /// is not searched through again for each piece.
    private var target: Int

    /// An encoder at the beginning of a text.
    /// - Parameter special: whether the texts of special tokens become these tokens.
    public init(_ tokenizer: any Tokenizer, special: Bool) {
        self.init(tokenizer, special: special, pieceSize: 1 << 18)
    }

    init(_ tokenizer: any Tokenizer, special: Bool, pieceSize: Int) {
        self.tokenizer = tokenizer
        self.special = special
        self.pieceSize = pieceSize
        target = pieceSize
    }

    /// Takes more of the text; gives the tokens that are certain by now.
    public mutating func append(_ text: some Sequence<UInt8>) -> [TokenID] {
        held.append(contentsOf: text)
        guard held.count >= target, let segmented = tokenizer as? any SegmentedTokenizer else {
            return []
        }
        guard let cut = held.withUnsafeBufferPointer({ segmented.cut($0, special: special) })
        else {
            target = held.count * 2
            return []
        }
        let tokens = encode(segmented, held[..<cut])
        held.removeFirst(cut)
        target = max(pieceSize, held.count * 2)
        return tokens
    }

    /// The tokens of what is left, at the end of the text.
    public mutating func finish() -> [TokenID] {
        defer {
            held = []
            hasBegun = false
            target = pieceSize
        }
        guard let segmented = tokenizer as? any SegmentedTokenizer else {
            return tokenizer.encode(held, special: special)
        }
        return encode(segmented, held[...])
    }

    private mutating func encode(
        _ segmented: any SegmentedTokenizer, _ text: ArraySlice<UInt8>
    ) -> [TokenID] {
        var output: [TokenID] = []
        text.withUnsafeBufferPointer {
            segmented.encode($0, special: special, continues: hasBegun, into: &output)
        }
        hasBegun = true
        return output
    }
}
