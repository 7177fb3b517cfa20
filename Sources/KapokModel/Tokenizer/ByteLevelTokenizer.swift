import Synchronization

/// Byte-level BPE (GPT-2 and most models since): the pre-tokenizer cuts text into words, the bytes
/// of each word merge pair by pair.
final class ByteLevelTokenizer: Tokenizer, SegmentedTokenizer {
    private let vocabulary: Vocabulary
    private let splitter: PieceSplitter
    private let invalidBytes: InvalidBytes
    private let allSpecial: SpecialTokens
    private let userDefined: SpecialTokens
    /// What each token stands for in a text.
    private let texts: ByteTable
    private let merging: ByteMerging
    private let workers = Mutex<[ByteLevelWorker]>([])
    let addsBeginningOfText: Bool

    init(
        _ description: TokenizerDescription, invalidBytes: InvalidBytes
    ) throws(TokenizerError) {
        splitter = try PieceSplitter(name: description.preTokenizer ?? "default")
        vocabulary = try Vocabulary(description)
        self.invalidBytes = invalidBytes
        allSpecial = vocabulary.specialTokens(description, special: true)
        userDefined = vocabulary.specialTokens(description, special: false)
        addsBeginningOfText =
            vocabulary.beginningOfText != nil
            && (description.addsBeginningOfText ?? splitter.addsBeginningOfText)
        texts = Self.texts(vocabulary)
        merging = try ByteMerging(
            merges: description.merges, vocabulary: vocabulary,
            wholeWords: splitter.takesWholeWords ? texts : nil)
    }

    private static func texts(_ vocabulary: Vocabulary) -> ByteTable {
        var texts = ByteTable(count: vocabulary.pieces.count, bytes: vocabulary.pieces.count * 8)
        var bytes: [UInt8] = []
        for (piece, kind) in zip(vocabulary.pieces, vocabulary.kinds) {
            var piece = piece
            piece.withUTF8 { piece in
                // Tokens that users defined, and those with characters that are no byte, are text.
                let isPlain = kind == .normal && ByteAlphabet.decode(piece, into: &bytes)
                if isPlain {
                    bytes.withUnsafeBufferPointer { texts.append($0) }
                } else {
                    texts.append(piece, isFound: false)
                }
            }
        }
        return texts
    }

    var vocabularySize: Int { vocabulary.pieces.count }
    var beginningOfText: TokenID? { vocabulary.beginningOfText }
    var endOfText: TokenID? { vocabulary.endOfText }
    var endOfGeneration: Set<TokenID> { vocabulary.endOfGeneration }

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
        if invalidBytes == .replaced, let first = UTF8Text.firstInvalid(text) {
            UTF8Text.repaired(text, from: first).withUnsafeBufferPointer {
                encode(clean: $0, special: special, keepsGaps: true, into: &output)
            }
        } else {
            encode(clean: text, special: special, keepsGaps: false, into: &output)
        }
    }

    private func encode(
        clean text: UnsafeBufferPointer<UInt8>, special: Bool, keepsGaps: Bool,
        into output: inout [TokenID]
    ) {
        let worker = workers.withLock { $0.popLast() } ?? ByteLevelWorker()
        (special ? allSpecial : userDefined).split(
            text,
            plain: { range in
                worker.append(
                    UnsafeBufferPointer(rebasing: text[range]), splitter, merging,
                    keepsGaps: keepsGaps, to: &output)
            },
            special: { output.append($0) })
        // A few are kept: each has a megabyte of remembered words.
        workers.withLock { if $0.count < 4 { $0.append(worker) } }
    }

    func cut(_ text: UnsafeBufferPointer<UInt8>, special: Bool) -> Int? {
        guard splitter.cutsBeforeSpaces, (special ? allSpecial : userDefined).allowsCuts
        else { return nil }
        return lastCut(text)
    }

    func bytes(of token: TokenID) -> [UInt8] {
        guard vocabulary.contains(token), !vocabulary.isControl(token) else { return [] }
        return Array(texts[Int(token)])
    }

    func isControl(_ token: TokenID) -> Bool { vocabulary.isControl(token) }

    func piece(of token: TokenID) -> String {
        vocabulary.contains(token) ? vocabulary.pieces[Int(token)] : ""
    }

    func token(of piece: String) -> TokenID? { vocabulary.token(of: piece) }
}
