/// Merges the symbols of one word, the pair of least rank first, the leftmost of equal ones first.
///
/// Short words are searched through again and again; long ones use a heap and take O(n log n).
struct PairMerger {
    /// Up to this many symbols searching through is faster than a heap.
    static let shortest = 48

    private var pairs: [UInt64] = []
    private var heap = MinimumHeap()
    private var nextSymbol: [Int32] = []
    private var previousSymbol: [Int32] = []

    /// Merges `word` with `merges` in place.
    mutating func merge(_ word: inout [Int32], with merges: MergeTable) {
        if word.count < 2 { return }
        if word.count <= Self.shortest {
            mergeShort(&word, with: merges)
        } else {
            mergeLong(&word, with: merges)
        }
    }

    private mutating func mergeShort(_ word: inout [Int32], with merges: MergeTable) {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.shortest) { pairs in
            var count = word.count
            word.withUnsafeMutableBufferPointer { word in
                for index in 0..<count - 1 {
                    pairs[index] = merges.lookup(word[index], word[index + 1])
                }
                while count > 1 {
                    var best = 0
                    var least = pairs[0]
                    for index in 1..<max(count - 1, 1) where pairs[index] < least {
                        least = pairs[index]
                        best = index
                    }
                    if least == MergeTable.none { break }
                    word[best] = Int32(truncatingIfNeeded: least)
                    count -= 1
                    for index in best + 1..<max(count, best + 1) { word[index] = word[index + 1] }
                    for index in best..<max(count - 1, best) { pairs[index] = pairs[index + 1] }
                    if best > 0 { pairs[best - 1] = merges.lookup(word[best - 1], word[best]) }
                    if best < count - 1 { pairs[best] = merges.lookup(word[best], word[best + 1]) }
                }
            }
            word.removeLast(word.count - count)
        }
    }

    /// The heap holds (rank, index of the left symbol); an entry counts only while that symbol
    /// still stands and its pair still has this rank.
    mutating func mergeLong(_ word: inout [Int32], with merges: MergeTable) {
        let count = word.count
        prepare(count)
        for index in 0..<count - 1 {
            pairs[index] = merges.lookup(word[index], word[index + 1])
            if pairs[index] != MergeTable.none {
                heap.append(Self.entry(pairs[index], index))
            }
        }
        heap.order()
        while let entry = heap.removeFirst() {
            let left = Int(UInt32(truncatingIfNeeded: entry))
            let pair = pairs[left]
            guard pair != MergeTable.none, pair >> 32 == entry >> 32 else { continue }
            let right = Int(nextSymbol[left])
            let after = nextSymbol[right]
            word[left] = Int32(truncatingIfNeeded: pair)
            word[right] = -1
            pairs[right] = MergeTable.none
            nextSymbol[left] = after
            if after < count {
                previousSymbol[Int(after)] = Int32(left)
                update(left, Int(after), word, merges)
            } else {
                pairs[left] = MergeTable.none
            }
            if previousSymbol[left] >= 0 {
                update(Int(previousSymbol[left]), left, word, merges)
            }
        }
        word.removeAll { $0 == -1 }
    }

    private mutating func prepare(_ count: Int) {
        pairs = Array(repeating: MergeTable.none, count: count)
        nextSymbol = (0..<count).map { Int32($0 + 1) }
        previousSymbol = (0..<count).map { Int32($0 - 1) }
        heap.removeAll()
    }

    private mutating func update(_ left: Int, _ right: Int, _ word: [Int32], _ merges: MergeTable) {
        pairs[left] = merges.lookup(word[left], word[right])
        if pairs[left] != MergeTable.none { heap.insert(Self.entry(pairs[left], left)) }
    }

    private static func entry(_ pair: UInt64, _ index: Int) -> UInt64 {
        (pair >> 32) << 32 | UInt64(UInt32(index))
    }
}

/// Whole numbers of which the least comes first.
struct MinimumHeap {
    private var entries: [UInt64] = []

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    /// Adds `entry` without keeping the order: `order` must follow.
    mutating func append(_ entry: UInt64) { entries.append(entry) }

    /// Makes a heap of what `append` added; O(n).
    mutating func order() {
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    mutating func insert(_ entry: UInt64) {
        entries.append(entry)
        var index = entries.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            if entries[parent] <= entry { break }
            entries[index] = entries[parent]
            index = parent
        }
        entries[index] = entry
    }

    mutating func removeFirst() -> UInt64? {
        guard let first = entries.first, let last = entries.popLast() else { return nil }
        if !entries.isEmpty {
            entries[0] = last
            sink(0)
        }
        return first
    }

    private mutating func sink(_ start: Int) {
        let entry = entries[start]
        var index = start
        while true {
            var child = 2 * index + 1
            if child >= entries.count { break }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            if entries[child] >= entry { break }
            entries[index] = entries[child]
            index = child
        }
        entries[index] = entry
    }
}
