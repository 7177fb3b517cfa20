import KapokModel
import OrderedCollections

/// Log probabilities in the forms of OpenAI's endpoints.
enum TokenProbabilities {
    /// The token's text: what it stands for, or a control token's spelling; what is no UTF-8 by
    /// itself as `bytes:\xNN`, as OpenAI writes it.
    static func text(of token: TokenProbability, _ tokenizer: any Tokenizer) -> String {
        if token.bytes.isEmpty { return tokenizer.piece(of: token.token) }
        if let text = String(validating: token.bytes, as: UTF8.self) { return text }
        return "bytes:" + token.bytes.map { "\\x" + hexadecimal($0) }.joined()
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }

    /// JSON has no infinities; OpenAI writes -9999 for what is all but impossible.
    static func number(_ logProbability: Float) -> JSONValue {
        .number(logProbability.isFinite ? Double(logProbability) : -9999)
    }

    /// One token in the form of chat: `{token, logprob, bytes, top_logprobs}`.
    static func chat(_ report: TokenReport, _ tokenizer: any Tokenizer) -> JSONValue {
        var entry = entry(report.chosen, tokenizer)
        entry["top_logprobs"] = .array(
            report.alternatives.map { .object(Self.entry($0, tokenizer)) })
        return .object(entry)
    }

    private static func entry(
        _ token: TokenProbability, _ tokenizer: any Tokenizer
    ) -> JSONObject {
        let bytes =
            token.bytes.isEmpty ? Array(tokenizer.piece(of: token.token).utf8) : token.bytes
        return [
            "token": .string(text(of: token, tokenizer)),
            "logprob": number(token.logProbability),
            "bytes": .array(bytes.map { .integer(Int64($0)) }),
        ]
    }

    /// Tokens in the form of chat; null when they were not asked for.
    static func chat(
        _ reports: [TokenReport], wanted: Bool, _ tokenizer: any Tokenizer
    ) -> JSONValue {
        guard wanted else { return .null }
        return ["content": .array(reports.map { chat($0, tokenizer) }), "refusal": nil]
    }

    /// Tokens in the form of completions: parallel arrays, offsets in characters from `offset` on.
    static func completion(
        _ reports: [TokenReport], wanted: Bool, offset: inout Int, _ tokenizer: any Tokenizer
    ) -> JSONValue {
        guard wanted else { return .null }
        var tokens: [JSONValue] = []
        var probabilities: [JSONValue] = []
        var alternatives: [JSONValue] = []
        var offsets: [JSONValue] = []
        for report in reports {
            let text = text(of: report.chosen, tokenizer)
            tokens.append(.string(text))
            probabilities.append(number(report.chosen.logProbability))
            var others: JSONObject = [:]
            for other in report.alternatives {
                others[Self.text(of: other, tokenizer)] = number(other.logProbability)
            }
            alternatives.append(.object(others))
            offsets.append(.count(offset))
            offset += text.unicodeScalars.count
        }
        return [
            "tokens": .array(tokens), "token_logprobs": .array(probabilities),
            "top_logprobs": .array(alternatives), "text_offset": .array(offsets),
        ]
    }
}
