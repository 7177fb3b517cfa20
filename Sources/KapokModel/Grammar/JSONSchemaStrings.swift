import OrderedCollections

/// Strings: lengths, patterns, formats, and names of members.
enum JSONSchemaStrings {
    /// The most characters of a member's name that the schema does not give.
    private static let nameLength = 64
    /// The greatest `maxLength` that is counted; a greater one is as good as none.
    private static let lengthLimit = 100_000

    static func string(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        let minimum = try JSONSchemaCompiler.count("minLength", members, at: path) ?? 0
        let maximum = try JSONSchemaCompiler.count("maxLength", members, at: path)
        guard maximum.map({ minimum <= $0 }) ?? true else {
            throw GrammarError(.unsatisfiable, at: path, "minLength is above maxLength")
        }
        if let pattern = members["pattern"] {
            guard let text = pattern.stringValue else {
                throw GrammarError(.invalid, at: path + "/pattern", "a string is needed")
            }
            return try matching(text, minimum, maximum, at: path + "/pattern")
        }
        // A format that is not known is an annotation, as JSON Schema has it.
        if let name = members["format"]?.stringValue, let pattern = formats[name] {
            return try matching(pattern, minimum, maximum, at: path + "/format")
        }
        let bounded = maximum.flatMap { $0 > lengthLimit ? nil : $0 }
        return .jsonString(minimum: minimum, maximum: bounded)
    }

    private static func matching(
        _ pattern: String, _ minimum: Int, _ maximum: Int?, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        let expression: RegularExpression
        do { expression = try RegularExpression(pattern) } catch {
            throw GrammarError(error.kind, at: "\(path), \(error.place)", error.problem)
        }
        let lengths = expression.searchLengths
        let isWithin =
            lengths.minimum >= minimum
            && (maximum.map { limit in lengths.maximum.map { $0 <= limit } ?? false } ?? true)
        guard isWithin else {
            throw GrammarError(
                .unsupported, at: path,
                "a pattern beside lengths that it does not keep by itself; put the lengths into "
                    + "the pattern, as in '^[a-z]{2,8}$'")
        }
        return .sequence([.text("\""), expression.search(in: .jsonString), .text("\"")])
    }

    /// The formats that are enforced (RFC 3339, 4122, 5321, 2673, 4291, 1123, 3986; the last ones
    /// in a simple form).
    private static let formats: [String: String] = {
        let date =
            "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
            + "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
        let time =
            "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?"
            + "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
        let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
        let label = "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
        let host = "\(label)(\\.\(label)){0,6}"
        let hex = "[0-9a-fA-F]"
        return [
            "date": "^\(date)$", "time": "^\(time)$", "date-time": "^\(date)T\(time)$",
            "uuid": "^\(hex){8}-\(hex){4}-\(hex){4}-\(hex){4}-\(hex){12}$",
            "email": "^[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,16}){0,3}@\(label)"
                + "(\\.\(label)){0,3}\\.[A-Za-z]{2,12}$",
            "ipv4": "^\(byte)\\.\(byte)\\.\(byte)\\.\(byte)$",
            "ipv6": "^(\(hex){1,4}:){7}\(hex){1,4}$",
            "hostname": "^\(host)$",
            "uri": "^[a-z][a-z0-9+.-]{0,15}://\(host)(:[1-9][0-9]{0,3})?"
                + "(/[A-Za-z0-9._~%!$&'()*+,;=:@/?#-]{0,500})?$",
            "duration": "^P([0-9]{1,4}W|([0-9]{1,4}Y)?([0-9]{1,4}M)?[0-9]{1,4}D"
                + "(T([0-9]{1,4}H)?([0-9]{1,4}M)?[0-9]{1,4}S)?|T([0-9]{1,4}H)?[0-9]{1,4}M"
                + "|T[0-9]{1,4}S)$",
        ]
    }()

    // MARK: Names

    /// A member's name that is none of `names`, of at most `nameLength` characters, without
    /// escapes.
    static func name(otherThan names: Set<String>) -> GrammarExpression {
        let texts = names.sorted().map { Array($0.unicodeScalars) }
        return .sequence([.text("\""), rest(of: texts[...], at: 0), .text("\"")])
    }

    /// What may follow `depth` characters that all `texts` share, so that none of them comes out.
    private static func rest(
        of texts: ArraySlice<[Unicode.Scalar]>, at depth: Int
    ) -> GrammarExpression {
        let free = GrammarExpression.repeated(
            .scalars(JSONText.plain), minimum: 0, maximum: nameLength)
        guard !texts.isEmpty else { return free }
        var byNext = OrderedDictionary<Unicode.Scalar, [[Unicode.Scalar]]>()
        var endsHere = false
        for text in texts {
            if text.count == depth {
                endsHere = true
            } else {
                byNext[text[depth], default: []].append(text)
            }
        }
        var parts: [GrammarExpression] = [
            .sequence([.scalars(JSONText.plain.subtracting(ScalarSet(byNext.keys))), free])
        ]
        for (next, group) in byNext where JSONText.plain.contains(next) {
            parts.append(
                .sequence([.scalars(ScalarSet([next])), rest(of: group[...], at: depth + 1)]))
        }
        if !endsHere { parts.append(.empty) }
        return .choice(parts)
    }
}
