/// Columns of whole numbers as the HTML report carries them: varints (7 bits a byte, low ones
/// first), compressed together.
///
/// A `delta` column holds differences to the value before, zigzag-coded (0, -1, 1, -2 become 0, 1,
/// 2, 3). A `wide` one has values beyond 32 bits.
struct PackedColumns {
    /// Where a column lies.
    struct Entry: Hashable {
        var name: String
        var offset: Int
        var count: Int
        var isDelta: Bool
        var isWide: Bool
    }

    private(set) var entries: [Entry] = []
    /// The columns, one after the other.
    private(set) var bytes: [UInt8] = []

    /// Adds a column of numbers that are not negative.
    mutating func add(_ name: String, _ values: some Sequence<Int64>) {
        var entry = Entry(
            name: name, offset: bytes.count, count: 0, isDelta: false, isWide: false)
        for value in values {
            precondition(value >= 0)
            varint(UInt64(value))
            entry.count += 1
            if value > Int64(Int32.max) { entry.isWide = true }
        }
        entries.append(entry)
    }

    /// Adds a column of numbers near to their neighbours.
    mutating func addDeltas(_ name: String, _ values: some Sequence<Int64>) {
        var entry = Entry(
            name: name, offset: bytes.count, count: 0, isDelta: true, isWide: false)
        var previous: Int64 = 0
        for value in values {
            let difference = value - previous
            previous = value
            varint(UInt64(bitPattern: (difference << 1) ^ (difference >> 63)))
            entry.count += 1
            if Int64(Int32(truncatingIfNeeded: value)) != value { entry.isWide = true }
        }
        entries.append(entry)
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 128 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// All columns as a zlib stream.
    func compressed() -> [UInt8] {
        var deflater = Deflater(level: 6)
        return bytes.withUnsafeBufferPointer { deflater.compress($0) }
    }
}

/// Base64 (RFC 4648, section 4).
enum Base64 {
    private static let digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = 0
        while index < bytes.count {
            let count = min(3, bytes.count - index)
            var group = 0
            for place in 0..<3 {
                group = group << 8 | (place < count ? Int(bytes[index + place]) : 0)
            }
            for place in 0..<4 {
                let digit = digits[group >> (18 - 6 * place) & 63]
                text.append(place <= count ? digit : UInt8(ascii: "="))
            }
            index += 3
        }
        return String(decoding: text, as: UTF8.self)
    }
}
