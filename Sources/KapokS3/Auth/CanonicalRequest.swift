/// The text whose hash SigV4 signs. Source: Amazon S3 API Reference, "Signature Calculations for
/// the Authorization Header", task 1. S3 codes the path once and does not normalise it.
enum CanonicalRequest {
    /// Builds the text in one buffer.
    ///
    /// - Parameters:
    ///   - plainCodedSlash: whether `%2F` in the path counts as a plain slash. Clients differ.
    ///   - omitSignature: leaves `X-Amz-Signature` out of the query (presigned URLs).
    ///   - payload: the payload hash or its replacement.
    /// - Returns: nil when the target's percent coding is broken.
    static func build(
        _ head: RequestHead, signedHeaders: [Substring], payload: String,
        plainCodedSlash: Bool, omitSignature: Bool
    ) -> [UInt8]? {
        var out: [UInt8] = []
        out.reserveCapacity(1024)
        out.append(contentsOf: head.method.utf8)
        out.append(newline)
        guard
            PercentCoding.recode(
                head.rawPath.utf8, keepSlash: true, keepCodedSlash: plainCodedSlash,
                plusIsSpace: false, into: &out)
        else { return nil }
        out.append(newline)
        guard append(head.query, omitSignature: omitSignature, to: &out) else { return nil }
        out.append(newline)
        for name in signedHeaders {
            append(head, header: name, to: &out)
        }
        out.append(newline)
        for (i, name) in signedHeaders.enumerated() {
            if i > 0 { out.append(UInt8(ascii: ";")) }
            out.append(contentsOf: name.utf8)
        }
        out.append(newline)
        out.append(contentsOf: payload.utf8)
        return out
    }

    private static let newline = UInt8(ascii: "\n")

    /// The parameters in canonical coding, sorted by name and then value.
    private static func append(
        _ query: QueryString, omitSignature: Bool, to out: inout [UInt8]
    ) -> Bool {
        if query.isEmpty { return true }
        var coded: [(name: [UInt8], value: [UInt8])] = []
        coded.reserveCapacity(query.parameters.count)
        for parameter in query.parameters {
            if omitSignature, parameter.name == "X-Amz-Signature" { continue }
            var name: [UInt8] = []
            var value: [UInt8] = []
            guard recode(parameter.rawName, into: &name), recode(parameter.rawValue, into: &value)
            else { return false }
            coded.append((name, value))
        }
        coded.sort { a, b in
            a.name == b.name
                ? a.value.lexicographicallyPrecedes(b.value)
                : a.name.lexicographicallyPrecedes(b.name)
        }
        for (i, parameter) in coded.enumerated() {
            if i > 0 { out.append(UInt8(ascii: "&")) }
            out.append(contentsOf: parameter.name)
            out.append(UInt8(ascii: "="))
            out.append(contentsOf: parameter.value)
        }
        return true
    }

    private static func recode(_ raw: Substring.UTF8View, into out: inout [UInt8]) -> Bool {
        PercentCoding.recode(
            raw, keepSlash: false, keepCodedSlash: false, plusIsSpace: true, into: &out)
    }

    /// `name:value`, values of several headers of one name joined by commas, runs of spaces as one.
    private static func append(
        _ head: RequestHead, header name: Substring, to out: inout [UInt8]
    ) {
        out.append(contentsOf: name.utf8)
        out.append(UInt8(ascii: ":"))
        var isFirst = true
        for header in head.headers where header.name == name {
            if !isFirst { out.append(UInt8(ascii: ",")) }
            isFirst = false
            appendFolded(header.value, to: &out)
        }
        out.append(newline)
    }

    private static func appendFolded(_ value: String, to out: inout [UInt8]) {
        var pendingSpace = false
        var hasText = false
        for byte in value.utf8 {
            if byte == 32 || byte == 9 {
                pendingSpace = hasText
            } else {
                if pendingSpace { out.append(32) }
                pendingSpace = false
                hasText = true
                out.append(byte)
            }
        }
    }
}
