import KapokWorld

/// What a process says first.
struct TransferHello: Hashable, Sendable {
    /// "KVTR": no other protocol's first bytes.
    static let magic: UInt32 = 0x5254_564B
    static let nonceBytes = 32

    var version: UInt16
    var role: TransferRole
    var hasSecret: Bool
    var pageBytes: Int
    var pageTokens: Int
    var incarnation: UniqueID
    var fingerprint: [UInt8]
    var nonce: [UInt8]

    init(_ identity: TransferIdentity, nonce: [UInt8]) {
        precondition(nonce.count == Self.nonceBytes, "a nonce has 32 bytes")
        version = TransferCoding.version
        role = identity.role
        hasSecret = identity.secret != nil
        pageBytes = identity.pageBytes
        pageTokens = identity.pageTokens
        incarnation = identity.incarnation
        fingerprint = identity.fingerprint
        self.nonce = nonce
    }

    /// The hello's bytes, which both sides' proofs cover.
    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.uint32(Self.magic)
        writer.uint16(version)
        writer.uint8(role.rawValue)
        writer.uint8(hasSecret ? 1 : 0)
        writer.uint32(UInt32(pageBytes))
        writer.uint16(UInt16(pageTokens))
        writer.uint64(incarnation.high)
        writer.uint64(incarnation.low)
        writer.raw(fingerprint)
        writer.raw(nonce)
        return writer.bytes
    }

    /// Of another version nothing but the number is read: a later hello may go on differently.
    init(_ reader: inout ByteReader) throws(TransferRefusal) {
        do {
            guard try reader.uint32() == Self.magic else { throw TransferRefusal.notThisProtocol }
            version = try reader.uint16()
            guard version == TransferCoding.version else {
                throw TransferRefusal.version(theirs: version)
            }
            let number = try reader.uint8()
            guard let role = TransferRole(rawValue: number) else {
                throw ByteCodingError.unknownTag(UInt64(number))
            }
            self.role = role
            let flag = try reader.uint8()
            guard flag <= 1 else { throw ByteCodingError.unknownTag(UInt64(flag)) }
            hasSecret = flag == 1
            pageBytes = Int(try reader.uint32())
            pageTokens = Int(try reader.uint16())
            incarnation = UniqueID(high: try reader.uint64(), low: try reader.uint64())
            fingerprint = try reader.raw(32)
            nonce = try reader.raw(Self.nonceBytes)
        } catch let refusal as TransferRefusal {
            throw refusal
        } catch { throw .malformed("\(error)") }
    }
}

/// The messages of a handshake.
enum HandshakeMessage: Hashable, Sendable {
    case hello(TransferHello)
    case proof(code: [UInt8], evidence: [UInt8])
    case fault(String)

    static let maximumEvidence = 64 << 10
    static let codeBytes = 32

    var encoded: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .hello(let hello):
            writer.uint8(129)
            writer.raw(hello.encoded)
        case .proof(let code, let evidence):
            precondition(evidence.count <= Self.maximumEvidence, "too much evidence")
            writer.uint8(130)
            writer.raw(code)
            writer.lengthPrefixed(evidence)
        case .fault(let text):
            writer.uint8(131)
            writer.string(text)
        }
        return writer.bytes
    }

    init(_ bytes: [UInt8]) throws(TransferRefusal) {
        var reader = ByteReader(bytes)
        do {
            let tag = try reader.uint8()
            switch tag {
            case 129: self = .hello(try TransferHello(&reader))
            case 130:
                let code = try reader.raw(Self.codeBytes)
                let evidence = try reader.lengthPrefixed(atMost: Self.maximumEvidence)
                self = .proof(code: code, evidence: evidence)
            case 131: self = .fault(try reader.string(atMost: TransferCoding.maximumText))
            default: throw ByteCodingError.unknownTag(UInt64(tag))
            }
            guard reader.remaining == 0 else { throw ByteCodingError.truncated }
        } catch let refusal as TransferRefusal {
            throw refusal
        } catch { throw .malformed("\(error)") }
    }
}
