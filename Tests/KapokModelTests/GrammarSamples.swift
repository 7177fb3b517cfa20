import KapokModel
import KapokWorld
import OrderedCollections

/// A small vocabulary: every byte, and pieces that cross the borders of JSON's elements and of
/// characters.
enum GrammarSamples {
    static let end: TokenID = 0

    static let vocabulary: TokenVocabulary = {
        var texts: [[UInt8]] = [[]]
        texts += (0...255).map { [UInt8($0)] }
        let pieces = [
            "{\"", "\":", "\": ", "\": \"", "\", \"", "\",", ", \"", ",\"", "\"}", "}}", "\"}}",
            "]}",
            "\"]", "[[", "[{\"", "}, {\"", "],", "[]", "{}", "null", "true", "false", "nul", "e,",
            "10", "23", "-1", "0.", ".5", "1,", "99", "e+1", "12345", "a", "ab", "abc", "name",
            "the quick", " brown", "fox\"", "\\n", "\\\"", "\\u00", "\\ud83d", "\\", "é", "日本", "日",
            "ü\"", "a\"b", "<tool_call>\n", "</tool_call>", "{\"name\": \"", "\n", "\n</", "  ",
        ]
        texts += pieces.map { Array($0.utf8) }
        // Parts of characters.
        texts += [
            [0xC3], [0xE6, 0x97], [0xA5, 0x22], [0xF0, 0x9F], [0x98, 0x80], [0x61, 0xC3],
        ]
        return TokenVocabulary(texts: texts, ends: [end])
    }()

    /// A matcher for a schema written as JSON.
    static func matcher(schema: String) throws -> GrammarMatcher {
        try GrammarMatcher(
            constraint: .jsonSchema(JSONValue(parsing: schema)), vocabulary: vocabulary)
    }

    /// How many bytes of a text are accepted, and whether the text may end there.
    static func progress(
        _ constraint: TextConstraint, _ text: String
    ) throws -> (bytes: Int, canEnd: Bool) {
        var matcher = try GrammarMatcher(constraint: constraint, vocabulary: vocabulary)
        for (index, byte) in text.utf8.enumerated() {
            guard matcher.accept(TokenID(byte) + 1) else { return (index, matcher.canEnd) }
        }
        return (text.utf8.count, matcher.canEnd)
    }

    /// A text by random choice among the allowed tokens; `inspect` sees every place.
    static func walk(
        _ start: GrammarMatcher, _ random: inout RandomStream,
        inspect: (GrammarMatcher, TokenMask) -> Void = { _, _ in }
    ) -> [UInt8]? {
        var matcher = start
        var mask = TokenMask()
        var text: [UInt8] = []
        for step in 0..<4000 {
            matcher.fillMask(&mask)
            inspect(matcher, mask)
            let allowed = mask.tokens
            if matcher.mustEnd, allowed != [end] { return nil }
            var token = allowed[random.below(allowed.count)]
            // Long texts are led to their end: by what closes, and by what opens least.
            if step > 30 {
                let tries = (0..<24).map { _ in allowed[random.below(allowed.count)] }
                token = tries.max { score($0) < score($1) } ?? token
            }
            if mask[end], step > 30 || random.chance(1, in: 2) { token = end }
            let before = text
            guard matcher.accept(token) else { return nil }
            text += vocabulary.bytes(of: token)
            if matcher.isComplete { return before }
        }
        return nil
    }

    private static func score(_ token: TokenID) -> Int {
        vocabulary.bytes(of: token).reduce(0) { sum, byte in
            switch byte {
            case UInt8(ascii: "}"), UInt8(ascii: "]"): sum + 3
            case UInt8(ascii: "\""): sum + 2
            case UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: ","): sum - 4
            case UInt8(ascii: "n"): sum + 1
            default: sum
            }
        }
    }

    // MARK: Random schemas

    /// A schema of the kinds that grammars have, nested to `depth`.
    static func schema(_ random: inout RandomStream, depth: Int) -> JSONValue {
        switch random.below(depth > 0 ? 14 : 8) {
        case 0: return ["type": "boolean"]
        case 1: return ["type": ["null", "integer"]]
        case 2:
            let low = Int64(random.below(400)) - 200
            return [
                "type": "integer", "minimum": .integer(low),
                "exclusiveMaximum": .integer(low + 1 + Int64(random.below(300))),
            ]
        case 3:
            let low = Double(random.below(4000)) / 100 - 20
            return [
                "type": "number", "minimum": .number(low),
                "maximum": .number(low + Double(1 + random.below(500)) / 100),
            ]
        case 4:
            let least = Int64(random.below(3))
            return [
                "type": "string", "minLength": .integer(least),
                "maxLength": .integer(least + Int64(random.below(5))),
            ]
        case 5: return ["enum": ["a", "ab", 1, nil, ["x", ["k": true]]]]
        case 6: return ["type": "string", "pattern": "^[a-z]{1,3}(-[0-9]+)?$"]
        case 7: return ["type": "number"]
        case 8:
            return [
                "anyOf": [schema(&random, depth: depth - 1), schema(&random, depth: depth - 1)]
            ]
        case 9:
            let least = Int64(random.below(3))
            return [
                "type": "array", "items": schema(&random, depth: depth - 1),
                "minItems": .integer(least), "maxItems": .integer(least + Int64(random.below(3))),
            ]
        case 10:
            return [
                "type": "array",
                "prefixItems": [
                    schema(&random, depth: depth - 1), schema(&random, depth: depth - 1),
                ],
                "items": false,
            ]
        case 11:
            return [
                "allOf": [
                    ["properties": ["a": schema(&random, depth: depth - 1)], "required": ["a"]],
                    ["type": "object", "properties": ["b": ["type": "string"]]],
                ]
            ]
        default: return object(&random, depth: depth)
        }
    }

    private static func object(_ random: inout RandomStream, depth: Int) -> JSONValue {
        let names = ["a", "ab", "abc", "name", "日本", "q\"uote"]
        var properties = JSONObject()
        var required: [JSONValue] = []
        for name in names where random.chance(1, in: 2) {
            properties[name] = schema(&random, depth: depth - 1)
            if random.chance(1, in: 2) { required.append(.string(name)) }
        }
        var result: JSONObject = [
            "type": "object", "properties": .object(properties), "required": .array(required),
        ]
        switch random.below(3) {
        case 0: result["additionalProperties"] = false
        case 1: result["additionalProperties"] = schema(&random, depth: 0)
        default: break
        }
        return .object(result)
    }
}
