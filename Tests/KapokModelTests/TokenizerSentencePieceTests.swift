import KapokWorld
import Testing

@testable import KapokModel

@Suite("SentencePiece BPE")
struct TokenizerSentencePieceTests {
    private static let pieces: [(String, Float)] = [
        ("\u{2581}", -1), ("a", -2), ("b", -3), ("c", -4), ("\u{E9}", -5), ("ab", -6),
        ("\u{2581}a", -7), ("bc", -6), ("abc", -8), ("\u{2581}ab", -9), ("aa", -5.5),
        ("\u{2581}\u{2581}", -5.25), ("aaa", -5.5),
    ]

    private func spellings(
        _ text: String, special: Bool = false,
        _ change: (inout TokenizerDescription) -> Void = { _ in }
    ) throws -> [String] {
        var sample = TokenizerSamples.sentencePiece("llama", Self.pieces, bytes: true)
        change(&sample)
        let tokenizer = try makeTokenizer(sample)
        return tokenizer.encode(Array(text.utf8), special: special).map(tokenizer.piece(of:))
    }

    @Test("the pair of the highest score merges first, the leftmost of equal ones")
    func scores() throws {
        #expect(try spellings("b abc") == ["\u{2581}", "b", "\u{2581}", "abc"])
        #expect(try spellings("caaaa") == ["\u{2581}", "c", "aaa", "a"])
        #expect(try spellings("abcabc") { $0.addsSpacePrefix = false } == ["abc", "abc"])
    }

    @Test("a space comes before a text and after each special token, where the file says so")
    func prefix() throws {
        #expect(try spellings("a</s>a", special: true) == ["\u{2581}a", "</s>", "\u{2581}a"])
        #expect(
            try spellings("a</s>a", special: true) { $0.addsSpacePrefix = false }
                == ["a", "</s>", "a"])
        #expect(try spellings("").isEmpty)
        #expect(try spellings(" a") == ["\u{2581}\u{2581}", "a"])
    }

    @Test("what is no piece becomes its bytes, broken UTF-8 too")
    func bytes() throws {
        #expect(
            try spellings("\u{4E2D}") == ["\u{2581}", "<0xE4>", "<0xB8>", "<0xAD>"])
        let tokenizer = try makeTokenizer(
            TokenizerSamples.sentencePiece("llama", Self.pieces, bytes: true))
        var random = RandomStream(seed: 51)
        for _ in 0..<100 {
            let text = TokenizerSamples.text(&random, parts: 30, isBroken: true)
            let back = tokenizer.encode(text, special: false).flatMap(tokenizer.bytes(of:))
            #expect(back == [0x20] + text)
        }
    }

    @Test("without byte tokens it becomes the unknown token")
    func unknown() throws {
        let tokenizer = try makeTokenizer(
            TokenizerSamples.sentencePiece("llama", Self.pieces, bytes: false))
        let tokens = tokenizer.encode(Array("a\u{4E2D}".utf8), special: false)
        #expect(tokens.map(tokenizer.piece(of:)) == ["\u{2581}a", "<unk>"])
    }

    @Test("tokens of control cannot be written as text")
    func control() throws {
        let text = try spellings("<s>")
        #expect(!text.contains("<s>") && text.contains("<0x3C>"))
    }

    @Test("merging is that of a search through all pairs")
    func oracle() throws {
        var random = RandomStream(seed: 52)
        for round in 0..<60 {
            var pieces = [("\u{2581}", Float(0)), ("a", 0), ("b", 0), ("\u{E9}", 0)]
            while pieces.count < 30 {
                let made =
                    pieces[random.below(pieces.count)].0 + pieces[random.below(pieces.count)].0
                if made.count <= 6, !pieces.contains(where: { $0.0 == made }) {
                    // Few different scores, so that there are ties.
                    pieces.append((made, Float(random.below(8)) / -2))
                }
            }
            var sample = TokenizerSamples.sentencePiece("llama", pieces, bytes: true)
            sample.addsSpacePrefix = round.isMultiple(of: 2)
            let tokenizer = try makeTokenizer(sample)
            let length = round < 50 ? 40 : 400
            let text = String(
                (0..<length).map { _ in Character(["a", "b", "\u{E9}", " "][random.below(4)]) })
            let scores = Dictionary(uniqueKeysWithValues: pieces.map { ($0.0, $0.1) })
            #expect(
                tokenizer.encode(Array(text.utf8), special: false).map(tokenizer.piece(of:))
                    == bruteForce((round.isMultiple(of: 2) ? " " : "") + text, scores))
        }
    }

    private func bruteForce(_ text: String, _ scores: [String: Float]) -> [String] {
        var symbols = text.map { $0 == " " ? "\u{2581}" : String($0) }
        while true {
            var best: (index: Int, score: Float)?
            for index in symbols.indices.dropLast() {
                if let score = scores[symbols[index] + symbols[index + 1]],
                    best.map({ score > $0.score }) ?? true
                {
                    best = (index, score)
                }
            }
            guard let index = best?.index else { return symbols }
            symbols[index] += symbols.remove(at: index + 1)
        }
    }

    @Test("an unused piece is taken apart again")
    func unused() throws {
        let text = try spellings("aa") {
            $0.addsSpacePrefix = false
            $0.kinds[$0.pieces.firstIndex(of: "aa") ?? 0] = .unused
        }
        #expect(text == ["a", "a"])
    }

    @Test("20,000 letters take no quadratic time, and pieces give the tokens of the whole")
    func long() throws {
        let tokenizer = try makeTokenizer(
            TokenizerSamples.sentencePiece("llama", Self.pieces, bytes: true))
        #expect(
            tokenizer.encode(Array(repeating: 0x61, count: 20_000), special: false).count == 6668)
        let text = Array(String(repeating: "ab a  aab</s> bab ", count: 40).utf8)
        var encoder = TextEncoder(tokenizer, special: true, pieceSize: 50)
        var tokens: [TokenID] = []
        for start in stride(from: 0, to: text.count, by: 37) {
            tokens += encoder.append(text[start..<min(start + 37, text.count)])
        }
        #expect(!tokens.isEmpty)
        tokens += encoder.finish()
        #expect(tokens == tokenizer.encode(text, special: true))
    }
}

@Suite("Unigram")
struct TokenizerUnigramTests {
    @Test("the best way through a text is that of a search through all ways")
    func oracle() throws {
        var random = RandomStream(seed: 61)
        for _ in 0..<40 {
            var pieces: [(String, Float)] = [("\u{2581}", -3), ("a", -2), ("b", -4)]
            while pieces.count < 14 {
                let made = pieces[random.below(pieces.count)].0 + pieces[random.below(3)].0
                if made.count <= 5, !pieces.contains(where: { $0.0 == made }) {
                    pieces.append((made, Float(random.unit() * -9 - 1)))
                }
            }
            let sample = TokenizerSamples.sentencePiece("t5", pieces, bytes: false)
            let tokenizer = try makeTokenizer(sample)
            let text = String(
                (0..<11).map { _ in Character(["a", "b", "b", " "][random.below(4)]) })
            let found = tokenizer.encode(Array(text.utf8), special: false).map(tokenizer.piece(of:))
            let whole = "\u{2581}" + text.map { $0 == " " ? "\u{2581}" : String($0) }.joined()
            let scores = Dictionary(uniqueKeysWithValues: pieces.map { ($0.0, Double($0.1)) })
            #expect(found.joined() == whole)
            let score = found.reduce(0) { $0 + (scores[$1] ?? -100) }
            #expect(abs(score - best(Array(whole), scores)) < 1e-9, "\(found)")
        }
    }

    /// The best sum over all ways to cut `text`, each tried.
    private func best(_ text: [Character], _ scores: [String: Double]) -> Double {
        if text.isEmpty { return 0 }
        var best = -Double.infinity
        for length in 1...text.count {
            guard let score = scores[String(text[..<length])] else { continue }
            best = max(best, score + self.best(Array(text[length...]), scores))
        }
        return best
    }

    @Test("unknown characters in a row are one unknown token, or bytes")
    func unknown() throws {
        let pieces: [(String, Float)] = [("\u{2581}", -1), ("a", -2)]
        let plain = try makeTokenizer(TokenizerSamples.sentencePiece("t5", pieces, bytes: false))
        let text = Array("a\u{4E2D}\u{4E2D}a".utf8)
        #expect(
            plain.encode(text, special: false).map(plain.piece(of:))
                == ["\u{2581}", "a", "<unk>", "a"])
        let bytes = try makeTokenizer(TokenizerSamples.sentencePiece("t5", pieces, bytes: true))
        #expect(bytes.encode(text, special: false).flatMap(bytes.bytes(of:)) == [0x20] + text)
    }

    @Test("extra spaces go where the file says so, and broken UTF-8 becomes U+FFFD")
    func normalisation() throws {
        var sample = TokenizerSamples.sentencePiece(
            "t5", [("\u{2581}", -1), ("a", -2), ("\u{FFFD}", -3)], bytes: false)
        sample.removesExtraSpaces = true
        let tokenizer = try makeTokenizer(sample)
        func spellings(_ text: [UInt8]) -> String {
            tokenizer.encode(text, special: false).map(tokenizer.piece(of:)).joined()
        }
        #expect(spellings(Array("  a  a ".utf8)) == "\u{2581}a\u{2581}a")
        #expect(spellings(Array("   ".utf8)).isEmpty)
        #expect(spellings([0x61, 0xFF]) == "\u{2581}a\u{FFFD}")
    }

    @Test("the normalisation table replaces the longest beginning that it has")
    func table() throws {
        let bytes = CharacterMapBuilder.build([
            ("\u{FF21}", "A"), ("\u{FB01}", "fi"), ("x", ""), ("e", "E"), ("e\u{301}", "\u{E9}"),
        ])
        let map = try CharacterMap(bytes)
        func replace(_ text: String) -> String {
            let bytes = Array(text.utf8)
            var result: [UInt8] = []
            bytes.withUnsafeBufferPointer { bytes in
                var index = 0
                while index < bytes.count {
                    if let (length, replacement) = map.longest(bytes, at: index) {
                        result += replacement
                        index += length
                    } else {
                        result.append(bytes[index])
                        index += 1
                    }
                }
            }
            return String(decoding: result, as: UTF8.self)
        }
        #expect(replace("\u{FF21}b\u{FB01}xe\u{301}ee\u{302}") == "Abfi\u{E9}EE\u{302}")
        var sample = TokenizerSamples.sentencePiece(
            "t5", [("\u{2581}", -1), ("A", -2), ("f", -2), ("i", -2)], bytes: false)
        sample.normalisation = bytes
        let tokenizer = try makeTokenizer(sample)
        #expect(
            tokenizer.encode(Array("x\u{FF21}\u{FB01}".utf8), special: false)
                .map(tokenizer.piece(of:)) == ["\u{2581}", "A", "f", "i"])
    }
}

/// Builds the double array of `precompiled_charsmap`, slowly.
enum CharacterMapBuilder {
    static func build(_ rules: [(String, String)]) -> [UInt8] {
        var replacements: [UInt8] = []
        var keys: [(key: [UInt8], value: Int)] = []
        for (key, replacement) in rules {
            keys.append((Array(key.utf8), replacements.count))
            replacements += Array(replacement.utf8) + [0]
        }
        var units: [UInt32] = [0]
        var isTaken: Set<Int> = [0]
        var isBase: Set<Int> = []
        place(keys, depth: 0, node: 0, &units, &isTaken, &isBase)
        let blob = units.flatMap { unit in (0..<4).map { UInt8(unit >> ($0 * 8) & 0xFF) } }
        let size = (0..<4).map { UInt8(blob.count >> ($0 * 8) & 0xFF) }
        return size + blob + replacements
    }

    private static func place(
        _ keys: [(key: [UInt8], value: Int)], depth: Int, node: Int, _ units: inout [UInt32],
        _ isTaken: inout Set<Int>, _ isBase: inout Set<Int>
    ) {
        let value = keys.first { $0.key.count == depth }?.value
        let groups = Dictionary(grouping: keys.filter { $0.key.count > depth }) { $0.key[depth] }
        let labels = groups.keys.map(Int.init) + (value == nil ? [] : [0])
        // No two nodes have one base: labels alone tell whose child a unit is.
        // The root's offset is used as it is, others are combined with the node's own place.
        let base =
            (1...).first { base in
                !isBase.contains(base) && labels.allSatisfy { !isTaken.contains(base ^ $0) }
            } ?? 0
        isBase.insert(base)
        units[node] |= UInt32(depth == 0 ? base : node ^ base) << 10 | (value == nil ? 0 : 1 << 8)
        for label in labels {
            isTaken.insert(base ^ label)
            while units.count <= base ^ label { units.append(0x8000_0000) }
        }
        if let value { units[base] = UInt32(value) | 1 << 31 }
        for (label, keys) in groups.sorted(by: { $0.key < $1.key }) {
            units[base ^ Int(label)] = UInt32(label)
            place(keys, depth: depth + 1, node: base ^ Int(label), &units, &isTaken, &isBase)
        }
    }
}
