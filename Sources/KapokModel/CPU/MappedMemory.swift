import Glibc

/// Zeroed memory straight from the kernel, at a multiple of 64 bytes, in huge pages where it can:
/// weights are read from end to end for every token, and small pages would make the processor look
/// up thousands of addresses on the way.
final class MappedMemory: @unchecked Sendable {
    /// The first byte.
    let base: UnsafeMutableRawPointer
    /// How many there are.
    let count: Int

    private static let hugePage = 2 << 20
    private let mapping: UnsafeMutableRawPointer
    private let mappingLength: Int

    /// - Throws: `CPUModelError.outOfMemory` that names `what`.
    init(bytes: Int, for what: String) throws(CPUModelError) {
        count = bytes
        // A whole huge page more, so that the beginning can lie on the boundary of one.
        let (length, overflow) = bytes.addingReportingOverflow(2 * Self.hugePage)
        mappingLength = length & ~(Self.hugePage - 1)
        guard bytes >= 0, !overflow,
            let mapped = mmap(
                nil, mappingLength, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
            mapped != MAP_FAILED
        else { throw .outOfMemory(bytes: bytes, what: what) }
        mapping = mapped
        let address = UInt(bitPattern: mapped)
        let aligned = (address + UInt(Self.hugePage - 1)) & ~UInt(Self.hugePage - 1)
        // Small blocks would fill whole huge pages for nothing.
        base = bytes >= Self.hugePage ? mapped + Int(aligned - address) : mapped
        if bytes >= Self.hugePage { madvise(base, bytes, MADV_HUGEPAGE) }
    }

    deinit { munmap(mapping, mappingLength) }
}

/// Takes pieces of a block of memory one after the other, each at a multiple of 64 bytes. Without
/// a base it only counts.
struct MemoryLayout64 {
    private let base: UnsafeMutableRawPointer?
    /// The bytes taken so far.
    private(set) var used = 0

    init(_ base: UnsafeMutableRawPointer? = nil) { self.base = base }

    /// `count` bytes; where they begin is meaningless while only counting.
    mutating func take(bytes count: Int) -> UnsafeMutableRawPointer {
        defer { used += (count + 63) & ~63 }
        return (base ?? Self.nowhere) + (base == nil ? 0 : used)
    }

    /// `count` floats.
    mutating func takeFloats(_ count: Int) -> UnsafeMutablePointer<Float> {
        take(bytes: count * 4).assumingMemoryBound(to: Float.self)
    }

    private static var nowhere: UnsafeMutableRawPointer {
        guard let pointer = UnsafeMutableRawPointer(bitPattern: 64) else {
            preconditionFailure("64 is not null")
        }
        return pointer
    }
}
