import KapokModel

/// Pages in the order in which they were last of use, as a doubly linked list over their numbers.
/// Every operation takes constant time.
struct PageLinks {
    /// No page.
    static let none = PageID.max

    private var previous: [PageID]
    private var next: [PageID]
    /// The page that was of use the longest time ago; `none` when the list is empty.
    private(set) var oldest = PageLinks.none
    private var newest = PageLinks.none
    /// How many pages are in the list.
    private(set) var count = 0

    /// An empty list for pages below `pages`.
    init(pages: Int) {
        previous = Array(repeating: Self.none, count: pages)
        next = previous
    }

    /// Puts `page`, which is not in the list, behind all others.
    mutating func append(_ page: PageID) {
        previous[Int(page)] = newest
        next[Int(page)] = Self.none
        if newest == Self.none { oldest = page } else { next[Int(newest)] = page }
        newest = page
        count += 1
    }

    /// Takes `page`, which is in the list, out.
    mutating func remove(_ page: PageID) {
        let before = previous[Int(page)]
        let after = next[Int(page)]
        if before == Self.none { oldest = after } else { next[Int(before)] = after }
        if after == Self.none { newest = before } else { previous[Int(after)] = before }
        count -= 1
    }

    /// All pages of the list, the oldest first.
    var all: [PageID] {
        var pages: [PageID] = []
        var page = oldest
        while page != Self.none, pages.count <= count {
            pages.append(page)
            page = next[Int(page)]
        }
        return pages
    }
}
