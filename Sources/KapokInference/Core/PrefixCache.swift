import KapokModel
import KapokWorld

/// Which pages hold which tokens, for prompts that begin alike.
///
/// A page is known by its own 16 tokens and the page before it, so that equal pages stand for
/// equal histories. The hash of the chain only finds a candidate; its tokens and its predecessor
/// decide. A predecessor is never forgotten before its successors, because whoever holds a page
/// holds those before it, and gives them back from the last to the first.
struct PrefixCache {
    /// What became of a page that was offered.
    enum Publication: Equatable {
        /// It is known from now on.
        case published
        /// This page has the same tokens after the same history: use it and give the other back.
        case duplicate(PageID)
        /// Another history has the same hash; the page stays unknown.
        case collision
    }

    private struct Entry {
        var hash: UInt64 = 0
        var parent = PageLinks.none
        var isKnown = false
    }

    private var entries: [Entry]
    /// `KVPage.tokens` for each page.
    private var tokens: [TokenID]
    private var pageByHash: [UInt64: PageID] = [:]
    private let salt: UInt64
    private let hashMask: UInt64
    private let trustsHash: Bool
    /// How many pages are known.
    private(set) var count = 0

    /// A cache over `pages` pages. `hashBits` below 64 makes hashes meet on purpose.
    init(pages: Int, salt: UInt64, hashBits: Int, trustsHash: Bool) {
        entries = Array(repeating: Entry(), count: pages)
        tokens = Array(repeating: 0, count: pages * KVPage.tokens)
        self.salt = salt
        hashMask = hashBits >= 64 ? .max : (1 << UInt64(hashBits)) - 1
        self.trustsHash = trustsHash
    }

    /// The hash of a page's tokens after a history of hash `parent`; nil for the first page.
    func hash(_ tokens: ArraySlice<TokenID>, after parent: UInt64?) -> UInt64 {
        var state = parent ?? salt
        for token in tokens {
            let word = state ^ UInt64(UInt32(bitPattern: token))
            let product = word &* 0x9FB2_1C65_1E98_DF25
            state = ((product << 29) | (product >> 35)) &* 0xD6E8_FEB8_6659_FD93
        }
        state ^= state >> 32
        return state & hashMask
    }

    /// The page with these tokens after `parent` (`PageLinks.none` for the first page).
    func find(
        hash: UInt64, tokens wanted: ArraySlice<TokenID>, parent: PageID
    ) -> PageID? {
        guard let page = pageByHash[hash] else { return nil }
        return trustsHash || holds(page, wanted, parent) ? page : nil
    }

    /// Makes `page` known.
    mutating func publish(
        _ page: PageID, hash: UInt64, tokens new: ArraySlice<TokenID>, parent: PageID
    ) -> Publication {
        if let known = pageByHash[hash] {
            if known == page { return .published }
            return trustsHash || holds(known, new, parent) ? .duplicate(known) : .collision
        }
        pageByHash[hash] = page
        entries[Int(page)] = Entry(hash: hash, parent: parent, isKnown: true)
        let first = Int(page) * KVPage.tokens
        for (offset, token) in new.enumerated() { tokens[first + offset] = token }
        count += 1
        return .published
    }

    /// Forgets `page`.
    mutating func forget(_ page: PageID) {
        let entry = entries[Int(page)]
        precondition(entry.isKnown)
        pageByHash[entry.hash] = nil
        entries[Int(page)] = Entry()
        count -= 1
    }

    /// Whether `page` is known.
    func knows(_ page: PageID) -> Bool { entries[Int(page)].isKnown }

    /// The page before `page` in its chain; `PageLinks.none` for a first page.
    func parent(of page: PageID) -> PageID { entries[Int(page)].parent }

    /// Whether the index leads to exactly the pages that are known.
    var isConsistent: Bool {
        let known = entries.indices.filter { entries[$0].isKnown }
        return known.count == count && pageByHash.count == count
            && known.allSatisfy { pageByHash[entries[$0].hash] == PageID($0) }
    }

    private func holds(_ page: PageID, _ wanted: ArraySlice<TokenID>, _ parent: PageID) -> Bool {
        guard entries[Int(page)].parent == parent else { return false }
        let first = Int(page) * KVPage.tokens
        return tokens[first..<first + KVPage.tokens].elementsEqual(wanted)
    }
}
