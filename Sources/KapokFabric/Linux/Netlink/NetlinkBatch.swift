import CNetlink

/// Requests to the kernel's routing tables, several in one datagram (rtnetlink(7)). Numbers are in
/// the machine's order, lengths cover the header, everything is padded to four bytes.
package struct NetlinkBatch {
    /// The requests.
    package private(set) var bytes: [UInt8] = []
    /// How many there are.
    package private(set) var count = 0
    private var start = 0

    package init() {}

    /// Bytes of a message's header.
    package static let headerBytes = 16
    /// Bytes of an attribute's header.
    package static let attributeHeaderBytes = 4

    /// Takes all requests out, keeping the memory.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        count = 0
    }

    /// Begins a request. `flags` come on top of `NLM_F_REQUEST`.
    package mutating func begin(type: Int, flags: Int, sequence: UInt32) {
        start = bytes.count
        put(UInt32(0))
        put(UInt16(type))
        put(UInt16(Int(NLM_F_REQUEST) | flags))
        put(sequence)
        put(UInt32(0))
    }

    /// Ends the request: its length is known now.
    package mutating func end() {
        patch(UInt32(bytes.count - start), at: start)
        count += 1
    }

    /// Asks for an acknowledgement of the last request, also when it succeeds.
    package mutating func acknowledgeLast() {
        guard count > 0 else { return }
        bytes[start + 6] |= UInt8(NLM_F_ACK)
    }

    /// A number as it is.
    package mutating func put<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    /// An attribute with a number.
    package mutating func attribute<T: FixedWidthInteger>(_ type: Int, _ value: T) {
        put(UInt16(Self.attributeHeaderBytes + MemoryLayout<T>.size))
        put(UInt16(type))
        put(value)
        pad()
    }

    /// An attribute with an IPv4 address.
    package mutating func attribute(_ type: Int, address: UInt32) {
        attribute(type, address.bigEndian)
    }

    /// An attribute with bytes.
    package mutating func attribute(_ type: Int, bytes value: [UInt8]) {
        put(UInt16(Self.attributeHeaderBytes + value.count))
        put(UInt16(type))
        bytes.append(contentsOf: value)
        pad()
    }

    private mutating func pad() {
        while bytes.count % Int(kapok_netlink_alignment) != 0 { bytes.append(0) }
    }

    private mutating func patch(_ value: UInt32, at offset: Int) {
        withUnsafeBytes(of: value) { source in
            for (index, byte) in source.enumerated() { bytes[offset + index] = byte }
        }
    }
}
