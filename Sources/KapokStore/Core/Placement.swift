import KapokWorld

/// Chooses the drives of new extents. Drives are grouped into copysets by a few random permutations
/// (Cidon et al., "Copysets", USENIX ATC'13), so that a drive shares data with a bounded number of
/// others: few sets means few combinations of failures that lose data, several sets per drive means
/// fast repair.
package struct Placement {
    private(set) var copysets: [[UInt32]] = []
    private let width: Int
    private var next = 0

    /// - Parameters:
    ///   - drives: positions that may hold data, with their failure domains.
    ///   - width: K + M.
    ///   - scatterWidth: with how many other drives one drive should share data.
    init(
        drives: [(position: UInt32, domain: UInt32)], width: Int, scatterWidth: Int,
        random: inout RandomStream
    ) {
        self.width = width
        guard drives.count >= width else { return }
        let permutations = max(1, (scatterWidth + width - 2) / max(1, width - 1))
        let domains = Set(drives.map(\.domain)).count
        let most = (width + domains - 1) / domains
        let domainOf = Dictionary(uniqueKeysWithValues: drives.map { ($0.position, $0.domain) })
        for _ in 0..<permutations {
            copysets.append(
                contentsOf: Self.permutation(
                    drives, width: width, mostPerDomain: most, domainOf, random: &random))
            if drives.count == width { break }
        }
    }

    /// One pass over the drives: groups of `width` with no domain above its share. Drives left over
    /// at the end are filled up with others, so that every drive is in a set.
    private static func permutation(
        _ drives: [(position: UInt32, domain: UInt32)], width: Int, mostPerDomain: Int,
        _ domainOf: [UInt32: UInt32], random: inout RandomStream
    ) -> [[UInt32]] {
        var rest = drives.map(\.position)
        rest.shuffle(using: &random)
        var sets: [[UInt32]] = []
        var used: [UInt32] = []
        while !rest.isEmpty {
            var set: [UInt32] = []
            var perDomain: [UInt32: Int] = [:]
            func fill(from pool: [UInt32], respecting bound: Int) -> [UInt32] {
                pool.filter { drive in
                    let domain = domainOf[drive] ?? 0
                    guard set.count < width, !set.contains(drive),
                        perDomain[domain, default: 0] < bound
                    else { return true }
                    set.append(drive)
                    perDomain[domain, default: 0] += 1
                    return false
                }
            }
            rest = fill(from: rest, respecting: mostPerDomain)
            var others = used
            others.shuffle(using: &random)
            _ = fill(from: others, respecting: mostPerDomain)
            // Uneven domains: better a fuller domain than no set at all.
            rest = fill(from: rest, respecting: width)
            _ = fill(from: others, respecting: width)
            guard set.count == width else { break }
            used.append(contentsOf: set.filter { !used.contains($0) })
            sets.append(set)
        }
        return sets
    }

    /// The set whose fullest drive has the most free slots; sets that are equal take turns. Nil
    /// when no set has a free slot on each of its drives.
    mutating func choose(freeSlots: (UInt32) -> Int) -> [UInt32]? {
        var best: (index: Int, free: Int)?
        for step in copysets.indices {
            let index = (next + step) % copysets.count
            let free = copysets[index].map(freeSlots).min() ?? 0
            if free > 0, free > best?.free ?? 0 { best = (index, free) }
        }
        guard let best else { return nil }
        next = (best.index + 1) % copysets.count
        return copysets[best.index]
    }
}
