import OrderedCollections

/// Filters: what stands behind `|`.
enum TemplateFilters {
    static let names: Set<String> = [
        "abs", "batch", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first",
        "float", "format", "indent", "int", "items", "join", "last", "length", "list", "lower",
        "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "safe",
        "select", "selectattr", "sort", "string", "sum", "title", "tojson", "trim", "truncate",
        "unique", "upper", "wordcount",
    ]

    static func refusal(of name: String) -> String {
        "the filter '\(name)' is not supported; supported are "
            + names.sorted().joined(separator: ", ")
    }
}

extension TemplateRenderer {
    mutating func filter(
        _ name: String, _ value: TemplateValue, _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        try enter(at: place)
        defer { leave() }
        guard TemplateFilters.names.contains(name) else {
            throw place.error(.unsupported, TemplateFilters.refusal(of: name))
        }
        if let result = try textFilter(name, value, arguments, at: place) { return result }
        if let result = try numberFilter(name, value, arguments, at: place) { return result }
        return try listFilter(name, value, arguments, at: place)
    }

    // MARK: Texts

    private mutating func textFilter(
        _ name: String, _ value: TemplateValue, _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue? {
        func text() throws(TemplateError) -> String {
            let text = try self.text(of: value, at: place)
            try charge(text.utf8.count, at: place)
            return text
        }
        switch name {
        case "string": return .string(try text())
        case "safe": return .string(try text())
        case "trim":
            var characters: String?
            if case .string(let given)? = arguments.value(0, "chars") { characters = given }
            return .string(TemplateText.strip(try text(), characters))
        case "upper": return .string(try text().uppercased())
        case "lower": return .string(try text().lowercased())
        case "title": return .string(TemplateText.titledWords(try text()))
        case "capitalize": return .string(TemplateText.capitalized(try text()))
        case "replace":
            let old = arguments.value(0, "old")?.text ?? ""
            let new = arguments.value(1, "new")?.text ?? ""
            let limit = arguments.value(2, "count")?.whole ?? -1
            return .string(try replaced(try text(), old, new, limit, at: place))
        case "indent": return .string(try indented(try text(), arguments, at: place))
        case "tojson": return .string(try json(value, arguments, at: place))
        case "escape", "e":
            var result = try text()
            for (old, new) in [
                ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;"),
            ] {
                result = try replaced(result, old, new, -1, at: place)
            }
            return .string(result)
        case "format":
            return .string(
                try TemplateFormatting.percent(try text(), arguments.positional, at: place))
        case "wordcount":
            return .integer(TemplateText.split(try text(), nil, limit: -1).count)
        case "truncate": return .string(truncated(try text(), arguments))
        default: return nil
        }
    }

    private mutating func indented(
        _ text: String, _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> String {
        let width = arguments.value(0, "width") ?? .integer(4)
        let margin: String
        if case .string(let given) = width {
            margin = given
        } else {
            let count = max(0, width.whole ?? 4)
            try charge(count, at: place)
            margin = String(repeating: " ", count: count)
        }
        let indentsFirst = arguments.value(1, "first")?.isTrue ?? false
        let indentsBlank = arguments.value(2, "blank")?.isTrue ?? false
        let lines = TemplateText.lines(text + "\n")
        let size = lines.count.multipliedReportingOverflow(by: margin.utf8.count)
        try charge(size.overflow ? .max : size.partialValue, at: place)
        var result = lines.first ?? ""
        for line in lines.dropFirst() {
            result += "\n" + (line.isEmpty && !indentsBlank ? "" : margin) + line
        }
        return indentsFirst ? margin + result : result
    }

    private mutating func json(
        _ value: TemplateValue, _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> String {
        // Order of transformers' own filter: ensure_ascii, indent, separators, sort_keys.
        let escapes = arguments.value(0, "ensure_ascii")?.isTrue ?? false
        let indent = arguments.value(1, "indent")?.whole
        var size = 0
        try measure(value, &size, at: place)
        guard let json = value.json else {
            throw place.error(.rendering, "'tojson' cannot write \(value.kind)")
        }
        var style = JSONStyle.python(
            indent: indent.map { max(0, min($0, 16)) }, escapesNonASCII: escapes,
            sortsKeys: arguments.value(3, "sort_keys")?.isTrue ?? false)
        if case .list(let separators)? = arguments.value(2, "separators"), separators.count == 2 {
            style.itemSeparator = separators[0].text
            style.keySeparator = separators[1].text
        }
        let text = json.text(style)
        try charge(text.utf8.count, at: place)
        return text
    }

    private func truncated(_ text: String, _ arguments: TemplateValues) -> String {
        let length = max(0, arguments.value(0, "length")?.whole ?? 255)
        let killsWords = arguments.value(1, "killwords")?.isTrue ?? false
        let end = arguments.value(2, "end")?.text ?? "..."
        let leeway = arguments.value(3, "leeway")?.whole ?? 5
        let scalars = Array(text.unicodeScalars)
        if scalars.count <= length + leeway { return text }
        let kept = TemplateText.string(
            scalars.prefix(max(0, length - end.unicodeScalars.count)))
        if killsWords { return kept + end }
        return TemplateText.splitFromEnd(kept, " ", limit: 1)[0] + end
    }

    // MARK: Numbers

    private mutating func numberFilter(
        _ name: String, _ value: TemplateValue, _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue? {
        switch name {
        case "abs":
            if let whole = value.whole, whole != .min { return .integer(abs(whole)) }
            guard let number = value.number else {
                throw place.error(.rendering, "'abs' takes a number, not \(value.kind)")
            }
            return .float(abs(number))
        case "int":
            if let whole = value.whole { return .integer(whole) }
            let text = TemplateText.strip(value.text, nil)
            if case .string = value, let whole = Int(text) { return .integer(whole) }
            if let number = value.number ?? Double(text), abs(number) < 0x1p62 {
                return .integer(Int(number))
            }
            return arguments.value(0, "default") ?? .integer(0)
        case "float":
            if let number = value.number ?? Double(TemplateText.strip(value.text, nil)) {
                return .float(number)
            }
            return arguments.value(0, "default") ?? .float(0)
        case "round":
            guard let number = value.number else {
                throw place.error(.rendering, "'round' takes a number, not \(value.kind)")
            }
            let digits = arguments.value(0, "precision")?.whole ?? 0
            let method = arguments.value(1, "method")?.text ?? "common"
            var scale = 1.0
            for _ in 0..<min(abs(digits), 15) { scale *= 10 }
            if digits < 0 { scale = 1 / scale }
            let rule: FloatingPointRoundingRule =
                method == "ceil" ? .up : method == "floor" ? .down : .toNearestOrEven
            return .float((number * scale).rounded(rule) / scale)
        case "default", "d":
            let standard = arguments.value(0, "default_value") ?? .string("")
            let replacesFalse = arguments.value(1, "boolean")?.isTrue ?? false
            return value.isUndefined || (replacesFalse && !value.isTrue) ? standard : value
        default: return nil
        }
    }

    // MARK: Lists

    private mutating func listFilter(
        _ name: String, _ value: TemplateValue, _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        switch name {
        case "length", "count":
            if case .string(let text) = value { return .integer(text.unicodeScalars.count) }
            return .integer(try elements(of: value, at: place).count)
        case "items":
            switch value {
            case .undefined: return .list([])
            case .dictionary(let members):
                return .list(members.map { .list([.string($0.key), $0.value]) })
            default: throw place.error(.rendering, "'items' takes a mapping, not \(value.kind)")
            }
        case "dictsort": return try sortedMembers(value, arguments, at: place)
        default: break
        }
        // Jinja's filters of selection take whatever is false as nothing.
        let selects = ["map", "select", "reject", "selectattr", "rejectattr"].contains(name)
        let all = selects && !value.isTrue ? [] : try elements(of: value, at: place)
        try charge(all.count * 16, at: place)
        switch name {
        case "list": return .list(all)
        case "first": return all.first ?? .undefined("the first of no elements")
        case "last": return all.last ?? .undefined("the last of no elements")
        case "reverse":
            if case .string = value { return .string(all.reversed().map(\.text).joined()) }
            return .list(all.reversed())
        case "join":
            let separator = arguments.value(0, "d")?.text ?? ""
            var parts = all
            if let attribute = arguments.value(1, "attribute")?.text {
                parts = []
                for element in all { parts.append(try member(attribute, of: element, at: place)) }
            }
            return .string(try joined(parts, separator, isStrict: false, at: place))
        case "map": return .list(try mapped(all, arguments, at: place))
        case "select", "reject", "selectattr", "rejectattr":
            return .list(try selected(name, all, arguments, at: place))
        case "sum":
            var sum = arguments.value(1, "start") ?? .integer(0)
            for element in all {
                let part = try arguments.value(0, "attribute").map { name throws(TemplateError) in
                    try member(name.text, of: element, at: place)
                }
                sum = try arithmetic(.add, sum, part ?? element, at: place)
            }
            return sum
        case "sort", "unique", "min", "max":
            return try ordered(name, all, arguments, at: place)
        case "batch":
            let size = max(1, arguments.value(0, "linecount")?.whole ?? 1)
            let batches = stride(from: 0, to: all.count, by: size).map {
                TemplateValue.list(Array(all[$0..<min($0 + size, all.count)]))
            }
            return .list(batches)
        default: throw place.error(.unsupported, "the filter '\(name)'")
        }
    }

    /// A member by a path as "function.name".
    private func member(
        _ path: String, of value: TemplateValue, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        var value = value
        for part in path.split(separator: ".") {
            let index = Int(part).map { TemplateValue.integer($0) } ?? .string(String(part))
            value = try item(index, of: value, at: place)
        }
        return value
    }

    private mutating func mapped(
        _ all: [TemplateValue], _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> [TemplateValue] {
        var result: [TemplateValue] = []
        if let attribute = arguments.named["attribute"] {
            for element in all {
                let value = try member(attribute.text, of: element, at: place)
                let standard = value.isUndefined ? arguments.named["default"] : nil
                result.append(standard ?? value)
            }
            return result
        }
        guard let name = arguments.positional.first?.text,
            TemplateFilters.names.contains(name)
        else { throw place.error(.unsupported, "'map' takes an attribute or a known filter") }
        let rest = TemplateValues(
            positional: Array(arguments.positional.dropFirst()), named: arguments.named)
        for element in all { result.append(try filter(name, element, rest, at: place)) }
        return result
    }

    private mutating func selected(
        _ name: String, _ all: [TemplateValue], _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> [TemplateValue] {
        let byMember = name.hasSuffix("attr")
        let keeps = name.hasPrefix("select")
        var rest = arguments.positional
        var attribute: String?
        if byMember {
            guard !rest.isEmpty else {
                throw place.error(.rendering, "'\(name)' needs the name of a member")
            }
            attribute = rest.removeFirst().text
        }
        let test = rest.isEmpty ? nil : rest.removeFirst().text
        if let test, !TemplateTests.names.contains(test),
            !["==", "!=", "<", "<=", ">", ">="].contains(test)
        {
            throw place.error(.unsupported, "the test '\(test)' is not supported")
        }
        let values = TemplateValues(positional: rest, named: arguments.named)
        var result: [TemplateValue] = []
        for element in all {
            let judged =
                try attribute.map { name throws(TemplateError) in
                    try member(name, of: element, at: place)
                } ?? element
            let holds =
                if let test { try self.test(test, judged, values, at: place) } else {
                    judged.isTrue
                }
            if holds == keeps { result.append(element) }
        }
        return result
    }

    /// The key by which elements are compared: a member's value, in lower case unless case counts.
    private func key(
        _ element: TemplateValue, _ attribute: TemplateValue?, _ isSensitive: Bool,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        var key = element
        if let attribute, attribute.isTrue {
            key = try member(attribute.text, of: element, at: place)
        }
        if !isSensitive, case .string(let text) = key { return .string(text.lowercased()) }
        return key
    }

    private mutating func ordered(
        _ name: String, _ all: [TemplateValue], _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        let offset = name == "sort" ? 1 : 0
        let isSensitive = arguments.value(offset, "case_sensitive")?.isTrue ?? false
        let attribute = arguments.value(offset + 1, "attribute")
        var keyed: [(key: TemplateValue, element: TemplateValue)] = []
        for element in all {
            keyed.append((try key(element, attribute, isSensitive, at: place), element))
        }
        if name == "unique" {
            var kept: [(key: TemplateValue, element: TemplateValue)] = []
            for pair in keyed {
                try charge(kept.count, at: place)
                if !kept.contains(where: { TemplateValue.areEqual($0.key, pair.key) }) {
                    kept.append(pair)
                }
            }
            return .list(kept.map(\.element))
        }
        let sorted = try sortedStably(keyed, at: place)
        switch name {
        case "min": return sorted.first?.element ?? .undefined("the least of no elements")
        case "max":
            // Of equal ones Python gives the first.
            guard let last = sorted.last else { return .undefined("the greatest of no elements") }
            return sorted.first { TemplateValue.areEqual($0.key, last.key) }?.element
                ?? last.element
        default:
            let isReversed = arguments.value(0, "reverse")?.isTrue ?? false
            return .list((isReversed ? sorted.reversed() : sorted).map(\.element))
        }
    }

    /// Swift's sort is stable in practice but not by promise: positions decide between equal keys.
    private mutating func sortedStably(
        _ keyed: [(key: TemplateValue, element: TemplateValue)], at place: TemplatePlace
    ) throws(TemplateError) -> [(key: TemplateValue, element: TemplateValue)] {
        for pair in keyed.dropFirst() where TemplateValue.isLess(keyed[0].key, pair.key) == nil {
            throw place.error(
                .rendering, "\(keyed[0].key.kind) and \(pair.key.kind) have no order")
        }
        try charge(keyed.count * 256, at: place)
        return keyed.enumerated().sorted { left, right in
            if TemplateValue.isLess(left.element.key, right.element.key) ?? false { return true }
            if TemplateValue.isLess(right.element.key, left.element.key) ?? false { return false }
            return left.offset < right.offset
        }.map(\.element)
    }

    private mutating func sortedMembers(
        _ value: TemplateValue, _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        guard case .dictionary(let members) = value else {
            throw place.error(.rendering, "'dictsort' takes a mapping, not \(value.kind)")
        }
        let isSensitive = arguments.value(0, "case_sensitive")?.isTrue ?? false
        let byValue = arguments.value(1, "by")?.text == "value"
        var keyed: [(key: TemplateValue, element: TemplateValue)] = []
        for (name, member) in members {
            let pair = TemplateValue.list([.string(name), member])
            keyed.append(
                (try key(byValue ? member : .string(name), nil, isSensitive, at: place), pair))
        }
        let sorted = try sortedStably(keyed, at: place).map(\.element)
        let isReversed = arguments.value(2, "reverse")?.isTrue ?? false
        return .list(isReversed ? sorted.reversed() : sorted)
    }
}
