/// Python's operations on text, which count Unicode scalars, not Swift's characters.
enum TemplateText {
    typealias Scalars = [Unicode.Scalar]

    static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        String(String.UnicodeScalarView(scalars))
    }

    /// The byte where `part` first occurs.
    static func find(_ part: String, in text: String, from start: Int = 0) -> Int? {
        let haystack = Array(text.utf8)
        return find(Array(part.utf8), in: haystack, from: start)
    }

    static func find(_ part: [UInt8], in text: [UInt8], from start: Int = 0) -> Int? {
        guard let first = part.first else { return start <= text.count ? start : nil }
        var index = start
        while index + part.count <= text.count {
            if text[index] == first, text[index..<index + part.count].elementsEqual(part) {
                return index
            }
            index += 1
        }
        return nil
    }

    static func strip(
        _ text: String, _ characters: String?, start: Bool = true, end: Bool = true
    ) -> String {
        let scalars = Array(text.unicodeScalars)
        let set = characters.map { Set($0.unicodeScalars) }
        func isStripped(_ scalar: Unicode.Scalar) -> Bool {
            set.map { $0.contains(scalar) } ?? TemplateLexer.isSpace(scalar)
        }
        var low = 0
        var high = scalars.count
        if start { while low < high, isStripped(scalars[low]) { low += 1 } }
        if end { while high > low, isStripped(scalars[high - 1]) { high -= 1 } }
        return string(scalars[low..<high])
    }

    /// `str.split`: at white space for nil, else at `separator`; at most `limit` times when it is
    /// not negative.
    static func split(_ text: String, _ separator: String?, limit: Int) -> [String] {
        guard let separator else { return splitAtSpace(text, limit: limit) }
        let bytes = Array(text.utf8)
        let mark = Array(separator.utf8)
        var parts: [String] = []
        var start = 0
        while limit < 0 || parts.count < limit, let next = find(mark, in: bytes, from: start) {
            parts.append(String(decoding: bytes[start..<next], as: UTF8.self))
            start = next + mark.count
        }
        parts.append(String(decoding: bytes[start...], as: UTF8.self))
        return parts
    }

    private static func splitAtSpace(_ text: String, limit: Int) -> [String] {
        let scalars = Array(text.unicodeScalars)
        var parts: [String] = []
        var index = 0
        while true {
            while index < scalars.count, TemplateLexer.isSpace(scalars[index]) { index += 1 }
            guard index < scalars.count else { return parts }
            if limit >= 0, parts.count == limit {
                parts.append(strip(string(scalars[index...]), nil, start: false))
                return parts
            }
            let start = index
            while index < scalars.count, !TemplateLexer.isSpace(scalars[index]) { index += 1 }
            parts.append(string(scalars[start..<index]))
        }
    }

    /// `str.rsplit`: splits from the end.
    static func splitFromEnd(_ text: String, _ separator: String?, limit: Int) -> [String] {
        guard limit >= 0 else { return split(text, separator, limit: -1) }
        let reversedText = string(text.unicodeScalars.reversed())
        let reversedMark = separator.map { string($0.unicodeScalars.reversed()) }
        return split(reversedText, reversedMark, limit: limit).reversed().map {
            string($0.unicodeScalars.reversed())
        }
    }

    static func replace(_ text: String, _ old: String, _ new: String, limit: Int) -> String {
        if old.isEmpty {
            let scalars = Array(text.unicodeScalars)
            let count = limit < 0 ? scalars.count + 1 : min(limit, scalars.count + 1)
            var result = ""
            for (index, scalar) in scalars.enumerated() {
                if index < count { result += new }
                result.unicodeScalars.append(scalar)
            }
            return count > scalars.count ? result + new : result
        }
        return split(text, old, limit: limit).joined(separator: new)
    }

    static func count(_ part: String, in text: String) -> Int {
        part.isEmpty ? text.unicodeScalars.count + 1 : split(text, part, limit: -1).count - 1
    }

    /// The number of scalars before the first or last occurrence; -1 without one.
    static func position(of part: String, in text: String, last: Bool) -> Int {
        let bytes = Array(text.utf8)
        let mark = Array(part.utf8)
        var found: Int?
        if last {
            var index = bytes.count - mark.count
            while index >= 0, found == nil {
                if bytes[index..<index + mark.count].elementsEqual(mark) { found = index }
                index -= 1
            }
        } else {
            found = find(mark, in: bytes)
        }
        guard let found else { return -1 }
        return bytes[..<found].count { $0 & 0xC0 != 0x80 }
    }

    /// `str.splitlines` without the ends of lines.
    static func lines(_ text: String, keepsEnds: Bool = false) -> [String] {
        let scalars = Array(text.unicodeScalars)
        let ends: Set<UInt32> = [0xA, 0xB, 0xC, 0xD, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029]
        var lines: [String] = []
        var start = 0
        var index = 0
        while index < scalars.count {
            guard ends.contains(scalars[index].value) else {
                index += 1
                continue
            }
            let isPair =
                scalars[index] == "\r" && index + 1 < scalars.count && scalars[index + 1] == "\n"
            let end = index + (isPair ? 2 : 1)
            lines.append(string(scalars[start..<(keepsEnds ? end : index)]))
            start = end
            index = end
        }
        if start < scalars.count { lines.append(string(scalars[start...])) }
        return lines
    }

    /// `str.capitalize`.
    static func capitalized(_ text: String) -> String {
        guard let first = text.unicodeScalars.first else { return "" }
        return first.properties.titlecaseMapping
            + string(text.unicodeScalars.dropFirst()).lowercased()
    }

    /// `str.title`: every run of letters begins with a capital.
    static func titled(_ text: String) -> String {
        var result = ""
        var isInWord = false
        for scalar in text.unicodeScalars {
            let isLetter = scalar.properties.isAlphabetic
            if isLetter {
                result +=
                    isInWord
                    ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
            } else {
                result.unicodeScalars.append(scalar)
            }
            isInWord = isLetter
        }
        return result
    }

    /// Jinja's `title`: words are cut at white space, hyphens and opening brackets.
    static func titledWords(_ text: String) -> String {
        var result = ""
        var word = ""
        for scalar in text.unicodeScalars {
            let isCut =
                TemplateLexer.isSpace(scalar) || "-({[<".unicodeScalars.contains(scalar)
            if isCut {
                result += capitalized(word)
                result.unicodeScalars.append(scalar)
                word = ""
            } else {
                word.unicodeScalars.append(scalar)
            }
        }
        return result + capitalized(word)
    }
}
