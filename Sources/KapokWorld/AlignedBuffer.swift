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
        baseAddress = .allocate(byteCount: count, alignment: Self.alignment)
    }

    deinit { baseAddress.deallocate() }

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
