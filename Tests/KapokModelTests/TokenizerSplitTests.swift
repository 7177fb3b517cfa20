import KapokWorld
import Testing

@testable import KapokModel

@Suite("Cutting text before merging")
struct TokenizerSplitTests {
    private func pieces(_ text: [UInt8], _ splitter: PieceSplitter) -> [ArraySlice<UInt8>] {
        let ends = text.withUnsafeBufferPointer { text in
            text.baseAddress.map { splitter.ends($0, from: 0, to: text.count) } ?? []
        }
        return zip([0] + ends, ends).map { text[$0..<$1] }
    }

    @Test("pieces are those of HF tokenizers", arguments: TokenizerSplitVectors.lengths.map(\.name))
    func known(name: String) throws {
        let splitter = try PieceSplitter(name: name)
        let expected = try #require(TokenizerSplitVectors.lengths.first { $0.name == name })
        for (text, lengths) in zip(TokenizerSplitVectors.texts, expected.pieces) {
            let found = pieces(Array(text.utf8), splitter)
            #expect(
                found.map { String(decoding: $0, as: UTF8.self).unicodeScalars.count } == lengths,
                "\(found.map { String(decoding: $0, as: UTF8.self) })")
        }
    }

    @Test("every name is known once, and its pieces make up the text")
    func names() throws {
        #expect(Set(PieceSplitter.names).count == PieceSplitter.names.count)
        #expect(PieceSplitter.names.count > 60)
        var random = RandomStream(seed: 11)
        for entry in PreTokenizerCatalogue.entries {
            let splitter = PieceSplitter(entry)
            for _ in 0..<10 {
                let text = TokenizerSamples.text(&random, parts: 40, isBroken: true)
                let found = pieces(text, splitter)
                #expect(found.flatMap(\.self) == text, "\(entry.names)")
                #expect(found.allSatisfy { !$0.isEmpty })
            }
        }
    }

    @Test(
        "the splitters by hand do what their patterns say",
        arguments: [
            ("gpt-2", [PreTokenizerCatalogue.gpt2]),
            // Numbers to the digits step are Unicode 17's, so none later than the pattern's here.
            ("smollm", ["\\p{N}", PreTokenizerCatalogue.gpt2]),
            ("llama-bpe", [PreTokenizerCatalogue.llama3()]),
            ("qwen2", [PreTokenizerCatalogue.llama3(digits: "\\p{N}")]),
            (
                "qwen35",
                [
                    PreTokenizerCatalogue.llama3(
                        digits: "\\p{N}", letters: "[\\p{L}\\p{M}]",
                        others: "[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*")
                ]
            ),
            (
                "seed-coder",
                [
                    PreTokenizerCatalogue.llama3(
                        digits: "\\p{N}", others: "[^\\s\\p{L}\\p{N}\\r\\n]+")
                ]
            ),
        ])
    func byHand(name: String, patterns: [String]) throws {
        let splitter = try PieceSplitter(name: name)
        let oracle = PieceSplitter(
            PreTokenizerCatalogue.Entry(names: ["oracle"], rules: .patterns(patterns)))
        var random = RandomStream(seed: 12)
        for _ in 0..<150 {
            let text = TokenizerSamples.text(&random, parts: 40, isBroken: true)
            #expect(
                pieces(text, splitter) == pieces(text, oracle),
                "\(String(decoding: text, as: UTF8.self).debugDescription)")
        }
    }

    @Test("an unknown name is refused with the known ones")
    func unknown() {
        let error = #expect(throws: TokenizerError.self) { try PieceSplitter(name: "nonesuch") }
        #expect(error == .unsupportedPreTokenizer("nonesuch"))
        let text = error?.description ?? ""
        #expect(text.contains("\"nonesuch\"") && text.contains("llama-bpe, "))
    }

    @Test(
        "long runs take no quadratic time",
        arguments: ["deepseek-llm", "jais-2", "gpt-4o", "exaone-moe", "tiny_aya", "superbpe"])
    func runs(name: String) throws {
        let splitter = try PieceSplitter(name: name)
        for unit in [" ", "A", "a", "7", "!", "\u{4E2D}", "\u{301}"] {
            let text = Array(String(repeating: unit, count: 8000).utf8) + Array("x".utf8)
            #expect(pieces(text, splitter).flatMap(\.self) == text)
        }
    }
}

@Suite("Patterns")
struct TokenizerPatternTests {
    private func split(_ pattern: String, _ text: String) -> [String] {
        let bytes = Array(text.utf8)
        var ends: [Int] = []
        bytes.withUnsafeBufferPointer { bytes in
            if let base = bytes.baseAddress {
                Pattern(pattern).split(base, from: 0, to: bytes.count, into: &ends)
            }
        }
        return zip([0] + ends, ends).map { String(decoding: bytes[$0..<$1], as: UTF8.self) }
    }

    @Test(
        "syntax",
        arguments: [
            ("b+", "abba", ["a", "bb", "a"]),
            ("ab|a", "abaa", ["ab", "a", "a"]),
            ("a{2}", "aaaaa", ["aa", "aa", "a"]),
            ("a{1,2}b", "aaab", ["a", "aab"]),
            ("(?:ab)+c?", "ababcab", ["ababc", "ab"]),
            ("(ab){1,2}", "ababab", ["abab", "ab"]),
            ("a(?=b)", "abac", ["a", "bac"]),
            ("\\s+(?!\\S)", "a  b  ", ["a", " ", " b", "  "]),
            ("(?i:'s)", "'S's'\u{17F}'t", ["'S", "'s", "'\u{17F}", "'t"]),
            ("[a-c&&[^b]]+", "abca", ["a", "b", "ca"]),
            ("[^a]", "ab\u{4E2D}", ["a", "b", "\u{4E2D}"]),
            ("[\\]\\-x]", "a]-x", ["a", "]", "-", "x"]),
            ("a++b", "aab", ["aab"]),
            ("a++ab", "aaab", ["aaab"]),
            ("\\d$", "1a2", ["1a", "2"]),
            ("\\d\\b", "1a 2", ["1a ", "2"]),
            ("\\p{Lu}\\p{Ll}*", "abCdE", ["ab", "Cd", "E"]),
            ("\\p{Han}+", "a\u{4E2D}\u{3005}\u{3042}", ["a", "\u{4E2D}\u{3005}", "\u{3042}"]),
            ("(?=b)", "abb", ["a", "b", "b"]),
            ("a*b|a", "aaac", ["a", "a", "a", "c"]),
        ])
    func syntax(pattern: String, text: String, expected: [String]) {
        #expect(split(pattern, text) == expected)
    }

    @Test("a run whose every end failed is not tried again from its middle")
    func longFailures() {
        let text = String(repeating: " ", count: 20_000) + "x"
        #expect(split("\\s+$", text) == [text])
        #expect(split("\\s+y|x", text).count == 2)
        // What failed from one start may still succeed from a later one by another way.
        #expect(split("a+b|a", String(repeating: "a", count: 300)).count == 300)
    }
}
