internal import Glibc
internal import KapokWorld
internal import NIOCore

/// The content of every object, computed from its index and the seed.
///
/// One buffer of random bytes with a prime period serves all: an object begins at an offset of its
/// own and wraps around. Sending is a slice of that buffer, checking a `memcmp` with it. The period
/// shares no factor with any power of two, so that pieces put together in the wrong order, or taken
/// from another object, are seen.
struct ObjectPattern: Sendable {
    /// The largest prime below 2^20.
    static let period = 1_048_573
    /// The most bytes one slice holds: the buffer holds the period and once more this.
    static let longestSlice = 256 * 1024

    private let bytes: ByteBuffer
    private let seed: UInt64

    init(seed: UInt64) {
        self.seed = seed
        var random = RandomStream(seed: seed).split("object pattern")
        var words = ByteBufferAllocator().buffer(capacity: Self.period + 8 + Self.longestSlice)
        while words.writerIndex < Self.period { words.writeInteger(random.next()) }
        words.moveWriterIndex(to: Self.period)
        if let head = words.getSlice(at: 0, length: Self.longestSlice) {
            words.writeImmutableBuffer(head)
        }
        bytes = words
    }

    /// Where object `index` begins within the period.
    private func start(of index: Int) -> Int {
        var random = RandomStream(seed: seed).split(UInt64(index))
        return random.below(Self.period)
    }

    /// Up to `count` bytes of object `index` from `position`, at most `longestSlice` of them.
    func slice(of index: Int, at position: Int, count: Int) -> ByteBuffer {
        let offset = (start(of: index) + position) % Self.period
        let length = min(count, Self.longestSlice)
        guard let slice = bytes.getSlice(at: offset, length: length) else {
            preconditionFailure("the pattern is shorter than a slice")
        }
        return slice
    }

    /// Whether `received` are the bytes of object `index` from `position`.
    func matches(_ received: UnsafeRawBufferPointer, of index: Int, at position: Int) -> Bool {
        let start = (start(of: index) + position) % Self.period
        return bytes.withUnsafeReadableBytes { pattern in
            var offset = start
            var rest = received
            while let source = rest.baseAddress, !rest.isEmpty {
                let length = min(rest.count, pattern.count - offset)
                guard let expected = pattern.baseAddress,
                    memcmp(source, expected + offset, length) == 0
                else { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[length...])
                offset = (offset + length) % Self.period
            }
            return true
        }
    }
}
