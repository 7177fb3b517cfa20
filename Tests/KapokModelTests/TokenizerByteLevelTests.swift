import KapokWorld
import Testing

@testable import KapokModel

@Suite("Byte-level BPE")
struct TokenizerByteLevelTests {
    private static let merges = [
        (" ", "t"), ("h", "e"), (" t", "he"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("a", "a"),
        ("aa", "aa"),
    ]

    private func pieces(_ text: String, _ tokenizer: any Tokenizer) -> [String] {
        tokenizer.encode(Array(text.utf8), special: false).map {
            String(decoding: tokenizer.bytes(of: $0), as: UTF8.self)
        }
    }

    @Test("pairs merge by rank, the leftmost first, and never across words")
    func merging() throws {
        let tokenizer = try makeTokenizer(TokenizerSamples.byteLevel(merges: Self.merges))
        #expect(pieces("hello the", tokenizer) == ["hello", " the"])
        #expect(pieces("aaa", tokenizer) == ["aa", "a"])
        #expect(pieces("aaaaaaa", tokenizer) == ["aaaa", "aa", "a"])
        #expect(pieces("the ", tokenizer) == ["t", "he", " "])
        #expect(tokenizer.encode([], special: true).isEmpty)
    }

    @Test("the order of merges decides, not the longest token")
    func order() throws {
        let tokenizer = try makeTokenizer(
            TokenizerSamples.byteLevel(merges: [("b", "c"), ("a", "b"), ("ab", "c")]))
        #expect(pieces("abc", tokenizer) == ["a", "bc"])
        let whole = try makeTokenizer(
            TokenizerSamples.byteLevel(
                "llama-bpe", merges: [("b", "c"), ("a", "b"), ("ab", "c")]))
        // Llama 3 takes a word that is a token at once.
        #expect(pieces("abc", whole) == ["abc"])
    }

    @Test("short words and long ones merge by the same rule")
    func heap() throws {
        let description = TokenizerSamples.byteLevel(
            merges: TokenizerSamples.randomMerges(60, seed: 7))
        let merging = try ByteMerging(
            merges: description.merges, vocabulary: Vocabulary(description), wholeWords: nil)
        var random = RandomStream(seed: 8)
        for length in Array(2...PairMerger.shortest) + Array(2...PairMerger.shortest) {
            let word = (0..<length).map { _ in
                merging.byteTokens[[0x61, 0x62, 0x63, 0x20][random.below(4)]]
            }
            var (short, long) = (word, word)
            var merger = PairMerger()
            merger.merge(&short, with: merging.merges)
            merger.mergeLong(&long, with: merging.merges)
            #expect(short == long)
            #expect(short == bruteForce(word, merging.merges))
        }
    }

    /// Merges the best pair again and again, looking at all of them each time.
    private func bruteForce(_ word: [Int32], _ merges: MergeTable) -> [Int32] {
        var word = word
        while true {
            let pairs = word.indices.dropLast().map { merges.lookup(word[$0], word[$0 + 1]) }
            guard let least = pairs.min(), least != MergeTable.none,
                let index = pairs.firstIndex(of: least)
            else { return word }
            word[index] = Int32(truncatingIfNeeded: least)
            word.remove(at: index + 1)
        }
    }

    @Test("a word of 100,000 letters takes no quadratic time")
    func longWord() throws {
        let tokenizer = try makeTokenizer(TokenizerSamples.byteLevel(merges: Self.merges))
        let tokens = tokenizer.encode(Array(repeating: 0x61, count: 100_000), special: false)
        #expect(tokens.count == 25_000)
        #expect(Set(tokens) == [tokenizer.token(of: "aaaa")])
    }

    @Test("kept bytes come back bit by bit, whatever they are")
    func roundTrip() throws {
        let tokenizer = try makeTokenizer(
            TokenizerSamples.byteLevel(
                merges: TokenizerSamples.randomMerges(50, seed: 1)), invalidBytes: .kept)
        var random = RandomStream(seed: 2)
        for round in 0..<300 {
            let text =
                round.isMultiple(of: 3)
                ? (0..<200).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                : TokenizerSamples.text(&random, parts: 60, isBroken: true)
            let tokens = tokenizer.encode(text, special: true)
            #expect(tokens.flatMap(tokenizer.bytes(of:)) == text)
        }
    }

    @Test("valid text comes back when broken bytes are replaced, too")
    func validRoundTrip() throws {
        for name in ["smollm", "llama-bpe", "gpt-4o", "deepseek-llm", "superbpe"] {
            let tokenizer = try makeTokenizer(TokenizerSamples.byteLevel(name))
            var random = RandomStream(seed: 3)
            for _ in 0..<20 {
                let text = TokenizerSamples.text(&random, parts: 60)
                let tokens = tokenizer.encode(text, special: false)
                #expect(tokens.flatMap(tokenizer.bytes(of:)) == text, "\(name)")
            }
        }
    }

    @Test(
        "each broken byte becomes one U+FFFD, too long forms what they spell (llama.cpp)",
        arguments: [
            ([0x61, 0xFF, 0x62], "a\u{FFFD}b"), ([0xE2, 0x82], "\u{FFFD}\u{FFFD}"),
            ([0xC0, 0x80], "\u{0}"), ([0xE0, 0x80, 0x80], "\u{0}"),
            ([0xF0, 0x80, 0x81, 0x81], "A"),
            ([0xF4, 0x90, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
            ([0xC3, 0xA9, 0x80], "\u{E9}\u{FFFD}"),
        ] as [([UInt8], String)])
    func replaced(bytes: [UInt8], text: String) throws {
        let tokenizer = try makeTokenizer(TokenizerSamples.byteLevel())
        let tokens = tokenizer.encode(bytes, special: false)
        #expect(String(decoding: tokens.flatMap(tokenizer.bytes(of:)), as: UTF8.self) == text)
    }

    @Test("surrogates written in UTF-8 stay as they are")
    func surrogates() throws {
        let tokenizer = try makeTokenizer(TokenizerSamples.byteLevel())
        let text: [UInt8] = [0xED, 0xA0, 0x80]
        #expect(tokenizer.encode(text, special: false).flatMap(tokenizer.bytes(of:)) == text)
    }

    @Test("a byte that the vocabulary lacks vanishes; in broken text it keeps its neighbours apart")
    func missingBytes() throws {
        let description = TokenizerSamples.byteLevel(merges: [("!", "!")], missing: [0x04])
        let tokenizer = try makeTokenizer(description)
        #expect(pieces("!\u{4}!", tokenizer) == ["!!"])
        #expect(pieces("a\u{4}", tokenizer) == ["a"])
        let broken = tokenizer.encode([0x21, 0x04, 0x21, 0xFF], special: false)
        #expect(broken.map(tokenizer.piece(of:)).prefix(2) == ["!", "!"])
    }

    @Test("tokens, spellings and bytes belong together")
    func vocabulary() throws {
        var description = TokenizerSamples.byteLevel(
            merges: Self.merges,
            special: [("<|im_end|>", .control), ("<tool>", .userDefined), ("\u{4E2D}x", .normal)])
        description.beginningOfText = TokenID(description.pieces.count - 3)
        description.endOfText = description.beginningOfText
        let tokenizer = try makeTokenizer(description)
        #expect(tokenizer.vocabularySize == description.pieces.count)
        for (index, piece) in description.pieces.enumerated() {
            #expect(tokenizer.piece(of: TokenID(index)) == piece)
            #expect(tokenizer.token(of: piece) == TokenID(index))
        }
        let end = try #require(tokenizer.token(of: "<|im_end|>"))
        #expect(tokenizer.isControl(end) && tokenizer.bytes(of: end).isEmpty)
        #expect(tokenizer.endOfGeneration == [end])
        let tool = try #require(tokenizer.token(of: "<tool>"))
        #expect(!tokenizer.isControl(tool))
        #expect(tokenizer.bytes(of: tool) == Array("<tool>".utf8))
        // A character that is no byte's stands for itself.
        let foreign = try #require(tokenizer.token(of: "\u{4E2D}x"))
        #expect(tokenizer.bytes(of: foreign) == Array("\u{4E2D}x".utf8))
        for wrong in [-1, TokenID(description.pieces.count), .max] {
            #expect(tokenizer.bytes(of: wrong).isEmpty && tokenizer.piece(of: wrong).isEmpty)
        }
    }

    @Test("a word is cut the same whether it is remembered or not")
    func cache() throws {
        let description = TokenizerSamples.byteLevel(
            merges: TokenizerSamples.randomMerges(80, seed: 21))
        let warm = try makeTokenizer(description)
        var random = RandomStream(seed: 22)
        let text = (0..<30_000).map { _ in UInt8([0x61, 0x62, 0x63, 0x20, 0x20][random.below(5)]) }
        let first = warm.encode(text, special: false)
        #expect(warm.encode(text, special: false) == first)
        var cold: [TokenID] = []
        let splitter = try PieceSplitter(name: "gpt-2")
        let ends = text.withUnsafeBufferPointer { text in
            text.baseAddress.map { splitter.ends($0, from: 0, to: text.count) } ?? []
        }
        let merging = try ByteMerging(
            merges: description.merges, vocabulary: Vocabulary(description), wholeWords: nil)
        var merger = PairMerger()
        for (start, end) in zip([0] + ends, ends) {
            var word = text[start..<end].map { merging.byteTokens[Int($0)] }
            merger.merge(&word, with: merging.merges)
            cold += word
        }
        #expect(first == cold)
    }
}
