import KapokModel
import OrderedCollections

/// A plain validator of JSON Schema, written from its specification and independent of grammars.
struct GrammarValidator {
    let root: JSONValue

    func accepts(_ value: JSONValue) -> Bool { accepts(value, root) }

    private func accepts(_ value: JSONValue, _ schema: JSONValue) -> Bool {
        guard let members = schema.objectValue else { return schema == .bool(true) }
        return members.allSatisfy { keyword, argument in
            holds(keyword, argument, members, value)
        }
    }

    private func holds(
        _ keyword: String, _ argument: JSONValue, _ schema: JSONObject, _ value: JSONValue
    ) -> Bool {
        switch keyword {
        case "type": return (argument.arrayValue ?? [argument]).contains { isOf($0, value) }
        case "enum": return argument.arrayValue?.contains { isSame($0, value) } ?? false
        case "const": return isSame(argument, value)
        case "anyOf": return argument.arrayValue?.contains { accepts(value, $0) } ?? false
        case "oneOf": return argument.arrayValue?.contains { accepts(value, $0) } ?? false
        case "allOf": return argument.arrayValue?.allSatisfy { accepts(value, $0) } ?? false
        case "$ref": return accepts(value, resolved(argument.stringValue ?? ""))
        case "minLength":
            return value.stringValue.map { $0.unicodeScalars.count >= int(argument) } ?? true
        case "maxLength":
            return value.stringValue.map { $0.unicodeScalars.count <= int(argument) } ?? true
        case "pattern":
            guard let text = value.stringValue, let regex = try? Regex(argument.stringValue ?? "")
            else { return value.stringValue == nil }
            return text.firstMatch(of: regex) != nil
        case "minimum": return value.doubleValue.map { $0 >= argument.doubleValue! } ?? true
        case "maximum": return value.doubleValue.map { $0 <= argument.doubleValue! } ?? true
        case "exclusiveMinimum": return value.doubleValue.map { $0 > argument.doubleValue! } ?? true
        case "exclusiveMaximum": return value.doubleValue.map { $0 < argument.doubleValue! } ?? true
        case "minItems": return value.arrayValue.map { $0.count >= int(argument) } ?? true
        case "maxItems": return value.arrayValue.map { $0.count <= int(argument) } ?? true
        case "prefixItems":
            guard let elements = value.arrayValue, let schemas = argument.arrayValue else {
                return true
            }
            return zip(elements, schemas).allSatisfy { accepts($0, $1) }
        case "items":
            let first = schema["prefixItems"]?.arrayValue?.count ?? 0
            return value.arrayValue?.dropFirst(first).allSatisfy { accepts($0, argument) } ?? true
        case "required":
            guard let members = value.objectValue else { return true }
            return argument.arrayValue?.allSatisfy { members[$0.stringValue ?? ""] != nil } ?? false
        case "properties":
            guard let members = value.objectValue else { return true }
            return argument.objectValue?.allSatisfy { name, inner in
                members[name].map { accepts($0, inner) } ?? true
            } ?? false
        case "additionalProperties":
            guard let members = value.objectValue else { return true }
            let known = schema["properties"]?.objectValue ?? [:]
            return members.allSatisfy { known[$0.key] != nil || accepts($0.value, argument) }
        case "$defs": return true
        default: return false
        }
    }

    private func int(_ value: JSONValue) -> Int { value.integerValue ?? -1 }

    private func isOf(_ type: JSONValue, _ value: JSONValue) -> Bool {
        switch type.stringValue {
        case "null": value.isNull
        case "boolean": value.boolValue != nil
        case "integer": value.integerValue != nil
        case "number": value.doubleValue != nil
        case "string": value.stringValue != nil
        case "array": value.arrayValue != nil
        case "object": value.objectValue != nil
        default: false
        }
    }

    private func isSame(_ left: JSONValue, _ right: JSONValue) -> Bool {
        if let a = left.doubleValue, let b = right.doubleValue { return a == b }
        return left == right
    }

    private func resolved(_ reference: String) -> JSONValue {
        reference.split(separator: "/").dropFirst().reduce(root) { $0[String($1)] ?? .bool(false) }
    }
}
