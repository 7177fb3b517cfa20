import KapokModel

/// Speculation without a model: what followed the last tokens when they last occurred (prompt
/// look-up decoding; Saxena 2023, "Prompt Lookup Decoding").
enum PromptLookup {
    /// The longest run of tokens that is looked for.
    static let longestMatch = 4
    /// The shortest; one token alone says too little.
    static let shortestMatch = 2

    /// Up to `count` tokens that may follow `tokens`.
    static func drafts(after tokens: [TokenID], count: Int) -> [TokenID] {
        guard count > 0, tokens.count > shortestMatch else { return [] }
        return tokens.withUnsafeBufferPointer { tokens in
            let end = tokens.count
            var best = (length: shortestMatch - 1, next: 0)
            // The latest occurrence of the longest match.
            var next = end - 1
            while next >= shortestMatch {
                if tokens[next - 1] == tokens[end - 1] {
                    var length = 1
                    while length < longestMatch, length < next,
                        tokens[next - 1 - length] == tokens[end - 1 - length]
                    { length += 1 }
                    if length > best.length { best = (length, next) }
                    if length == longestMatch { break }
                }
                next -= 1
            }
            guard best.length >= shortestMatch else { return [] }
            return Array(tokens[best.next..<min(best.next + count, end)])
        }
    }
}
