/// Method, target and headers of a request: all that is known before its body.
struct RequestHead: Sendable {
    /// A header; `name` is in lower case.
    struct Header: Sendable {
        var name: String
        var value: String
    }

    /// In capitals, such as `GET`.
    var method: String
    /// The request target exactly as received: path, and query behind a `?`.
    var target: String
    /// In the order received.
    var headers: [Header]

    /// What stands before the `?`, undecoded.
    let rawPath: Substring
    /// Throws nothing: a bad query was refused when this was made.
    let query: QueryString

    /// - Parameter headers: names in any case.
    /// - Throws: `InvalidURI` for a target that is not a path with an optional query.
    init(
        method: String, target: String, headers: some Sequence<(name: String, value: String)>
    ) throws(S3Error) {
        guard target.utf8.first == UInt8(ascii: "/") else {
            throw S3Error(.invalidURI, "The request target must be a path that begins with \"/\".")
        }
        self.method = method
        self.target = target
        var list: [Header] = []
        list.reserveCapacity(headers.underestimatedCount)
        for (name, value) in headers {
            list.append(Header(name: Self.lowercased(name), value: value))
        }
        self.headers = list
        if let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) {
            rawPath = target[..<mark]
            query = try QueryString(target[target.utf8.index(after: mark)...])
        } else {
            rawPath = target[...]
            query = QueryString()
        }
    }

    private static func lowercased(_ name: String) -> String {
        let hasCapitals = name.utf8.contains { $0 >= 65 && $0 <= 90 }
        guard hasCapitals else { return name }
        return String(unsafeUninitializedCapacity: name.utf8.count) { out in
            var i = 0
            for byte in name.utf8 {
                out[i] = byte >= 65 && byte <= 90 ? byte | 32 : byte
                i += 1
            }
            return i
        }
    }

    /// The value of the first header called `name` (lower case), without surrounding white space.
    subscript(_ name: String) -> String? {
        for header in headers where header.name == name { return header.value.trimmed }
        return nil
    }

    /// Adds the headers that the signer of a presigned URL put into its query, where the signature
    /// covers them. Those that come as headers stay as they are.
    /// - Throws: `InvalidArgument` for a value that no header can have.
    mutating func takeHeadersFromQuery() throws(S3Error) {
        for parameter in query.parameters {
            let name = Self.lowercased(parameter.name)
            guard name.hasPrefix("x-amz-") || name == "content-type" || name == "content-md5",
                !Self.signatureParameters.contains(name),
                !headers.contains(where: { $0.name == name })
            else { continue }
            guard parameter.value.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
                throw .invalidArgument("A header cannot have this value.", name, parameter.value)
            }
            headers.append(Header(name: name, value: parameter.value))
        }
    }

    private static let signatureParameters: Set<String> = [
        "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires",
        "x-amz-signedheaders", "x-amz-signature", "x-amz-content-sha256", "x-amz-security-token",
    ]

    /// All values of headers called `name` (lower case), joined by commas; nil when there is none.
    func joined(_ name: String) -> String? {
        var result: String?
        for header in headers where header.name == name {
            result = result.map { $0 + "," + header.value.trimmed } ?? header.value.trimmed
        }
        return result
    }
}

extension String {
    /// Without spaces and tabs at both ends.
    var trimmed: String {
        let isSpace = { (byte: UInt8) in byte == 32 || byte == 9 }
        guard let first = utf8.first, let last = utf8.last, isSpace(first) || isSpace(last) else {
            return self
        }
        guard let start = utf8.firstIndex(where: { !isSpace($0) }),
            let end = utf8.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(self[start...end])
    }
}
