import Synchronization

/// Memory aligned to the 4 KiB that direct I/O wants, with one owner at a time.
///
/// Cores pass it on as the handle of a payload: they may look into it, they never share it. Whoever
/// holds the last reference frees it. It is `Sendable` because the protocol between core and driver
/// hands a buffer over with the command and hands it back with the completion.
public final class AlignedBuffer: @unchecked Sendable {
    /// The alignment and granularity in bytes.
    public static let alignment = 4096

    /// The memory, `count` bytes from here.
    public let baseAddress: UnsafeMutableRawPointer

    /// The size in bytes, a multiple of `alignment`.
    public let count: Int

    /// Uninitialised memory of at least `byteCount` bytes, rounded up to whole blocks.
    public init(byteCount: Int) {
        precondition(byteCount > 0)
        count = (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
        baseAddress = BufferPool.shared.take(byteCount: count)
    }

    deinit { BufferPool.shared.give(baseAddress, byteCount: count) }

    /// All bytes, to write.
    @inlinable
    public var mutableBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: baseAddress, count: count)
    }

    /// All bytes, to read.
    @inlinable
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: baseAddress, count: count)
    }

    /// Sets all bytes to zero.
    public func zero() { baseAddress.initializeMemory(as: UInt8.self, repeating: 0, count: count) }
}

/// Memory that was used before, kept for the next buffer of its size: a large allocation is a
/// system call, and its pages are zeroed one fault at a time.
private final class BufferPool: Sendable {
    static let shared = BufferPool()

    /// Smaller buffers are the allocator's business, larger ones too rare to keep.
    private static let kept = 64 << 10...4 << 20
    /// The most bytes that are kept.
    private static let limit = 64 << 20

    private struct Memory: @unchecked Sendable {
        let address: UnsafeMutableRawPointer
    }

    private struct State {
        var free: [Int: [Memory]] = [:]
        var byteCount = 0
    }
    private let state = Mutex(State())

    func take(byteCount: Int) -> UnsafeMutableRawPointer {
        if Self.kept.contains(byteCount) {
            let found = state.withLock { state -> Memory? in
                guard let memory = state.free[byteCount]?.popLast() else { return nil }
                state.byteCount -= byteCount
                return memory
            }
            if let found { return found.address }
        }
        return .allocate(byteCount: byteCount, alignment: AlignedBuffer.alignment)
    }

    func give(_ address: UnsafeMutableRawPointer, byteCount: Int) {
        let memory = Memory(address: address)
        let isKept =
            Self.kept.contains(byteCount)
            && state.withLock { state in
                guard state.byteCount + byteCount <= Self.limit else { return false }
                state.byteCount += byteCount
                state.free[byteCount, default: []].append(memory)
                return true
            }
        if !isKept { address.deallocate() }
    }
}
