/// Byte strings of tokens as a tree in preorder: a walk reads its arrays from front to back and
/// skips the subtrees that a grammar forbids.
struct TokenTrie: Sendable {
    /// The byte on the edge to each node.
    private(set) var bytes: [UInt8] = []
    /// Each node's depth, from 1.
    private(set) var depths: [UInt16] = []
    /// The number of the first node after each node's subtree.
    private(set) var ends: [Int32] = []
    /// Where each node's tokens begin in `tokens`; one more than there are nodes.
    private(set) var tokenStarts: [Int32] = [0]
    private(set) var tokens: [TokenID] = []
    private(set) var maximumDepth = 0

    var count: Int { bytes.count }

    /// A tree of the tokens `members`, whose texts are not empty.
    init(members: [TokenID], text: (TokenID) -> ArraySlice<UInt8>) {
        let sorted = members.sorted { left, right in
            let (a, b) = (text(left), text(right))
            if a.elementsEqual(b) { return left < right }
            return a.lexicographicallyPrecedes(b)
        }
        var path: [Int] = []
        var previous: ArraySlice<UInt8> = []
        for token in sorted {
            let bytes = text(token).prefix(Int(UInt16.max))
            let shared = zip(previous, bytes).prefix { $0 == $1 }.count
            while path.count > shared { close(path.removeLast()) }
            for byte in bytes.dropFirst(shared) {
                path.append(self.bytes.count)
                self.bytes.append(byte)
                depths.append(UInt16(path.count))
                ends.append(0)
                tokenStarts.append(Int32(tokens.count))
            }
            maximumDepth = max(maximumDepth, path.count)
            tokens.append(token)
            tokenStarts[tokenStarts.count - 1] = Int32(tokens.count)
            previous = bytes
        }
        while let node = path.popLast() { close(node) }
    }

    private mutating func close(_ node: Int) { ends[node] = Int32(bytes.count) }
}
