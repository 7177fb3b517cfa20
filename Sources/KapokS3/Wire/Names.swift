/// The rules for names of buckets. Source: Amazon S3 User Guide, "General purpose bucket naming
/// rules".
enum BucketName {
    private static let reservedPrefixes = ["xn--", "sthree-", "amzn-s3-demo-"]
    private static let reservedSuffixes = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]

    /// Whether a bucket may have this name.
    static func isValid(_ name: some StringProtocol) -> Bool {
        let bytes = Array(name.utf8)
        guard (3...63).contains(bytes.count), isLetterOrDigit(bytes[0]),
            isLetterOrDigit(bytes[bytes.count - 1])
        else { return false }
        for (i, byte) in bytes.enumerated() {
            guard isLetterOrDigit(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
            else { return false }
            // Each label between dots is a name of its own in DNS.
            if byte == UInt8(ascii: "."),
                !isLetterOrDigit(bytes[i - 1]) || !isLetterOrDigit(bytes[i + 1])
            {
                return false
            }
        }
        return !isAddress(bytes) && !reservedPrefixes.contains { name.hasPrefix($0) }
            && !reservedSuffixes.contains { name.hasSuffix($0) }
    }

    /// Throws `InvalidBucketName` unless a bucket may have this name.
    static func validate(_ name: String) throws(S3Error) {
        guard isValid(name) else {
            throw S3Error(
                .invalidBucketName,
                "The specified bucket is not valid: use 3 to 63 lower-case letters, digits, dots "
                    + "and hyphens, with a letter or digit at both ends and beside each dot.",
                details: [("BucketName", name)])
        }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        byte >= 97 && byte <= 122 || byte >= 48 && byte <= 57
    }

    /// Four numbers with dots between, as IPv4 addresses look.
    private static func isAddress(_ bytes: [UInt8]) -> Bool {
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy {
                (1...3).contains($0.count) && $0.allSatisfy { $0 >= 48 && $0 <= 57 }
            }
    }
}

/// The rules for keys of objects. Source: Amazon S3 User Guide, "Naming Amazon S3 objects".
enum ObjectKey {
    /// The most bytes a key may have in UTF-8.
    static let maximumLength = 1024

    /// The key that a percent-coded path means.
    /// Throws `InvalidURI` for bad coding or bytes that are not UTF-8, `KeyTooLongError`.
    static func decode(_ rawPath: some Sequence<UInt8>) throws(S3Error) -> String {
        guard let bytes = PercentCoding.decode(rawPath) else {
            throw S3Error(.invalidURI, "Couldn't parse the specified URI: bad percent coding.")
        }
        guard let key = String(validating: bytes, as: UTF8.self) else {
            throw S3Error(
                .invalidURI,
                "Couldn't parse the specified URI: the key is not valid UTF-8. Encode it as UTF-8.")
        }
        try validate(key)
        return key
    }

    /// Throws `KeyTooLongError` for more bytes than a key may have, `InvalidArgument` for a key
    /// that is empty or contains a zero byte.
    static func validate(_ key: String) throws(S3Error) {
        guard key.utf8.count <= maximumLength else {
            throw S3Error(
                .keyTooLong, "Your key is too long",
                details: [
                    ("Size", String(key.utf8.count)), ("MaxSizeAllowed", String(maximumLength)),
                ])
        }
        guard !key.isEmpty, !key.utf8.contains(0) else {
            throw S3Error(
                .invalidArgument, "Object keys must not be empty or contain a zero byte.")
        }
    }
}
