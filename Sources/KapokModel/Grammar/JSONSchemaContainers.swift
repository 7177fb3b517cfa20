import OrderedCollections

// Arrays and objects.
extension JSONSchemaCompiler {
    private static let countLimit = 10_000

    // MARK: Arrays

    /// Arrays: `prefixItems` (or a list under `items`) first, `items` for the others.
    mutating func array(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        let minimum = try Self.count("minItems", members, at: path) ?? 0
        let maximum = try Self.count("maxItems", members, at: path)
        guard maximum.map({ minimum <= $0 }) ?? true else {
            throw GrammarError(.unsatisfiable, at: path, "minItems is above maxItems")
        }
        var prefix = members["prefixItems"]
        var rest = members["items"]
        if rest?.arrayValue != nil, prefix == nil {
            prefix = rest
            rest = members["additionalItems"]
        }
        let element: GrammarExpression?
        switch rest {
        case .bool(false)?: element = nil
        case let schema?: element = rules.add(try compile(schema, at: path + "/items"))
        // Tuples end with their last element unless the schema says how they go on.
        case nil: element = prefix == nil ? rules.anyArrayElement() : nil
        }
        guard let schemas = prefix?.arrayValue, !schemas.isEmpty else {
            guard let element else {
                guard minimum == 0 else {
                    throw GrammarError(.unsatisfiable, at: path, "no element is allowed")
                }
                return .text("[]")
            }
            return JSONText.array(element, minimum: minimum, maximum: maximum)
        }
        return try tuple(schemas, element, minimum, maximum, at: path)
    }

    private mutating func tuple(
        _ schemas: [JSONValue], _ element: GrammarExpression?, _ minimum: Int, _ maximum: Int?,
        at path: String
    ) throws(GrammarError) -> GrammarExpression {
        guard schemas.count <= Self.alternativeLimit else {
            throw GrammarError(.tooLarge, at: path, "too many elements")
        }
        // Shorter tuples are valid, but hardly meant: all elements come.
        let count = min(schemas.count, maximum ?? .max)
        guard count >= minimum || element != nil else {
            throw GrammarError(.unsatisfiable, at: path, "minItems is above the elements given")
        }
        guard count > 0 else { return .text("[]") }
        var parts: [GrammarExpression] = [.text("[")]
        for (index, schema) in schemas.prefix(count).enumerated() {
            if index > 0 { parts.append(JSONText.comma) }
            parts.append(try compile(schema, at: "\(path)/prefixItems/\(index)"))
        }
        if let element, count == schemas.count {
            parts.append(
                .repeated(
                    .sequence([JSONText.comma, element]), minimum: max(0, minimum - count),
                    maximum: maximum.map { $0 - count }))
        }
        return .sequence(parts + [.text("]")])
    }

    // MARK: Objects

    /// Objects: the members of `properties` in their order, then others where these are allowed.
    mutating func object(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        let properties = try Self.properties(members, at: path)
        let required = try Self.required(members, at: path)
        let additional = try additionalValue(members, properties, required, at: path)
        var fields: [(member: GrammarExpression, isRequired: Bool)] = []
        for (name, schema) in properties {
            if schema == .bool(false) {
                guard !required.contains(name) else {
                    throw GrammarError(
                        .unsatisfiable, at: path, "'\(name)' is both required and forbidden")
                }
                continue
            }
            let value = try compile(
                schema, at: "\(path)/properties/\(Self.pointerPart(name))")
            let member = rules.add(
                .sequence([JSONText.constant(.string(name)), JSONText.colon, value]))
            fields.append((member, required.contains(name)))
        }
        for name in required where properties[name] == nil {
            guard let additional else {
                throw GrammarError(
                    .unsatisfiable, at: path, "'\(name)' is required, but not a property")
            }
            fields.append(
                (
                    .sequence([JSONText.constant(.string(name)), JSONText.colon, additional]),
                    true
                ))
        }
        let maximum = try memberLimit(members, fields.map(\.isRequired), additional, at: path)
        let other = additional.map { value in
            let names = Set(properties.keys).union(required)
            return rules.add(
                .sequence([JSONSchemaStrings.name(otherThan: names), JSONText.colon, value]))
        }
        return .sequence([.text("{"), list(fields, other, maximum), .text("}")])
    }

    /// The members with their commas: which one is first decides where commas are.
    private mutating func list(
        _ fields: [(member: GrammarExpression, isRequired: Bool)], _ other: GrammarExpression?,
        _ maximum: Int?
    ) -> GrammarExpression {
        guard !fields.isEmpty else {
            return other.map { JSONText.list($0, maximum: maximum) } ?? .empty
        }
        // What follows a member, for each number of members passed.
        var rests: [GrammarExpression] = [
            other.map { .repeated(.sequence([JSONText.comma, $0]), minimum: 0, maximum: nil) }
                ?? .empty
        ]
        for field in fields.reversed() {
            let part = GrammarExpression.sequence([JSONText.comma, field.member])
            let rest = GrammarExpression.sequence([
                field.isRequired ? part : .optional(part), rests[rests.count - 1],
            ])
            rests.append(rules.add(rest))
        }
        rests.reverse()
        var alternatives: [GrammarExpression] = []
        for (index, field) in fields.enumerated() {
            alternatives.append(.sequence([field.member, rests[index + 1]]))
            if field.isRequired { return .choice(alternatives) }
        }
        if let other { alternatives.append(JSONText.list(other, minimum: 1)) }
        return .choice(alternatives + [.empty])
    }

    /// The grammar of members that `properties` does not name; nil where there are none.
    private mutating func additionalValue(
        _ members: JSONObject, _ properties: JSONObject, _ required: [String], at path: String
    ) throws(GrammarError) -> GrammarExpression? {
        let keyword =
            members["additionalProperties"] == nil && members["unevaluatedProperties"] != nil
            ? "unevaluatedProperties" : "additionalProperties"
        switch members[keyword] {
        case .bool(false)?: return nil
        case let schema?: return rules.add(try compile(schema, at: "\(path)/\(keyword)"))
        // JSON Schema would allow anything; a schema that names members means these.
        case nil:
            let isOpen = properties.isEmpty || required.contains { properties[$0] == nil }
            return isOpen ? rules.anyValue() : nil
        }
    }

    /// `maxProperties` where there are members of any name alone; elsewhere it must say nothing.
    private func memberLimit(
        _ members: JSONObject, _ areRequired: [Bool], _ additional: GrammarExpression?,
        at path: String
    ) throws(GrammarError) -> Int? {
        let minimum = try Self.count("minProperties", members, at: path) ?? 0
        let maximum = try Self.count("maxProperties", members, at: path)
        guard minimum <= areRequired.count(where: { $0 }) else {
            throw GrammarError(
                .unsupported, at: path + "/minProperties",
                "only as many members as are required can be asked for")
        }
        guard let maximum else { return nil }
        if areRequired.isEmpty { return maximum }
        guard additional == nil, areRequired.count <= maximum else {
            throw GrammarError(
                .unsupported, at: path + "/maxProperties",
                "it can limit objects without named properties only")
        }
        return nil
    }

    // MARK: Keywords

    private static func properties(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) -> JSONObject {
        guard let value = members["properties"] else { return [:] }
        guard case .object(let properties) = value else {
            throw GrammarError(.invalid, at: path + "/properties", "an object is needed")
        }
        return properties
    }

    private static func required(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) -> [String] {
        guard let value = members["required"] else { return [] }
        guard let names = value.arrayValue?.compactMap(\.stringValue),
            names.count == value.arrayValue?.count
        else {
            throw GrammarError(.invalid, at: path + "/required", "a list of names is needed")
        }
        return Array(OrderedSet(names))
    }

    /// A number of elements or characters.
    static func count(
        _ keyword: String, _ members: JSONObject, at path: String
    ) throws(GrammarError) -> Int? {
        guard let value = members[keyword] else { return nil }
        guard let count = value.integerValue, count >= 0 else {
            throw GrammarError(
                .invalid, at: "\(path)/\(keyword)", "a whole number from 0 on is needed")
        }
        guard count <= countLimit || keyword.hasPrefix("max") else {
            throw GrammarError(
                .tooLarge, at: "\(path)/\(keyword)", "at most \(countLimit) can be asked for")
        }
        return min(count, 1 << 30)
    }

    private static func pointerPart(_ name: String) -> String {
        name.replacing("~", with: "~0").replacing("/", with: "~1")
    }
}
