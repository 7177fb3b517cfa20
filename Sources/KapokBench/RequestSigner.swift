internal import Crypto
internal import NIOCore

/// Writes signed S3 requests: AWS Signature Version 4 in the Authorization header
/// (AWS General Reference, "Authenticating Requests: Using the Authorization Header").
///
/// It signs host, x-amz-content-sha256 and x-amz-date. Paths must need no percent-encoding, which
/// the load generator's own bucket and keys do not. The signing key is derived once a day.
struct RequestSigner {
    /// What x-amz-content-sha256 says when the body is not signed.
    static let unsignedPayload: [UInt8] = Array("UNSIGNED-PAYLOAD".utf8)
    /// SHA-256 of nothing, for requests without a body.
    static let emptyPayload: [UInt8] = hex(SHA256.hash(data: [UInt8]()))

    private let accessKey: [UInt8]
    private let secretKey: [UInt8]
    private let region: [UInt8]
    private let host: [UInt8]

    private var second = -1
    private var date = SigningDate(secondsSince1970: 0)
    private var scope: [UInt8] = []
    private var signingKey = SymmetricKey(size: .bits256)
    private var scratch: [UInt8] = []

    init(accessKey: String, secretKey: String, region: String, host: String) {
        self.accessKey = Array(accessKey.utf8)
        self.secretKey = Array(secretKey.utf8)
        self.region = Array(region.utf8)
        self.host = Array(host.utf8)
        scratch.reserveCapacity(1024)
    }

    /// Appends a request head to `buffer`. `payloadHash` is the body's SHA-256 in hexadecimal or
    /// `unsignedPayload`; `secondsSince1970` is the time of the signature.
    mutating func write(
        method: StaticString, path: [UInt8], payloadHash: [UInt8], contentLength: Int?,
        secondsSince1970: Int, into buffer: inout ByteBuffer
    ) {
        setTime(secondsSince1970)
        let signature = sign(method: method, path: path, payloadHash: payloadHash)
        buffer.writeStaticString(method)
        buffer.writeStaticString(" ")
        buffer.writeBytes(path)
        buffer.writeStaticString(" HTTP/1.1\r\nHost: ")
        buffer.writeBytes(host)
        if let contentLength {
            buffer.writeStaticString("\r\nContent-Length: ")
            buffer.writeString(String(contentLength))
        }
        buffer.writeStaticString("\r\nx-amz-content-sha256: ")
        buffer.writeBytes(payloadHash)
        buffer.writeStaticString("\r\nx-amz-date: ")
        buffer.writeBytes(date.text)
        buffer.writeStaticString("\r\nAuthorization: AWS4-HMAC-SHA256 Credential=")
        buffer.writeBytes(accessKey)
        buffer.writeStaticString("/")
        buffer.writeBytes(scope)
        buffer.writeStaticString(
            ", SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=")
        buffer.writeBytes(signature)
        buffer.writeStaticString("\r\n\r\n")
    }

    /// Renews what depends on the second, and the signing key when the day has changed.
    private mutating func setTime(_ seconds: Int) {
        guard seconds != second else { return }
        let sameDay = second >= 0 && seconds / 86_400 == second / 86_400
        second = seconds
        date = SigningDate(secondsSince1970: seconds)
        guard !sameDay else { return }
        let day = Array(date.text.prefix(8))
        scope = day + Array("/".utf8) + region + Array("/s3/aws4_request".utf8)
        var key = Array("AWS4".utf8) + secretKey
        for part in [day, region, Array("s3".utf8), Array("aws4_request".utf8)] {
            key = Array(
                HMAC<SHA256>.authenticationCode(for: part, using: SymmetricKey(data: key)))
        }
        signingKey = SymmetricKey(data: key)
    }

    /// The signature in hexadecimal.
    private mutating func sign(
        method: StaticString, path: [UInt8], payloadHash: [UInt8]
    ) -> [UInt8] {
        scratch.removeAll(keepingCapacity: true)
        method.withUTF8Buffer { scratch.append(contentsOf: $0) }
        append("\n")
        scratch.append(contentsOf: path)
        append("\n\nhost:")
        scratch.append(contentsOf: host)
        append("\nx-amz-content-sha256:")
        scratch.append(contentsOf: payloadHash)
        append("\nx-amz-date:")
        scratch.append(contentsOf: date.text)
        append("\n\nhost;x-amz-content-sha256;x-amz-date\n")
        scratch.append(contentsOf: payloadHash)
        let request = Self.hex(SHA256.hash(data: scratch))

        scratch.removeAll(keepingCapacity: true)
        append("AWS4-HMAC-SHA256\n")
        scratch.append(contentsOf: date.text)
        append("\n")
        scratch.append(contentsOf: scope)
        append("\n")
        scratch.append(contentsOf: request)
        return Self.hex(HMAC<SHA256>.authenticationCode(for: scratch, using: signingKey))
    }

    private mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { scratch.append(contentsOf: $0) }
    }

    /// The SHA-256 of the whole object `index`, in hexadecimal.
    static func payloadHash(of index: Int, size: Int, pattern: ObjectPattern) -> [UInt8] {
        var hash = SHA256()
        var position = 0
        while position < size {
            let slice = pattern.slice(of: index, at: position, count: size - position)
            slice.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
            position += slice.readableBytes
        }
        return hex(hash.finalize())
    }

    /// Bytes in lower-case hexadecimal.
    static func hex(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(64)
        func digit(_ value: UInt8) -> UInt8 {
            value < 10 ? value + UInt8(ascii: "0") : value - 10 + UInt8(ascii: "a")
        }
        for byte in bytes {
            text.append(digit(byte >> 4))
            text.append(digit(byte & 15))
        }
        return text
    }
}
