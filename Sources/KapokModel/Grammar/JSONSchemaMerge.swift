import OrderedCollections

/// One schema that says what two say.
enum JSONSchemaMerge {
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "example", "$schema", "$id", "$comment",
        "$anchor", "$defs", "definitions", "deprecated", "readOnly", "writeOnly", "strict",
    ]
    private static let greater: Set<String> = [
        "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties",
    ]
    private static let lesser: Set<String> = [
        "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties",
    ]

    /// - Throws: `unsupported` for keywords that have no common form.
    static func merge(
        _ left: JSONObject, _ right: JSONObject, at path: String
    ) throws(GrammarError) -> JSONObject {
        var result = left
        for (keyword, value) in right {
            guard let known = result[keyword] else {
                result[keyword] = value
                continue
            }
            guard known != value, !annotations.contains(keyword) else { continue }
            result[keyword] = try merge(known, value, keyword, at: path)
        }
        // What one side does not know must also pass the other's closed list.
        for (closed, open) in [(left, right), (right, left)] {
            guard closed["additionalProperties"] == .bool(false) else { continue }
            let allowed = closed["properties"]?.objectValue ?? [:]
            for name in (open["properties"]?.objectValue ?? [:]).keys where allowed[name] == nil {
                guard case .object(var properties)? = result["properties"] else { continue }
                properties[name] = false
                result["properties"] = .object(properties)
            }
        }
        return result
    }

    private static func merge(
        _ left: JSONValue, _ right: JSONValue, _ keyword: String, at path: String
    ) throws(GrammarError) -> JSONValue {
        let place = "\(path)/\(keyword)"
        if greater.contains(keyword) || lesser.contains(keyword),
            let a = left.doubleValue, let b = right.doubleValue
        {
            return (a < b) == lesser.contains(keyword) ? left : right
        }
        switch (keyword, left, right) {
        case ("properties", .object(var properties), .object(let others)):
            for (name, schema) in others {
                if let known = properties[name], known != schema {
                    properties[name] = .object(["allOf": .array([known, schema])])
                } else {
                    properties[name] = schema
                }
            }
            return .object(properties)
        case ("required", .array(let names), .array(let others)):
            return .array(names + others.filter { !names.contains($0) })
        case ("type", _, _):
            let others = list(right)
            var both = list(left).filter { others.contains($0) }
            // An integer is also a number.
            if both.isEmpty, list(left).contains("number"), others.contains("integer") {
                both = ["integer"]
            }
            if both.isEmpty, others.contains("number"), list(left).contains("integer") {
                both = ["integer"]
            }
            guard !both.isEmpty else {
                throw GrammarError(.unsatisfiable, at: place, "no type satisfies both schemas")
            }
            return both.count == 1 ? both[0] : .array(both)
        case ("enum", .array(let values), .array(let others)):
            let both = values.filter { others.contains($0) }
            guard !both.isEmpty else {
                throw GrammarError(.unsatisfiable, at: place, "no value satisfies both schemas")
            }
            return .array(both)
        case ("items", _, _), ("additionalProperties", .object, .object):
            return .object(["allOf": .array([left, right])])
        case ("additionalProperties", _, _):
            // Objects are wider than false and narrower than true.
            return left == .bool(false) || right == .bool(true) ? left : right
        default:
            throw GrammarError(
                .unsupported, at: place,
                "'\(keyword)' is given twice and the two have no common form")
        }
    }

    private static func list(_ value: JSONValue) -> [JSONValue] {
        value.arrayValue ?? [value]
    }
}
