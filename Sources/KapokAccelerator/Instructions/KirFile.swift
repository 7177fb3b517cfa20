/// The binary form of a ``Program``: a `.kir` file, version 1. `docs/kir.md` describes every byte.
///
/// All integers are little-endian. A file is a header, a table of sections with counts and
/// checksums, and the sections, each an array of fixed-size records.
public enum KirFile {
    /// The version that this reader and writer know.
    public static let version: UInt32 = 1

    /// The first bytes of every file. As in PNG, the first is not ASCII and line ends follow, so
    /// that a transfer in text mode shows at once.
    public static let magic: [UInt8] = [0x89, 0x4B, 0x49, 0x52, 0x0D, 0x0A, 0x1A, 0x0A]

    /// The file that holds `program`. Linear in its size.
    ///
    /// Every program can be written; ``decode(_:)`` takes only well-formed ones (indices in range,
    /// counts at least 1, and so on), which compilers make.
    public static func encode(_ program: Program) -> [UInt8] {
        KirEncoder(program).file()
    }

    /// The program that `bytes` hold. Linear in their number, in time and in memory, whatever they
    /// are.
    ///
    /// What it returns is well-formed: all indices are in range and all sizes so bounded that
    /// products of counts, strides and sizes do not overflow. Whether it follows the machine's
    /// rules is for ``ProgramValidator`` to say.
    ///
    /// - Throws: ``KirError`` with the byte, or the table and entry, that is wrong.
    public static func decode(_ bytes: [UInt8]) throws(KirError) -> Program {
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(KirError) -> Program in
                var decoder = KirDecoder(raw)
                return try decoder.program()
            }
        }
        let program = try result.get()
        if let problem = ProgramStructure(program).firstProblem() { throw problem }
        return program
    }
}

/// The sections of a `.kir` file of version 1, in the order in which they stand.
enum KirSection: UInt32, CaseIterable {
    case kernel = 1
    case parameters = 2
    case instructions = 3
    case patterns = 4
    case tensors = 5
    case dimensions = 6
    case tiles = 7
    case lines = 8
    case loops = 9
    case iterations = 10
    case iterationOfInstruction = 11
    case waitReasons = 12
    case stringLengths = 13
    case stringBytes = 14

    /// Bytes of one record.
    var recordSize: Int {
        switch self {
        case .kernel: 8
        case .parameters: 8
        case .instructions: 64
        case .patterns: 56
        case .tensors: 8
        case .dimensions: 8
        case .tiles: 56
        case .lines: 16
        case .loops: 8
        case .iterations: 12
        case .iterationOfInstruction: 4
        case .waitReasons: 16
        case .stringLengths: 4
        case .stringBytes: 1
        }
    }

    /// Its place in the table of sections.
    var position: Int { Int(rawValue) - 1 }
}

/// Sizes of the fixed parts of a file.
enum KirLayout {
    static let headerSize = 32
    static let sectionEntrySize = 32
    static let alignment = 8
    /// Of the first section: all have to be there.
    static let dataStart = headerSize + KirSection.allCases.count * sectionEntrySize
    /// The most dimensions of a tensor.
    static let maximumRank = 8

    static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }
}
