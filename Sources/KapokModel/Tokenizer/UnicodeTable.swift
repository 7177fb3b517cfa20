/// The general categories of Unicode, numbered as `UnicodeRanges` has them.
enum GeneralCategory: UInt8, CaseIterable {
    case unassigned
    case uppercaseLetter, lowercaseLetter, titlecaseLetter, modifierLetter, otherLetter
    case nonspacingMark, spacingMark, enclosingMark
    case decimalNumber, letterNumber, otherNumber
    case connectorPunctuation, dashPunctuation, openPunctuation, closePunctuation
    case initialPunctuation, finalPunctuation, otherPunctuation
    case mathSymbol, currencySymbol, modifierSymbol, otherSymbol
    case spaceSeparator, lineSeparator, paragraphSeparator
    case control, format, surrogate, privateUse

    /// The category's abbreviation in the Unicode Character Database: "Lu".
    var abbreviation: String {
        let names = [
            "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd",
            "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf",
            "Cs", "Co",
        ]
        return names[Int(rawValue)]
    }
}

/// What a pattern can ask of a character: its general category and three properties, in a byte.
struct ScalarProperties: Hashable {
    var rawValue: UInt8

    var category: GeneralCategory {
        GeneralCategory(rawValue: rawValue & 0x1F) ?? .unassigned
    }
    /// White_Space, which is `\s`.
    var isSpace: Bool { rawValue & 0x20 != 0 }
    /// Of the script Han.
    var isHan: Bool { rawValue & 0x40 != 0 }
    /// A number to the `Digits` pre-tokenizer: categories Nd, Nl, No of Unicode 17.
    var isDigit: Bool { rawValue & 0x80 != 0 }
}

/// The properties of all code points, in two stages: 256 code points a block, uniform ones shared.
struct UnicodeTable: @unchecked Sendable {
    /// Made once, in about a millisecond, and never freed.
    static let shared = UnicodeTable()

    /// The block of each 256 code points, as an offset into `values`.
    private let blocks: UnsafePointer<UInt32>
    private let values: UnsafePointer<UInt8>

    private init() {
        var blockOffsets: [UInt32] = []
        blockOffsets.reserveCapacity(0x1100)
        var all: [UInt8] = []
        var uniform = [UInt32?](repeating: nil, count: 256)
        let packed = UnicodeRanges.packed
        var range = 0
        for block in 0..<UInt32(0x1100) {
            let first = block << 8
            while range + 1 < packed.count, packed[range + 1] >> 8 <= first { range += 1 }
            let isUniform = range + 1 >= packed.count || packed[range + 1] >> 8 >= first + 256
            let value = UInt8(truncatingIfNeeded: packed[range])
            if isUniform, let offset = uniform[Int(value)] {
                blockOffsets.append(offset)
                continue
            }
            let offset = UInt32(all.count)
            blockOffsets.append(offset)
            if isUniform { uniform[Int(value)] = offset }
            for code in first..<first + 256 {
                while range + 1 < packed.count, packed[range + 1] >> 8 <= code { range += 1 }
                all.append(UInt8(truncatingIfNeeded: packed[range]))
            }
        }
        blocks = Self.kept(blockOffsets)
        values = Self.kept(all)
    }

    private static func kept<T>(_ array: [T]) -> UnsafePointer<T> {
        let memory = UnsafeMutablePointer<T>.allocate(capacity: array.count)
        for (index, value) in array.enumerated() {
            (memory + index).initialize(to: value)
        }
        return UnsafePointer(memory)
    }

    /// The properties of `scalar`, which is below 0x110000, in the bits of `ScalarProperties`.
    @inline(__always)
    subscript(scalar: UInt32) -> UInt8 {
        values[Int(blocks[Int(scalar >> 8)] &+ (scalar & 0xFF))]
    }

    func properties(_ scalar: UInt32) -> ScalarProperties {
        ScalarProperties(rawValue: self[scalar])
    }
}
