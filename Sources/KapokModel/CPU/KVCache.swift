import CKernels

/// The keys and values of all sequences, in pages of 16 tokens, as FP16.
///
/// A page holds all layers one after another; a layer holds its key and value heads one after
/// another;
/// a head holds its keys (head element x token) and then its values (token x head element, rows
/// rounded up to 16 elements, which are 0).
///
/// Who writes a page and who reads it is the caller's business: executors may run at the same time
/// as long as none writes a page that another uses.
public final class KVCache: @unchecked Sendable {
    /// How many pages there are; their numbers are 0 ..< `pages`.
    public let pages: Int
    /// The bytes of a page.
    public let pageBytes: Int
    private let memory: MappedMemory

    /// A cache of `pages` pages for a model of this shape, all zeros. Memory is only taken when a
    /// page is first written.
    /// - Throws: `CPUModelError.unsupported` or `CPUModelError.outOfMemory`.
    public init(_ configuration: ModelConfiguration, pages: Int) throws(CPUModelError) {
        guard pages > 0, pages <= Int(PageID.max) else {
            throw .unsupported("a cache of \(pages) pages; it has 1 to \(PageID.max)")
        }
        pageBytes = Self.pageBytes(configuration)
        let (bytes, overflow) = pages.multipliedReportingOverflow(by: pageBytes)
        guard !overflow else { throw .outOfMemory(bytes: Int.max, what: "keys and values") }
        memory = try MappedMemory(bytes: bytes, for: "\(pages) pages of keys and values")
        self.pages = pages
    }

    /// The bytes of a page of a model of that shape.
    public static func pageBytes(_ configuration: ModelConfiguration) -> Int {
        configuration.layers * configuration.keyValueHeads * headBytes(configuration)
    }

    /// The bytes of one layer and head in a page.
    static func headBytes(_ configuration: ModelConfiguration) -> Int {
        kapok_key_bytes(configuration.headWidth) + kapok_value_bytes(configuration.headWidth)
    }

    /// The first page.
    var base: UnsafeMutableRawPointer { memory.base }

    /// The bytes of a page, for transfer and hashing; valid as long as the cache lives.
    public func bytes(of page: PageID) -> UnsafeMutableRawBufferPointer {
        precondition(Int(page) < pages, "there is no page \(page)")
        return UnsafeMutableRawBufferPointer(
            start: memory.base + Int(page) * pageBytes, count: pageBytes)
    }
}
