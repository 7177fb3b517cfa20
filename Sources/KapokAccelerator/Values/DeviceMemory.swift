internal import Glibc

/// The memories of a core as host memory: SBUF and PSUM row by row (a row is a partition), the
/// tensors of HBM one after the other.
struct DeviceMemory: ~Copyable {
    /// Bytes from one partition to the next: the partition's own and a few more. Partitions of the
    /// real size would lie a multiple of 16 KiB apart, and a column of them would fall into a
    /// single set of the host's caches.
    let sbufPitch: Int
    let psumPitch: Int
    /// Where the partitions and tensors begin.
    let sbuf: UnsafeMutableRawPointer
    let psum: UnsafeMutableRawPointer
    let hbm: UnsafeMutableRawPointer
    /// Where each tensor begins in HBM; its end is the next one's begin, rounded down.
    let tensorOffsets: [Int]
    /// Bytes in all.
    let sbufByteCount: Int
    let psumByteCount: Int
    let hbmByteCount: Int

    /// Bytes of all memories, which follow each other from `sbuf` on.
    var byteCount: Int { sbufByteCount + psumByteCount + hbmByteCount }

    /// Three cache lines: neighbouring partitions use other sets.
    private static let padding = 192

    /// All zero. The pages of memory that is never touched cost nothing.
    ///
    /// - Parameters:
    ///   - sizes: bytes of each tensor
    /// - Returns: nil when the host has not enough memory.
    init?(machine: Machine, tensorSizes sizes: [Int]) {
        sbufPitch = Self.rounded(machine.sbufBytesPerPartition) + Self.padding
        psumPitch = Self.rounded(machine.psumBytesPerPartition) + Self.padding
        var offsets: [Int] = []
        var end = 0
        for size in sizes {
            offsets.append(end)
            end += Self.rounded(size) + Self.padding
        }
        tensorOffsets = offsets
        sbufByteCount = sbufPitch * machine.partitions
        psumByteCount = psumPitch * machine.partitions
        hbmByteCount = max(end, Self.padding)
        guard let memory = Self.map(sbufByteCount + psumByteCount + hbmByteCount) else {
            return nil
        }
        sbuf = memory
        psum = memory + sbufByteCount
        hbm = psum + psumByteCount
    }

    deinit { munmap(sbuf, byteCount) }

    /// Where a memory begins.
    func base(of space: MemorySpace) -> UnsafeMutableRawPointer {
        switch space {
        case .sbuf: sbuf
        case .psum: psum
        case .hbm: hbm
        }
    }

    private static func rounded(_ size: Int) -> Int { (size + 63) & ~63 }

    private static func map(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        let memory = mmap(
            nil, byteCount, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory, memory != MAP_FAILED else { return nil }
        // Columns of partitions would use a page each: large pages need fewer translations.
        madvise(memory, byteCount, MADV_HUGEPAGE)
        return memory
    }
}
