import KapokWorld

/// The newest news of each link from each of its ends, in order of link and origin.
struct NewsBase: Hashable, Sendable {
    private(set) var all: [LinkNews] = []

    /// The most pieces of news that are kept; a fabric of 3 million links has fewer in the scope of
    /// any switch.
    static let maximum = 1 << 18

    private func position(_ link: LinkID, _ origin: SwitchID) -> Int {
        var low = 0
        var high = all.count
        while low < high {
            let middle = (low + high) / 2
            let entry = all[middle]
            if (entry.link, entry.origin) < (link, origin) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// The newest news about a link from one of its ends.
    func newest(of link: LinkID, from origin: SwitchID) -> LinkNews? {
        let at = position(link, origin)
        guard at < all.count, all[at].link == link, all[at].origin == origin else { return nil }
        return all[at]
    }

    /// All news about a link.
    func news(of link: LinkID) -> ArraySlice<LinkNews> {
        let from = position(link, SwitchID(0))
        var to = from
        while to < all.count, all[to].link == link { to += 1 }
        return all[from..<to]
    }

    /// Keeps news that is newer than what is there and returns what it replaces. False in `isKept`
    /// when there is no room.
    mutating func keep(_ news: LinkNews) -> (replaced: LinkNews?, isKept: Bool) {
        let at = position(news.link, news.origin)
        if at < all.count, all[at].link == news.link, all[at].origin == news.origin {
            let replaced = all[at]
            all[at] = news
            return (replaced, true)
        }
        guard all.count < Self.maximum else { return (nil, false) }
        all.insert(news, at: at)
        return (nil, true)
    }

    /// Drops what no longer concerns this switch.
    mutating func removeAll(where isForeign: (LinkNews) -> Bool) { all.removeAll(where: isForeign) }

    /// What the ends of a link say together: dead if either says so, to be avoided if either does.
    func condition(of link: LinkID) -> LinkCondition {
        var worst = LinkCondition.up
        for entry in news(of: link) {
            if entry.condition == .down { return .down }
            if entry.condition == .drained { worst = .drained }
        }
        return worst
    }

    /// What a piece of news adds to a digest: nothing when the link is up, so that two switches
    /// agree whether or not they heard of a failure that is over.
    static func mark(_ news: LinkNews?) -> UInt32 {
        guard let news, news.condition != .up else { return 0 }
        var z = UInt64(truncatingIfNeeded: news.link.index) << 32
        z ^= UInt64(truncatingIfNeeded: news.origin.index)
        z = mix(z &+ UInt64(news.condition.rawValue) << 60)
        z = mix(z ^ news.sequence)
        return UInt32(truncatingIfNeeded: z)
    }

    /// The finaliser of SplitMix64.
    private static func mix(_ input: UInt64) -> UInt64 {
        var z = input &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
