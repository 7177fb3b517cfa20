/// Writes fixed-width little-endian integers, varints (LEB128) and length-prefixed bytes.
public struct ByteWriter: Sendable {
    /// What was written.
    public private(set) var bytes: [UInt8]

    @inlinable
    public init(minimumCapacity: Int = 64) {
        var storage: [UInt8] = []
        storage.reserveCapacity(minimumCapacity)
        self.init(appendingTo: storage)
    }

    /// Goes on at the end of `bytes`.
    public init(appendingTo bytes: [UInt8]) { self.bytes = bytes }

    /// How many bytes were written.
    public var count: Int { bytes.count }

    /// One byte.
    public mutating func uint8(_ value: UInt8) { bytes.append(value) }
    /// Two bytes.
    public mutating func uint16(_ value: UInt16) { fixed(value) }
    /// Four bytes.
    public mutating func uint32(_ value: UInt32) { fixed(value) }
    /// Eight bytes.
    public mutating func uint64(_ value: UInt64) { fixed(value) }

    private mutating func fixed<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Seven bits a byte, low bits first; one to ten bytes.
    public mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// The bytes as they are, without a length.
    public mutating func raw(_ value: some Sequence<UInt8>) { bytes.append(contentsOf: value) }

    /// A varint length and then the bytes.
    public mutating func lengthPrefixed(_ value: [UInt8]) {
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// A varint length and then the UTF-8 bytes.
    public mutating func string(_ value: String) {
        varint(UInt64(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }

    /// Overwrites four bytes written earlier, for lengths known only at the end.
    public mutating func patchUInt32(_ value: UInt32, at offset: Int) {
        withUnsafeBytes(of: value.littleEndian) { source in
            for (i, byte) in source.enumerated() { bytes[offset + i] = byte }
        }
    }

    /// Overwrites eight bytes written earlier, for checksums known only at the end.
    public mutating func patchUInt64(_ value: UInt64, at offset: Int) {
        withUnsafeBytes(of: value.littleEndian) { source in
            for (i, byte) in source.enumerated() { bytes[offset + i] = byte }
        }
    }
}

/// Why bytes could not be decoded.
public enum ByteCodingError: Error, Equatable, Sendable {
    /// The input ended inside a field.
    case truncated
    /// A varint of more than ten bytes, or above 64 bits.
    case malformedVarint
    /// A length above the bound that the reader stated.
    case tooLong(length: UInt64, bound: Int)
    /// A string that is not UTF-8.
    case invalidUTF8
    /// A tag or version that no writer produces.
    case unknownTag(UInt64)
}

/// Reads what `ByteWriter` wrote, from bytes that cannot be trusted: every read is bounded.
public struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    public init(_ bytes: [UInt8]) {
        self.init(bytes[...])
    }

    public init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        self.position = bytes.startIndex
    }

    /// How many bytes are left.
    public var remaining: Int { bytes.endIndex - position }

    /// How many bytes were read.
    public var offset: Int { position - bytes.startIndex }

    /// One byte.
    public mutating func uint8() throws(ByteCodingError) -> UInt8 {
        guard remaining >= 1 else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }
    /// Two bytes.
    public mutating func uint16() throws(ByteCodingError) -> UInt16 { try fixed() }
    /// Four bytes.
    public mutating func uint32() throws(ByteCodingError) -> UInt32 { try fixed() }
    /// Eight bytes.
    public mutating func uint64() throws(ByteCodingError) -> UInt64 { try fixed() }

    private mutating func fixed<T: FixedWidthInteger>() throws(ByteCodingError) -> T {
        let size = MemoryLayout<T>.size
        guard remaining >= size else { throw .truncated }
        var value: T = 0
        for i in 0..<size { value |= T(bytes[position + i]) << T(8 * i) }
        position += size
        return value
    }

    /// Seven bits a byte, low bits first; what does not fit in 64 bits is malformed.
    public mutating func varint() throws(ByteCodingError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try uint8()
            if shift == 63, byte > 1 { throw .malformedVarint }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
            if shift > 63 { throw .malformedVarint }
        }
    }

    /// Exactly `count` bytes.
    public mutating func raw(_ count: Int) throws(ByteCodingError) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw .truncated }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    /// A varint length of at most `bound` and then the bytes.
    public mutating func lengthPrefixed(atMost bound: Int) throws(ByteCodingError) -> [UInt8] {
        let length = try varint()
        guard length <= UInt64(bound) else { throw .tooLong(length: length, bound: bound) }
        return try raw(Int(length))
    }

    /// A varint length of at most `bound` and then UTF-8.
    public mutating func string(atMost bound: Int) throws(ByteCodingError) -> String {
        let raw = try lengthPrefixed(atMost: bound)
        guard let text = String(validating: raw, as: UTF8.self) else { throw .invalidUTF8 }
        return text
    }

    /// A varint count of at most `bound`, for a list that follows.
    public mutating func count(atMost bound: Int) throws(ByteCodingError) -> Int {
        let value = try varint()
        guard value <= UInt64(bound) else { throw .tooLong(length: value, bound: bound) }
        return Int(value)
    }
}
