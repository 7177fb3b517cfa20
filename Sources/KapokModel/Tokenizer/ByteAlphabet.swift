/// The characters that byte-level BPE writes bytes with: printable ones of Latin-1 for themselves,
/// the others as those from U+0100 on (GPT-2's `bytes_to_unicode`).
enum ByteAlphabet {
    /// The character of each byte.
    static let characters: [UInt32] = {
        var characters: [UInt32] = []
        var next: UInt32 = 256
        for byte in UInt32(0)..<256 {
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: characters.append(byte)
            default:
                characters.append(next)
                next += 1
            }
        }
        return characters
    }()

    /// The byte of each character below U+0144; -1 for characters that are none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, character) in characters.enumerated() { bytes[Int(character)] = Int16(byte) }
        return bytes
    }()

    /// Puts the bytes that `piece`, UTF-8, writes into `output`; false when a character is none of
    /// the alphabet.
    static func decode(_ piece: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) -> Bool {
        output.removeAll(keepingCapacity: true)
        guard let base = piece.baseAddress else { return true }
        return bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < piece.count {
                let (scalar, length) = UTF8Text.decode(base, at: index, end: piece.count)
                guard scalar < 0x144, bytes[Int(scalar)] >= 0 else { return false }
                output.append(UInt8(bytes[Int(scalar)]))
                index += length
            }
            return true
        }
    }
}
