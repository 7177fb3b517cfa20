/// SentencePiece Unigram (T5, ALBERT, XLM-R): of all ways to cut a text into pieces the one whose
/// scores, logarithms of probabilities, have the largest sum (Viterbi).
final class UnigramTokenizer: Tokenizer, SegmentedTokenizer {
    private let pieces: SentencePieces
    private let lattice: UnigramLattice
    let addsBeginningOfText: Bool

    init(_ description: TokenizerDescription) throws(TokenizerError) {
        let size = description.pieces.reduce(0) { $0 + $1.utf8.count }
        guard size < 1 << 24 else { throw .malformed("its pieces have \(size) bytes") }
        pieces = try SentencePieces(description, replacesInvalid: true)
        lattice = UnigramLattice(pieces: pieces, scores: description.scores)
        addsBeginningOfText =
            description.beginningOfText != nil && description.addsBeginningOfText ?? false
    }

    var vocabularySize: Int { pieces.vocabulary.pieces.count }
    var beginningOfText: TokenID? { pieces.vocabulary.beginningOfText }
    var endOfText: TokenID? { pieces.vocabulary.endOfText }
    var endOfGeneration: Set<TokenID> { pieces.vocabulary.endOfGeneration }
    var putsSpaceBeforeText: Bool { pieces.normaliser.addsSpacePrefix }

    func encode(_ text: [UInt8], special: Bool) -> [TokenID] {
        var output: [TokenID] = []
        text.withUnsafeBufferPointer {
            encode($0, special: special, continues: false, into: &output)
        }
        return output
    }

    func encode(
        _ text: UnsafeBufferPointer<UInt8>, special: Bool, continues: Bool,
        into output: inout [TokenID]
    ) {
        pieces.split(
            text, special: special, continues: continues,
            plain: { plain in
                let start = output.count
                pieces.words(plain) { lattice.append($0, to: &output) }
                pieces.joinUnknown(in: &output, from: start)
            },
            token: { output.append($0) })
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

/// Finds the best way through a text.
struct UnigramLattice: Sendable {
    private let pieces: SentencePieces
    private let scores: [Float]
    private let trie: ByteTrie
    /// What a character costs that is no piece: ten less than the least score (sentencepiece's
    /// `kUnkPenalty`).
    private let unknownScore: Double

    init(pieces: SentencePieces, scores: [Float]) {
        self.pieces = pieces
        self.scores = scores
        let vocabulary = pieces.vocabulary
        var trie = ByteTrie(capacity: vocabulary.pieces.reduce(0) { $0 + $1.utf8.count })
        var least = Float.greatestFiniteMagnitude
        for (index, kind) in vocabulary.kinds.enumerated() {
            if kind == .normal { least = min(least, scores[index]) }
            guard kind == .normal || kind == .userDefined else { continue }
            var piece = vocabulary.pieces[index]
            piece.withUTF8 { trie.insert($0, value: Int32(index)) }
        }
        self.trie = trie
        unknownScore = Double(least) - 10
    }

    /// The best way to one place of the text.
    private struct Step {
        var score = -Double.infinity
        var start: Int32 = 0
        var token: Int32 = -1
    }

    /// Adds the tokens of `text`, which is normalised.
    func append(_ text: UnsafeBufferPointer<UInt8>, to output: inout [TokenID]) {
        let steps = bestSteps(text)
        var path: [(token: Int32, range: Range<Int>)] = []
        var end = text.count
        while end > 0 {
            path.append((steps[end].token, Int(steps[end].start)..<end))
            end = Int(steps[end].start)
        }
        for (token, range) in path.reversed() {
            if token >= 0 {
                output.append(token)
            } else {
                let unknown = UnsafeBufferPointer(rebasing: text[range])
                pieces.appendUnknown(unknown, to: &output)
            }
        }
    }

    private func bestSteps(_ text: UnsafeBufferPointer<UInt8>) -> [Step] {
        var steps = [Step](repeating: Step(), count: text.count + 1)
        steps[0].score = 0
        guard let base = text.baseAddress else { return steps }
        var start = 0
        while start < text.count {
            let length = UTF8Text.decode(base, at: start, end: text.count).length
            let before = steps[start].score
            var isPiece = false
            func offer(_ token: Int32, _ end: Int, _ score: Double) {
                if before + score > steps[end].score {
                    steps[end] = Step(score: before + score, start: Int32(start), token: token)
                }
            }
            var node = ByteTrie.root
            var index = start
            while index < text.count, let child = trie.child(of: node, text[index]) {
                node = child
                index += 1
                guard let token = trie.value(of: node) else { continue }
                if index - start == length { isPiece = true }
                let isChosen = pieces.vocabulary.kinds[Int(token)] == .userDefined
                offer(token, index, isChosen ? 0 : Double(scores[Int(token)]))
            }
            if !isPiece { offer(-1, start + length, unknownScore) }
            start += length
        }
        return steps
    }
}
