import KapokWorld
import OrderedCollections
import Testing

@testable import KapokModel

/// A matcher behind a reference, for expectations.
private final class Follower {
    var matcher: GrammarMatcher

    init(_ matcher: GrammarMatcher) { self.matcher = matcher }

    convenience init(_ constraint: TextConstraint) throws {
        self.init(
            try GrammarMatcher(constraint: constraint, vocabulary: GrammarSamples.vocabulary))
    }

    func takes(_ text: String) -> Bool { matcher.accept(bytes: Array(text.utf8)[...]) }
    func takes(_ token: TokenID) -> Bool { matcher.accept(token) }

    var mask: TokenMask {
        var mask = TokenMask()
        matcher.fillMask(&mask)
        return mask
    }
}

@Suite("Tokens held to a grammar")
struct GrammarMatcherTests {
    private static let constraints: [TextConstraint] = [
        .jsonObject, .choice(["name", "nam", "日本"]),
        .regularExpression("(ab|abc|é)+,?[^\\x00-\\x1f]*"),
        .jsonSchema(["type": "string", "maxLength": 5]),
        .jsonSchema(["type": "string", "minLength": 3]),
        .jsonSchema([
            "properties": ["a": ["type": "string"], "ab": ["type": ["integer", "null"]]],
            "required": ["ab"], "additionalProperties": ["type": "string"],
        ]),
    ]

    @Test(
        "a mask has exactly the tokens that are accepted next, wherever a token's borders are",
        arguments: constraints.indices)
    func maskIsExact(index: Int) throws {
        let vocabulary = GrammarSamples.vocabulary
        let matcher = try GrammarMatcher(
            constraint: Self.constraints[index], vocabulary: vocabulary)
        var random = RandomStream(seed: UInt64(index) + 1)
        for _ in 0..<3 {
            var places = 0
            _ = GrammarSamples.walk(matcher, &random) { place, mask in
                guard places < 12 else { return }
                places += 1
                for token in 0..<TokenID(vocabulary.count) {
                    #expect(mask[token] == Follower(place).takes(token), "token \(token)")
                }
            }
            #expect(places > 0)
        }
    }

    @Test("end tokens are allowed where the text may end, and alone where it must")
    func ends() throws {
        let text = try Follower(.choice(["a", "ab"]))
        #expect(!text.mask[GrammarSamples.end] && !text.matcher.canEnd)
        #expect(!text.takes(GrammarSamples.end))
        #expect(text.takes("a"))
        #expect(text.mask[GrammarSamples.end] && text.matcher.canEnd && !text.matcher.mustEnd)
        #expect(text.takes("b"))
        #expect(text.mask.tokens == [GrammarSamples.end])
        #expect(text.matcher.mustEnd && !text.matcher.isComplete)
        #expect(text.takes(GrammarSamples.end) && text.matcher.isComplete)
        #expect(!text.takes(GrammarSamples.end) && text.mask.tokens == [GrammarSamples.end])
    }

    @Test("a refused token changes nothing, and copies go on independently")
    func values() throws {
        let first = try Follower(.jsonSchema(["type": "integer"]))
        let second = Follower(first.matcher)
        #expect(first.takes("-1") && !first.takes("2x") && first.matcher.canEnd)
        #expect(second.takes("0") && second.matcher.mustEnd && !first.matcher.mustEnd)
    }

    @Test("a matcher goes on after the states of its grammar were forgotten")
    func renewal() throws {
        let program = try GrammarProgram(.jsonSchema(["type": "string", "maxLength": 200]))
        let vocabulary = GrammarSamples.vocabulary
        let small = GrammarAutomaton(program: program, stateLimit: 8)
        let large = GrammarAutomaton(program: program)
        let forgetful = Follower(GrammarMatcher(automaton: small, vocabulary: vocabulary))
        let other = Follower(GrammarMatcher(automaton: large, vocabulary: vocabulary))
        for byte in "\"the quick brown fox 日本 é jumps over\"".utf8 {
            #expect(forgetful.takes(TokenID(byte) + 1) && other.takes(TokenID(byte) + 1))
            #expect(forgetful.mask == other.mask)
            #expect(forgetful.matcher.canEnd == other.matcher.canEnd)
        }
    }

    @Test("calls of tools have their form, and arguments that conform")
    func toolCalls() throws {
        let call = ToolCallConstraint.Call(
            prefix: "{\"name\": \"get\", \"arguments\": ",
            arguments: ["properties": ["n": ["type": "integer"]], "required": ["n"]], suffix: "}")
        let constraint = TextConstraint.toolCalls(
            ToolCallConstraint(
                opening: "<tool_call>\n", calls: [call],
                separator: "\n</tool_call>\n<tool_call>\n", closing: "\n</tool_call>",
                maximumCalls: 2))
        let one = "{\"name\": \"get\", \"arguments\": {\"n\": 1}}\n</tool_call>"
        let open = "<tool_call>\n"
        for count in 1...3 {
            let text = Array(repeating: open + one, count: count).joined(separator: "\n")
            let progress = try GrammarSamples.progress(constraint, text)
            #expect((progress.bytes == text.utf8.count && progress.canEnd) == (count <= 2))
        }
        let other = open + "{\"name\": \"set\""
        #expect(try GrammarSamples.progress(constraint, other).bytes == other.utf8.count - 4)
    }

    @Test("any JSON object is taken, and nothing else")
    func jsonObject() throws {
        for text in [
            "{}", #"{"a": [1, -2.5e3, "\u00e9\n", {"b": null}], "c": {}}"#, #"{"日":"本"}"#,
        ] {
            let progress = try GrammarSamples.progress(.jsonObject, text)
            #expect(progress.bytes == text.utf8.count && progress.canEnd)
        }
        for (text, bytes) in [("[]", 0), ("{ }", 1), (#"{"a"  :1}"#, 4), (#"{"a":1,}"#, 7)] {
            #expect(try GrammarSamples.progress(.jsonObject, text).bytes == bytes)
        }
    }

    @Test("masked logits keep allowed tokens alone, padding included")
    func logits() {
        var mask = TokenMask(count: 130)
        for token: TokenID in [0, 63, 64, 129] { mask[token] = true }
        var logits = [Float](repeating: 1, count: 140)
        logits.withUnsafeMutableBufferPointer { mask.forbidOthers(in: $0) }
        let kept = logits.indices.filter { logits[$0] == 1 }
        #expect(kept == [0, 63, 64, 129] && mask.population == 4)
        #expect(logits.filter { $0 == -.infinity }.count == 136)
    }

    @Test("an expression that is ambiguous a thousandfold still finds masks in bounded work")
    func ambiguity() throws {
        let text = try Follower(.regularExpression("(.{0,200}x){0,200}"))
        for byte in "axbxcxxx".utf8 { #expect(text.takes(TokenID(byte) + 1)) }
        #expect(!text.mask.isEmpty && text.matcher.canEnd)
    }
}

@Suite("Regular expressions as grammars")
struct GrammarRegularExpressionTests {
    @Test("texts are accepted as the standard library's expressions accept them")
    func agreement() throws {
        var random = RandomStream(seed: 99)
        var accepted = 0
        for _ in 0..<60 {
            let pattern = Self.pattern(&random, depth: 3)
            let regex = try Regex(pattern).asciiOnlyWordCharacters().asciiOnlyDigits()
            for _ in 0..<20 {
                let text = String(
                    (0..<random.below(7)).map { _ in "abé1-".randomElement(using: &random)! })
                let progress = try GrammarSamples.progress(.regularExpression(pattern), text)
                let isAccepted = progress.bytes == text.utf8.count && progress.canEnd
                #expect(isAccepted == (text.wholeMatch(of: regex) != nil), "\(pattern) \(text)")
                accepted += isAccepted ? 1 : 0
            }
        }
        #expect(accepted > 50)
    }

    private static func pattern(_ random: inout RandomStream, depth: Int) -> String {
        switch random.below(depth > 0 ? 9 : 4) {
        case 0: return "ab1é-".randomElement(using: &random).map(String.init) ?? "a"
        case 1: return ["[ab]", "[^a]", "\\d", "\\w", ".", "[a-b1]"].randomElement(using: &random)!
        case 2: return "a"
        case 3: return "b"
        case 4: return pattern(&random, depth: depth - 1) + pattern(&random, depth: depth - 1)
        case 5:
            return "(\(pattern(&random, depth: depth - 1))|\(pattern(&random, depth: depth - 1)))"
        case 6: return "(?:\(pattern(&random, depth: depth - 1)))*"
        case 7: return "(\(pattern(&random, depth: depth - 1))){1,3}"
        default: return "(\(pattern(&random, depth: depth - 1)))?"
        }
    }

    @Test(
        "what is malformed or missing is refused with its character",
        arguments: [
            ("a(b", 2, GrammarError.Kind.invalid), ("a)", 2, .invalid), ("[a", 1, .invalid),
            ("*a", 1, .invalid), ("a{3,1}", 2, .invalid), ("[z-a]", 1, .invalid),
            ("a\\", 3, .invalid), ("(?!a)", 1, .unsupported), ("\\bword", 1, .unsupported),
            ("(a)\\1", 4, .unsupported), ("a^b", 2, .unsupported), ("a++", 3, .unsupported),
            ("a{1001}", 6, .tooLarge), ("(a?){100}", 10, .unsupported),
        ])
    func refusals(pattern: String, character: Int, kind: GrammarError.Kind) {
        do throws(GrammarError) {
            _ = try GrammarMatcher(
                constraint: .regularExpression(pattern), vocabulary: GrammarSamples.vocabulary)
            Issue.record("accepted")
        } catch {
            #expect(error.kind == kind && error.place == "character \(character)", "\(error)")
        }
    }

    @Test("mutated expressions are compiled or refused")
    func mutations() {
        var random = RandomStream(seed: 7)
        let marks = Array("()[]{}|*+?.^$\\,-a1é{2}".unicodeScalars)
        var compiled = 0
        for _ in 0..<2000 {
            let pattern = String(
                String.UnicodeScalarView(
                    (0..<random.below(12)).map { _ in marks[random.below(marks.count)] }))
            if (try? GrammarProgram(.regularExpression(pattern))) != nil { compiled += 1 }
        }
        #expect(compiled > 100)
    }
}
