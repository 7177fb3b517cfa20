/// The steps of a `pre_tokenizer` or `normalizer` in tokenizer.json.
struct PreTokenizer {
    private let steps: [JSONValue]

    init(_ value: JSONValue?) {
        guard let value, !value.isNull else {
            steps = []
            return
        }
        steps = value["pretokenizers"]?.arrayValue ?? value["normalizers"]?.arrayValue ?? [value]
    }

    private func step(_ type: String) -> JSONValue? {
        steps.first { $0["type"]?.stringValue == type }
    }

    /// Whether bytes become characters of their own.
    var isByteLevel: Bool { step("ByteLevel") != nil }

    /// Whether a space is put before a text (SentencePiece's dummy prefix).
    var addsPrefix: Bool {
        guard let space = step("Metaspace") else { return false }
        if let scheme = space["prepend_scheme"]?.stringValue { return scheme != "never" }
        return space["add_prefix_space"]?.boolValue ?? false
    }

    /// Whether a normaliser puts something before a text.
    var prepends: Bool { step("Prepend") != nil }

    /// Whether a normaliser makes one space of several.
    var collapsesSpaces: Bool {
        steps.contains {
            $0["type"] == "Replace" && $0["pattern"]?["Regex"]?.stringValue == " {2,}"
        }
    }

    /// SentencePiece's table of normalisation, in Base64.
    var charactersMap: String? { step("Precompiled")?["precompiled_charsmap"]?.stringValue }

    /// The regular expressions that cut a text, in order.
    private var expressions: [String] {
        steps.compactMap { $0["type"] == "Split" ? $0["pattern"]?["Regex"]?.stringValue : nil }
    }

    /// GGUF's name (`tokenizer.ggml.pre`) for the way byte-level BPE cuts text; nil when unknown.
    var name: String? {
        let types = steps.compactMap { $0["type"]?.stringValue }
        if types == ["ByteLevel"] { return usesOwnExpression ? "gpt-2" : nil }
        if types == ["Digits", "ByteLevel"], usesOwnExpression,
            step("Digits")?["individual_digits"]?.boolValue == true
        {
            return "smollm"
        }
        guard types == ["Split", "ByteLevel"], !usesOwnExpression, let only = expressions.first
        else { return nil }
        return Self.names[only]
    }

    /// Whether ByteLevel cuts by GPT-2's expression.
    private var usesOwnExpression: Bool { step("ByteLevel")?["use_regex"]?.boolValue ?? true }

    /// The steps for a message.
    var summary: String {
        let text = steps.map { $0.text() }.joined(separator: " ")
        return text.count > 300 ? text.prefix(297) + "..." : text
    }

    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let ending = #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
    private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
    private static let lead = #"[^\r\n\p{L}\p{N}]?"#

    /// Published expressions by the name that llama.cpp's converter gives to their tokenizers.
    private static let names: [String: String] = [
        // Llama 3, SmolLM3.
        "\(contractions)|\(lead)\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*\(ending)":
            "llama-bpe",
        // Qwen2, Qwen2.5, Qwen3.
        "\(contractions)|\(lead)\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*\(ending)": "qwen2",
        // Mistral's Tekken.
        "\(lead)\(upper)*\(lower)+|\(lead)\(upper)+\(lower)*|\\p{N}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*\(ending)": "tekken",
    ]
}

/// Base64 (RFC 4648, section 4) with padding.
enum Base64 {
    /// The bytes; nil when the text is none.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        for character in text.utf8 {
            if character == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = value(of: character) else { return nil }
            bits = bits << 6 | value
            count += 1
            if count % 4 == 0 {
                bytes += [UInt8(bits >> 16 & 255), UInt8(bits >> 8 & 255), UInt8(bits & 255)]
                bits = 0
            }
        }
        guard padding <= 2, (count + padding) % 4 == 0 else { return nil }
        if padding == 2 { bytes.append(UInt8(bits >> 4 & 255)) }
        if padding == 1 { bytes += [UInt8(bits >> 10 & 255), UInt8(bits >> 2 & 255)] }
        return bytes
    }

    private static func value(of character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a") + 26)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0") + 52)
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
