/// The query of a request, in the order and the coding in which it came.
struct QueryString: Sendable {
    /// One parameter.
    struct Parameter: Sendable {
        /// Decoded.
        var name: String
        /// Decoded; empty when there was no `=`.
        var value: String
        /// As received, for signatures.
        var rawName: Substring.UTF8View
        var rawValue: Substring.UTF8View
    }

    /// The most parameters a request may have.
    static let maximumCount = 256

    private(set) var parameters: [Parameter] = []

    /// No parameters.
    init() {}

    /// Reads what stands behind the `?`. Throws `InvalidURI` for bad percent coding, bytes that are
    /// not UTF-8 and too many parameters.
    init(_ raw: Substring) throws(S3Error) {
        guard !raw.isEmpty else { return }
        var rest = raw.utf8[...]
        while true {
            let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.endIndex
            try append(rest[..<end])
            if end == rest.endIndex { return }
            rest = rest[rest.index(after: end)...]
        }
    }

    private mutating func append(_ piece: Substring.UTF8View) throws(S3Error) {
        guard !piece.isEmpty else { return }
        guard parameters.count < Self.maximumCount else {
            throw S3Error(
                .invalidURI, "The query has more than \(Self.maximumCount) parameters.")
        }
        let equals = piece.firstIndex(of: UInt8(ascii: "="))
        let rawName = piece[..<(equals ?? piece.endIndex)]
        let rawValue = equals.map { piece[piece.index(after: $0)...] } ?? piece[piece.endIndex...]
        parameters.append(
            Parameter(
                name: try Self.decode(rawName), value: try Self.decode(rawValue),
                rawName: rawName, rawValue: rawValue))
    }

    private static func decode(_ raw: Substring.UTF8View) throws(S3Error) -> String {
        let isPlain = !raw.contains { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }
        if isPlain { return String(Substring(raw)) }
        guard let bytes = PercentCoding.decode(raw, plusIsSpace: true),
            let text = String(validating: bytes, as: UTF8.self)
        else {
            throw S3Error(
                .invalidURI, "The query is not percent-coded UTF-8: encode it and try again.")
        }
        return text
    }

    /// The value of the first parameter called `name`; empty when it came without one.
    subscript(_ name: String) -> String? {
        for parameter in parameters where parameter.name == name { return parameter.value }
        return nil
    }

    /// Whether there is a parameter called `name`.
    func has(_ name: String) -> Bool { parameters.contains { $0.name == name } }

    var isEmpty: Bool { parameters.isEmpty }
}
