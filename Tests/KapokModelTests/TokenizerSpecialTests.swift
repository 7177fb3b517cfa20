import KapokWorld
import Testing

@testable import KapokModel

@Suite("Special tokens in text")
struct TokenizerSpecialTests {
    private func description() -> TokenizerDescription {
        TokenizerSamples.byteLevel(
            merges: [("<", "|")],
            special: [
                ("<|end|>", .control), ("<|end|>x", .control), ("<tool>", .userDefined),
                ("<mask>", .control), ("<|", .userDefined),
            ])
    }

    private func spellings(_ text: String, _ tokenizer: any Tokenizer, special: Bool) -> [String] {
        tokenizer.encode(Array(text.utf8), special: special).map(tokenizer.piece(of:))
    }

    @Test("they are found when asked for, the longest that begins at a place")
    func longest() throws {
        var sample = description()
        sample.pieces.removeLast()
        sample.kinds.removeLast()
        let tokenizer = try makeTokenizer(sample)
        #expect(
            spellings("a<|end|>xb<|end|>", tokenizer, special: true)
                == ["a", "<|end|>x", "b", "<|end|>"])
        #expect(spellings("<|end", tokenizer, special: true).first == "<|")
        #expect(!spellings("<|end|>", tokenizer, special: false).contains("<|end|>"))
    }

    @Test("those that users defined are found always")
    func userDefined() throws {
        let tokenizer = try makeTokenizer(description())
        #expect(spellings("a<tool>b", tokenizer, special: false) == ["a", "<tool>", "b"])
    }

    @Test("they swallow white space where the vocabulary says so")
    func stripping() throws {
        var sample = description()
        let mask = TokenID(sample.pieces.count - 2)
        sample.leftStripping = [mask]
        #expect(
            spellings("a \u{3000}<mask> b", try makeTokenizer(sample), special: true)
                == ["a", "<mask>", "\u{120}", "b"])
        sample.leftStripping = []
        sample.rightStripping = [mask]
        #expect(
            spellings("a <mask> \n", try makeTokenizer(sample), special: true)
                == ["a", "\u{120}", "<mask>"])
    }

    @Test("ends of generation are known by their spelling, but for those with other duties")
    func ends() throws {
        func ends(_ names: [String]) throws -> [String] {
            let tokenizer = try makeTokenizer(
                TokenizerSamples.byteLevel(special: names.map { ($0, .normal) }))
            for name in names
            where tokenizer.endOfGeneration.contains(tokenizer.token(of: name) ?? -1) {
                #expect(tokenizer.token(of: name).map(tokenizer.isControl) == true)
            }
            return tokenizer.endOfGeneration.map(tokenizer.piece(of:)).sorted()
        }
        #expect(try ends(["<|im_end|>", "<|im_start|>"]) == ["<|im_end|>"])
        #expect(try ends(["<|end|>"]) == ["<|end|>"])
        #expect(try ends(["<|end|>", "<|call|>", "<|return|>"]) == ["<|call|>", "<|return|>"])
        #expect(try ends(["</s>", "<|tool_response>"]) == ["<|tool_response>"])
    }

    @Test("a long text in pieces gives the tokens of the whole", arguments: [true, false])
    func streaming(special: Bool) throws {
        var random = RandomStream(seed: 31)
        var text: [UInt8] = []
        for _ in 0..<300 {
            text += TokenizerSamples.text(&random, parts: 3)
            text += Array(
                [" the aa", "abc bcc", "<tool>", "<|end|>", "<|en"][random.below(5)].utf8)
        }
        for name in ["smollm", "llama-bpe", "gpt-4o", "superbpe", "exaone-moe"] {
            var sample = description()
            sample.preTokenizer = name
            let tokenizer = try makeTokenizer(sample)
            var encoder = TextEncoder(tokenizer, special: special, pieceSize: 64)
            var tokens: [TokenID] = []
            var rest = text[...]
            var early = 0
            while !rest.isEmpty {
                let piece = rest.prefix(1 + random.below(50))
                rest = rest.dropFirst(piece.count)
                tokens += encoder.append(piece)
                early = tokens.count
            }
            tokens += encoder.finish()
            #expect(tokens == tokenizer.encode(text, special: special), "\(name)")
            let canCut = name != "superbpe" && name != "exaone-moe"
            #expect((early > 0) == canCut, "\(name)")
        }
    }
}

@Suite("Vocabularies that cannot be")
struct TokenizerErrorTests {
    @Test("each contradiction is named")
    func contradictions() {
        func error(_ change: (inout TokenizerDescription) -> Void) -> String {
            var sample = TokenizerSamples.byteLevel(merges: [("a", "b")])
            change(&sample)
            do throws(TokenizerError) { _ = try makeTokenizer(sample) } catch {
                return error.description
            }
            return ""
        }
        #expect(error { $0.model = "rwkv" }.contains("\"rwkv\""))
        #expect(error { $0.preTokenizer = "qwen9" }.contains("\"qwen9\""))
        #expect(
            error {
                $0.pieces = []; $0.kinds = []
            }.contains("no tokens"))
        #expect(error { $0.kinds.removeLast() }.contains("kinds"))
        #expect(error { $0.endOfText = 9999 }.contains("9999"))
        #expect(error { $0.merges = ["ab"] }.contains("merge 0"))
        #expect(error { $0.merges = ["a b", "a c"] }.contains("merge 1"))
        #expect(error { $0.model = "llama" }.contains("scores"))
        #expect(
            error {
                $0.model = "t5"; $0.scores = $0.pieces.map { _ in .nan }
            }.contains("number"))
        #expect(
            error {
                $0.model = "t5"
                $0.scores = $0.pieces.map { _ in 0 }
                $0.normalisation = [9, 0, 0, 0, 1]
            }.contains("normalisation"))
    }

    @Test("whatever a file says, a tokenizer is made that works, or an error is thrown")
    func fuzz() {
        var random = RandomStream(seed: 41)
        var made = 0
        for round in 0..<400 {
            var sample = TokenizerSamples.byteLevel(
                merges: [("a", "b"), ("ab", "c")], special: [("<s>", .control)])
            sample.model = ["gpt2", "llama", "t5"][round % 3]
            if round % 3 > 0 {
                sample.scores = sample.pieces.map { _ in Float(random.unit() * -10) }
            }
            for _ in 0..<1 + random.below(4) { mutate(&sample, &random) }
            do throws(TokenizerError) {
                let tokenizer = try makeTokenizer(sample)
                made += 1
                let text = TokenizerSamples.text(&random, parts: 20, isBroken: true)
                for token in tokenizer.encode(text, special: true) {
                    #expect((0..<tokenizer.vocabularySize).contains(Int(token)))
                    _ = tokenizer.bytes(of: token)
                }
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(made > 100)
    }

    private func mutate(_ sample: inout TokenizerDescription, _ random: inout RandomStream) {
        func index() -> Int { random.below(sample.pieces.count) }
        switch random.below(9) {
        case 0:
            sample.pieces[index()] = ["", " ", "\u{2581}", "<0x41>", "\u{4E2D}"][random.below(5)]
        case 1: sample.kinds[index()] = .init(rawValue: Int32(1 + random.below(6))) ?? .normal
        case 2: if !sample.scores.isEmpty { sample.scores[index()] = .infinity }
        case 3:
            if !sample.merges.isEmpty {
                sample.merges[0] = ["", " ", "a  b", "b c"][random.below(4)]
            }
        case 4: sample.unknown = TokenID(random.below(300))
        case 5:
            sample.normalisation = (0..<4 + random.below(60)).map { _ in
                UInt8(truncatingIfNeeded: random.next() & random.next())
            }
            sample.normalisation[0] = UInt8(random.below(12)) * 4
            sample.normalisation.replaceSubrange(1..<4, with: [0, 0, 0])
            sample.normalisation.append(0)
        case 6: sample.removesExtraSpaces = true
        case 7: sample.scores = sample.scores.map { _ in -.infinity }
        default: sample.kinds = sample.kinds.map { _ in .byte }
        }
    }
}
