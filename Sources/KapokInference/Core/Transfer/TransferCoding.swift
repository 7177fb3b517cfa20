import KapokModel
public import KapokWorld

/// How messages are written: one byte that says which, then fields of fixed width, little-endian;
/// counts as varints. Everything is bounded, and bytes behind the last field are an error.
public enum TransferCoding {
    /// The version of everything here: handshake, frames and messages.
    public static let version: UInt16 = 1
    /// The most tokens of a prompt.
    public static let maximumTokens = 1 << 20
    /// The most transfers that one renewal names.
    public static let maximumRenewals = 1024
    /// The most bytes of a fault's text.
    public static let maximumText = 1024
    /// The most bytes of a message: a prompt, 5 bytes a token at worst, and its other fields.
    public static let maximumMessageBytes = 4 * maximumTokens + 64
}

extension TransferRequest {
    /// The message's bytes.
    public var encoded: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .prefill(let ask):
            writer = ByteWriter(minimumCapacity: 32 + 4 * ask.tokens.count)
            writer.uint8(1)
            writer.uint64(ask.transfer.number)
            writer.uint8(ask.mode == .optimized ? 1 : 0)
            writer.uint32(ask.tenant)
            writer.uint32(ask.patienceMilliseconds)
            writer.varint(UInt64(ask.tokens.count))
            for token in ask.tokens { writer.uint32(UInt32(bitPattern: token)) }
        case .pull(let transfer, let page):
            writer.uint8(2)
            writer.uint64(transfer.number)
            writer.uint32(UInt32(page))
        case .renew(let transfers):
            writer.uint8(3)
            writer.transfers(transfers)
        case .release(let transfer):
            writer.uint8(4)
            writer.uint64(transfer.number)
        case .fault(let text):
            writer.uint8(5)
            writer.faultText(text)
        }
        return writer.bytes
    }

    /// Reads a message; throws for anything that `encoded` does not write.
    public init(decoding bytes: ArraySlice<UInt8>) throws(ByteCodingError) {
        var reader = ByteReader(bytes)
        let tag = try reader.uint8()
        switch tag {
        case 1:
            let transfer = TransferID(try reader.uint64())
            let mode = try reader.uint8()
            guard mode <= 1 else { throw .unknownTag(UInt64(mode)) }
            let tenant = try reader.uint32()
            let patience = try reader.uint32()
            let count = try reader.count(atMost: TransferCoding.maximumTokens)
            guard reader.remaining == 4 * count else { throw .truncated }
            var tokens: [TokenID] = []
            tokens.reserveCapacity(count)
            for _ in 0..<count { tokens.append(TokenID(bitPattern: try reader.uint32())) }
            self = .prefill(
                PrefillAsk(
                    transfer: transfer, tokens: tokens, mode: mode == 1 ? .optimized : .standard,
                    tenant: tenant, patienceMilliseconds: patience))
        case 2:
            self = .pull(TransferID(try reader.uint64()), page: Int(try reader.uint32()))
        case 3: self = .renew(try reader.transfers())
        case 4: self = .release(TransferID(try reader.uint64()))
        case 5: self = .fault(try reader.string(atMost: TransferCoding.maximumText))
        default: throw .unknownTag(UInt64(tag))
        }
        try reader.requireEnd()
    }
}

extension TransferReply {
    /// The message's bytes.
    public var encoded: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .accepted(let transfer, let milliseconds):
            writer.uint8(65)
            writer.uint64(transfer.number)
            writer.uint32(milliseconds)
        case .progress(let transfer, let tokens):
            writer.uint8(66)
            writer.uint64(transfer.number)
            writer.uint32(UInt32(tokens))
        case .page(let header):
            writer.uint8(67)
            writer.uint64(header.transfer.number)
            writer.uint32(UInt32(header.page))
            writer.uint32(UInt32(header.tokens))
            writer.digest(header.chain)
            writer.digest(header.digest)
        case .ended(let transfer, let reason):
            writer.uint8(68)
            writer.uint64(transfer.number)
            writer.uint8(reason.rawValue)
        case .renewed(let transfers):
            writer.uint8(69)
            writer.transfers(transfers)
        case .fault(let text):
            writer.uint8(70)
            writer.faultText(text)
        }
        return writer.bytes
    }

    /// Reads a message; throws for anything that `encoded` does not write.
    public init(decoding bytes: ArraySlice<UInt8>) throws(ByteCodingError) {
        var reader = ByteReader(bytes)
        let tag = try reader.uint8()
        switch tag {
        case 65:
            self = .accepted(
                TransferID(try reader.uint64()), leaseMilliseconds: try reader.uint32())
        case 66:
            let transfer = TransferID(try reader.uint64())
            self = .progress(transfer, tokens: Int(try reader.uint32()))
        case 67:
            let transfer = TransferID(try reader.uint64())
            let page = Int(try reader.uint32())
            let tokens = Int(try reader.uint32())
            let chain = try reader.digest()
            self = .page(
                PageHeader(
                    transfer: transfer, page: page, tokens: tokens, chain: chain,
                    digest: try reader.digest()))
        case 68:
            let transfer = TransferID(try reader.uint64())
            let code = try reader.uint8()
            guard let reason = TransferEnd(rawValue: code) else { throw .unknownTag(UInt64(code)) }
            self = .ended(transfer, reason)
        case 69: self = .renewed(try reader.transfers())
        case 70: self = .fault(try reader.string(atMost: TransferCoding.maximumText))
        default: throw .unknownTag(UInt64(tag))
        }
        try reader.requireEnd()
    }
}

extension ByteWriter {
    fileprivate mutating func transfers(_ transfers: [TransferID]) {
        precondition(transfers.count <= TransferCoding.maximumRenewals)
        varint(UInt64(transfers.count))
        for transfer in transfers { uint64(transfer.number) }
    }

    fileprivate mutating func digest(_ digest: TransferDigest) {
        uint64(digest.low)
        uint64(digest.high)
    }

    /// Cut to what a reader takes, between two characters.
    fileprivate mutating func faultText(_ text: String) {
        var text = text
        while text.utf8.count > TransferCoding.maximumText { text.removeLast() }
        string(text)
    }
}

extension ByteReader {
    fileprivate mutating func transfers() throws(ByteCodingError) -> [TransferID] {
        let count = try count(atMost: TransferCoding.maximumRenewals)
        var transfers: [TransferID] = []
        for _ in 0..<count { transfers.append(TransferID(try uint64())) }
        return transfers
    }

    fileprivate mutating func digest() throws(ByteCodingError) -> TransferDigest {
        TransferDigest(low: try uint64(), high: try uint64())
    }

    fileprivate func requireEnd() throws(ByteCodingError) {
        guard remaining == 0 else {
            throw .tooLong(length: UInt64(offset + remaining), bound: offset)
        }
    }
}
