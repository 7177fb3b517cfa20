import Crypto

/// Signs or verifies the chain of chunk signatures of a streaming upload: each covers its chunk and
/// the signature before it, beginning with that of the request's head. Source: Amazon S3 API
/// Reference, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".
struct ChunkSigner: Sendable {
    private let key: SigningKey
    private let timestamp: String
    private let scope: String
    private var previous: [UInt8]

    init(key: SigningKey, timestamp: String, scope: CredentialScope, seed: [UInt8]) {
        self.key = key
        self.timestamp = timestamp
        self.scope = scope.text
        previous = seed
    }

    /// The signature of the next chunk, whose data hashes to `hash`; the chain moves on.
    mutating func signChunk(hash: SHA256Digest) -> [UInt8] {
        var text = prefix("AWS4-HMAC-SHA256-PAYLOAD")
        text.append(contentsOf: PayloadText.empty.utf8)
        text.append(UInt8(ascii: "\n"))
        hash.withUnsafeBytes { text.appendHexadecimal($0) }
        previous = key.sign(text)
        return previous
    }

    /// The signature of the next chunk, whose data is `data`.
    mutating func signChunk(_ data: [UInt8]) -> [UInt8] {
        signChunk(hash: SHA256.hash(data: data))
    }

    /// The signature of the trailers, given as `name:value` lines each with a newline.
    mutating func signTrailers(_ lines: [UInt8]) -> [UInt8] {
        var text = prefix("AWS4-HMAC-SHA256-TRAILER")
        text.appendSHA256(of: lines)
        previous = key.sign(text)
        return previous
    }

    private func prefix(_ algorithm: String) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(320)
        for part in [algorithm, timestamp, scope] {
            text.append(contentsOf: part.utf8)
            text.append(UInt8(ascii: "\n"))
        }
        text.append(contentsOf: previous)
        text.append(UInt8(ascii: "\n"))
        return text
    }
}
