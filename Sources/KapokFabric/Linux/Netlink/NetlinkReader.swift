import CNetlink

/// One message of the kernel.
struct NetlinkMessage {
    /// `RTM_…` or `NLMSG_…`.
    var type: Int
    /// The sequence of the request that it answers; 0 for news.
    var sequence: UInt32
    /// What follows the header.
    var payload: ArraySlice<UInt8>

    /// The number at an offset of the payload; nil beyond its end.
    func number<T: FixedWidthInteger>(at offset: Int, _: T.Type = T.self) -> T? {
        NetlinkReader.number(payload, at: offset)
    }

    /// Calls `body` with the type and the bytes of each attribute behind `offset` bytes of fixed
    /// fields, and stops at the first that does not fit.
    func forEachAttribute(after offset: Int, _ body: (Int, ArraySlice<UInt8>) -> Void) {
        var at = offset
        while let length: UInt16 = number(at: at), let type: UInt16 = number(at: at + 2),
            length >= NetlinkBatch.attributeHeaderBytes, at + Int(length) <= payload.count
        {
            let first = payload.startIndex + at + NetlinkBatch.attributeHeaderBytes
            // The two highest bits say how the value is coded, which its type says too.
            body(Int(type & 0x3FFF), payload[first..<payload.startIndex + at + Int(length)])
            at += NetlinkReader.aligned(Int(length))
        }
    }
}

/// Takes apart what the kernel sent. The bytes are not trusted: a message that does not fit into
/// what came ends the reading.
enum NetlinkReader {
    /// Calls `body` with each message in turn. False when the bytes end inside a message.
    static func forEachMessage(in bytes: ArraySlice<UInt8>, _ body: (NetlinkMessage) -> Void)
        -> Bool
    {
        var rest = bytes
        while !rest.isEmpty {
            guard let length: UInt32 = number(rest, at: 0), let type: UInt16 = number(rest, at: 4),
                let sequence: UInt32 = number(rest, at: 8),
                length >= NetlinkBatch.headerBytes, Int(length) <= rest.count
            else { return false }
            let first = rest.startIndex + NetlinkBatch.headerBytes
            body(
                NetlinkMessage(
                    type: Int(type), sequence: sequence,
                    payload: rest[first..<rest.startIndex + Int(length)]))
            rest = rest.dropFirst(aligned(Int(length)))
        }
        return true
    }

    /// The number at an offset, in the machine's order; nil beyond the end.
    static func number<T: FixedWidthInteger>(
        _ bytes: ArraySlice<UInt8>, at offset: Int = 0, _: T.Type = T.self
    ) -> T? {
        guard offset >= 0, offset + MemoryLayout<T>.size <= bytes.count else { return nil }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
    }

    static func aligned(_ length: Int) -> Int {
        let alignment = Int(kapok_netlink_alignment)
        return (length + alignment - 1) / alignment * alignment
    }
}
