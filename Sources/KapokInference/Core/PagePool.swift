import KapokModel

/// The pages of the KV cache: each is free, held by one or more sequences, or kept for its contents
/// alone and given up when nothing is free, the least recently used first.
struct PagePool {
    /// How many sequences hold each page.
    private(set) var references: [UInt32]
    private var free: [PageID]
    /// Known pages that nobody holds.
    private var idle: PageLinks
    /// Which pages hold what.
    private(set) var cache: PrefixCache

    /// A pool of `pages` free pages.
    init(pages: Int, salt: UInt64, hashBits: Int = 64, trustsHash: Bool = false) {
        references = Array(repeating: 0, count: pages)
        free = (0..<PageID(pages)).reversed()
        idle = PageLinks(pages: pages)
        cache = PrefixCache(
            pages: pages, salt: salt, hashBits: hashBits, trustsHash: trustsHash)
    }

    /// How many pages there are.
    var count: Int { references.count }
    /// Pages that hold nothing.
    var freeCount: Int { free.count }
    /// Pages that are kept for their contents alone.
    var idleCount: Int { idle.count }
    /// Pages that can be had without taking one from a sequence.
    var available: Int { free.count + idle.count }
    /// Pages that sequences hold.
    var heldCount: Int { count - available }

    /// A page for one holder; nil when all are held.
    mutating func allocate() -> PageID? {
        let page: PageID
        if let last = free.popLast() {
            page = last
        } else {
            guard idle.count > 0 else { return nil }
            page = idle.oldest
            idle.remove(page)
            cache.forget(page)
        }
        references[Int(page)] = 1
        return page
    }

    /// Adds a holder to a page that is known or held.
    mutating func retain(_ page: PageID) {
        if references[Int(page)] == 0 {
            precondition(cache.knows(page), "a free page cannot be shared")
            idle.remove(page)
        }
        references[Int(page)] += 1
    }

    /// Takes a holder away.
    mutating func release(_ page: PageID) {
        precondition(references[Int(page)] > 0, "a page that nobody holds cannot be given back")
        references[Int(page)] -= 1
        guard references[Int(page)] == 0 else { return }
        if cache.knows(page) { idle.append(page) } else { free.append(page) }
    }

    /// Takes a holder away from all of `pages`, from the last to the first, so that the first of
    /// them are kept longest.
    mutating func release(_ pages: [PageID]) {
        for page in pages.reversed() { release(page) }
    }

    /// Makes a held page known; see `PrefixCache.publish`.
    mutating func publish(
        _ page: PageID, hash: UInt64, tokens: ArraySlice<TokenID>, parent: PageID
    ) -> PrefixCache.Publication {
        precondition(references[Int(page)] > 0)
        return cache.publish(page, hash: hash, tokens: tokens, parent: parent)
    }

    /// What is wrong with the books, given how many holders each page really has; nil when nothing
    /// is.
    func fault(holders: [UInt32]) -> String? {
        for page in references.indices where references[page] != holders[page] {
            return "page \(page) counts \(references[page]) holders and has \(holders[page])"
        }
        var isAvailable = [Bool](repeating: false, count: count)
        for page in free + idle.all {
            guard !isAvailable[Int(page)] else { return "page \(page) is available twice" }
            guard references[Int(page)] == 0 else { return "page \(page) is held and available" }
            isAvailable[Int(page)] = true
        }
        for page in references.indices where references[page] == 0 && !isAvailable[page] {
            return "page \(page) is lost"
        }
        for page in free where cache.knows(page) { return "page \(page) is free and known" }
        for page in idle.all where !cache.knows(page) { return "page \(page) is idle and unknown" }
        for page in PageID(0)..<PageID(count) where cache.knows(page) {
            let parent = cache.parent(of: page)
            guard parent != PageLinks.none else { continue }
            guard cache.knows(parent) else { return "page \(page) outlived its predecessor" }
            if references[Int(page)] > 0, references[Int(parent)] == 0 {
                return "page \(page) is held and its predecessor is not"
            }
        }
        return cache.isConsistent ? nil : "the index of known pages is wrong"
    }
}
