import KapokWorld
import Testing

@testable import KapokModel

@Suite("Tokens back to text")
struct TokenizerDetokenizerTests {
    @Test("pieces together are the whole, and none ends in the middle of a character")
    func streaming() throws {
        let tokenizer = try makeTokenizer(TokenizerSamples.byteLevel(), invalidBytes: .kept)
        var random = RandomStream(seed: 71)
        for round in 0..<300 {
            let bytes =
                round.isMultiple(of: 2)
                ? TokenizerSamples.text(&random, parts: 20, isBroken: true)
                : (0..<40).map { _ in
                    [0xF0, 0x9F, 0x98, 0x80, 0xE2, 0x82, 0xAC, 0xC3, 0xED, 0xA0, 0xF4, 0x90, 0x41][
                        random.below(13)]
                }
            var detokenizer = Detokenizer(tokenizer)
            var text = ""
            var given = 0
            for token in tokenizer.encode(bytes, special: false) {
                let piece = detokenizer.append(token)
                text += piece
                given += tokenizer.bytes(of: token).count
                // Whatever is whole or cannot become whole is out.
                let out = String(decoding: bytes[..<given], as: UTF8.self)
                #expect(text == out || Detokenizer.unfinished(Array(bytes[..<given])) > 0)
            }
            text += detokenizer.finish()
            #expect(Array(text.utf8) == Array(String(decoding: bytes, as: UTF8.self).utf8))
        }
    }

    @Test(
        "what could still become a character is held back, and nothing else",
        arguments: [
            ([0x41], 0), ([0xC3], 1), ([0xE2, 0x82], 2), ([0xF0, 0x9F, 0x98], 3), ([0xC0], 0),
            ([0xF5], 0), ([0xE0, 0x80], 0), ([0xED, 0xA0], 0), ([0xF4, 0x90], 0), ([0x82], 0),
            ([0xC3, 0xA9], 0), ([0x80, 0x80, 0x80, 0x80], 0), ([], 0), ([0xF0, 0x90], 2),
        ] as [([UInt8], Int)])
    func held(bytes: [UInt8], count: Int) {
        #expect(Detokenizer.unfinished(bytes) == count)
    }

    @Test("tokens of control are left out unless they are asked for")
    func control() throws {
        let tokenizer = try makeTokenizer(
            TokenizerSamples.byteLevel(special: [("<|im_end|>", .control)]))
        let tokens = tokenizer.encode(Array("a<|im_end|>".utf8), special: true)
        var plain = Detokenizer(tokenizer)
        #expect(tokens.map { plain.append($0) } == ["a", ""])
        var all = Detokenizer(tokenizer, writesControl: true)
        #expect(tokens.map { all.append($0) } == ["a", "<|im_end|>"])
    }

    @Test("SentencePiece's space before a text goes at the beginning of a text, not of an answer")
    func space() throws {
        let tokenizer = try makeTokenizer(
            TokenizerSamples.sentencePiece(
                "llama", [("\u{2581}", -1), ("a", -2), ("\u{2581}a", -3)], bytes: true))
        let tokens = tokenizer.encode(Array("a a".utf8), special: false)
        var start = Detokenizer(tokenizer, startsText: true)
        #expect(tokens.map { start.append($0) } == ["a", " a"])
        var middle = Detokenizer(tokenizer)
        #expect(tokens.map { middle.append($0) } == [" a", " a"])
        // Bytes of a character come one by one, after the space.
        let bytes = tokenizer.encode(Array("\u{20AC}".utf8), special: false)
        var split = Detokenizer(tokenizer, startsText: true)
        #expect(bytes.map { split.append($0) } == ["", "", "", "\u{20AC}"])
    }
}
