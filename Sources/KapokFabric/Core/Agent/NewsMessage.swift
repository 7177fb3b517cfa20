public import Crypto
import KapokWorld

/// News about links on its way over one link: a header that binds it to this link and to the
/// present life of both agents, one or more pieces of news, and a code. Little-endian.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 1 | `K` (0x4B) |
/// | 1 | 1 | version, 1 |
/// | 2 | 1 | kind: 2 news, 3 summary |
/// | 3 | 1 | how many pieces of news follow, 1 to 32 |
/// | 4 | 4 | the sender's switch (of this hop) |
/// | 8 | 2 | the sender's port |
/// | 10 | 6 | 0 |
/// | 16 | 8 | the sender's incarnation |
/// | 24 | 8 | the receiver's incarnation, as the sender heard it |
/// | 32 | 8 | hop sequence: rises with every datagram of news on this link |
/// | 40 | 28 n | the news: link 4, origin 4, condition 1, 0 3, sequence 8, epoch 8 |
/// | 40 + 28 n | 16 | HMAC-SHA256 over all before it with the fabric's news key, cut to 16 bytes |
public struct NewsMessage: Hashable, Sendable {
    /// The most pieces of news in a datagram: it stays below 1,000 bytes.
    public static let maximumNews = 32
    static let headerBytes = 40
    static let newsBytes = 28
    static let codeBytes = 16

    /// Whether the sender tells all that both ends should know, and wants to hear what it lacks.
    public var isSummary: Bool
    /// The sender's end of the link.
    public var sender: PortID
    /// The sender's incarnation.
    public var incarnation: UInt64
    /// The receiver's incarnation.
    public var receiverIncarnation: UInt64
    /// Rises with every datagram of news on this link.
    public var hopSequence: UInt64
    /// The news, 1 to 32 pieces.
    public var news: [LinkNews]

    public init(
        isSummary: Bool = false, sender: PortID, incarnation: UInt64, receiverIncarnation: UInt64,
        hopSequence: UInt64, news: [LinkNews]
    ) {
        self.isSummary = isSummary
        self.sender = sender
        self.incarnation = incarnation
        self.receiverIncarnation = receiverIncarnation
        self.hopSequence = hopSequence
        self.news = news
    }

    /// The bytes, with their code under `FabricKeys.newsKey`. `news` must hold 1 to 32 pieces.
    public func encoded(key: SymmetricKey) -> [UInt8] {
        precondition((1...Self.maximumNews).contains(news.count))
        var writer = ByteWriter(
            minimumCapacity: Self.headerBytes + news.count * Self.newsBytes + Self.codeBytes)
        writer.uint8(DatagramKind.magic)
        writer.uint8(DatagramKind.version)
        writer.uint8(isSummary ? DatagramKind.summary : DatagramKind.news)
        writer.uint8(UInt8(news.count))
        writer.uint32(UInt32(truncatingIfNeeded: sender.owner.index))
        writer.uint16(UInt16(truncatingIfNeeded: sender.port))
        writer.uint16(0)
        writer.uint32(0)
        writer.uint64(incarnation)
        writer.uint64(receiverIncarnation)
        writer.uint64(hopSequence)
        for piece in news {
            writer.uint32(UInt32(truncatingIfNeeded: piece.link.index))
            writer.uint32(UInt32(truncatingIfNeeded: piece.origin.index))
            writer.uint8(piece.condition.rawValue)
            writer.uint8(0)
            writer.uint16(0)
            writer.uint64(piece.sequence)
            writer.uint64(piece.epoch)
        }
        writer.raw(Self.code(of: writer.bytes[...], key))
        return writer.bytes
    }

    private static func code(of bytes: ArraySlice<UInt8>, _ key: SymmetricKey) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key).prefix(codeBytes))
    }

    /// The news in `bytes`, when their code is right. Which links and switches there are, and what
    /// is new, the agent must see.
    public init(_ bytes: [UInt8], key: SymmetricKey) throws(DatagramRefusal) {
        let fixed = Self.headerBytes + Self.codeBytes
        guard bytes.count >= fixed + Self.newsBytes, bytes[0] == DatagramKind.magic,
            bytes[1] == DatagramKind.version,
            bytes[2] == DatagramKind.news || bytes[2] == DatagramKind.summary
        else { throw .malformed("not news of version \(DatagramKind.version)") }
        let count = Int(bytes[3])
        guard (1...Self.maximumNews).contains(count),
            bytes.count == fixed + count * Self.newsBytes
        else { throw .malformed("\(count) pieces of news in \(bytes.count) bytes") }
        let coded = bytes.dropLast(Self.codeBytes)
        guard Self.areEqual(Self.code(of: coded, key), bytes.suffix(Self.codeBytes)) else {
            throw .badCode
        }
        do throws(ByteCodingError) {
            self = try Self.decode(coded, count: count)
        } catch { throw .malformed("\(error)") }
    }

    /// Compares in a time that does not depend on where the first difference is.
    private static func areEqual(_ a: [UInt8], _ b: ArraySlice<UInt8>) -> Bool {
        a.count == b.count && zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func decode(
        _ coded: ArraySlice<UInt8>, count: Int
    ) throws(ByteCodingError) -> NewsMessage {
        var reader = ByteReader(coded)
        _ = try reader.uint16()
        let kind = try reader.uint8()
        _ = try reader.uint8()
        let owner = SwitchID(Int(try reader.uint32()))
        let sender = PortID(owner, Int(try reader.uint16()))
        _ = try reader.raw(6)
        var message = NewsMessage(
            isSummary: kind == DatagramKind.summary, sender: sender,
            incarnation: try reader.uint64(), receiverIncarnation: try reader.uint64(),
            hopSequence: try reader.uint64(), news: [])
        message.news.reserveCapacity(count)
        for _ in 0..<count {
            let link = LinkID(Int(try reader.uint32()))
            let origin = SwitchID(Int(try reader.uint32()))
            let rawCondition = try reader.uint8()
            guard let condition = LinkCondition(rawValue: rawCondition) else {
                throw .unknownTag(UInt64(rawCondition))
            }
            _ = try reader.raw(3)
            message.news.append(
                LinkNews(
                    link: link, origin: origin, condition: condition,
                    sequence: try reader.uint64(), epoch: try reader.uint64()))
        }
        return message
    }
}
