import KapokModel
import KapokWorld

/// Small vocabularies and texts for the tests of tokenizers.
enum TokenizerSamples {
    /// GPT-2's characters for bytes, made here once more: printable ones for themselves.
    static let byteCharacters: [Character] = {
        var next: UInt32 = 256
        return (0..<256).map { byte -> Character in
            let isPrintable =
                (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte)
                || (0xAE...0xFF).contains(byte)
            if !isPrintable { next += 1 }
            return Character(Unicode.Scalar(isPrintable ? UInt32(byte) : next - 1) ?? "?")
        }
    }()

    static func spelled(_ text: String) -> String {
        String(text.utf8.map { byteCharacters[Int($0)] })
    }

    /// Byte-level BPE with all bytes but `missing`, then what `merges` make, then special tokens.
    /// - Parameter merges: pairs of texts, "th e" as GGUF has it but with plain bytes.
    static func byteLevel(
        _ pre: String = "gpt-2", merges: [(String, String)] = [], missing: Set<UInt8> = [],
        special: [(String, TokenizerDescription.Kind)] = []
    ) -> TokenizerDescription {
        var pieces = (0..<256).filter { !missing.contains(UInt8($0)) }.map {
            String(byteCharacters[$0])
        }
        for (left, right) in merges {
            let piece = spelled(left + right)
            if !pieces.contains(piece) { pieces.append(piece) }
        }
        var description = TokenizerDescription(
            model: "gpt2", preTokenizer: pre, pieces: pieces + special.map(\.0))
        description.merges = merges.map { "\(spelled($0)) \(spelled($1))" }
        description.kinds = pieces.map { _ in .normal } + special.map(\.1)
        return description
    }

    /// Merges that make words of the letters a, b and c at random, always of what is there.
    static func randomMerges(_ count: Int, seed: UInt64) -> [(String, String)] {
        var random = RandomStream(seed: seed)
        var known = ["a", "b", "c", " "]
        var merges: [(String, String)] = []
        while merges.count < count {
            let left = known[random.below(known.count)]
            let right = known[random.below(known.count)]
            guard (left + right).count < 12, right.first != " ",
                !merges.contains(where: { $0 == left && $1 == right })
            else { continue }
            merges.append((left, right))
            if !known.contains(left + right) { known.append(left + right) }
        }
        return merges
    }

    /// A SentencePiece vocabulary: unknown, begin, end, then bytes if wanted, then `pieces`.
    static func sentencePiece(
        _ model: String, _ pieces: [(String, Float)], bytes: Bool
    ) -> TokenizerDescription {
        var all: [(String, Float, TokenizerDescription.Kind)] = [
            ("<unk>", 0, .unknown), ("<s>", 0, .control), ("</s>", 0, .control),
        ]
        if bytes {
            for byte in 0..<256 {
                let digits = String(byte, radix: 16, uppercase: true)
                all.append(("<0x\(byte < 16 ? "0" : "")\(digits)>", 0, .byte))
            }
        }
        all += pieces.map { ($0.0, $0.1, .normal) }
        var description = TokenizerDescription(model: model, pieces: all.map(\.0))
        description.scores = all.map(\.1)
        description.kinds = all.map(\.2)
        description.unknown = 0
        description.beginningOfText = 1
        description.endOfText = 2
        return description
    }

    /// Text of the kinds that pre-tokenizers tell apart, and of broken UTF-8 if wanted.
    static func text(_ random: inout RandomStream, parts: Int, isBroken: Bool = false) -> [UInt8] {
        let whole = [
            " ", "  ", "\n", "\r\n", "\t", "a", "bc", "Abc", "X", "'s", "'LL", "'\u{17F}", "'", "1",
            "234", "\u{664}", "\u{B2}", "!", "?!", "-", "\u{A0}", "\u{3000}", "\u{85}", "\u{E9}",
            "e\u{301}", "\u{4E2D}\u{6587}", "\u{3042}", "\u{AC00}", "\u{1F469}\u{200D}\u{1F680}",
            "\u{10FFFF}", "\u{0}", "<", "/", "_", "\u{DF}", "\u{1C5}", "\u{2B0}", "\u{901}",
        ]
        let broken: [[UInt8]] = [
            [0xFF], [0x80], [0xC3], [0xE2, 0x82], [0xF0, 0x9F], [0xC0, 0x80], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xE0, 0x80, 0x80], [0xF8],
        ]
        var bytes: [UInt8] = []
        for _ in 0..<parts {
            if isBroken && random.chance(1, in: 4) {
                bytes += broken[random.below(broken.count)]
            } else {
                bytes += Array(whole[random.below(whole.count)].utf8)
            }
        }
        return bytes
    }
}
