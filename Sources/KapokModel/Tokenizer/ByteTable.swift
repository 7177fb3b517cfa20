/// Short byte strings and their numbers: an open hash table over one run of bytes.
struct ByteTable: Sendable {
    private var bytes: [UInt8] = []
    /// Where each string begins; one more than there are strings.
    private var offsets: [UInt32] = [0]
    /// The number of a string plus one, or zero.
    private var slots: [UInt32]
    private let mask: Int
    /// The longest string.
    private(set) var longest = 0

    /// A table with room for `count` strings.
    init(count: Int, bytes: Int = 0) {
        var capacity = 16
        while capacity < count * 2 { capacity *= 2 }
        slots = Array(repeating: 0, count: capacity)
        mask = capacity - 1
        offsets.reserveCapacity(count + 1)
        self.bytes.reserveCapacity(bytes)
    }

    /// How many strings there are.
    var count: Int { offsets.count - 1 }

    /// Adds `string`, whose number is how many there were before; of equal ones the last is found.
    /// - Parameter isFound: whether `number(of:)` is to find it.
    mutating func append(_ string: UnsafeBufferPointer<UInt8>, isFound: Bool = true) {
        let number = UInt32(count)
        bytes.append(contentsOf: string)
        offsets.append(UInt32(bytes.count))
        guard isFound else { return }
        longest = max(longest, string.count)
        var slot = Int(truncatingIfNeeded: Self.hash(string)) & mask
        while slots[slot] != 0, !equals(Int(slots[slot]) - 1, string) { slot = (slot + 1) & mask }
        slots[slot] = number + 1
    }

    /// The number of `string`.
    func number(of string: UnsafeBufferPointer<UInt8>) -> Int? {
        if string.count > longest { return nil }
        var slot = Int(truncatingIfNeeded: Self.hash(string)) & mask
        while slots[slot] != 0 {
            let candidate = Int(slots[slot]) - 1
            if equals(candidate, string) { return candidate }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// The string with `number`.
    subscript(number: Int) -> ArraySlice<UInt8> {
        bytes[Int(offsets[number])..<Int(offsets[number + 1])]
    }

    /// How long the string with `number` is.
    func length(of number: Int) -> Int { Int(offsets[number + 1] - offsets[number]) }

    private func equals(_ number: Int, _ string: UnsafeBufferPointer<UInt8>) -> Bool {
        guard length(of: number) == string.count else { return false }
        let offset = Int(offsets[number])
        return bytes.withUnsafeBufferPointer { all in
            for index in 0..<string.count where all[offset + index] != string[index] {
                return false
            }
            return true
        }
    }

    /// A hash that spreads well enough for words; eight bytes at a time.
    @inline(__always)
    static func hash(_ string: UnsafeBufferPointer<UInt8>) -> UInt64 {
        let raw = UnsafeRawBufferPointer(string)
        var hash = UInt64(raw.count) &* 0x9E37_79B9_7F4A_7C15
        var index = 0
        while index &+ 8 <= raw.count {
            hash = mixed(hash ^ raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            index &+= 8
        }
        var rest: UInt64 = 0
        while index < raw.count {
            rest = rest << 8 | UInt64(raw[index])
            index &+= 1
        }
        return mixed(hash ^ rest)
    }

    @inline(__always)
    private static func mixed(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
        return product.high ^ product.low
    }
}
