/// Writes metrics as text for Prometheus: exposition format 0.0.4
/// (prometheus.io/docs/instrumenting/exposition_formats).
struct TextExposition {
    /// The content type that goes with it.
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// What a family of series is.
    enum Kind: String {
        case counter, gauge, histogram
    }

    private(set) var text = ""

    /// Begins a family: its lines follow, and no others in between. Without `help`, no HELP line.
    mutating func family(_ name: String, _ kind: Kind, help: String?) {
        if let help { text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n" }
        text += "# TYPE \(name) \(kind.rawValue)\n"
    }

    /// One value. `labels` come in the order in which they are written.
    mutating func sample(_ name: String, _ labels: [(String, String)], _ value: String) {
        text += name
        if !labels.isEmpty {
            let pairs = labels.map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(value)\n"
    }

    /// A family of one value without labels.
    mutating func single(_ name: String, _ kind: Kind, help: String, _ value: some BinaryInteger) {
        family(name, kind, help: help)
        sample(name, [], "\(value)")
    }

    /// All lines of one histogram.
    mutating func histogram(_ name: String, _ labels: [(String, String)], _ series: HistogramSeries)
    {
        let (cumulative, sum) = series.snapshot()
        let bounds = series.bounds.map { Self.number($0) } + ["+Inf"]
        for (bound, count) in zip(bounds, cumulative) {
            sample("\(name)_bucket", labels + [("le", bound)], "\(count)")
        }
        sample("\(name)_sum", labels, Self.number(sum))
        sample("\(name)_count", labels, "\(cumulative.last ?? 0)")
    }

    /// A number as Go's `ParseFloat` reads it.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return "\(Int64(value))" }
        return "\(value)"
    }

    /// Backslashes and line feeds, and in label values double quotes, are escaped.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        // By scalar: "\r\n" is one Character, and no "\n".
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped.append(contentsOf: "\\\\".unicodeScalars)
            case "\n": escaped.append(contentsOf: "\\n".unicodeScalars)
            case "\"" where quotes: escaped.append(contentsOf: "\\\"".unicodeScalars)
            default: escaped.append(scalar)
            }
        }
        return String(escaped)
    }

    /// A name that the format allows: letters, digits, `_` and, where `colons`, `:`; no digit
    /// first.
    static func validName(_ name: String, colons: Bool) -> String {
        var valid = String(
            String.UnicodeScalarView(
                name.unicodeScalars.map { scalar in
                    switch scalar {
                    case "a"..."z", "A"..."Z", "0"..."9", "_": scalar
                    case ":" where colons: scalar
                    default: "_"
                    }
                }))
        if valid.unicodeScalars.first.map({ ("0"..."9").contains($0) }) ?? true {
            valid = "_" + valid
        }
        return valid
    }
}
