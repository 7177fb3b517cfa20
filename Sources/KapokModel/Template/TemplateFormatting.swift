import OrderedCollections

/// Python's two ways to put values into texts, in their simple forms.
enum TemplateFormatting {
    /// `format % values` with `%s`, `%r`, `%d`, `%i`, `%f`, `%.2f` and `%%`.
    static func percent(
        _ format: String, _ values: [TemplateValue], at place: TemplatePlace
    ) throws(TemplateError) -> String {
        let scalars = Array(format.unicodeScalars)
        var result = ""
        var next = 0
        var index = 0
        while index < scalars.count {
            guard scalars[index] == "%" else {
                result.unicodeScalars.append(scalars[index])
                index += 1
                continue
            }
            index += 1
            var precision: Int?
            if index < scalars.count, scalars[index] == "." {
                index += 1
                var digits = 0
                while index < scalars.count, let digit = Int(String(scalars[index])), digits < 100 {
                    digits = digits * 10 + digit
                    index += 1
                }
                precision = digits
            }
            guard index < scalars.count else {
                throw place.error(.rendering, "a format that ends with '%'")
            }
            let kind = scalars[index]
            index += 1
            if kind == "%" {
                result += "%"
                continue
            }
            guard next < values.count else {
                throw place.error(.rendering, "fewer values than the format asks for")
            }
            result += try field(values[next], kind, precision, at: place)
            next += 1
        }
        guard next == values.count else {
            throw place.error(.rendering, "more values than the format asks for")
        }
        return result
    }

    private static func field(
        _ value: TemplateValue, _ kind: Unicode.Scalar, _ precision: Int?, at place: TemplatePlace
    ) throws(TemplateError) -> String {
        switch kind {
        case "s":
            let text = value.text
            return precision.map { TemplateText.string(text.unicodeScalars.prefix($0)) } ?? text
        case "r": return value.representation
        case "d", "i":
            guard let number = value.number, abs(number) < 0x1p62 else {
                throw place.error(.rendering, "'%\(kind)' takes a number, not \(value.kind)")
            }
            return String(value.whole ?? Int(number))
        case "f":
            guard let number = value.number else {
                throw place.error(.rendering, "'%f' takes a number, not \(value.kind)")
            }
            return fixed(number, precision ?? 6)
        default: throw place.error(.unsupported, "the format '%\(kind)'")
        }
    }

    /// A number with so many digits behind the point.
    static func fixed(_ number: Double, _ digits: Int) -> String {
        guard number.isFinite else { return TemplateValue.float(number).text }
        let digits = min(max(digits, 0), 15)
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(number) * scale).rounded(.toNearestOrEven)
        guard scaled < 0x1p62 else { return TemplateValue.float(number).text }
        let all = String(Int64(scaled))
        let padded = String(repeating: "0", count: max(0, digits + 1 - all.count)) + all
        let sign = number.sign == .minus ? "-" : ""
        guard digits > 0 else { return sign + padded }
        return sign + padded.dropLast(digits) + "." + padded.suffix(digits)
    }

    /// `str.format` with `{}`, `{0}` and `{name}`.
    static func braces(
        _ format: String, _ values: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> String {
        let scalars = Array(format.unicodeScalars)
        var result = ""
        var next = 0
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            index += 1
            guard scalar == "{" || scalar == "}" else {
                result.unicodeScalars.append(scalar)
                continue
            }
            if index < scalars.count, scalars[index] == scalar {
                result.unicodeScalars.append(scalar)
                index += 1
                continue
            }
            guard scalar == "{", let end = scalars[index...].firstIndex(of: "}") else {
                throw place.error(.rendering, "a format with a single brace")
            }
            let field = TemplateText.string(scalars[index..<end])
            index = end + 1
            let value: TemplateValue?
            if field.isEmpty {
                value = next < values.positional.count ? values.positional[next] : nil
                next += 1
            } else if let number = Int(field) {
                value = values.positional.indices.contains(number) ? values.positional[number] : nil
            } else {
                value = values.named[field]
            }
            guard let value else {
                throw place.error(.rendering, "no value for '{\(field)}' of a format")
            }
            result += value.text
        }
        return result
    }
}
