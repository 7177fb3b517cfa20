internal import Foundation

extension S3LoadReport {
    /// One line of JSON with sorted keys. Throws only when a number is not finite.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// The report for a person, several lines.
    public func table() -> String {
        func format(_ value: Double, _ digits: Int) -> String {
            String(format: "%.\(digits)f", value)
        }
        var rows = [
            ("endpoint", endpoint),
            (
                "load",
                "\(operation.rawValue) \(ByteSize(bytes: sizeBytes)), "
                    + "\(connections) connections, \(objects) objects"
            ),
            (
                "operations",
                "\(operations) (\(gets) gets, \(puts) puts) in \(format(elapsedSeconds, 2)) s"
            ),
            ("rate", "\(format(opsPerSecond, 1)) ops/s, \(format(megabytesPerSecond, 1)) MB/s"),
            (
                "latency",
                "p50 \(format(p50Milliseconds, 3)) ms, p99 \(format(p99Milliseconds, 3)) ms, "
                    + "p99.9 \(format(p999Milliseconds, 3)) ms, "
                    + "max \(format(maxMilliseconds, 3)) ms"
            ),
            ("read back", "\(readBack) written objects, found right"),
            (
                "errors",
                errors == 0
                    ? "none"
                    : "\(errors): \(errorsByKind.badStatus) bad status, "
                        + "\(errorsByKind.wrongBytes) wrong bytes, "
                        + "\(errorsByKind.wrongLength) wrong length, "
                        + "\(errorsByKind.connection) connection"
            ),
        ]
        if let firstError { rows.append(("first error", firstError)) }
        return rows.map { name, value in
            name.padding(toLength: 12, withPad: " ", startingAt: 0) + value
        }.joined(separator: "\n")
    }
}
