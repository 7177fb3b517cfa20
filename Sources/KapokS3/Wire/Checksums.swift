import CISAL
import CKernels
import Crypto

/// A checksum algorithm of S3's flexible checksums; the raw value is its name in
/// `x-amz-checksum-algorithm` and XML. Source: Amazon S3 User Guide, "Checking object integrity".
public enum ChecksumAlgorithm: String, Sendable, CaseIterable, Hashable {
    /// CRC-32 of IEEE 802.3 (zlib's).
    case crc32 = "CRC32"
    /// CRC-32C (Castagnoli, RFC 3720 appendix B.4).
    case crc32c = "CRC32C"
    /// CRC-64/NVME (NVM Express NVM Command Set, "64b CRC").
    case crc64nvme = "CRC64NVME"
    case sha1 = "SHA1"
    case sha256 = "SHA256"

    /// How many bytes a checksum has.
    public var byteCount: Int {
        switch self {
        case .crc32, .crc32c: 4
        case .crc64nvme: 8
        case .sha1: 20
        case .sha256: 32
        }
    }

    /// The header or trailer that carries the base 64 text, in lower case.
    public var headerName: String {
        switch self {
        case .crc32: "x-amz-checksum-crc32"
        case .crc32c: "x-amz-checksum-crc32c"
        case .crc64nvme: "x-amz-checksum-crc64nvme"
        case .sha1: "x-amz-checksum-sha1"
        case .sha256: "x-amz-checksum-sha256"
        }
    }

    /// The name of the XML element that carries the base 64 text, such as `ChecksumCRC32`.
    public var elementName: String { "Checksum" + rawValue }

    /// The algorithm whose header is called `headerName` (lower case).
    public init?(headerName: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.headerName == headerName }) else {
            return nil
        }
        self = found
    }

    /// Whether checksums of parts can be combined into the checksum of the whole.
    public var isLinear: Bool {
        switch self {
        case .crc32, .crc32c, .crc64nvme: true
        case .sha1, .sha256: false
        }
    }

    /// The type a multipart upload gets when its creator does not name one.
    public var defaultMultipartType: ChecksumType {
        self == .crc64nvme ? .fullObject : .composite
    }

    /// Whether a multipart upload may have this algorithm with `type`: SHA-1 and SHA-256 only
    /// composite, CRC-64/NVME only over the full object, the others both.
    public func supports(_ type: ChecksumType) -> Bool {
        switch (self, type) {
        case (.sha1, .fullObject), (.sha256, .fullObject), (.crc64nvme, .composite): false
        default: true
        }
    }
}

/// Over what the checksum of a multipart object is taken; raw values as in `x-amz-checksum-type`.
public enum ChecksumType: String, Sendable, Hashable {
    /// Over the checksums of the parts, one after the other.
    case composite = "COMPOSITE"
    /// Over the object's bytes.
    case fullObject = "FULL_OBJECT"
}

/// A checksum value.
public struct Checksum: Sendable, Hashable {
    /// What the bytes were computed by.
    public let algorithm: ChecksumAlgorithm
    /// Exactly `algorithm.byteCount` bytes; CRCs in network order.
    public let bytes: [UInt8]
    /// For a composite checksum, of how many parts.
    public let partCount: Int?

    /// Nil when `bytes` has the wrong length for `algorithm`.
    public init?(algorithm: ChecksumAlgorithm, bytes: [UInt8], partCount: Int? = nil) {
        guard bytes.count == algorithm.byteCount else { return nil }
        self.init(algorithm, bytes, partCount: partCount)
    }

    /// For bytes known to have the right length.
    init(_ algorithm: ChecksumAlgorithm, _ bytes: [UInt8], partCount: Int? = nil) {
        precondition(bytes.count == algorithm.byteCount)
        self.algorithm = algorithm
        self.bytes = bytes
        self.partCount = partCount
    }

    /// Reads what `base64` writes, with or without a part count; nil for anything else.
    public init?(algorithm: ChecksumAlgorithm, base64 text: some StringProtocol) {
        var parts: Int?
        var digits = text[...]
        if let dash = text.lastIndex(of: "-") {
            guard let count = Int(text[text.index(after: dash)...]), (1...10_000).contains(count)
            else { return nil }
            parts = count
            digits = text[..<dash]
        }
        guard let bytes = Base64.decode(digits) else { return nil }
        self.init(algorithm: algorithm, bytes: bytes, partCount: parts)
    }

    /// As headers and XML carry it: base 64, and `-N` behind it for a composite of N parts.
    public var base64: String {
        let text = Base64.encode(bytes)
        guard let partCount else { return text }
        return text + "-" + String(partCount)
    }

    /// The type that the value shows.
    public var type: ChecksumType { partCount == nil ? .fullObject : .composite }
}

/// Takes the checksum of bytes that come in pieces.
public struct ChecksumHasher: Sendable {
    private enum State: Sendable {
        case crc32(UInt32)
        /// The register before the final inversion.
        case crc32c(UInt32)
        case crc64nvme(UInt64)
        case sha1(Insecure.SHA1)
        case sha256(SHA256)
    }

    private var state: State

    public init(_ algorithm: ChecksumAlgorithm) {
        state =
            switch algorithm {
            case .crc32: .crc32(0)
            case .crc32c: .crc32c(.max)
            case .crc64nvme: .crc64nvme(0)
            case .sha1: .sha1(Insecure.SHA1())
            case .sha256: .sha256(SHA256())
            }
    }

    /// Adds `bytes` to what was hashed so far.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        switch state {
        case .crc32(let crc):
            let start = base.assumingMemoryBound(to: UInt8.self)
            state = .crc32(crc32_gzip_refl(crc, start, UInt64(bytes.count)))
        case .crc32c(let register):
            state = .crc32c(Self.crc32c(register, bytes))
        case .crc64nvme(let crc):
            state = .crc64nvme(kapok_crc64_nvme(crc, base, bytes.count))
        case .sha1(var hash):
            // Let go of the stored copy, or the update would copy the hash's state.
            state = .crc32(0)
            hash.update(bufferPointer: bytes)
            state = .sha1(hash)
        case .sha256(var hash):
            state = .crc32(0)
            hash.update(bufferPointer: bytes)
            state = .sha256(hash)
        }
    }

    /// The checksum of all bytes given.
    public func finish() -> Checksum {
        switch state {
        case .crc32(let crc): Checksum(.crc32, bigEndianBytes(crc))
        case .crc32c(let register): Checksum(.crc32c, bigEndianBytes(~register))
        case .crc64nvme(let crc): Checksum(.crc64nvme, bigEndianBytes(crc))
        case .sha1(let hash): Checksum(.sha1, Array(hash.finalize()))
        case .sha256(let hash): Checksum(.sha256, Array(hash.finalize()))
        }
    }

    /// The checksum of `bytes`.
    public static func checksum(
        _ algorithm: ChecksumAlgorithm, of bytes: UnsafeRawBufferPointer
    ) -> Checksum {
        var hasher = ChecksumHasher(algorithm)
        hasher.update(bytes)
        return hasher.finish()
    }

    /// ISA-L takes the length as a C int and the raw register.
    private static func crc32c(_ start: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let step = 1 << 30
        var register = start
        var offset = 0
        while offset < bytes.count {
            let piece = UnsafeRawBufferPointer(
                rebasing: bytes[offset..<min(offset + step, bytes.count)])
            guard let base = piece.baseAddress else { break }
            // The C declaration lacks const; the function only reads.
            let memory = UnsafeMutableRawPointer(mutating: base)
            register = crc32_iscsi(
                memory.assumingMemoryBound(to: UInt8.self), Int32(piece.count), register)
            offset += piece.count
        }
        return register
    }
}

/// The bytes of `value` in network order.
func bigEndianBytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}
