public import KapokModel

/// The bytes of KV pages, as a transfer reads and writes them: whole pages, each in one piece of
/// memory, so that the kernel moves them between a socket and the cache without a copy in between.
public protocol KVPageMemory: Sendable {
    /// The bytes of a page: all layers, keys and values, of `KVPage.tokens` tokens.
    var pageBytes: Int { get }

    /// The memory of a page, `pageBytes` long and good as long as the cache lives. Whoever reads it
    /// has a pin on the page (a prefill role's lease), whoever writes it owns the page alone (a
    /// decode role's pull): nobody computes with it meanwhile.
    func memory(of page: PageID) -> UnsafeMutableRawBufferPointer
}
