import KapokModel
import OrderedCollections

/// An object of a request, read member by member into typed values. Null counts as absent. Every
/// complaint names the member with its path.
struct RequestFields {
    /// The members.
    let object: JSONObject
    /// The path of the object, empty for the body itself.
    let path: String

    init(_ object: JSONObject, path: String = "") {
        self.object = object
        self.path = path
    }

    /// The object in `value`.
    init(_ value: JSONValue, path: String) throws(APIError) {
        guard case .object(let object) = value else {
            throw .invalid(path, "expected an object, found \(value.kindDescription)")
        }
        self.init(object, path: path)
    }

    /// A member's path.
    func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// A member that is there and not null.
    subscript(key: String) -> JSONValue? {
        guard let value = object[key], value != .null else { return nil }
        return value
    }

    func has(_ key: String) -> Bool { self[key] != nil }

    func required(_ key: String) throws(APIError) -> JSONValue {
        guard let value = self[key] else {
            throw APIError(
                .invalid, "\(name(key)): this field is required", parameter: name(key),
                code: "missing_required_parameter")
        }
        return value
    }

    private func wrong(_ key: String, _ expected: String, _ value: JSONValue) -> APIError {
        .invalid(
            name(key), "expected \(expected), found \(value.kindDescription)", code: "invalid_type")
    }

    func string(_ key: String) throws(APIError) -> String? {
        guard let value = self[key] else { return nil }
        guard case .string(let text) = value else { throw wrong(key, "a string", value) }
        return text
    }

    func requiredString(_ key: String) throws(APIError) -> String {
        _ = try required(key)
        return try string(key) ?? ""
    }

    func bool(_ key: String) throws(APIError) -> Bool? {
        guard let value = self[key] else { return nil }
        guard case .bool(let flag) = value else { throw wrong(key, "a boolean", value) }
        return flag
    }

    /// A whole number within bounds; `3.0` is one, too.
    func integer(_ key: String, in bounds: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = self[key] else { return nil }
        guard let number = value.integerValue else { throw wrong(key, "an integer", value) }
        guard bounds.contains(number) else {
            throw .invalid(
                name(key), "\(number) is not between \(bounds.lowerBound) and \(bounds.upperBound)",
                code: "invalid_value")
        }
        return number
    }

    /// A number within bounds.
    func number(_ key: String, in bounds: ClosedRange<Double>) throws(APIError) -> Double? {
        guard let value = self[key] else { return nil }
        guard let number = value.doubleValue, number.isFinite else {
            throw wrong(key, "a number", value)
        }
        guard bounds.contains(number) else {
            throw .invalid(
                name(key), "\(number) is not between \(bounds.lowerBound) and \(bounds.upperBound)",
                code: "invalid_value")
        }
        return number
    }

    /// An array of at most `limit` values.
    func array(_ key: String, limit: Int) throws(APIError) -> [JSONValue]? {
        guard let value = self[key] else { return nil }
        guard case .array(let values) = value else { throw wrong(key, "an array", value) }
        guard values.count <= limit else {
            throw .invalid(
                name(key), "\(values.count) entries are more than the \(limit) allowed",
                code: "array_above_max_length")
        }
        return values
    }

    /// An object.
    func fields(_ key: String) throws(APIError) -> RequestFields? {
        guard let value = self[key] else { return nil }
        guard case .object(let object) = value else { throw wrong(key, "an object", value) }
        return RequestFields(object, path: name(key))
    }

    /// One of several texts, or one alone.
    func strings(_ key: String, limit: Int, bytes: Int) throws(APIError) -> [String] {
        guard let value = self[key] else { return [] }
        var texts: [String] = []
        if case .string(let text) = value {
            texts = [text]
        } else {
            guard case .array = value else { throw wrong(key, "a string or an array", value) }
            for (index, entry) in (try array(key, limit: limit) ?? []).enumerated() {
                guard case .string(let text) = entry else {
                    throw .invalid(
                        "\(name(key))[\(index)]",
                        "expected a string, found \(entry.kindDescription)",
                        code: "invalid_type")
                }
                texts.append(text)
            }
        }
        for text in texts where text.isEmpty || text.utf8.count > bytes {
            throw .invalid(
                name(key), "each text must have 1 to \(bytes) bytes", code: "invalid_value")
        }
        return texts
    }

    /// Refuses members that would change the answer and are not offered; one that says what would
    /// happen anyway passes.
    func refuse(
        _ key: String, _ why: String, unless harmless: (JSONValue) -> Bool = { _ in false }
    ) throws(APIError) {
        guard let value = self[key], !harmless(value) else { return }
        throw .unsupported(name(key), why)
    }
}
