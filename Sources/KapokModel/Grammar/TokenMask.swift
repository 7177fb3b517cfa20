/// A set of tokens of one vocabulary: a bit for each.
public struct TokenMask: Hashable, Sendable {
    /// The bits, 64 to a word, token 0 first; bits beyond `count` are 0.
    public internal(set) var words: [UInt64]
    /// How many tokens the vocabulary has.
    public internal(set) var count: Int

    /// An empty set over `count` tokens.
    public init(count: Int = 0) {
        self.count = count
        self.words = [UInt64](repeating: 0, count: (count + 63) / 64)
    }

    /// Whether a token is in the set; tokens outside the vocabulary are not.
    public subscript(token: TokenID) -> Bool {
        get {
            guard token >= 0, Int(token) < count else { return false }
            return words[Int(token) >> 6] >> (UInt64(token) & 63) & 1 == 1
        }
        set {
            precondition(token >= 0 && Int(token) < count)
            let bit: UInt64 = 1 << (UInt64(token) & 63)
            if newValue { words[Int(token) >> 6] |= bit } else { words[Int(token) >> 6] &= ~bit }
        }
    }

    /// Whether no token is in the set.
    public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// How many tokens are in the set.
    public var population: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// The tokens of the set, in ascending order.
    public var tokens: [TokenID] {
        (0..<count).compactMap { self[TokenID($0)] ? TokenID($0) : nil }
    }

    /// Makes the logits of all tokens that are not in the set minus infinity.
    public func forbidOthers(in logits: UnsafeMutableBufferPointer<Float>) {
        for (index, word) in words.enumerated() where word != .max {
            let start = index << 6
            var missing = ~word
            if word == 0 {
                let end = min(start + 64, logits.count)
                for i in min(start, end)..<end { logits[i] = -.infinity }
                continue
            }
            while missing != 0 {
                let i = start + missing.trailingZeroBitCount
                if i < logits.count { logits[i] = -.infinity }
                missing &= missing &- 1
            }
        }
        // Rows may be padded beyond the vocabulary.
        var i = words.count << 6
        while i < logits.count {
            logits[i] = -.infinity
            i += 1
        }
    }

    mutating func formUnion(_ other: [UInt64]) {
        for i in words.indices { words[i] |= other[i] }
    }
}
