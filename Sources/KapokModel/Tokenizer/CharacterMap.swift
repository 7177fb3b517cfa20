/// SentencePiece's table for normalising text (`precompiled_charsmap`): a trie whose leaves point
/// at replacements.
///
/// The layout is sentencepiece's (`normalizer.cc`): the trie's size in bytes, the trie as a double
/// array of Darts (units of 32 bits), then the replacements, each ended by a zero. All numbers are
/// little-endian.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    private let replacements: [UInt8]

    init(_ bytes: [UInt8]) throws(TokenizerError) {
        func word(_ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
        }
        guard bytes.count >= 4 else {
            throw .malformed("the normalisation table has \(bytes.count) bytes")
        }
        let size = Int(word(0))
        guard size % 4 == 0, size >= 4, size <= bytes.count - 4 else {
            throw .malformed("the normalisation table's trie has \(size) of \(bytes.count) bytes")
        }
        units = stride(from: 4, to: 4 + size, by: 4).map(word)
        replacements = Array(bytes[(4 + size)...])
        guard replacements.isEmpty || replacements.last == 0 else {
            throw .malformed("the normalisation table's last replacement has no end")
        }
    }

    /// The longest beginning of `text` from `start` on that is replaced, and what replaces it.
    func longest(
        _ text: UnsafeBufferPointer<UInt8>, at start: Int
    ) -> (length: Int, replacement: ArraySlice<UInt8>)? {
        var found: (length: Int, offset: Int)?
        var node = offset(units[0])
        for index in start..<text.count {
            let byte = text[index]
            if byte == 0 { break }
            node ^= Int(byte)
            guard node < units.count else { break }
            let unit = units[node]
            // Bits 0-7 are the label; bit 31 marks a value, which is no child of any byte.
            guard unit & 0x8000_00FF == UInt32(byte) else { break }
            node ^= offset(unit)
            guard node < units.count else { break }
            if unit >> 8 & 1 != 0 {
                found = (index - start + 1, Int(units[node] & 0x7FFF_FFFF))
            }
        }
        guard let found, found.offset < replacements.count else { return nil }
        let end = replacements[found.offset...].firstIndex(of: 0) ?? replacements.count
        return (found.length, replacements[found.offset..<end])
    }

    private func offset(_ unit: UInt32) -> Int {
        Int(unit >> 10) << Int((unit & (1 << 9)) >> 6)
    }
}
