/// A piece of a template.
struct TemplateToken: Sendable {
    enum Kind: Hashable, Sendable {
        /// Text between tags.
        case data(String)
        case blockBegin
        case blockEnd
        case variableBegin
        case variableEnd
        case name(String)
        case string(String)
        case integer(Int)
        case float(Double)
        case symbol(String)
        case end
    }

    var kind: Kind
    var place: TemplatePlace
}

/// Cuts a template into pieces, with Jinja's rules for white space around tags.
struct TemplateLexer {
    private let source: [Unicode.Scalar]
    private var position = 0
    private var tokens: [TemplateToken] = []
    /// Whether the text that comes next begins a line.
    private var startsLine = true
    private var line: Int32 = 1
    private var lineStart = 0
    /// How far `line` and `lineStart` were counted.
    private var counted = 0

    static func tokens(of source: String) throws(TemplateError) -> [TemplateToken] {
        var lexer = TemplateLexer(source)
        try lexer.run()
        return lexer.tokens
    }

    private init(_ text: String) {
        var scalars: [Unicode.Scalar] = []
        scalars.reserveCapacity(text.utf8.count)
        var previous: Unicode.Scalar = " "
        for scalar in text.unicodeScalars {
            if scalar == "\n", previous == "\r" {
                previous = scalar
                continue
            }
            scalars.append(scalar == "\r" ? "\n" : scalar)
            previous = scalar
        }
        // One line end at the end of the source is not part of the text.
        if scalars.last == "\n" { scalars.removeLast() }
        source = scalars
    }

    private mutating func run() throws(TemplateError) {
        while position < source.count {
            let start = position
            guard let tag = nextTag(from: start) else {
                add(.data(string(start..<source.count)), at: start)
                break
            }
            let mark = tag + 2 < source.count ? source[tag + 2] : " "
            let isVariable = source[tag + 1] == "{"
            var end = tag
            if mark == "-" {
                while end > start, Self.isSpace(source[end - 1]) { end -= 1 }
            } else if mark != "+", !isVariable {
                end = lineIndent(before: tag, from: start)
            }
            if end > start { add(.data(string(start..<end)), at: start) }
            position = tag + 2
            if mark == "-" || mark == "+" { position += 1 }
            switch source[tag + 1] {
            case "#": try skipComment(from: tag)
            case "{": try lexTag(from: tag, isVariable: true)
            default:
                if try !lexRaw(from: tag) { try lexTag(from: tag, isVariable: false) }
            }
        }
        add(.end, at: source.count)
    }

    private func nextTag(from start: Int) -> Int? {
        var index = start
        while index + 1 < source.count {
            if source[index] == "{", "{%#".unicodeScalars.contains(source[index + 1]) {
                return index
            }
            index += 1
        }
        return nil
    }

    /// Where the text ends that stands before a block tag: spaces from the line's start are left
    /// out (`lstrip_blocks`).
    private func lineIndent(before tag: Int, from start: Int) -> Int {
        var index = tag
        while index > start, source[index - 1] != "\n" {
            guard Self.isSpace(source[index - 1]) else { return tag }
            index -= 1
        }
        return index > start || startsLine ? index : tag
    }

    // MARK: Ends of tags

    /// Takes what follows a tag's end: all white space after `-`, a line end after blocks.
    private mutating func finishTag(stripsAll: Bool, trimsLine: Bool) {
        let start = position
        if stripsAll {
            while position < source.count, Self.isSpace(source[position]) { position += 1 }
        } else if trimsLine, position < source.count, source[position] == "\n" {
            position += 1
        }
        startsLine = position > start && source[position - 1] == "\n"
    }

    private mutating func skipComment(from tag: Int) throws(TemplateError) {
        var index = position
        while index + 1 < source.count, source[index] != "#" || source[index + 1] != "}" {
            index += 1
        }
        guard index + 1 < source.count else {
            throw place(tag).error(.syntax, "the comment has no end")
        }
        let strips = index > position && source[index - 1] == "-"
        let keeps = index > position && source[index - 1] == "+"
        position = index + 2
        finishTag(stripsAll: strips, trimsLine: !keeps)
    }

    /// Takes `{% raw %} ... {% endraw %}`.
    private mutating func lexRaw(from tag: Int) throws(TemplateError) -> Bool {
        guard let begin = rawTag("raw", at: position) else { return false }
        position = begin.end
        finishTag(stripsAll: begin.strips, trimsLine: !begin.keeps)
        let start = position
        var index = start
        while index + 1 < source.count {
            if source[index] == "{", source[index + 1] == "%" {
                var inner = index + 2
                let mark = inner < source.count ? source[inner] : " "
                if mark == "-" || mark == "+" { inner += 1 }
                if let ending = rawTag("endraw", at: inner) {
                    var end = index
                    if mark == "-" {
                        while end > start, Self.isSpace(source[end - 1]) { end -= 1 }
                    } else if mark != "+" {
                        end = lineIndent(before: index, from: start)
                    }
                    if end > start { add(.data(string(start..<end)), at: start) }
                    position = ending.end
                    finishTag(stripsAll: ending.strips, trimsLine: !ending.keeps)
                    return true
                }
            }
            index += 1
        }
        throw place(tag).error(.syntax, "'raw' without 'endraw'")
    }

    private func rawTag(
        _ name: String, at start: Int
    ) -> (end: Int, strips: Bool, keeps: Bool)? {
        var index = start
        while index < source.count, Self.isSpace(source[index]) { index += 1 }
        for scalar in name.unicodeScalars {
            guard index < source.count, source[index] == scalar else { return nil }
            index += 1
        }
        while index < source.count, Self.isSpace(source[index]) { index += 1 }
        var strips = false
        var keeps = false
        if index < source.count, source[index] == "-" || source[index] == "+" {
            strips = source[index] == "-"
            keeps = !strips
            index += 1
        }
        guard index + 1 < source.count, source[index] == "%", source[index + 1] == "}" else {
            return nil
        }
        return (index + 2, strips, keeps)
    }

    // MARK: Inside of tags

    private mutating func lexTag(from tag: Int, isVariable: Bool) throws(TemplateError) {
        add(isVariable ? .variableBegin : .blockBegin, at: tag)
        let closing: Unicode.Scalar = isVariable ? "}" : "%"
        var brackets: [Unicode.Scalar] = []
        while true {
            while position < source.count, Self.isSpace(source[position]) { position += 1 }
            guard position < source.count else {
                throw place(tag).error(.syntax, "the tag has no end")
            }
            let start = position
            if brackets.isEmpty, let end = tagEnd(closing) {
                let mark = source[start]
                position = end
                add(isVariable ? .variableEnd : .blockEnd, at: start)
                finishTag(stripsAll: mark == "-", trimsLine: !isVariable && mark != "+")
                return
            }
            try lexExpression(&brackets)
        }
    }

    /// Behind the tag's end, when it is here, with its mark.
    private func tagEnd(_ closing: Unicode.Scalar) -> Int? {
        var index = position
        if source[index] == "-" || (source[index] == "+" && closing == "%") { index += 1 }
        guard index + 1 < source.count, source[index] == closing, source[index + 1] == "}" else {
            return nil
        }
        return index + 2
    }

    private mutating func lexExpression(_ brackets: inout [Unicode.Scalar]) throws(TemplateError) {
        let start = position
        let first = source[start]
        if first == "'" || first == "\"" { return try lexString(first) }
        if first.properties.isXIDStart || first == "_" {
            while position < source.count, source[position].properties.isXIDContinue {
                position += 1
            }
            return add(.name(string(start..<position)), at: start)
        }
        if ("0"..."9").contains(first) { return try lexNumber() }
        if start + 1 < source.count {
            let pair = String(String.UnicodeScalarView([first, source[start + 1]]))
            if ["==", "!=", "<=", ">=", "//", "**"].contains(pair) {
                position += 2
                return add(.symbol(pair), at: start)
            }
        }
        guard "+-*/%~|.,:()[]{}<>=".unicodeScalars.contains(first) else {
            throw place(start).error(.syntax, "'\(first)' is not expected here")
        }
        switch first {
        case "(": brackets.append(")")
        case "[": brackets.append("]")
        case "{": brackets.append("}")
        case ")", "]", "}":
            guard brackets.popLast() == first else {
                throw place(start).error(.syntax, "'\(first)' without its opening bracket")
            }
        default: break
        }
        position += 1
        add(.symbol(String(first)), at: start)
    }

    private mutating func lexNumber() throws(TemplateError) {
        let start = position
        func isDigit(_ index: Int) -> Bool {
            index < source.count && ("0"..."9").contains(source[index])
        }
        func digits() {
            while isDigit(position) || (position < source.count && source[position] == "_") {
                position += 1
            }
        }
        digits()
        var isFloat = false
        if position < source.count, source[position] == ".", isDigit(position + 1) {
            isFloat = true
            position += 1
            digits()
        }
        if position < source.count, source[position] == "e" || source[position] == "E" {
            let sign =
                position + 1 < source.count && "+-".unicodeScalars.contains(source[position + 1])
            if isDigit(position + (sign ? 2 : 1)) {
                isFloat = true
                position += sign ? 2 : 1
                digits()
            }
        }
        let text = string(start..<position).filter { $0 != "_" }
        if isFloat, let value = Double(text) {
            add(.float(value), at: start)
        } else if let value = Int(text) {
            add(.integer(value), at: start)
        } else {
            throw place(start).error(.unsupported, "the number \(text) is too large")
        }
    }

    private mutating func lexString(_ quote: Unicode.Scalar) throws(TemplateError) {
        let start = position
        var text = String.UnicodeScalarView()
        position += 1
        while position < source.count, source[position] != quote {
            if source[position] == "\\" {
                try lexEscape(into: &text)
            } else {
                text.append(source[position])
                position += 1
            }
        }
        guard position < source.count else {
            throw place(start).error(.syntax, "the string has no end")
        }
        position += 1
        add(.string(String(text)), at: start)
    }

    /// Python's escapes; unknown ones stand for themselves, backslash and all.
    private mutating func lexEscape(into text: inout String.UnicodeScalarView) throws(TemplateError)
    {
        let start = position
        guard position + 1 < source.count else {
            throw place(start).error(.syntax, "the string has no end")
        }
        let kind = source[position + 1]
        position += 2
        let simple: [Unicode.Scalar: Unicode.Scalar] = [
            "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"", "a": "\u{7}",
            "b": "\u{8}", "f": "\u{C}", "v": "\u{B}",
        ]
        if let scalar = simple[kind] { return text.append(scalar) }
        let lengths: [Unicode.Scalar: Int] = ["x": 2, "u": 4, "U": 8]
        if let length = lengths[kind] {
            let digits = string(position..<min(position + length, source.count))
            guard digits.unicodeScalars.count == length,
                let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init)
            else { throw place(start).error(.syntax, "no character has this number") }
            position += length
            return text.append(scalar)
        }
        if ("0"..."7").contains(kind) {
            var value = kind.value - 48
            for _ in 0..<2 where position < source.count {
                guard ("0"..."7").contains(source[position]) else { break }
                value = value * 8 + source[position].value - 48
                position += 1
            }
            if let scalar = Unicode.Scalar(value) { text.append(scalar) }
            return
        }
        if kind == "\n" { return }
        text.append("\\")
        text.append(kind)
    }

    // MARK: Places

    private func string(_ range: Range<Int>) -> String {
        String(String.UnicodeScalarView(source[range]))
    }

    private mutating func add(_ kind: TemplateToken.Kind, at index: Int) {
        tokens.append(TemplateToken(kind: kind, place: place(index)))
    }

    private mutating func place(_ index: Int) -> TemplatePlace {
        // Places are asked for in rising order but for errors, which count from the start.
        if index < counted {
            line = 1
            lineStart = 0
            counted = 0
        }
        while counted < index {
            if source[counted] == "\n" {
                line += 1
                lineStart = counted + 1
            }
            counted += 1
        }
        return TemplatePlace(line: line, column: Int32(index - lineStart + 1))
    }

    /// Python's `str.isspace`.
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 9...13, 28...32, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
            0x3000:
            true
        default: false
        }
    }
}
