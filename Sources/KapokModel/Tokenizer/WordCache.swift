/// The tokens of words that came before: a table of fixed size, where a newer word takes the place
/// of an older one; one call uses it at a time. What it answers is what computing would, so it
/// changes no result.
final class WordCache: @unchecked Sendable {
    /// Longer words are not kept.
    static let longestWord = 63
    private static let slotCount = 1 << 15
    /// Bytes for words and tokens together; when they are full the cache starts anew.
    private static let arenaSize = 1 << 20

    private struct Slot {
        /// The upper half of the word's hash.
        var tag: UInt32
        /// Where the tokens lie in the arena, followed by the word.
        var offset: UInt32
        var wordLength: UInt8
        var tokenCount: UInt8
    }

    private let slots: UnsafeMutablePointer<Slot>
    private let arena: UnsafeMutableRawPointer
    private var used = 0

    init() {
        slots = .allocate(capacity: Self.slotCount)
        arena = .allocate(byteCount: Self.arenaSize, alignment: 8)
        clear()
    }

    deinit {
        slots.deallocate()
        arena.deallocate()
    }

    private func clear() {
        let empty = Slot(tag: 0, offset: 0, wordLength: 0, tokenCount: 0)
        slots.initialize(repeating: empty, count: Self.slotCount)
        used = 0
    }

    /// Adds the tokens of `word` to `output`, where they are known.
    @inline(__always)
    func append(
        _ word: UnsafeBufferPointer<UInt8>, hash: UInt64, to output: inout [TokenID]
    ) -> Bool {
        let slot = slots[Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)]
        guard Int(slot.wordLength) == word.count, slot.tag == UInt32(truncatingIfNeeded: hash >> 32)
        else { return false }
        let tokens = arena + Int(slot.offset)
        let count = Int(slot.tokenCount)
        let bytes = tokens + count * 4
        for index in 0..<word.count
        where bytes.load(fromByteOffset: index, as: UInt8.self) != word[index] {
            return false
        }
        for index in 0..<count {
            output.append(tokens.load(fromByteOffset: index * 4, as: TokenID.self))
        }
        return true
    }

    /// Remembers the tokens of `word`.
    func insert(
        _ word: UnsafeBufferPointer<UInt8>, hash: UInt64, tokens: [TokenID]
    ) {
        guard (1...Self.longestWord).contains(word.count), tokens.count <= word.count else {
            return
        }
        let size = (tokens.count * 4 + word.count + 3) & ~3
        if used + size > Self.arenaSize { clear() }
        let target = arena + used
        for (index, token) in tokens.enumerated() {
            target.storeBytes(of: token, toByteOffset: index * 4, as: TokenID.self)
        }
        for index in 0..<word.count {
            target.storeBytes(
                of: word[index], toByteOffset: tokens.count * 4 + index, as: UInt8.self)
        }
        slots[Int(truncatingIfNeeded: hash) & (Self.slotCount - 1)] = Slot(
            tag: UInt32(truncatingIfNeeded: hash >> 32), offset: UInt32(used),
            wordLength: UInt8(word.count), tokenCount: UInt8(tokens.count))
        used += size
    }
}
