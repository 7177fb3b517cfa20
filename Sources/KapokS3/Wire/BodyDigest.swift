import Crypto

/// Everything that must be known about a body, taken in one pass over its bytes.
public struct BodyDigest: Sendable {
    /// What came out.
    public struct Result: Sendable, Equatable {
        /// In bytes.
        public var length: UInt64
        /// 16 bytes: the ETag of an object that was put in one piece.
        public var md5: [UInt8]
        /// 32 bytes, when asked for.
        public var sha256: [UInt8]?
        /// When an algorithm was given.
        public var checksum: Checksum?
    }

    /// Bytes given to one algorithm before the next, so that the next finds them in the cache.
    private static let blockSize = 16 << 10

    private var length: UInt64 = 0
    /// Nil when it is taken elsewhere.
    private var md5: Insecure.MD5? = Insecure.MD5()
    private var sha256: SHA256?
    private var checksum: ChecksumHasher?
    /// SHA-256 as both content hash and checksum is computed once.
    private let checksumIsContentHash: Bool

    /// - Parameters:
    ///   - contentSHA256: whether the SHA-256 that SigV4 signs is wanted.
    ///   - checksum: the flexible checksum that is wanted.
    public init(contentSHA256: Bool = false, checksum algorithm: ChecksumAlgorithm? = nil) {
        checksumIsContentHash = contentSHA256 && algorithm == .sha256
        sha256 = contentSHA256 ? SHA256() : nil
        if let algorithm, !checksumIsContentHash { checksum = ChecksumHasher(algorithm) }
    }

    /// As the other, for a body whose MD5 a stream of an `MD5Pool` takes.
    init(withoutMD5 contentSHA256: Bool, checksum algorithm: ChecksumAlgorithm?) {
        self.init(contentSHA256: contentSHA256, checksum: algorithm)
        md5 = nil
    }

    /// Adds `bytes` to what was hashed so far.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        length += UInt64(bytes.count)
        var offset = 0
        while offset < bytes.count {
            let end = min(offset + Self.blockSize, bytes.count)
            let block = UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
            md5?.update(bufferPointer: block)
            sha256?.update(bufferPointer: block)
            checksum?.update(block)
            offset = end
        }
    }

    /// The digests of all bytes given.
    public func finish() -> Result {
        finish(md5: md5.map { Array($0.finalize()) } ?? [])
    }

    /// The digests of all bytes given, with the MD5 that was taken elsewhere.
    func finish(md5: [UInt8]) -> Result {
        let contentHash = sha256.map { Array($0.finalize()) }
        let value =
            if checksumIsContentHash, let contentHash {
                Checksum(.sha256, contentHash)
            } else {
                checksum?.finish()
            }
        return Result(
            length: length, md5: md5, sha256: contentHash, checksum: value)
    }
}
