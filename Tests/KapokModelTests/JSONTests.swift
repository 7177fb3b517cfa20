import KapokModel
import KapokWorld
import OrderedCollections
import Testing

@Suite("JSON texts")
struct JSONTests {
    @Test("values come out as they were written, members in their order")
    func values() throws {
        let value = try JSONValue(
            parsing: #" {"b": [1, -2.5, 1e2, true, false, null], "a": {"": "x"}} "#)
        #expect(
            value == [
                "b": [1, -2.5, .number(100), true, false, nil], "a": ["": "x"],
            ])
        #expect(value.objectValue.map { Array($0.keys) } == ["b", "a"])
        #expect(value["b"]?[1]?.doubleValue == -2.5)
        #expect(value["b"]?[2]?.integerValue == 100)
        #expect(value["b"]?[9] == nil)
        #expect(value["a"]?[""]?.stringValue == "x")
    }

    @Test("whole numbers that fit stay whole, the others become fractions")
    func numbers() throws {
        #expect(try JSONValue(parsing: "9223372036854775807") == .integer(.max))
        #expect(try JSONValue(parsing: "-9223372036854775808") == .integer(.min))
        #expect(try JSONValue(parsing: "9223372036854775808") == .number(0x1p63))
        #expect(try JSONValue(parsing: "1.0") == .number(1))
        #expect(try JSONValue(parsing: "0") == .integer(0))
        #expect(try JSONValue(parsing: "5e-324") == .number(.leastNonzeroMagnitude))
    }

    @Test("escapes, surrogate pairs among them, become text")
    func escapes() throws {
        let text = #""\"\\\/\b\f\n\r\t\u0041\ud83d\uDE00\u0000é""#
        #expect(try JSONValue(parsing: text) == .string("\"\\/\u{8}\u{C}\n\r\tA😀\u{0}é"))
    }

    @Test("of members of the same name the last counts, at the place of the first")
    func duplicates() throws {
        #expect(try JSONValue(parsing: #"{"a":1,"b":2,"a":3}"#).text() == #"{"a":3,"b":2}"#)
    }

    @Test(
        "what RFC 8259 does not allow is refused",
        arguments: [
            "", " ", "[1,]", "[,1]", "{\"a\":1,}", "{a:1}", "{'a':1}", "[1 2]", "{\"a\" 1}", "01",
            "-", "-01", "1.", ".5", "+1", "1e", "1e+", "0x10", "NaN", "Infinity", "-Infinity",
            "nul", "True", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\ud800\"",
            "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"a\nb\"", "\"\t\"", "[", "{", "[1", "{\"a\":",
            "{\"a\"", "]", "1 2", "[1]]", "/* */ 1", "1 // one", "\u{FEFF}1", "1e999", "\u{A0}1",
        ])
    func refused(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }

    @Test("an error says line, column and byte")
    func places() {
        do {
            _ = try JSONValue(parsing: "{\n\"ä\": 1,\n\"b\": [1,]}")
            Issue.record("accepted")
        } catch {
            #expect(error.line == 3)
            #expect(error.column == 9)
            #expect(error.offset == 19)
            #expect(error.description == "line 3, column 9: ']' begins no value")
        }
    }

    @Test("strings that are no UTF-8 are refused")
    func invalidUTF8() {
        for bad: [UInt8] in [[0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80]] {
            #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22] + bad + [0x22]) }
        }
    }

    @Test("depth, size and the number of values are bounded")
    func limits() throws {
        let deep = { String(repeating: "[", count: $0) + String(repeating: "]", count: $0) }
        _ = try JSONValue(parsing: deep(64))
        #expect(throws: JSONError.self) { try JSONValue(parsing: deep(65)) }
        #expect(throws: JSONError.self) {
            try JSONValue(parsing: String(repeating: "[", count: 1 << 20))
        }
        #expect(throws: JSONError.self) {
            try JSONValue(parsing: "[1,2,3]", limits: JSONLimits(bytes: 6))
        }
        _ = try JSONValue(parsing: "[1,2,3]", limits: JSONLimits(bytes: 7, values: 4))
        #expect(throws: JSONError.self) {
            try JSONValue(parsing: "[1,2,3]", limits: JSONLimits(values: 3))
        }
    }

    static let sample: JSONValue = [
        "name": "a\"b\\c\n\u{1}\u{7F}é😀", "list": [1, 2.5, [], [:]], "none": nil, "B": false,
    ]

    @Test("the writer agrees with Python's json.dumps")
    func python() {
        // Printed by json.dumps of Python 3.11 with the same options.
        #expect(
            Self.sample.text(.python())
                == "{\"name\": \"a\\\"b\\\\c\\n\\u0001\u{7F}é😀\", \"list\": [1, 2.5, [], {}], "
                + "\"none\": null, \"B\": false}")
        #expect(
            Self.sample.text(.python(indent: 4, escapesNonASCII: true, sortsKeys: true)) == """
                {
                    "B": false,
                    "list": [
                        1,
                        2.5,
                        [],
                        {}
                    ],
                    "name": "a\\"b\\\\c\\n\\u0001\\u007f\\u00e9\\ud83d\\ude00",
                    "none": null
                }
                """)
        #expect(Self.sample["list"]?.text() == "[1,2.5,[],{}]")
    }

    @Test(
        "numbers have the form of Python's repr",
        arguments: [
            (1e16, "1e+16"), (-1.2e16, "-1.2e+16"), (9_007_199_254_740_992, "9007199254740992.0"),
            (12_345_678_901_234_568, "1.2345678901234568e+16"), (1e22, "1e+22"), (1e-5, "1e-05"),
            (0.0001, "0.0001"), (1, "1.0"), (-0.0, "-0.0"), (0.1, "0.1"), (1e300, "1e+300"),
            (9_999_999_999_999_998, "9999999999999998.0"), (.infinity, "null"), (.nan, "null"),
        ])
    func representation(number: Double, text: String) {
        #expect(JSONValue.number(number).text() == text)
    }

    @Test("thousands of damaged texts are read or refused, and what is read survives a round trip")
    func fuzz() throws {
        var random = RandomStream(seed: 0x4A53_4F4E)
        let original = Self.sample.bytes(.python(indent: 1, escapesNonASCII: true))
        let alphabet = Array("{}[],:\"\\u0189.eE+-tfn \n".utf8) + [0, 0x1F, 0x80, 0xC3, 0xFF]
        var accepted = 0
        for _ in 0..<6000 {
            var bytes = original
            for _ in 0...random.below(4) where !bytes.isEmpty {
                let index = random.below(bytes.count)
                switch random.below(4) {
                case 0: bytes[index] = alphabet[random.below(alphabet.count)]
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(alphabet[random.below(alphabet.count)], at: index)
                default: bytes.removeSubrange(index..<min(bytes.count, index + random.below(9)))
                }
            }
            guard let value = try? JSONValue(parsing: bytes) else { continue }
            accepted += 1
            #expect(try JSONValue(parsing: value.bytes()) == value)
            #expect(try JSONValue(parsing: value.text(.pretty)) == value)
        }
        #expect(accepted > 100)
    }
}
