import Synchronization

/// SentencePiece BPE (Llama 2, Mistral, Gemma): neighbours merge into the piece of the highest
/// score, the leftmost of equal ones first; what is no piece becomes byte tokens.
final class SentencePieceTokenizer: Tokenizer, SegmentedTokenizer {
    private let pieces: SentencePieces
    private let merger: ScoreMerger
    private let caches = Mutex<[WordCache]>([])
    let addsBeginningOfText: Bool

    init(_ description: TokenizerDescription) throws(TokenizerError) {
        pieces = try SentencePieces(description, replacesInvalid: false)
        merger = ScoreMerger(pieces: pieces, scores: description.scores)
        addsBeginningOfText =
            description.beginningOfText != nil && description.addsBeginningOfText ?? true
    }

    var vocabularySize: Int { pieces.vocabulary.pieces.count }
    var beginningOfText: TokenID? { pieces.vocabulary.beginningOfText }
    var endOfText: TokenID? { pieces.vocabulary.endOfText }
    var endOfGeneration: Set<TokenID> { pieces.vocabulary.endOfGeneration }
    var putsSpaceBeforeText: Bool { pieces.normaliser.addsSpacePrefix }

    func encode(_ text: [UInt8], special: Bool) -> [TokenID] {
        var output: [TokenID] = []
        output.reserveCapacity(text.count / 3 + 8)
        text.withUnsafeBufferPointer {
            encode($0, special: special, continues: false, into: &output)
        }
        return output
    }

    func encode(
        _ text: UnsafeBufferPointer<UInt8>, special: Bool, continues: Bool,
        into output: inout [TokenID]
    ) {
        let cache = caches.withLock { $0.popLast() } ?? WordCache()
        pieces.split(
            text, special: special, continues: continues,
            plain: { plain in
                let start = output.count
                pieces.words(plain) { append($0, cache, to: &output) }
                pieces.joinUnknown(in: &output, from: start)
            },
            token: { output.append($0) })
        caches.withLock { if $0.count < 4 { $0.append(cache) } }
    }

    private func append(
        _ word: UnsafeBufferPointer<UInt8>, _ cache: WordCache, to output: inout [TokenID]
    ) {
        guard word.count <= WordCache.longestWord else {
            output += merger.tokens(of: word)
            return
        }
        let hash = ByteTable.hash(word)
        if cache.append(word, hash: hash, to: &output) { return }
        let tokens = merger.tokens(of: word)
        cache.insert(word, hash: hash, tokens: tokens)
        output += tokens
    }

    func cut(_ text: UnsafeBufferPointer<UInt8>, special: Bool) -> Int? {
        pieces.allowsCuts(special: special) ? lastCut(text) : nil
    }

    func bytes(of token: TokenID) -> [UInt8] { pieces.bytes(of: token) }
    func isControl(_ token: TokenID) -> Bool { pieces.vocabulary.isControl(token) }

    func piece(of token: TokenID) -> String {
        pieces.vocabulary.contains(token) ? pieces.vocabulary.pieces[Int(token)] : ""
    }

    func token(of piece: String) -> TokenID? { pieces.vocabulary.token(of: piece) }
}

/// Merges the characters of a text by the scores of the pieces that they make.
struct ScoreMerger: Sendable {
    private let pieces: SentencePieces
    /// For each token a number that is smaller the higher its score is.
    private let ranks: [UInt32]

    init(pieces: SentencePieces, scores: [Float]) {
        self.pieces = pieces
        ranks = scores.map { score in
            // IEEE 754 numbers order like whole ones once negative ones are turned over.
            let bits = score.bitPattern
            return ~(bits >> 31 == 0 ? bits | 1 << 31 : ~bits)
        }
    }

    /// A stretch of text that has been merged so far.
    private struct Symbol {
        var start: Int32
        /// Zero once it is part of the one before it.
        var length: Int32
        var previous: Int32
        var next: Int32
        /// What it and the next one would become.
        var pair: TokenID?
    }

    /// The tokens of `text`, which is normalised.
    func tokens(of text: UnsafeBufferPointer<UInt8>) -> [TokenID] {
        var symbols = characters(of: text)
        var heap = MinimumHeap()
        /// Where the tokens that must not be used were made from two, by token.
        var halves: [TokenID: Int] = [:]
        for index in symbols.indices.dropLast() { find(index, text, &symbols, &heap) }
        while let entry = heap.removeFirst() {
            let left = Int(UInt32(truncatingIfNeeded: entry))
            guard let pair = symbols[left].pair,
                ranks[Int(pair)] == UInt32(truncatingIfNeeded: entry >> 32)
            else { continue }
            if pieces.vocabulary.kinds[Int(pair)] == .unused {
                halves[pair] = Int(symbols[left].length)
            }
            let right = Int(symbols[left].next)
            symbols[left].length += symbols[right].length
            symbols[left].next = symbols[right].next
            symbols[left].pair = nil
            symbols[right].length = 0
            symbols[right].pair = nil
            if symbols[left].next >= 0 {
                symbols[Int(symbols[left].next)].previous = Int32(left)
                find(left, text, &symbols, &heap)
            }
            if symbols[left].previous >= 0 {
                find(Int(symbols[left].previous), text, &symbols, &heap)
            }
        }
        var output: [TokenID] = []
        for symbol in symbols where symbol.length > 0 {
            let range = Int(symbol.start)..<Int(symbol.start + symbol.length)
            append(UnsafeBufferPointer(rebasing: text[range]), halves, &output)
        }
        return output
    }

    /// The characters of `text` by their first bytes alone, as llama.cpp has it for broken UTF-8.
    private func characters(of text: UnsafeBufferPointer<UInt8>) -> [Symbol] {
        var symbols: [Symbol] = []
        symbols.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let length =
                switch text[index] {
                case 0xC0...0xDF: 2
                case 0xE0...0xEF: 3
                case 0xF0...0xFF: 4
                default: 1
                }
            let number = Int32(symbols.count)
            symbols.append(
                Symbol(
                    start: Int32(index), length: Int32(min(length, text.count - index)),
                    previous: number - 1, next: number + 1, pair: nil))
            index += length
        }
        if !symbols.isEmpty { symbols[symbols.count - 1].next = -1 }
        return symbols
    }

    private func find(
        _ left: Int, _ text: UnsafeBufferPointer<UInt8>, _ symbols: inout [Symbol],
        _ heap: inout MinimumHeap
    ) {
        let right = symbols[Int(symbols[left].next)]
        let start = Int(symbols[left].start)
        let pair = token(
            UnsafeBufferPointer(rebasing: text[start..<Int(right.start + right.length)]))
        symbols[left].pair = pair
        if let pair {
            heap.insert(UInt64(ranks[Int(pair)]) << 32 | UInt64(UInt32(left)))
        }
    }

    private func token(_ text: UnsafeBufferPointer<UInt8>) -> TokenID? {
        guard let token = pieces.vocabulary.token(of: text),
            SentencePieces.isPlain(pieces.vocabulary.kinds[Int(token)])
        else { return nil }
        return token
    }

    /// Adds the token of `text`, taking apart again what must not be used.
    private func append(
        _ text: UnsafeBufferPointer<UInt8>, _ halves: [TokenID: Int], _ output: inout [TokenID]
    ) {
        guard let token = token(text) else { return pieces.appendUnknown(text, to: &output) }
        guard pieces.vocabulary.kinds[Int(token)] == .unused, let half = halves[token] else {
            output.append(token)
            return
        }
        append(UnsafeBufferPointer(rebasing: text[..<half]), halves, &output)
        append(UnsafeBufferPointer(rebasing: text[half...]), halves, &output)
    }
}
