/// Which bucket and object a request is about.
struct Address: Sendable, Equatable {
    /// Nil for the service itself.
    var bucket: String?
    /// Nil for the bucket itself.
    var key: String?

    /// Reads host and path: virtual-host style when the host names a bucket, else path style.
    /// - Throws: `InvalidBucketName`, `InvalidURI`, `KeyTooLongError`.
    init(_ head: RequestHead, baseDomains: [String]) throws(S3Error) {
        var rest = head.rawPath.utf8.dropFirst()
        if let named = head["host"].flatMap({ Self.bucket(inHost: $0, baseDomains: baseDomains) }) {
            bucket = named
        } else {
            let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            let raw = rest[..<end]
            rest = rest[end...].dropFirst()
            guard !raw.isEmpty else {
                guard rest.isEmpty else {
                    throw S3Error(.invalidBucketName, "The path names no bucket before the key.")
                }
                bucket = nil
                key = nil
                return
            }
            guard let bytes = PercentCoding.decode(raw),
                let name = String(validating: bytes, as: UTF8.self)
            else { throw S3Error(.invalidURI, "Couldn't parse the specified URI.") }
            bucket = name
        }
        if let bucket { try BucketName.validate(bucket) }
        key = rest.isEmpty ? nil : try ObjectKey.decode(rest)
    }

    /// The bucket that a `Host` header names; nil when it is the service's own name or an address.
    static func bucket(inHost header: String, baseDomains: [String]) -> String? {
        guard let first = header.utf8.first, first != UInt8(ascii: "[") else { return nil }
        var host = header[...]
        if let colon = host.utf8.lastIndex(of: UInt8(ascii: ":")) { host = host[..<colon] }
        if let last = host.utf8.last, last >= 48, last <= 57 { return nil }
        let name = host.lowercased()
        for domain in baseDomains {
            if name == domain { return nil }
            if name.utf8.count > domain.utf8.count + 1, name.hasSuffix("." + domain) {
                let prefix = name.dropLast(domain.utf8.count + 1)
                // bucket.s3.localhost means the bucket, s3.localhost the service.
                if prefix == "s3" { return nil }
                return String(prefix.hasSuffix(".s3") ? prefix.dropLast(3) : prefix)
            }
        }
        guard !name.hasPrefix("s3."), let cut = name.firstOccurrence(of: ".s3.") else { return nil }
        return String(name[..<cut])
    }
}

extension String {
    fileprivate func firstOccurrence(of text: String) -> Index? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start }
            start = index(after: start)
        }
        return nil
    }
}
