/// Numbers as people read them, the same on every machine and locale.
enum NumberText {
    /// `value` with `decimals` digits behind the point: `12.50`.
    static func fixed(_ value: Double, _ decimals: Int) -> String {
        precondition((0...9).contains(decimals))
        guard value.isFinite else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (value.magnitude * scale).rounded()
        // Beyond this the digits are no longer exact, and nobody reads them.
        guard scaled < 1e18 else { return "\(value)" }
        var digits = "\(Int64(scaled))"
        if digits.utf8.count <= decimals {
            digits = String(repeating: "0", count: decimals + 1 - digits.utf8.count) + digits
        }
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard decimals > 0 else { return sign + digits }
        return sign + digits.dropLast(decimals) + "." + digits.suffix(decimals)
    }

    /// A whole number with separators: `65,536`.
    static func grouped(_ value: Int64) -> String {
        var text = ""
        let digits = Array("\(value.magnitude)".utf8)
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
            text.unicodeScalars.append(Unicode.Scalar(digit))
        }
        return value < 0 ? "-" + text : text
    }

    /// The same for a count.
    static func grouped(_ value: Int) -> String { grouped(Int64(value)) }

    /// A fraction of 1 in per cent: `87.3 %`.
    static func percent(_ fraction: Double) -> String { fixed(fraction * 100, 1) + " %" }

    /// `part` of `whole` in per cent; 0 of 0 is 0.
    static func percent(_ part: Int64, of whole: Int64) -> String {
        percent(whole > 0 ? Double(part) / Double(whole) : 0)
    }

    /// A time with the unit that suits it: `218.4 ns`, `3.512 us`, `28.301 ms`.
    static func time(nanoseconds: Double) -> String {
        switch nanoseconds.magnitude {
        case ..<1e3: fixed(nanoseconds, 1) + " ns"
        case ..<1e6: fixed(nanoseconds / 1e3, 3) + " us"
        case ..<1e9: fixed(nanoseconds / 1e6, 3) + " ms"
        default: fixed(nanoseconds / 1e9, 3) + " s"
        }
    }

    /// Bytes with the unit that suits them: `192.0 KiB`.
    static func bytes(_ value: Double) -> String {
        switch value.magnitude {
        case ..<1024: fixed(value, 0) + " B"
        case ..<1_048_576: fixed(value / 1024, 1) + " KiB"
        case ..<1_073_741_824: fixed(value / 1_048_576, 1) + " MiB"
        default: fixed(value / 1_073_741_824, 2) + " GiB"
        }
    }

    /// A large number with a decimal prefix: `549.8 G`.
    static func scaled(_ value: Double) -> String {
        switch value.magnitude {
        case ..<1e3: fixed(value, 0) + " "
        case ..<1e6: fixed(value / 1e3, 2) + " k"
        case ..<1e9: fixed(value / 1e6, 2) + " M"
        case ..<1e12: fixed(value / 1e9, 2) + " G"
        default: fixed(value / 1e12, 2) + " T"
        }
    }
}

extension MetricSummary {
    /// The value with its unit.
    var text: String {
        switch quantity {
        case .fraction: NumberText.percent(value)
        case .operations: NumberText.scaled(value) + "FLOP"
        case .operationsPerSecond: NumberText.scaled(value) + "FLOPS"
        case .bytes: NumberText.bytes(value)
        case .count: NumberText.grouped(Int64(value))
        case .milliseconds: NumberText.fixed(value, 3) + " ms"
        }
    }
}
