/// Bytes of protobuf messages under construction, in memory of its own that is used again and
/// again.
///
/// Encoding: https://protobuf.dev/programming-guides/encoding. Tags are given as they stand in the
/// file: field number x 8 + wire type.
struct PacketBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    /// Bytes written.
    private(set) var count = 0

    /// Longest encoding of a tag and a varint.
    private static let longestField = 15

    init(capacity: Int = 1 << 16) {
        base = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    deinit { base.deallocate() }

    /// What was written, valid inside of `body`.
    func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        body(UnsafeBufferPointer(start: base, count: count))
    }

    mutating func removeAll() { count = 0 }

    // MARK: Fields

    /// A field with wire type 0.
    @inline(__always)
    mutating func varint(_ tag: UInt32, _ value: UInt64) {
        reserve(Self.longestField)
        raw(UInt64(tag))
        raw(value)
    }

    /// A field with wire type 1, little-endian.
    @inline(__always)
    mutating func fixed64(_ tag: UInt32, _ value: UInt64) {
        reserve(Self.longestField)
        raw(UInt64(tag))
        UnsafeMutableRawPointer(base + count).storeBytes(
            of: value.littleEndian, as: UInt64.self)
        count += 8
    }

    /// A field with wire type 2: text.
    mutating func string(_ tag: UInt32, _ text: String) {
        let message = open(tag)
        for byte in text.utf8 {
            reserve(1)
            base[count] = byte
            count += 1
        }
        close(message)
    }

    /// A field with wire type 2 that holds a message: fields that follow belong to it, until
    /// ``close(_:)`` gets what this returns.
    @inline(__always)
    mutating func open(_ tag: UInt32) -> Int {
        reserve(Self.longestField)
        raw(UInt64(tag))
        // One byte for the length; longer messages are moved when they are closed.
        count += 1
        return count
    }

    @inline(__always)
    mutating func close(_ message: Int) {
        let length = count - message
        if length < 128 {
            base[message - 1] = UInt8(truncatingIfNeeded: length)
        } else {
            closeLong(message, length)
        }
    }

    private mutating func closeLong(_ message: Int, _ length: Int) {
        var extra = 0
        var rest = length >> 7
        while rest > 0 {
            extra += 1
            rest >>= 7
        }
        reserve(extra)
        (base + message + extra).update(from: base + message, count: length)
        count = message - 1
        raw(UInt64(length))
        count += length
    }

    // MARK: Bytes

    /// Room must have been reserved.
    @inline(__always)
    private mutating func raw(_ value: UInt64) {
        var rest = value
        while rest >= 128 {
            base[count] = UInt8(truncatingIfNeeded: rest) | 128
            count += 1
            rest >>= 7
        }
        base[count] = UInt8(truncatingIfNeeded: rest)
        count += 1
    }

    @inline(__always)
    private mutating func reserve(_ more: Int) {
        if count + more > capacity { grow(more) }
    }

    private mutating func grow(_ more: Int) {
        let larger = max(2 * capacity, count + more)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        memory.update(from: base, count: count)
        base.deallocate()
        base = memory
        capacity = larger
    }
}
