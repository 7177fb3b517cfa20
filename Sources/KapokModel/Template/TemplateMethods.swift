import OrderedCollections

/// Methods of values. Those that would change a list or mapping are refused, as in the immutable
/// sandbox that other servers use.
enum TemplateMethods {
    static let ofDictionary: Set<String> = [
        "get", "items", "keys", "values", "copy", "clear", "fromkeys", "pop", "popitem",
        "setdefault", "update",
    ]
    static let ofList: Set<String> = [
        "index", "count", "copy", "append", "extend", "insert", "pop", "remove", "reverse", "sort",
        "clear",
    ]
    static let ofString: Set<String> = [
        "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith",
        "replace", "upper", "lower", "title", "capitalize", "find", "rfind", "index", "count",
        "join", "format", "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower",
        "removeprefix", "removesuffix", "zfill", "ljust", "rjust", "partition", "rpartition",
        "swapcase",
    ]
}

extension TemplateRenderer {
    mutating func callMethod(
        _ name: String, of receiver: TemplateValue, _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        switch receiver {
        case .dictionary(let members):
            return try method(name, of: members, arguments, at: place)
        case .list(let elements): return try method(name, of: elements, arguments, at: place)
        case .string(let text):
            try charge(text.utf8.count, at: place)
            if let result = try editing(name, text, arguments, at: place) { return result }
            return try inspection(name, text, arguments, at: place)
        case .loop(let state): return try method(name, of: state, arguments, at: place)
        default: throw place.error(.rendering, "\(receiver.kind) has no method '\(name)'")
        }
    }

    private func refuseChange(_ name: String, _ place: TemplatePlace) -> TemplateError {
        place.error(.rendering, "'\(name)' would change a value; templates must not")
    }

    private func method(
        _ name: String, of members: TemplateDictionary, _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        switch name {
        case "get":
            let standard = arguments.value(1, "default") ?? .none
            guard case .string(let key)? = arguments.value(0, "key") else { return standard }
            return members[key] ?? standard
        case "items": return .list(members.map { .list([.string($0.key), $0.value]) })
        case "keys": return .list(members.keys.map { .string($0) })
        case "values": return .list(Array(members.values))
        case "copy": return .dictionary(members)
        default: throw refuseChange(name, place)
        }
    }

    private func method(
        _ name: String, of elements: [TemplateValue], _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        let wanted = arguments.value(0, "value") ?? .none
        switch name {
        case "count":
            return .integer(elements.count { TemplateValue.areEqual($0, wanted) })
        case "index":
            guard let index = elements.firstIndex(where: { TemplateValue.areEqual($0, wanted) })
            else { throw place.error(.rendering, "the list does not have this element") }
            return .integer(index)
        case "copy": return .list(elements)
        default: throw refuseChange(name, place)
        }
    }

    private func method(
        _ name: String, of state: TemplateLoopState, _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        let values = arguments.positional
        if name == "cycle" {
            guard !values.isEmpty else { throw place.error(.rendering, "a cycle of nothing") }
            return values[state.index % values.count]
        }
        let last = state.lastChanged
        state.lastChanged = values
        return .bool(last.map { !TemplateValue.areEqual(.list($0), .list(values)) } ?? true)
    }

    // MARK: Strings

    private func string(
        _ value: TemplateValue?, _ name: String, at place: TemplatePlace
    ) throws(TemplateError) -> String {
        guard case .string(let text)? = value else {
            throw place.error(
                .rendering, "'\(name)' takes a string, not \(value?.kind ?? "nothing")")
        }
        return text
    }

    /// A string that may be missing or none.
    private func optionalString(
        _ value: TemplateValue?, _ name: String, at place: TemplatePlace
    ) throws(TemplateError) -> String? {
        switch value {
        case nil, TemplateValue.none?: return nil
        default: return try string(value, name, at: place)
        }
    }

    /// Methods that give another text or parts of it.
    private mutating func editing(
        _ name: String, _ text: String, _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue? {
        let first = arguments.value(0, name == "split" || name == "rsplit" ? "sep" : "chars")
        switch name {
        case "strip", "lstrip", "rstrip":
            return .string(
                TemplateText.strip(
                    text, try optionalString(first, name, at: place), start: name != "rstrip",
                    end: name != "lstrip"))
        case "split", "rsplit":
            let separator = try optionalString(first, name, at: place)
            guard separator != "" else { throw place.error(.rendering, "an empty separator") }
            let limit = arguments.value(1, "maxsplit")?.whole ?? -1
            let parts =
                name == "split"
                ? TemplateText.split(text, separator, limit: limit)
                : TemplateText.splitFromEnd(text, separator, limit: limit)
            try charge(parts.count * 16, at: place)
            return .list(parts.map { .string($0) })
        case "splitlines": return .list(TemplateText.lines(text).map { .string($0) })
        case "replace":
            let old = try string(first, name, at: place)
            let new = try string(arguments.value(1, "new"), name, at: place)
            return .string(
                try replaced(text, old, new, arguments.value(2, "count")?.whole ?? -1, at: place))
        case "upper": return .string(text.uppercased())
        case "lower": return .string(text.lowercased())
        case "title": return .string(TemplateText.titled(text))
        case "capitalize": return .string(TemplateText.capitalized(text))
        case "swapcase":
            return .string(
                text.unicodeScalars.map {
                    $0.properties.isUppercase
                        ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping
                }.joined())
        case "join":
            let parts = try elements(of: first ?? .none, at: place)
            return .string(try joined(parts, text, isStrict: true, at: place))
        case "format": return .string(try TemplateFormatting.braces(text, arguments, at: place))
        case "removeprefix", "removesuffix":
            let part = try string(first, name, at: place)
            return .string(Self.removing(part, from: text, atEnd: name == "removesuffix"))
        case "zfill", "ljust", "rjust":
            return .string(try padded(name, text, arguments, at: place))
        case "partition", "rpartition":
            let mark = try string(first, name, at: place)
            guard !mark.isEmpty else { throw place.error(.rendering, "an empty separator") }
            let isLast = name == "rpartition"
            let parts =
                isLast
                ? TemplateText.splitFromEnd(text, mark, limit: 1)
                : TemplateText.split(text, mark, limit: 1)
            guard parts.count == 2 else {
                let whole = isLast ? ["", "", text] : [text, "", ""]
                return .list(whole.map { .string($0) })
            }
            return .list([.string(parts[0]), .string(mark), .string(parts[1])])
        default: return nil
        }
    }

    /// A text with replacements, whose size is bounded before it is made.
    mutating func replaced(
        _ text: String, _ old: String, _ new: String, _ limit: Int, at place: TemplatePlace
    ) throws(TemplateError) -> String {
        let count = TemplateText.count(old, in: text)
        let size = count.multipliedReportingOverflow(by: new.utf8.count)
        guard !size.overflow, size.partialValue <= TemplateLimits.output else {
            throw place.error(.limit, "a text of more than \(TemplateLimits.output) bytes")
        }
        try charge(text.utf8.count + size.partialValue, at: place)
        return TemplateText.replace(text, old, new, limit: limit)
    }

    private static func removing(_ part: String, from text: String, atEnd: Bool) -> String {
        let (bytes, mark) = (Array(text.utf8), Array(part.utf8))
        if atEnd, !mark.isEmpty, bytes.suffix(mark.count).elementsEqual(mark) {
            return String(decoding: bytes.dropLast(mark.count), as: UTF8.self)
        }
        if !atEnd, bytes.starts(with: mark) {
            return String(decoding: bytes.dropFirst(mark.count), as: UTF8.self)
        }
        return text
    }

    private mutating func padded(
        _ name: String, _ text: String, _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> String {
        let width = arguments.value(0, "width")?.whole ?? 0
        try charge(max(0, width), at: place)
        let fill = name == "zfill" ? "0" : (arguments.value(1, "fillchar")?.text ?? " ")
        let count = max(0, width - text.unicodeScalars.count)
        let padding = String(repeating: String(fill.prefix(1)), count: count)
        if name == "zfill", let sign = text.first, sign == "-" || sign == "+" {
            return String(sign) + padding + text.dropFirst()
        }
        return name == "ljust" ? text + padding : padding + text
    }

    /// Methods that say something about a text.
    private func inspection(
        _ name: String, _ text: String, _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        func all(_ holds: (Unicode.Scalar) -> Bool) -> TemplateValue {
            .bool(!text.isEmpty && text.unicodeScalars.allSatisfy(holds))
        }
        let first = arguments.value(0, "sub")
        switch name {
        case "startswith", "endswith":
            let parts: [TemplateValue] =
                if case .list(let list)? = first { list } else { [first ?? .none] }
            for part in parts {
                let mark = try string(part, name, at: place).utf8
                let fits =
                    name == "startswith"
                    ? text.utf8.starts(with: mark)
                    : text.utf8.suffix(mark.count).elementsEqual(mark)
                if fits { return .bool(true) }
            }
            return .bool(false)
        case "find", "rfind", "index":
            let found = TemplateText.position(
                of: try string(first, name, at: place), in: text, last: name == "rfind")
            guard found >= 0 || name != "index" else {
                throw place.error(.rendering, "the text does not have this part")
            }
            return .integer(found)
        case "count":
            return .integer(TemplateText.count(try string(first, name, at: place), in: text))
        case "isdigit":
            return all {
                $0.properties.numericType == .decimal || $0.properties.numericType == .digit
            }
        case "isalpha": return all { $0.properties.isAlphabetic }
        case "isalnum":
            return all { $0.properties.isAlphabetic || $0.properties.numericType != nil }
        case "isspace": return all(TemplateLexer.isSpace)
        case "isupper": return .bool(text != text.lowercased() && text == text.uppercased())
        case "islower": return .bool(text != text.uppercased() && text == text.lowercased())
        default: throw place.error(.unsupported, "the method '\(name)' of strings")
        }
    }

    mutating func joined(
        _ parts: [TemplateValue], _ separator: String, isStrict: Bool, at place: TemplatePlace
    ) throws(TemplateError) -> String {
        var texts: [String] = []
        var size = 0
        for part in parts {
            if isStrict { _ = try string(part, "join", at: place) }
            let text = try text(of: part, at: place)
            size += text.utf8.count + separator.utf8.count
            try charge(size >> 3, at: place)
            guard size <= TemplateLimits.output else {
                throw place.error(.limit, "a text of more than \(TemplateLimits.output) bytes")
            }
            texts.append(text)
        }
        return texts.joined(separator: separator)
    }
}
