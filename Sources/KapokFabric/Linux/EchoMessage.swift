/// ICMP echo requests and replies (RFC 792): how one kernel is asked whether it is there.
///
/// A request carries eight bytes that nobody else knows, so that a reply proves that it was asked.
struct EchoMessage: Hashable {
    /// The type of a reply.
    static let reply: UInt8 = 0
    /// The type of a request.
    static let request: UInt8 = 8
    /// Bytes of an echo: header and cookie.
    static let byteCount = 16

    /// Who asks.
    var identifier: UInt16
    /// Which request it is.
    var sequence: UInt16
    /// Eight bytes that the reply repeats.
    var cookie: UInt64

    /// The request, with its checksum.
    func encodedRequest() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        bytes[0] = Self.request
        func put<T: FixedWidthInteger>(_ value: T, _ offset: Int) {
            withUnsafeBytes(of: value.bigEndian) { source in
                for (index, byte) in source.enumerated() { bytes[offset + index] = byte }
            }
        }
        put(identifier, 4)
        put(sequence, 6)
        put(cookie, 8)
        put(Self.checksum(bytes[...]), 2)
        return bytes
    }

    /// The reply in an IPv4 packet as a raw socket gives it; nil for anything else.
    init?(replyIn packet: ArraySlice<UInt8>) {
        guard let first = packet.first, first >> 4 == 4 else { return nil }
        let header = Int(first & 15) * 4
        let message = packet.dropFirst(header)
        guard header >= 20, message.count == Self.byteCount, message.first == Self.reply else {
            return nil
        }
        let base = message.startIndex
        func get<T: FixedWidthInteger>(_ offset: Int, _: T.Type) -> T {
            (0..<MemoryLayout<T>.size).reduce(0) { $0 << 8 | T(message[base + offset + $1]) }
        }
        identifier = get(4, UInt16.self)
        sequence = get(6, UInt16.self)
        cookie = get(8, UInt64.self)
    }

    init(identifier: UInt16, sequence: UInt16, cookie: UInt64) {
        self.identifier = identifier
        self.sequence = sequence
        self.cookie = cookie
    }

    /// The Internet checksum (RFC 1071).
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        var sum: UInt32 = 0
        var at = bytes.startIndex
        while at + 1 < bytes.endIndex {
            sum += UInt32(bytes[at]) << 8 | UInt32(bytes[at + 1])
            at += 2
        }
        if at < bytes.endIndex { sum += UInt32(bytes[at]) << 8 }
        while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
        return ~UInt16(truncatingIfNeeded: sum)
    }
}
