/// What merging bytes into tokens needs to know.
struct ByteMerging: Sendable {
    /// The token of each byte; -1 where the vocabulary has none.
    let byteTokens: [Int32]
    let merges: MergeTable
    /// The words that are tokens as a whole, where the model takes those at once.
    let wholeWords: ByteTable?

    /// - Parameter merges: "left right" in order of rank.
    init(
        merges: [String], vocabulary: Vocabulary, wholeWords: ByteTable?
    ) throws(TokenizerError) {
        byteTokens = ByteAlphabet.characters.map { character in
            var piece: [UInt8] = []
            UTF8Text.append(character, to: &piece)
            return piece.withUnsafeBufferPointer { vocabulary.token(of: $0) } ?? -1
        }
        self.wholeWords = wholeWords
        guard merges.count < 1 << 24 else { throw .malformed("it has \(merges.count) merges") }
        let table = MergeTable(count: merges.count)
        var joined: [UInt8] = []
        for (rank, merge) in merges.enumerated() {
            var merge = merge
            let wrong = merge.withUTF8 { merge -> String? in
                // The first character may be a space itself.
                guard let space = merge.dropFirst().firstIndex(of: UInt8(ascii: " ")) else {
                    return "which has no space"
                }
                let (left, right) = (merge[..<space], merge[(space + 1)...])
                joined.removeAll(keepingCapacity: true)
                joined.append(contentsOf: left)
                joined.append(contentsOf: right)
                let result = joined.withUnsafeBufferPointer { vocabulary.token(of: $0) }
                guard
                    let first = vocabulary.token(of: UnsafeBufferPointer(rebasing: left)),
                    let second = vocabulary.token(of: UnsafeBufferPointer(rebasing: right)),
                    let result
                else { return "which needs a token that is not there" }
                table.insert(left: first, right: second, rank: rank, result: result)
                return nil
            }
            if let wrong { throw .malformed("merge \(rank) is \(quoted(merge)), \(wrong)") }
        }
        self.merges = table
    }
}

/// The memory that encoding needs: one call uses it at a time.
final class ByteLevelWorker: @unchecked Sendable {
    private let cache = WordCache()
    private var merger = PairMerger()
    private var word: [Int32] = []
    private var present: [UInt8] = []

    /// Adds the tokens of `text`, in which no special tokens are looked for.
    /// - Parameter keepsGaps: whether bytes that the vocabulary lacks keep their neighbours apart,
    ///   as in llama.cpp, or are taken out first, as in HF `tokenizers`.
    func append(
        _ text: UnsafeBufferPointer<UInt8>, _ splitter: PieceSplitter, _ merging: ByteMerging,
        keepsGaps: Bool, to output: inout [TokenID]
    ) {
        guard let base = text.baseAddress else { return }
        func word(_ start: Int, _ end: Int) -> UnsafeBufferPointer<UInt8> {
            UnsafeBufferPointer(start: base + start, count: end - start)
        }
        switch splitter.method {
        case .words(let words):
            var start = 0
            while start < text.count {
                let end = words.wordEnd(base, from: start, to: text.count)
                append(word: word(start, end), merging, keepsGaps, &output)
                start = end
            }
        case .steps:
            var start = 0
            for end in splitter.ends(base, from: 0, to: text.count) {
                append(word: word(start, end), merging, keepsGaps, &output)
                start = end
            }
        }
    }

    @inline(__always)
    private func append(
        word text: UnsafeBufferPointer<UInt8>, _ merging: ByteMerging, _ keepsGaps: Bool,
        _ output: inout [TokenID]
    ) {
        if text.count == 1 {
            let token = merging.byteTokens[Int(text[0])]
            if token >= 0 { output.append(token) }
            return
        }
        let hash = text.count <= WordCache.longestWord ? ByteTable.hash(text) : 0
        if text.count <= WordCache.longestWord, cache.append(text, hash: hash, to: &output) {
            return
        }
        merge(text, hash, merging, keepsGaps, &output)
    }

    private func merge(
        _ text: UnsafeBufferPointer<UInt8>, _ hash: UInt64, _ merging: ByteMerging,
        _ keepsGaps: Bool, _ output: inout [TokenID]
    ) {
        word.removeAll(keepingCapacity: true)
        if let whole = merging.wholeWords?.number(of: text) {
            word.append(Int32(whole))
        } else {
            for byte in text { word.append(merging.byteTokens[Int(byte)]) }
            if word.contains(-1) {
                mergeAround(gapsOf: text, merging, keepsGaps, &output)
                return
            }
            merger.merge(&word, with: merging.merges)
        }
        if text.count <= WordCache.longestWord {
            cache.insert(text, hash: hash, tokens: word)
        }
        output.append(contentsOf: word)
    }

    /// The tokens of a word with bytes that the vocabulary lacks: they have none.
    private func mergeAround(
        gapsOf text: UnsafeBufferPointer<UInt8>, _ merging: ByteMerging, _ keepsGaps: Bool,
        _ output: inout [TokenID]
    ) {
        if keepsGaps {
            for part in word.split(separator: -1) {
                var part = Array(part)
                merger.merge(&part, with: merging.merges)
                output.append(contentsOf: part)
            }
        } else {
            word.removeAll { $0 == -1 }
            merger.merge(&word, with: merging.merges)
            output.append(contentsOf: word)
        }
    }
}
