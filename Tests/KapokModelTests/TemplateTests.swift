import KapokModel
import KapokWorld
import OrderedCollections
import Testing

/// The time that all templates are told.
private let time = CivilTime(year: 2024, month: 7, day: 26, hour: 9, minute: 5, second: 3)

private func members(_ text: String) throws -> JSONObject {
    try #require(JSONValue(parsing: text).objectValue)
}

/// What a template refuses with.
private func refusal(_ template: String, _ context: JSONObject = [:]) -> TemplateError? {
    do throws(TemplateError) {
        _ = try ChatTemplate(template).render(context)
        return nil
    } catch { return error }
}

@Suite("Chat templates are rendered as Jinja2 renders them")
struct TemplateRenderingTests {
    @Test("a family's template gives the prompt that Jinja2 gives", arguments: TemplateFamilies.all)
    func families(family: TemplateFamilies.Family) throws {
        let template = try ChatTemplate(family.template)
        let tools = try JSONValue(parsing: TemplateFamilies.tools).arrayValue
        for (index, conversation) in TemplateFamilies.conversations.enumerated() {
            let messages = try #require(JSONValue(parsing: conversation.messages).arrayValue)
            let render = { () throws(TemplateError) in
                try template.renderChat(
                    messages: messages, tools: conversation.name == "tools" ? tools : nil,
                    addGenerationPrompt: true, beginningOfText: "<s>", endOfText: "</s>", time: time
                )
            }
            if let prompt = family.prompts[index] {
                #expect(try render() == prompt, "\(conversation.name)")
            } else {
                #expect { try render() } throws: { ($0 as? TemplateError)?.kind == .refused }
            }
        }
    }

    @Test(
        "white space around tags, values, operators and members are Jinja2's",
        arguments: TemplateCases.whiteSpace + TemplateCases.values + TemplateCases.operators
            + TemplateCases.members)
    func basics(example: TemplateCases.Case) throws { try check(example) }

    @Test(
        "methods, filters, tests and statements are Jinja2's",
        arguments: TemplateCases.strings + TemplateCases.filters + TemplateCases.tests
            + TemplateCases.statements)
    func library(example: TemplateCases.Case) throws { try check(example) }

    private func check(_ example: TemplateCases.Case) throws {
        let context = try members(TemplateCases.context)
        let text = try ChatTemplate(example.template).render(context, time: time)
        // Compared by bytes: Swift's own comparison takes composed and decomposed letters as equal.
        #expect(Array(text.utf8) == Array(example.text.utf8), "\(text)")
    }

    @Test("a day's number becomes its date")
    func civilTime() {
        #expect(CivilTime(secondsSince1970: 0) == CivilTime(year: 1970, month: 1, day: 1))
        #expect(
            CivilTime(secondsSince1970: 951_827_696)
                == CivilTime(year: 2000, month: 2, day: 29, hour: 12, minute: 34, second: 56))
        #expect(
            CivilTime(secondsSince1970: -1)
                == CivilTime(year: 1969, month: 12, day: 31, hour: 23, minute: 59, second: 59))
    }
}

@Suite("Chat templates fail clearly and within bounds")
struct TemplateFailureTests {
    @Test(
        "what is malformed is refused when it is read, with its place",
        arguments: [
            ("a\n{% if x %}", 2, 11, "the template ends before 'endif'"),
            ("{{ 1 + }}", 1, 8, "expected an expression, found '}}'"),
            ("\n {{ 'abc }}", 2, 5, "the string has no end"),
            ("{% foo %}", 1, 1, "no statement is called 'foo'"),
            ("{% endif %}", 1, 1, "'endif' without its beginning"),
            ("{% for x on y %}{% endfor %}", 1, 10, "expected 'in', found 'on'"),
            ("{{ a ; b }}", 1, 6, "';' is not expected here"),
            ("{{ (1 }}", 1, 7, "'}' without its opening bracket"),
            ("{% set true = 1 %}", 1, 8, "nothing can be assigned to 'true'"),
            ("{# x", 1, 1, "the comment has no end"),
            ("{% break %}", 1, 1, "'break' outside of a loop"),
        ])
    func malformed(template: String, line: Int, column: Int, problem: String) {
        let error = refusal(template)
        #expect(error == TemplateError(.syntax, line: line, column: column, problem))
    }

    @Test(
        "parts of Jinja that are missing are named when the template is read",
        arguments: [
            "{% include 'x' %}", "{% extends 'x' %}", "{% for x in y recursive %}{% endfor %}",
            "{{ x | xmlattr }}", "{{ x is escaped }}", "{{ f(*x) }}", "{% autoescape true %}",
        ])
    func unsupported(template: String) {
        #expect(refusal(template)?.kind == .unsupported)
    }

    @Test("a filter that a condition may keep away is refused when it is used")
    func deferred() {
        let template = "{% if x %}{{ 1 | from_json }}{% endif %}"
        #expect(refusal(template) == nil)
        #expect(refusal(template, ["x": true])?.kind == .unsupported)
    }

    @Test(
        "values that do not fit are refused with their place",
        arguments: [
            ("{{ x.y }}", "'x' is undefined, so it has no member 'y'"),
            ("{{ 'a' + 1 }}", "'+' does not fit a string and a number"),
            ("{{ x + 'a' }}", "'x' is undefined"),
            ("{% for a in 1 %}{% endfor %}", "a number has no elements"),
            ("{{ 1 // 0 }}", "a division by zero"),
            ("{{ [].append(1) }}", "'append' would change a value; templates must not"),
            ("{{ 'a'() }}", "a string cannot be called"),
            ("{% set x = {} %}{% set x.y = 1 %}", "only members of a namespace can be set"),
            ("{{ strftime_now('%Y') }}", "the template asks for the time, and none was given"),
            ("{{ x | tojson }}", "'tojson' cannot write 'x', which is undefined"),
        ])
    func misfits(template: String, problem: String) {
        let error = refusal(template)
        #expect(error?.kind == .rendering)
        #expect(error?.problem.hasPrefix(problem) == true, "\(String(describing: error))")
        #expect(error?.line == 1)
    }

    @Test("a template's own refusal is told apart and keeps its words")
    func raised() {
        let error = refusal("{{ raise_exception('roles must alternate') }}")
        #expect(error?.kind == .refused)
        #expect(
            error?.description == "the chat template refuses the messages: roles must alternate")
    }

    @Test(
        "work, texts and nesting have bounds",
        arguments: [
            "{{ 'a' * 100000000 }}", "{{ range(10 ** 9) }}",
            "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(60) %}"
                + "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "{% set ns = namespace(x=['a' * 1000]) %}{% for i in range(60) %}"
                + "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{% for a in range(99999) %}{% set x = 'a' * 1000000 %}{% endfor %}",
            "{% set x = 'ab' * 5000 %}{{ x.replace('a', x) }}", "{{ 9 ** 99 }}",
            "{{ 'a' | indent(999999999999) }}", "{{ 'x'.ljust(99999999999) }}",
            "{{ " + String(repeating: "(", count: 5000) + "1"
                + String(repeating: ")", count: 5000) + " }}",
            "{{ " + String(repeating: "-", count: 5000) + "1 }}",
            "{{ 1" + String(repeating: " + 1", count: 5000) + " }}",
            String(repeating: "{% if x %}", count: 5000),
        ])
    func bounds(template: String) {
        #expect(refusal(template)?.kind == .limit)
    }

    @Test("members of data are all that a template reaches")
    func sandbox() throws {
        let context: JSONObject = ["x": "text", "d": ["a": 1]]
        for path in ["x.__class__", "d.__init__", "x.__class__.__mro__", "d.pop('a')"] {
            let text = try? ChatTemplate("{{ \(path) }}").render(context)
            #expect(text == nil || text == "")
        }
    }
}

@Suite("Damaged chat templates never crash or hang")
struct TemplateFuzzTests {
    @Test("mutated templates render or fail with an error")
    func mutations() throws {
        var random = RandomStream(seed: 0x7E3A)
        let sources =
            TemplateFamilies.all.map(\.template) + TemplateCases.statements.map(\.template)
            + TemplateCases.filters.map(\.template)
        let scraps = [
            "{%", "%}", "{{", "}}", "{#", "-", "(", ")", "[", "]", "'", "\"", "|", "~", ".", " if ",
            " else ", "{% endfor %}", "{% for x in messages %}", "{% set x = ", "[::-1]", "|tojson",
            " is ", "not ", "\u{0}", "é", "99999999999999999999", "loop", "namespace(", "**", "\\",
        ].map { Array($0.unicodeScalars) }
        let conversation = try JSONValue(parsing: TemplateFamilies.conversations[2].messages)
        var context = try members(TemplateCases.context)
        context["messages"] = conversation
        context["tools"] = try JSONValue(parsing: TemplateFamilies.tools)
        var rendered = 0
        var refused = 0
        for _ in 0..<1500 {
            var scalars = Array(sources[random.below(sources.count)].unicodeScalars)
            for _ in 0...random.below(3) {
                let place = random.below(scalars.count + 1)
                let end = min(scalars.count, place + random.below(6))
                let scrap = random.chance(1, in: 3) ? [] : scraps[random.below(scraps.count)]
                scalars.replaceSubrange(place..<end, with: scrap)
            }
            let source = String(String.UnicodeScalarView(scalars))
            do throws(TemplateError) {
                _ = try ChatTemplate(source).render(context, time: time)
                rendered += 1
            } catch {
                #expect(error.line >= 1 && error.column >= 1 && !error.problem.isEmpty)
                refused += 1
            }
        }
        // Both happen, or the mutations say nothing.
        #expect(rendered > 100 && refused > 100)
    }
}
