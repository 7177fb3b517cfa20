import CKernels
import NIOCore

/// A running MD5 (RFC 1321) that can be advanced alone or beside others, see `MD5Lane.advance`.
struct MD5State: Sendable {
    static let blockSize = 64

    /// A, B, C, D.
    fileprivate(set) var words = SIMD4<UInt32>(
        0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476)
    /// Begins with the bytes behind the last whole block.
    private var tail = [UInt8](repeating: 0, count: blockSize)
    private var tailCount = 0
    /// In bytes.
    private var length: UInt64 = 0

    /// Adds `bytes`.
    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        let completed = completeTail(bytes)
        let blocks = (bytes.count - completed) / Self.blockSize
        let end = completed + blocks * Self.blockSize
        compress(UnsafeRawBufferPointer(rebasing: bytes[completed..<end]))
        length += UInt64(end - completed)
        _ = completeTail(UnsafeRawBufferPointer(rebasing: bytes[end...]))
    }

    /// Takes bytes until no partial block is left, or, when `bytes` are less than a block, all of
    /// them.
    /// - Returns: how many bytes it took.
    fileprivate mutating func completeTail(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard tailCount > 0 || bytes.count < Self.blockSize else { return 0 }
        let count = min(Self.blockSize - tailCount, bytes.count)
        for index in 0..<count { tail[tailCount + index] = bytes[index] }
        tailCount += count
        length += UInt64(count)
        if tailCount == Self.blockSize { compressTail() }
        return count
    }

    /// Counts whole blocks that were hashed into `words`.
    fileprivate mutating func didAdvance(to words: SIMD4<UInt32>, bytes: Int) {
        self.words = words
        length += UInt64(bytes)
    }

    /// The digest of all bytes given; 16 bytes.
    consuming func finish() -> [UInt8] {
        let bits = (length << 3).littleEndian
        tail[tailCount] = 0x80
        for index in tailCount + 1..<Self.blockSize { tail[index] = 0 }
        if tailCount >= Self.blockSize - 8 {
            compressTail()
            for index in 0..<Self.blockSize { tail[index] = 0 }
        }
        tail.withUnsafeMutableBytes {
            $0.storeBytes(of: bits, toByteOffset: Self.blockSize - 8, as: UInt64.self)
        }
        compressTail()
        return (0..<16).map { UInt8(truncatingIfNeeded: words[$0 / 4] >> UInt32(8 * ($0 % 4))) }
    }

    private mutating func compressTail() {
        let block = tail
        block.withUnsafeBytes { compress($0) }
        tailCount = 0
    }

    private mutating func compress(_ blocks: UnsafeRawBufferPointer) {
        guard let base = blocks.baseAddress, !blocks.isEmpty else { return }
        withUnsafeMutableBytes(of: &words) { words in
            var data: UnsafePointer<UInt8>? = base.assumingMemoryBound(to: UInt8.self)
            var count = blocks.count / Self.blockSize
            kapok_md5_blocks(
                words.baseAddress?.assumingMemoryBound(
                    to: (UInt32, UInt32, UInt32, UInt32).self), &data, &count, 1)
        }
    }
}

/// Bytes that wait to be hashed, kept where they were received.
///
/// Unchecked: nobody writes to a `ByteBuffer`'s storage while another holds it (NIO copies on
/// write), so that reading it from any thread is safe as long as `owner` lives.
struct MD5Piece: @unchecked Sendable {
    private let owner: AnyObject
    fileprivate let bytes: UnsafeRawBufferPointer

    /// The bytes `range` of the readable bytes of `buffer`.
    init(_ buffer: ByteBuffer, _ range: Range<Int>) {
        (owner, bytes) = buffer.withUnsafeReadableBytesWithStorageManagement { bytes, owner in
            (owner.takeUnretainedValue(), UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
    }

    var count: Int { bytes.count }
}

/// One stream's part in a common run over several.
struct MD5Lane: Sendable {
    private(set) var state: MD5State
    private var pieces: [MD5Piece]
    /// Where the hash stands: the piece, and the offset in it.
    private var piece = 0
    private var offset = 0
    /// In bytes; the lane stops when it has hashed them.
    private var budget: Int

    /// - Parameters:
    ///   - offset: how many bytes of the first piece are hashed already.
    ///   - limit: how many bytes to hash at most.
    init(_ state: MD5State, _ pieces: [MD5Piece], from offset: Int, limit: Int) {
        self.state = state
        self.pieces = pieces
        self.offset = offset
        budget = limit
    }

    /// What the limit kept from being hashed: the pieces, how many bytes of the first are hashed
    /// already, and how many bytes are not.
    var rest: (pieces: ArraySlice<MD5Piece>, offset: Int, count: Int) {
        let pieces = pieces[piece...]
        return (pieces, offset, pieces.reduce(0) { $0 + $1.count } - offset)
    }

    /// Hashes over odd bytes up to the next whole blocks and returns these; nil at the end.
    private mutating func nextBlocks() -> UnsafeRawBufferPointer? {
        while piece < pieces.count, budget > 0 {
            let all = pieces[piece].bytes
            guard offset < all.count else {
                piece += 1
                offset = 0
                continue
            }
            let end = min(all.count, offset + budget)
            let left = UnsafeRawBufferPointer(rebasing: all[offset..<end])
            let taken = state.completeTail(left)
            guard taken == 0 else {
                skip(taken)
                continue
            }
            return UnsafeRawBufferPointer(
                rebasing: left[..<(left.count / MD5State.blockSize * MD5State.blockSize)])
        }
        return nil
    }

    private mutating func skip(_ count: Int) {
        offset += count
        budget -= count
    }

    /// Hashes all lanes to their limits, side by side.
    static func advance(_ lanes: inout [MD5Lane]) {
        // The lanes that still have blocks, with their next ones.
        var active: [Int] = []
        var states: [SIMD4<UInt32>] = []
        var data: [UnsafePointer<UInt8>?] = []
        var left: [Int] = []
        for index in lanes.indices {
            guard let blocks = lanes[index].nextBlocks() else { continue }
            active.append(index)
            states.append(lanes[index].state.words)
            data.append(blocks.baseAddress?.assumingMemoryBound(to: UInt8.self))
            left.append(blocks.count / MD5State.blockSize)
        }
        while let common = left.min() {
            let counts = [Int](repeating: common, count: left.count)
            states.withUnsafeMutableBytes { states in
                kapok_md5_blocks(
                    states.baseAddress?.assumingMemoryBound(
                        to: (UInt32, UInt32, UInt32, UInt32).self), data, counts, counts.count)
            }
            let bytes = common * MD5State.blockSize
            for slot in active.indices.reversed() {
                let lane = active[slot]
                lanes[lane].skip(bytes)
                lanes[lane].state.didAdvance(to: states[slot], bytes: bytes)
                left[slot] -= common
                data[slot] = data[slot].map { $0 + bytes }
                guard left[slot] == 0 else { continue }
                if let blocks = lanes[lane].nextBlocks() {
                    states[slot] = lanes[lane].state.words
                    data[slot] = blocks.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    left[slot] = blocks.count / MD5State.blockSize
                } else {
                    active.remove(at: slot)
                    states.remove(at: slot)
                    data.remove(at: slot)
                    left.remove(at: slot)
                }
            }
        }
    }
}
