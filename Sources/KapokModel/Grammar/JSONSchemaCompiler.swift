import OrderedCollections

/// Turns a JSON Schema (2020-12 and the common forms of earlier drafts) into a grammar.
///
/// The texts of the grammar are a subset of what the schema allows: members come in the order in
/// which the schema names them, white space is at most one space behind a comma or colon, and
/// numbers have bounded digits.
struct JSONSchemaCompiler {
    var rules: GrammarRules
    let root: JSONValue
    /// The rule of each reference.
    private var references: [String: Int] = [:]
    /// References whose rules are not defined yet.
    private var waiting: [String] = []

    /// How far `$ref` and `allOf` are followed while schemas are merged.
    private static let mergeLimit = 32
    /// The most alternatives of one `anyOf`, values of one `enum`, elements of one `prefixItems`.
    static let alternativeLimit = 2000

    /// Keywords without a meaning for the text.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "example", "$schema", "$id", "$comment",
        "$anchor", "deprecated", "readOnly", "writeOnly", "$defs", "definitions", "strict",
        "contentEncoding", "contentMediaType", "discriminator", "externalDocs", "xml",
    ]
    /// Keywords that are enforced.
    private static let known: Set<String> = [
        "type", "properties", "required", "additionalProperties", "items", "prefixItems",
        "minItems", "maxItems", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "minLength",
        "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum", "multipleOf", "nullable", "minProperties", "maxProperties",
        "unevaluatedProperties", "additionalItems",
    ]

    init(root: JSONValue, rules: GrammarRules = GrammarRules()) {
        self.root = root
        self.rules = rules
    }

    /// The grammar's start; afterwards `rules` has all that it calls.
    mutating func compileRoot() throws(GrammarError) -> GrammarExpression {
        let start = try compile(root, at: "#")
        while let reference = waiting.popLast() {
            guard let rule = references[reference] else { preconditionFailure("no such rule") }
            let expression = try compile(resolve(reference, at: reference), at: reference)
            rules.define(rule, expression)
        }
        return start
    }

    /// A schema's grammar.
    mutating func compile(
        _ schema: JSONValue, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        switch schema {
        case .bool(true): return rules.anyValue()
        case .bool(false): return .never
        case .object(let members): return try compile(members, at: path)
        default:
            throw GrammarError(
                .invalid, at: path,
                "a schema is an object or a boolean, not "
                    + schema.kindDescription)
        }
    }

    private mutating func compile(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        try checkKeywords(members, at: path)
        if let reference = members["$ref"], !Self.hasAssertions(members, besides: "$ref") {
            guard let target = reference.stringValue else {
                throw GrammarError(.invalid, at: path + "/$ref", "a reference is a string")
            }
            return .rule(try rule(for: target, at: path + "/$ref"))
        }
        let merged = try flattened(members, at: path, depth: 0)
        for keyword in ["anyOf", "oneOf"] {
            guard let list = merged[keyword] else { continue }
            return try alternatives(list, keyword, of: merged, at: path)
        }
        if members["nullable"] == .bool(true) {
            var rest = merged
            rest["nullable"] = nil
            return .choice([try typed(rest, at: path), JSONText.null])
        }
        return try typed(merged, at: path)
    }

    private mutating func alternatives(
        _ list: JSONValue, _ keyword: String, of members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        guard let schemas = list.arrayValue, !schemas.isEmpty,
            schemas.count <= Self.alternativeLimit
        else {
            throw GrammarError(
                .invalid, at: "\(path)/\(keyword)",
                "a list of 1 to \(Self.alternativeLimit) schemas is needed")
        }
        var base = members
        base[keyword] = nil
        let isPlain = !Self.hasAssertions(base, besides: "")
        var parts: [GrammarExpression] = []
        for (index, schema) in schemas.enumerated() {
            let place = "\(path)/\(keyword)/\(index)"
            if isPlain {
                parts.append(try compile(schema, at: place))
            } else {
                let both: JSONObject = ["allOf": .array([.object(base), schema])]
                parts.append(try compile(.object(both), at: place))
            }
        }
        return .choice(parts)
    }

    // MARK: Types

    /// A schema without references and alternatives.
    private mutating func typed(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        if let value = members["const"] { return try constants([value], of: members, at: path) }
        if let list = members["enum"] {
            guard let values = list.arrayValue, !values.isEmpty,
                values.count <= Self.alternativeLimit
            else {
                throw GrammarError(
                    .invalid, at: path + "/enum",
                    "a list of 1 to \(Self.alternativeLimit) values is needed")
            }
            return try constants(values, of: members, at: path)
        }
        let types = try Self.types(of: members, at: path)
        guard !types.isEmpty else { return rules.anyValue() }
        var parts: [GrammarExpression] = []
        for type in types { parts.append(try compile(type, members, at: path)) }
        return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func compile(
        _ type: String, _ members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        switch type {
        case "null": return JSONText.null
        case "boolean": return JSONText.boolean
        case "integer": return try JSONSchemaNumbers.integer(members, at: path)
        case "number": return try JSONSchemaNumbers.number(members, at: path)
        case "string": return try JSONSchemaStrings.string(members, at: path)
        case "array": return try array(members, at: path)
        case "object": return try object(members, at: path)
        default:
            throw GrammarError(.invalid, at: path + "/type", "no type is called '\(type)'")
        }
    }

    /// The types that a schema allows; those that its keywords suggest where it names none.
    private static func types(
        of members: JSONObject, at path: String
    ) throws(GrammarError) -> [String] {
        switch members["type"] {
        case .string(let type)?: return [type]
        case .array(let list)?:
            let names = list.compactMap(\.stringValue)
            guard names.count == list.count, !names.isEmpty else {
                throw GrammarError(.invalid, at: path + "/type", "types are named by strings")
            }
            // Every integer is a number, too.
            return names.contains("number") ? names.filter { $0 != "integer" } : names
        case nil: break
        default: throw GrammarError(.invalid, at: path + "/type", "a string or a list is needed")
        }
        let suggestions = [
            ("object", ["properties", "required", "additionalProperties", "maxProperties"]),
            ("array", ["items", "prefixItems", "minItems", "maxItems"]),
            ("string", ["minLength", "maxLength", "pattern", "format"]),
            ("number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
        ]
        return suggestions.filter { $0.1.contains { members[$0] != nil } }.map(\.0)
    }

    /// Fixed values; where the schema says more, the values are held against it.
    private func constants(
        _ values: [JSONValue], of members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        let judged: Set<String> = ["const", "enum", "type", "nullable"]
        if let other = members.keys.first(where: {
            Self.known.contains($0) && !judged.contains($0)
        }) {
            throw GrammarError(
                .unsupported, at: "\(path)/\(other)", "'\(other)' beside fixed values")
        }
        let types = try Self.types(of: members, at: path)
        let allowed = values.filter { value in
            let fits = types.isEmpty || types.contains { Self.isValue(value, of: $0) }
            // `const` and `enum` together: both must agree.
            return fits && (members["enum"]?.arrayValue?.contains(value) ?? true)
        }
        guard !allowed.isEmpty else {
            throw GrammarError(
                .unsatisfiable, at: path, "none of the fixed values is of the type")
        }
        return .choice(allowed.map { JSONText.constant($0) })
    }

    private static func isValue(_ value: JSONValue, of type: String) -> Bool {
        switch type {
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

    // MARK: Keywords

    private static func hasAssertions(_ members: JSONObject, besides keyword: String) -> Bool {
        members.keys.contains { known.contains($0) && $0 != keyword }
    }

    private func checkKeywords(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) {
        for keyword in members.keys {
            if Self.known.contains(keyword) || Self.annotations.contains(keyword)
                || keyword.hasPrefix("x-")
            {
                continue
            }
            throw GrammarError(
                .unsupported, at: "\(path)/\(keyword)",
                "the keyword '\(keyword)' is not supported; leave it out or say it otherwise")
        }
    }

    // MARK: References

    /// The rule of a reference; it is compiled later, so that schemas may contain themselves.
    private mutating func rule(
        for reference: String, at path: String
    ) throws(GrammarError) -> Int {
        if let known = references[reference] { return known }
        try checkCycle(reference, at: path)
        let rule = rules.reserve()
        references[reference] = rule
        waiting.append(reference)
        return rule
    }

    /// The schema that a reference names: `#`, or a JSON pointer (RFC 6901) behind it.
    func resolve(_ reference: String, at path: String) throws(GrammarError) -> JSONValue {
        guard reference.hasPrefix("#") else {
            throw GrammarError(
                .unsupported, at: path,
                "'\(reference)' is outside of the schema; only '#...' is followed")
        }
        let pointer = reference.dropFirst()
        guard pointer.isEmpty || pointer.hasPrefix("/") else {
            throw GrammarError(
                .unsupported, at: path, "'\(reference)': only JSON pointers are followed")
        }
        var value = root
        for part in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            let name = String(part).replacing("~1", with: "/").replacing("~0", with: "~")
            guard let next = value[name] ?? Int(name).flatMap({ value[$0] }) else {
                throw GrammarError(.invalid, at: path, "'\(reference)' leads nowhere")
            }
            value = next
        }
        return value
    }

    /// Refuses references that come back to themselves with nothing in between.
    private func checkCycle(_ reference: String, at path: String) throws(GrammarError) {
        var seen: Set<String> = []
        var waiting = [reference]
        while let next = waiting.popLast() {
            guard case .object(let members) = try resolve(next, at: path) else { continue }
            for target in Self.headReferences(members, depth: 0) {
                if target == reference {
                    throw GrammarError(
                        .invalid, at: path, "'\(reference)' refers to itself at once")
                }
                if seen.insert(target).inserted { waiting.append(target) }
            }
        }
    }

    private static func headReferences(_ members: JSONObject, depth: Int) -> [String] {
        guard depth < mergeLimit else { return [] }
        var found = [members["$ref"]?.stringValue].compactMap { $0 }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            for part in members[keyword]?.arrayValue ?? [] {
                if case .object(let inner) = part {
                    found += headReferences(inner, depth: depth + 1)
                }
            }
        }
        return found
    }

    /// The schema with its `$ref` and `allOf` worked in.
    func flattened(
        _ members: JSONObject, at path: String, depth: Int
    ) throws(GrammarError) -> JSONObject {
        guard depth < Self.mergeLimit else {
            throw GrammarError(
                .tooLarge, at: path, "references are nested deeper than \(Self.mergeLimit)")
        }
        try checkKeywords(members, at: path)
        var result = members
        result["$ref"] = nil
        result["allOf"] = nil
        var parts: [(JSONValue, String)] = []
        if let reference = members["$ref"] {
            guard let target = reference.stringValue else {
                throw GrammarError(.invalid, at: path + "/$ref", "a reference is a string")
            }
            parts.append((try resolve(target, at: path + "/$ref"), target))
        }
        if let list = members["allOf"] {
            guard let schemas = list.arrayValue else {
                throw GrammarError(.invalid, at: path + "/allOf", "a list of schemas is needed")
            }
            for (index, schema) in schemas.enumerated() {
                parts.append((schema, "\(path)/allOf/\(index)"))
            }
        }
        for (schema, place) in parts {
            switch schema {
            case .bool(true): continue
            case .object(let inner):
                let flat = try flattened(inner, at: place, depth: depth + 1)
                result = try JSONSchemaMerge.merge(result, flat, at: place)
            default:
                throw GrammarError(.unsupported, at: place, "this schema cannot be merged")
            }
        }
        return result
    }
}
