import OrderedCollections

/// A value while a template is rendered: Python's, as far as templates can tell.
enum TemplateValue: Sendable {
    /// A name or member that does not exist, with what it was.
    case undefined(String)
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
    /// Lists and tuples.
    case list([TemplateValue])
    case dictionary(TemplateDictionary)
    case namespace(TemplateNamespace)
    case macro(TemplateClosure)
    case loop(TemplateLoopState)
    /// A function that every template has.
    case function(String)
    /// A method together with what it belongs to.
    indirect case method(TemplateValue, String)

    init(_ value: JSONValue) {
        switch value {
        case .null: self = .none
        case .bool(let flag): self = .bool(flag)
        case .integer(let number): self = .integer(Int(number))
        case .number(let number): self = .float(number)
        case .string(let text): self = .string(text)
        case .array(let elements): self = .list(elements.map { TemplateValue($0) })
        case .object(let members): self = .dictionary(members.mapValues { TemplateValue($0) })
        }
    }

    /// The value as JSON; nil where JSON has none like it.
    var json: JSONValue? {
        switch self {
        case .none: return .null
        case .bool(let flag): return .bool(flag)
        case .integer(let number): return .integer(Int64(number))
        case .float(let number): return .number(number)
        case .string(let text): return .string(text)
        case .list(let elements):
            var result: [JSONValue] = []
            for element in elements {
                guard let json = element.json else { return nil }
                result.append(json)
            }
            return .array(result)
        case .dictionary(let members):
            var result = JSONObject()
            for (name, value) in members {
                guard let json = value.json else { return nil }
                result[name] = json
            }
            return .object(result)
        default: return nil
        }
    }

    var isUndefined: Bool {
        if case .undefined = self { true } else { false }
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let flag): flag
        case .integer(let number): number != 0
        case .float(let number): number != 0
        case .string(let text): !text.isEmpty
        case .list(let elements): !elements.isEmpty
        case .dictionary(let members): !members.isEmpty
        default: true
        }
    }

    /// The value as a number, where it is one; truth values are 0 and 1.
    var number: Double? {
        switch self {
        case .bool(let flag): flag ? 1 : 0
        case .integer(let number): Double(number)
        case .float(let number): number
        default: nil
        }
    }

    /// The value as a whole number, where it is one; truth values are 0 and 1.
    var whole: Int? {
        switch self {
        case .bool(let flag): flag ? 1 : 0
        case .integer(let number): number
        default: nil
        }
    }

    /// What kind of value this is, for messages.
    var kind: String {
        switch self {
        case .undefined(let what): "\(what), which is undefined"
        case .none: "none"
        case .bool: "a truth value"
        case .integer, .float: "a number"
        case .string: "a string"
        case .list: "a list"
        case .dictionary: "a mapping"
        case .namespace: "a namespace"
        case .macro: "a macro"
        case .loop: "a loop"
        case .function, .method: "a function"
        }
    }

    // MARK: Text

    /// Python's `str`.
    var text: String {
        switch self {
        case .undefined: ""
        case .string(let text): text
        default: representation
        }
    }

    /// Python's `repr`.
    var representation: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "None"
        case .bool(let flag): flag ? "True" : "False"
        case .integer(let number): String(number)
        case .float(let number):
            number.isNaN
                ? "nan"
                : number.isInfinite
                    ? (number < 0 ? "-inf" : "inf") : JSONValue.number(number).text()
        case .string(let text): Self.quoted(text)
        case .list(let elements): "[\(elements.map(\.representation).joined(separator: ", "))]"
        case .dictionary(let members):
            "{"
                + members.map { "\(Self.quoted($0.key)): \($0.value.representation)" }
                .joined(separator: ", ") + "}"
        default: "<\(kind)>"
        }
    }

    private static func quoted(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
        var result = String.UnicodeScalarView([quote])
        for scalar in scalars {
            switch scalar {
            case "\\": result.append(contentsOf: "\\\\".unicodeScalars)
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\r": result.append(contentsOf: "\\r".unicodeScalars)
            case "\t": result.append(contentsOf: "\\t".unicodeScalars)
            case quote: result.append(contentsOf: ["\\", quote])
            case _ where scalar.value < 0x20 || (0x7F...0xA0).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                result.append(
                    contentsOf: ("\\x" + (digits.count < 2 ? "0" : "") + digits).unicodeScalars)
            default: result.append(scalar)
            }
        }
        result.append(quote)
        return String(result)
    }

    // MARK: Comparison

    /// Python's `==`.
    static func areEqual(_ left: TemplateValue, _ right: TemplateValue) -> Bool {
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let a), .string(let b)): return a.utf8.elementsEqual(b.utf8)
        case (.integer(let a), .integer(let b)): return a == b
        case (.list(let a), .list(let b)):
            return a.count == b.count && zip(a, b).allSatisfy { areEqual($0, $1) }
        case (.dictionary(let a), .dictionary(let b)):
            return a.count == b.count
                && a.allSatisfy { pair in b[pair.key].map { areEqual(pair.value, $0) } ?? false }
        case (.namespace(let a), .namespace(let b)): return a === b
        case (.macro(let a), .macro(let b)): return a === b
        default:
            if let a = left.number, let b = right.number { return a == b }
            return false
        }
    }

    /// Python's `<`; nil where the two have no order.
    static func isLess(_ left: TemplateValue, _ right: TemplateValue) -> Bool? {
        switch (left, right) {
        case (.string(let a), .string(let b)): return a.utf8.lexicographicallyPrecedes(b.utf8)
        case (.integer(let a), .integer(let b)): return a < b
        case (.list(let a), .list(let b)):
            for (x, y) in zip(a, b) where !areEqual(x, y) { return isLess(x, y) }
            return a.count < b.count
        default:
            guard let a = left.number, let b = right.number else { return nil }
            return a < b
        }
    }
}

/// Members by name.
typealias TemplateDictionary = OrderedDictionary<String, TemplateValue>

// The classes below belong to one rendering, which is one thread's; templates hold none of them.

/// Variables that inner scopes can change (`namespace()`).
final class TemplateNamespace: @unchecked Sendable {
    var members: TemplateDictionary

    init(_ members: TemplateDictionary) { self.members = members }
}

/// A macro and the variables around it.
final class TemplateClosure: @unchecked Sendable {
    let macro: TemplateMacro
    let scope: TemplateScope

    init(macro: TemplateMacro, scope: TemplateScope) {
        self.macro = macro
        self.scope = scope
    }
}

/// What `loop` tells.
final class TemplateLoopState: @unchecked Sendable {
    let elements: [TemplateValue]
    var index = 0
    var lastChanged: [TemplateValue]?

    init(elements: [TemplateValue]) { self.elements = elements }

    func attribute(_ name: String) -> TemplateValue {
        let count = elements.count
        switch name {
        case "index": return .integer(index + 1)
        case "index0": return .integer(index)
        case "revindex": return .integer(count - index)
        case "revindex0": return .integer(count - index - 1)
        case "first": return .bool(index == 0)
        case "last": return .bool(index == count - 1)
        case "length": return .integer(count)
        // Only recursive loops are deeper.
        case "depth": return .integer(1)
        case "depth0": return .integer(0)
        case "previtem":
            return index > 0 ? elements[index - 1] : .undefined("there is no previous item")
        case "nextitem":
            return index + 1 < count ? elements[index + 1] : .undefined("there is no next item")
        case "cycle", "changed": return .method(.loop(self), name)
        default: return .undefined("'loop.\(name)'")
        }
    }
}

/// Variables, and those around them.
final class TemplateScope: @unchecked Sendable {
    var names: [String: TemplateValue] = [:]
    let parent: TemplateScope?

    init(parent: TemplateScope?) { self.parent = parent }

    func find(_ name: String) -> TemplateValue? {
        var scope: TemplateScope? = self
        while let current = scope {
            if let value = current.names[name] { return value }
            scope = current.parent
        }
        return nil
    }
}
