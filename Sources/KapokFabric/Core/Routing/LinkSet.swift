/// A set of links, in order. Meant for the few links that are dead or avoided at a time: looking up
/// takes O(log n), adding O(n).
public struct LinkSet: Hashable, Sendable, ExpressibleByArrayLiteral, Sequence {
    /// The links in rising order, each once.
    public private(set) var links: [LinkID] = []

    public init() {}

    /// The set of these links, in any order.
    public init(_ links: some Sequence<LinkID>) {
        for link in links.sorted() where self.links.last != link { self.links.append(link) }
    }

    public init(arrayLiteral elements: LinkID...) { self.init(elements) }

    /// The set of links that are already in rising order, each once.
    init(sorted links: [LinkID]) { self.links = links }

    /// Whether there is none.
    @inlinable
    public var isEmpty: Bool { links.isEmpty }
    /// How many there are.
    @inlinable
    public var count: Int { links.count }

    /// The links in rising order.
    public func makeIterator() -> IndexingIterator<[LinkID]> { links.makeIterator() }

    private func position(of link: LinkID) -> Int {
        var low = 0
        var high = links.count
        while low < high {
            let middle = (low + high) / 2
            if links[middle] < link { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether `link` is one of them.
    public func contains(_ link: LinkID) -> Bool {
        if links.isEmpty { return false }
        let at = position(of: link)
        return at < links.count && links[at] == link
    }

    /// Those whose numbers are in a range; O(log n).
    func links(in range: Range<Int>) -> ArraySlice<LinkID> {
        if links.isEmpty { return [] }
        let first = position(of: LinkID(range.lowerBound))
        var end = first
        while end < links.count, links[end].index < range.upperBound { end += 1 }
        return links[first..<end]
    }

    /// Adds a link; false when it was there.
    @discardableResult
    public mutating func insert(_ link: LinkID) -> Bool {
        let at = position(of: link)
        if at < links.count, links[at] == link { return false }
        links.insert(link, at: at)
        return true
    }

    /// Takes a link out; false when it was not there.
    @discardableResult
    public mutating func remove(_ link: LinkID) -> Bool {
        let at = position(of: link)
        guard at < links.count, links[at] == link else { return false }
        links.remove(at: at)
        return true
    }

    /// The links of both sets; O(n) together, nothing when one of them is empty.
    public func union(_ other: LinkSet) -> LinkSet {
        if other.isEmpty { return self }
        if isEmpty { return other }
        var merged = LinkSet()
        merged.links.reserveCapacity(links.count + other.links.count)
        var a = 0
        var b = 0
        while a < links.count, b < other.links.count {
            let (first, second) = (links[a], other.links[b])
            merged.links.append(first <= second ? first : second)
            if first <= second { a += 1 }
            if second <= first { b += 1 }
        }
        merged.links.append(contentsOf: links[a...])
        merged.links.append(contentsOf: other.links[b...])
        return merged
    }
}
