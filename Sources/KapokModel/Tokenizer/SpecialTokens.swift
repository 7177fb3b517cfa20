/// Finds the texts of special tokens in a text: the leftmost first, of those that begin at one
/// place the longest (as HF `tokenizers` does; llama.cpp looks for longer ones first everywhere,
/// which differs only where two overlap).
struct SpecialTokens: Sendable {
    /// A token found.
    struct Match {
        var range: Range<Int>
        var token: TokenID
    }

    private struct Node {
        var token: TokenID?
        /// Children, by byte; nodes have few.
        var children: [(byte: UInt8, node: Int32)] = []
    }

    private var nodes = [Node()]
    private var begins = [Bool](repeating: false, count: 256)
    private let leftStripping: Set<TokenID>
    private let rightStripping: Set<TokenID>
    /// Whether a text may be cut between a letter and a space that a letter follows without
    /// cutting a token's text.
    private(set) var allowsCuts = true

    /// - Parameter tokens: texts and numbers of the tokens to find; empty texts are none.
    init(
        _ tokens: some Sequence<(text: [UInt8], token: TokenID)>, leftStripping: Set<TokenID> = [],
        rightStripping: Set<TokenID> = []
    ) {
        self.leftStripping = leftStripping
        self.rightStripping = rightStripping
        for (text, token) in tokens where !text.isEmpty {
            insert(text, token)
            if text.contains(UInt8(ascii: " ")) { allowsCuts = false }
        }
    }

    var isEmpty: Bool { nodes.count == 1 }

    private mutating func insert(_ text: [UInt8], _ token: TokenID) {
        begins[Int(text[0])] = true
        var node = 0
        for byte in text {
            if let child = nodes[node].children.first(where: { $0.byte == byte }) {
                node = Int(child.node)
            } else {
                nodes.append(Node())
                nodes[node].children.append((byte, Int32(nodes.count - 1)))
                node = nodes.count - 1
            }
        }
        if nodes[node].token == nil { nodes[node].token = token }
    }

    /// The first token's text in `text` from `start` on.
    func first(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Match? {
        if isEmpty { return nil }
        return begins.withUnsafeBufferPointer { begins in
            for index in start..<text.count where begins[Int(text[index])] {
                if let match = longest(in: text, at: index) { return match }
            }
            return nil
        }
    }

    private func longest(in text: UnsafeBufferPointer<UInt8>, at start: Int) -> Match? {
        var found: Match?
        var node = 0
        for index in start..<text.count {
            let byte = text[index]
            guard let child = nodes[node].children.first(where: { $0.byte == byte }) else { break }
            node = Int(child.node)
            if let token = nodes[node].token {
                found = Match(range: start..<index + 1, token: token)
            }
        }
        return found
    }

    /// Calls `plain` with the range of each stretch of text between tokens and `special` with each
    /// token, in order; white space that a token swallows is in neither.
    func split(
        _ text: UnsafeBufferPointer<UInt8>, plain: (Range<Int>) -> Void, special: (TokenID) -> Void
    ) {
        var start = 0
        while let match = first(in: text, from: start) {
            var end = match.range.lowerBound
            if leftStripping.contains(match.token) { end = spaceStart(text, end, notBefore: start) }
            if end > start { plain(start..<end) }
            special(match.token)
            start = match.range.upperBound
            if rightStripping.contains(match.token) { start = spaceEnd(text, start) }
        }
        if start < text.count { plain(start..<text.count) }
    }

    private func spaceStart(
        _ text: UnsafeBufferPointer<UInt8>, _ end: Int, notBefore start: Int
    ) -> Int {
        guard let base = text.baseAddress else { return end }
        var end = end
        while end > start {
            let index = UTF8Text.previous(base, before: end, start: start)
            let scalar = UTF8Text.decode(base, at: index, end: end).scalar
            guard UnicodeTable.shared.properties(scalar).isSpace else { break }
            end = index
        }
        return end
    }

    private func spaceEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        guard let base = text.baseAddress else { return start }
        var start = start
        while start < text.count {
            let (scalar, length) = UTF8Text.decode(base, at: start, end: text.count)
            guard UnicodeTable.shared.properties(scalar).isSpace else { break }
            start += length
        }
        return start
    }
}
