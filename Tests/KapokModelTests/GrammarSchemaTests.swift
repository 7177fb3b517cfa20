import KapokModel
import KapokWorld
import OrderedCollections
import Testing

@Suite("Texts held to a JSON Schema")
struct GrammarSchemaTests {
    @Test("random walks over allowed tokens end in JSON that a plain validator accepts")
    func randomWalks() throws {
        var random = RandomStream(seed: 0x5EED)
        var walks = 0
        for _ in 0..<150 {
            let schema = GrammarSamples.schema(&random, depth: 3)
            let matcher = try GrammarMatcher(
                constraint: .jsonSchema(schema), vocabulary: GrammarSamples.vocabulary)
            let validator = GrammarValidator(root: schema)
            for _ in 0..<3 {
                guard let text = GrammarSamples.walk(matcher, &random) else {
                    Issue.record("no end: \(schema.text())")
                    continue
                }
                let value = try JSONValue(parsing: text)
                #expect(
                    validator.accepts(value),
                    "\(schema.text()) \(String(decoding: text, as: UTF8.self))")
                walks += 1
            }
        }
        #expect(walks == 450)
    }

    @Test("schemas that contain themselves are followed to any depth")
    func recursion() throws {
        let schema = try JSONValue(
            parsing: ##"""
                {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties":
                  {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"},
                  {"type": "null"}]}}, "required": ["value", "next"],
                  "additionalProperties": false}}}
                """##)
        let matcher = try GrammarMatcher(
            constraint: .jsonSchema(schema), vocabulary: GrammarSamples.vocabulary)
        var random = RandomStream(seed: 3)
        for _ in 0..<20 {
            let text = try #require(GrammarSamples.walk(matcher, &random))
            #expect(try GrammarValidator(root: schema).accepts(JSONValue(parsing: text)))
        }
        let deep =
            String(repeating: "{\"value\": 1, \"next\": ", count: 200) + "null"
            + String(repeating: "}", count: 200)
        let progress = try GrammarSamples.progress(.jsonSchema(schema), deep)
        #expect(progress.bytes == deep.utf8.count && progress.canEnd)
    }

    @Test(
        "a text that violates its schema is refused at the exact byte",
        arguments: [
            (#"{"type":"integer","minimum":3,"maximum":120}"#, "121", 2),
            (#"{"type":"integer","minimum":3,"maximum":120}"#, "2", 2),
            (#"{"type":"integer"}"#, "01", 1),
            (#"{"type":"string","maxLength":2}"#, "\"日本語\"", 7),
            (#"{"type":"string","minLength":2}"#, "\"a\"", 2),
            (#"{"type":"string"}"#, "\"a\nb\"", 2),
            (#"{"type":"string"}"#, #""\x""#, 2),
            (#"{"type":"string"}"#, #""\ud83d""#, 7),
            (#"{"type":"string","pattern":"^ab+$"}"#, "\"ac\"", 2),
            (#"{"type":"string","format":"date"}"#, "\"2024-02-30\"", 9),
            (#"{"type":"array","items":{"type":"null"},"maxItems":2}"#, "[null,null,null]", 10),
            (#"{"type":"array","items":{"type":"null"},"minItems":2}"#, "[null]", 5),
            (#"{"enum":["ab","ac"]}"#, "\"ad\"", 2),
            (#"{"type":"object","properties":{"a":{}},"required":["a"]}"#, "{}", 1),
            (#"{"type":"object","properties":{"a":{}}}"#, #"{"b":1}"#, 2),
            (#"{"properties":{"ab":{}},"additionalProperties":{"type":"null"}}"#, #"{"abc":1}"#, 7),
            (#"{"type":"boolean"}"#, " true", 0),
            (#"{"type":"object","maxProperties":1}"#, #"{"a":1,"b":2}"#, 6),
        ])
    func exactByte(schema: String, text: String, refusedAt: Int) throws {
        let constraint = TextConstraint.jsonSchema(try JSONValue(parsing: schema))
        let progress = try GrammarSamples.progress(constraint, text)
        // A number that is too small is complete, but may not end.
        if progress.bytes == text.utf8.count {
            #expect(refusedAt == 2 && !progress.canEnd)
        } else {
            #expect(progress.bytes == refusedAt)
        }
    }

    @Test("integers are held to their bounds exactly")
    func integerBounds() throws {
        var random = RandomStream(seed: 11)
        for _ in 0..<25 {
            let low = random.below(260) - 130
            let high = low + random.below(150)
            let schema: JSONValue = [
                "type": "integer", "minimum": .integer(Int64(low)),
                "maximum": .integer(Int64(high)),
            ]
            for value in stride(from: -300, through: 300, by: 1) {
                let text = String(value)
                let progress = try GrammarSamples.progress(.jsonSchema(schema), text)
                let isAccepted = progress.bytes == text.utf8.count && progress.canEnd
                #expect(isAccepted == (low...high).contains(value), "\(value) in \(low)...\(high)")
            }
        }
    }

    @Test("numbers are held to their bounds exactly, decimal by decimal")
    func numberBounds() throws {
        var random = RandomStream(seed: 12)
        for _ in 0..<25 {
            // Hundredths, so that the test compares integers.
            let low = random.below(600) - 300
            let high = low + 1 + random.below(300)
            let isExclusive = random.chance(1, in: 2)
            let schema: JSONValue = [
                "type": "number", "minimum": .number(Double(low) / 100),
                isExclusive ? "exclusiveMaximum" : "maximum": .number(Double(high) / 100),
            ]
            for value in stride(from: -650, through: 650, by: 7) {
                let magnitude = abs(value)
                let fraction = magnitude % 100
                let text =
                    (value < 0 ? "-" : "") + "\(magnitude / 100)."
                    + (fraction < 10 ? "0" : "") + "\(fraction)"
                let progress = try GrammarSamples.progress(.jsonSchema(schema), text)
                let isAccepted = progress.bytes == text.utf8.count && progress.canEnd
                let isWithin = value >= low && (isExclusive ? value < high : value <= high)
                // Zero has no sign.
                #expect(isAccepted == isWithin, "\(text) in \(schema.text())")
            }
        }
    }

    @Test(
        "known formats are held to their form",
        arguments: [
            ("date-time", "2024-05-06T07:08:09Z", true), ("date-time", "2024-05-06 07:08", false),
            ("time", "23:59:59.5+02:00", true), ("time", "24:00:00Z", false),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", true), ("uuid", "123e", false),
            ("email", "a.b+c@example.co.uk", true), ("email", "a@b", false),
            ("ipv4", "255.0.10.1", true), ("ipv4", "256.0.0.1", false),
            ("uri", "https://example.com/a?b=c", true), ("uri", "example", false),
            ("duration", "P1DT2H3M4S", true), ("hostname", "-a", false),
            ("of-my-own", "anything", true),
        ])
    func formats(format: String, text: String, isValid: Bool) throws {
        let schema: JSONValue = ["type": "string", "format": .string(format)]
        let json = JSONValue.string(text).text()
        let progress = try GrammarSamples.progress(.jsonSchema(schema), json)
        #expect((progress.bytes == json.utf8.count && progress.canEnd) == isValid)
    }

    @Test(
        "what cannot be enforced is refused with its place",
        arguments: [
            (
                #"{"properties":{"a":{"not":{}}}}"#, "#/properties/a/not",
                GrammarError.Kind.unsupported
            ),
            (#"{"type":"number","multipleOf":0.5}"#, "#/multipleOf", .unsupported),
            (#"{"type":"strin"}"#, "#/type", .invalid),
            (##"{"items":{"$ref":"#/nowhere"}}"##, "#/items/$ref", .invalid),
            (#"{"$ref":"other.json"}"#, "#/$ref", .unsupported),
            (##"{"$ref":"#"}"##, "#/$ref", .invalid),
            (##"{"anyOf":[{"$ref":"#"}],"$defs":{}}"##, "#/anyOf/0/$ref", .invalid),
            (#"{"type":"string","pattern":"(?=a)b"}"#, "#/pattern, character 1", .unsupported),
            (#"{"type":"string","pattern":"a*","maxLength":3}"#, "#/pattern", .unsupported),
            (#"{"type":"string","minLength":5,"maxLength":3}"#, "#", .unsatisfiable),
            (#"{"type":"integer","minimum":5,"maximum":3}"#, "#", .unsatisfiable),
            (##"{"properties":{"a":{"$ref":"#"}},"required":["a"]}"##, "", .unsatisfiable),
            (#"{"enum":[]}"#, "#/enum", .invalid), (#"[]"#, "#", .invalid),
            (#"{"allOf":[{"type":"string"},{"type":"null"}]}"#, "#/allOf/1/type", .unsatisfiable),
            (#"{"patternProperties":{}}"#, "#/patternProperties", .unsupported),
        ])
    func refusals(schema: String, place: String, kind: GrammarError.Kind) throws {
        let schema = try JSONValue(parsing: schema)
        do throws(GrammarError) {
            _ = try GrammarMatcher(
                constraint: .jsonSchema(schema), vocabulary: GrammarSamples.vocabulary)
            Issue.record("accepted")
        } catch {
            #expect(error.kind == kind && error.place == place, "\(error)")
        }
    }

    @Test("references beside other keywords, allOf and nullable are worked in")
    func merging() throws {
        let schema = ##"""
            {"$defs": {"base": {"type": "object", "properties": {"id": {"type": "integer"}},
              "required": ["id"]}},
             "allOf": [{"$ref": "#/$defs/base"}], "properties": {"n": {"type": "string",
              "nullable": true, "enum": ["x", null]}}, "required": ["n"]}
            """##
        let constraint = TextConstraint.jsonSchema(try JSONValue(parsing: schema))
        for text in [#"{"n": "x", "id": 4}"#, #"{"n":null,"id":0}"#] {
            let progress = try GrammarSamples.progress(constraint, text)
            #expect(progress.bytes == text.utf8.count && progress.canEnd, "\(text) \(progress)")
        }
        #expect(try GrammarSamples.progress(constraint, #"{"n": "x"}"#).bytes == 9)
    }

    @Test("damaged schemas are compiled or refused, and what is compiled can be walked")
    func mutations() throws {
        var random = RandomStream(seed: 0xF00D)
        let scraps = [
            "null", "-1", "1e9", "[]", "{}", "\"#\"", "true", "\"^a$\"", "\"object\"", "\"string\"",
            "3",
        ]
        var compiled = 0
        var refused = 0
        for _ in 0..<400 {
            var bytes = GrammarSamples.schema(&random, depth: 3).bytes()
            // Values are replaced by others, so that the text mostly stays JSON.
            if random.chance(2, in: 3) {
                guard
                    let colon = bytes.indices.filter({ bytes[$0] == UInt8(ascii: ":") })
                        .randomElement(using: &random)
                else { continue }
                var end = colon + 1
                while end < bytes.count, !",}]".utf8.contains(bytes[end]) { end += 1 }
                bytes.replaceSubrange(
                    colon + 1..<end, with: Array(scraps[random.below(scraps.count)].utf8))
            }
            guard let schema = try? JSONValue(parsing: bytes) else { continue }
            do throws(GrammarError) {
                let matcher = try GrammarMatcher(
                    constraint: .jsonSchema(schema), vocabulary: GrammarSamples.vocabulary)
                compiled += 1
                var mask = TokenMask()
                matcher.fillMask(&mask)
                #expect(!mask.isEmpty)
            } catch { refused += 1 }
        }
        #expect(compiled > 30 && refused > 30)
    }
}
