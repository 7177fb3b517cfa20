/// The tokens by which listings are continued: the name to go on behind, not meant to be read.
enum PageToken {
    /// The most bytes of a token.
    private static let maximumLength = 2048

    /// The token for going on behind `name`.
    static func encode(_ name: String) -> String { "1" + Hexadecimal.encode(Array(name.utf8)) }

    /// The name in `token`.
    /// - Throws: `InvalidArgument` for what `encode` did not write.
    static func decode(_ token: String) throws(S3Error) -> String {
        guard token.utf8.count <= 2 * maximumLength, token.hasPrefix("1"),
            let bytes = Hexadecimal.decode(token.dropFirst()), !bytes.isEmpty,
            let name = String(validating: bytes, as: UTF8.self)
        else {
            throw .invalidArgument(
                "The continuation token provided is incorrect", "continuation-token", token)
        }
        return name
    }
}
