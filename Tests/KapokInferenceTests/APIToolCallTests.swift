import KapokModel
import KapokWorld
import Testing

@testable import KapokInference

@Suite("Calls of tools in what a model writes")
struct APIToolCallTests {
    /// What a text comes to when it arrives in `pieces`: text, and calls with their arguments.
    private func read(
        _ pieces: [String], _ dialect: ToolCallFormat.Dialect = .tagged
    ) -> (text: String, calls: [String]) {
        var reader = ToolCallReader(dialect: dialect, names: ["f", "g"])
        var text = ""
        var calls: [String] = []
        for piece in pieces.flatMap({ reader.read($0) }) + reader.finish() {
            switch piece {
            case .text(let more): text += more
            case .callBegins(let id, let name):
                #expect(id.hasPrefix("call_"))
                calls.append(name)
            case .callArguments(let more): calls[calls.count - 1] += more
            }
        }
        return (text, calls)
    }

    private struct Example: Sendable {
        var dialect = ToolCallFormat.Dialect.tagged
        var written: String
        var text = ""
        var calls: [String] = []
    }

    private static let examples = [
        Example(written: "Hello <b>world</b> <tool", text: "Hello <b>world</b> <tool"),
        Example(
            written:
                "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"{\"}}\n</tool_call>",
            calls: [#"f{"a": "}\"{"}"#]),
        Example(
            written: "Let me see.\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n"
                + "<tool_call>{\"name\":\"g\",\"arguments\":{\"x\":[{}]}}</tool_call> ",
            text: "Let me see.", calls: ["f{}", #"g{"x":[{}]}"#]),
        Example(
            written: "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1", calls: [#"f{"a":1"#]),
        // Not one of ours, or no JSON at all: text as it was.
        Example(
            written: "<tool_call>{\"name\":\"h\",\"arguments\":{}}</tool_call>",
            text: "<tool_call>{\"name\":\"h\",\"arguments\":{}}</tool_call>"),
        Example(written: "<tool_call>no</tool_call>!", text: "<tool_call>no</tool_call>!"),
        // A list between the tags, as SmolLM2 writes.
        Example(
            written:
                "<tool_call>[{\"name\": \"f\", \"arguments\": {\"a\": [1]}}, "
                + "{\"name\": \"g\", \"arguments\": {}}]</tool_call>",
            calls: ["f{\"a\": [1]}", "g{}"]),
        Example(written: "<tool_call>[1, 2]</tool_call>", text: "<tool_call>[1, 2]</tool_call>"),
        Example(written: "<tool_call>{\"na", text: "<tool_call>{\"na"),
        Example(
            dialect: .bare,
            written: " {\"name\": \"f\", \"parameters\": {\"a\": {}}}; "
                + "{\"name\": \"g\", \"parameters\": {}}", calls: ["f{\"a\": {}}", "g{}"]),
        Example(
            dialect: .bare, written: "<|python_tag|>{\"name\":\"f\",\"parameters\":{}}",
            calls: ["f{}"]),
        Example(dialect: .bare, written: "{\"a\": {\"b\": 1}}", text: "{\"a\": {\"b\": 1}}"),
        Example(dialect: .bare, written: "<|pyt", text: "<|pyt"),
        Example(
            dialect: .bare, written: "It is {\"name\":\"f\",\"parameters\":{}}",
            text: "It is {\"name\":\"f\",\"parameters\":{}}"),
        Example(
            dialect: .list,
            written:
                " [{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", \"arguments\": {}}]",
            calls: ["f{}", "g{}"]),
        Example(dialect: .list, written: "[1, 2]", text: "[1, 2]"),
    ]

    @Test("a call is the same however the text is cut", arguments: 0..<examples.count)
    func cuts(index: Int) {
        let example = Self.examples[index]
        let characters = Array(example.written)
        for first in 0...characters.count {
            for second in first...characters.count {
                let result = read(
                    [
                        String(characters[..<first]), String(characters[first..<second]),
                        String(characters[second...]),
                    ], example.dialect)
                let isText = example.calls.isEmpty
                #expect(
                    isText ? result.text == example.text : result.text.trimmed == example.text,
                    "\(example.written) cut at \(first), \(second): \(result.text)")
                #expect(result.calls == example.calls, "\(example.written)")
            }
        }
    }

    @Test("whatever a model writes, text without tags comes through, and nothing traps")
    func noise() {
        let parts = [
            "<tool_call>", "</tool_call>", "{", "}", "\"name\"", ":", "\"f\"", "\"arguments\"", ",",
            "[", "]", " ", "\n", "\\", "a", "é", "<", "<|python_tag|>",
        ]
        var random = RandomStream(seed: 11)
        for round in 0..<3000 {
            let pieces = (0..<20).map { _ in parts[Int(random.next() % UInt64(parts.count))] }
            for dialect in [ToolCallFormat.Dialect.tagged, .bare, .list] {
                let result = read(pieces, dialect)
                #expect(result.calls.count <= 20, "round \(round)")
            }
            let plain = pieces.filter { !$0.contains("<") }
            #expect(read(plain, .tagged).text == plain.joined())
        }
    }

    @Test("the format is found by the words of a template; others get a system message")
    func formats() {
        #expect(
            ToolCallFormat(template: "{% if tools %}<tool_call>{% endif %}")
                == ToolCallFormat(dialect: .tagged, isTemplates: true))
        #expect(
            ToolCallFormat(template: "{{ tools }}[AVAILABLE_TOOLS] [TOOL_CALLS]")
                == ToolCallFormat(dialect: .list, isTemplates: true))
        #expect(
            ToolCallFormat(template: "{{ tools }} ipython \"parameters\": ")
                == ToolCallFormat(dialect: .bare, isTemplates: true))
        for other in ["{{ messages }}", "{{ tools }}<tool_call><function=", "{{ tools }} unknown"] {
            #expect(
                ToolCallFormat(template: other)
                    == ToolCallFormat(dialect: .tagged, isTemplates: false))
        }
    }

    @Test("a template that knows no tools gets them, calls and results as text")
    func spelledOut() {
        let format = ToolCallFormat(dialect: .tagged, isTemplates: false)
        let turns = [
            ConversationTurn(role: .system, text: "Be brief."),
            ConversationTurn(
                role: .assistant, text: "",
                calls: [ConversationTurn.Call(id: "1", name: "f", arguments: ["a": 1])]),
            ConversationTurn(role: .tool, text: "20 C", callID: "1"),
        ]
        let tool = OfferedTool(name: "f", description: "It fs", parameters: ["type": "object"])
        let told = format.spelledOut(turns, tools: [tool])
        #expect(told.map(\.role) == [.system, .assistant, .user])
        #expect(told[0].text.hasPrefix("Be brief.\n\n"))
        #expect(told[0].text.contains(#""name": "f", "description": "It fs""#))
        #expect(
            told[1].text
                == "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>")
        #expect(told[2].text == "<tool_response>\n20 C\n</tool_response>")
    }

    @Test("a call that must be made is held to the tool's schema, in the form that is read")
    func constraint() throws {
        let tool = OfferedTool(name: "f", description: nil, parameters: ["type": "object"])
        for dialect in [ToolCallFormat.Dialect.tagged, .bare, .list] {
            let format = ToolCallFormat(dialect: dialect, isTemplates: true)
            guard case .toolCalls(let held) = format.constraint([tool], allowsSeveral: true) else {
                Issue.record("no constraint of calls")
                continue
            }
            let call = try #require(held.calls.first)
            let one = "\(call.prefix){\"a\": {}}\(call.suffix)"
            let two = "\(held.opening)\(one)\(held.separator)\(one)\(held.closing)"
            let result = read([two], dialect)
            #expect(result.calls == ["f{\"a\": {}}", "f{\"a\": {}}"])
            #expect(result.text.trimmed.isEmpty)
        }
    }
}

extension String {
    /// Without white space at the ends.
    fileprivate var trimmed: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text.drop(while: \.isWhitespace))
    }
}
