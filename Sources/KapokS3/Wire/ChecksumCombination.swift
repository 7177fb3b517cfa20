/// The checksum of a multipart object from those of its parts.
public enum ChecksumCombination {
    /// The checksum of the parts' checksums one after the other, with their number.
    /// Nil when there are no parts or they differ in algorithm.
    public static func composite(_ parts: [Checksum]) -> Checksum? {
        guard let algorithm = parts.first?.algorithm,
            parts.allSatisfy({ $0.algorithm == algorithm })
        else { return nil }
        var hasher = ChecksumHasher(algorithm)
        for part in parts { part.bytes.withUnsafeBytes { hasher.update($0) } }
        return Checksum(algorithm, hasher.finish().bytes, partCount: parts.count)
    }

    /// The checksum of the parts' bytes one after the other, from each part's checksum and length
    /// in bytes. Nil when there are no parts, they differ in algorithm, or it is not a CRC.
    /// O(parts × log length).
    public static func fullObject(_ parts: [(checksum: Checksum, length: UInt64)]) -> Checksum? {
        guard let algorithm = parts.first?.checksum.algorithm, algorithm.isLinear,
            parts.allSatisfy({ $0.checksum.algorithm == algorithm })
        else { return nil }
        switch algorithm {
        case .crc32:
            return Checksum(.crc32, combine(parts, polynomial: 0xEDB8_8320 as UInt32))
        case .crc32c:
            return Checksum(.crc32c, combine(parts, polynomial: 0x82F6_3B78 as UInt32))
        case .crc64nvme:
            return Checksum(
                .crc64nvme, combine(parts, polynomial: 0x9A6C_9329_AC4B_C9B5 as UInt64))
        case .sha1, .sha256:
            return nil
        }
    }

    private static func combine<T: FixedWidthInteger & UnsignedInteger>(
        _ parts: [(checksum: Checksum, length: UInt64)], polynomial: T
    ) -> [UInt8] {
        var whole: T = 0
        var shiftedLength: UInt64?
        var shift: T = 0
        for part in parts {
            // Parts are mostly of one length: its power is computed once.
            if shiftedLength != part.length {
                shift = powerOfX(bytes: part.length, polynomial: polynomial)
                shiftedLength = part.length
            }
            let crc = part.checksum.bytes.reduce(0 as T) { $0 << 8 | T($1) }
            whole = multiply(whole, shift, polynomial: polynomial) ^ crc
        }
        return bigEndianBytes(whole)
    }

    /// x to the power of 8 × `bytes`, modulo the polynomial; bit-reversed like all values here.
    private static func powerOfX<T: FixedWidthInteger & UnsignedInteger>(
        bytes: UInt64, polynomial: T
    ) -> T {
        var result: T = 1 << (T.bitWidth - 1)
        var square: T = 1 << (T.bitWidth - 2)
        for _ in 0..<3 { square = multiply(square, square, polynomial: polynomial) }
        var rest = bytes
        while rest > 0 {
            if rest & 1 == 1 { result = multiply(result, square, polynomial: polynomial) }
            square = multiply(square, square, polynomial: polynomial)
            rest >>= 1
        }
        return result
    }

    /// The product of two polynomials over GF(2), modulo the polynomial. The highest bit of a value
    /// is the coefficient of x^0.
    private static func multiply<T: FixedWidthInteger & UnsignedInteger>(
        _ a: T, _ b: T, polynomial: T
    ) -> T {
        var product: T = 0
        var multiple = b
        var bit: T = 1 << (T.bitWidth - 1)
        while bit != 0 {
            if a & bit != 0 { product ^= multiple }
            multiple = multiple & 1 == 1 ? multiple >> 1 ^ polynomial : multiple >> 1
            bit >>= 1
        }
        return product
    }
}
