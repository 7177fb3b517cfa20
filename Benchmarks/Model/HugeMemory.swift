import Glibc

/// Memory in huge pages, as the model's weights lie in.
final class HugeMemory {
    /// The first byte, at a multiple of 2 MiB.
    let base: UnsafeMutableRawPointer
    /// How many bytes there are.
    let count: Int
    private let mapping: UnsafeMutableRawPointer
    private let length: Int

    private static let page = 2 << 20

    /// `bytes` zeros.
    init(bytes: Int) {
        count = bytes
        length = (bytes + 2 * Self.page) & ~(Self.page - 1)
        guard
            let mapped = mmap(
                nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            mapped != MAP_FAILED
        else { fatalError("no memory for \(bytes) bytes") }
        mapping = mapped
        let address = Int(bitPattern: mapped)
        base = mapped + ((address + Self.page - 1) & ~(Self.page - 1)) - address
        madvise(base, bytes, MADV_HUGEPAGE)
        // Pages that nobody wrote to would all be the same one.
        memset(base, 0, bytes)
    }

    deinit { munmap(mapping, length) }
}
