/// The order in which trunks are laid so that the network works early: plane by plane, and in each
/// first those trunks that join all edge switches with each other (in a Clos network: the first
/// column of aggregation switches and one block of cores above it), then column by column.
struct InstallOrder {
    /// For each bundle its turn among the trunks; bundles that are no trunks follow.
    private(set) var turns: [UInt32]
    /// For each turn its bundle.
    private(set) var bundles: [UInt32]
    /// Trunks until all destinations of plane 0 are joined; nil when trunks and the other cables
    /// together never do it.
    private(set) var untilFirstPlane: Int?

    init(_ fabric: Fabric, _ all: LinkBundles, _ groups: SwitchGroups) {
        let keys: [UInt64]
        switch fabric {
        case .clos(let clos):
            keys = (0..<all.count).map { Self.key($0, all, clos) }
        case .graph:
            keys = Self.spanningFirst(all, groups, fabric)
        }
        let sorted = keys.enumerated().map { index, key in
            Entry(key: (all.isTrunk(index) ? 0 : 1 << 63) | key, bundle: UInt32(index))
        }.sorted()
        bundles = sorted.map(\.bundle)
        turns = Array(repeating: 0, count: all.count)
        for (turn, bundle) in bundles.enumerated() { turns[Int(bundle)] = UInt32(turn) }
        untilFirstPlane = Self.connected(fabric, all, bundles)
    }

    private struct Entry: Comparable {
        var key: UInt64
        var bundle: UInt32

        static func < (a: Entry, b: Entry) -> Bool {
            a.key != b.key ? a.key < b.key : a.bundle < b.bundle
        }
    }

    /// Plane, further, column (11 bits), sub-column (9), pod (9).
    private static func key(_ bundle: Int, _ all: LinkBundles, _ clos: ClosTopology) -> UInt64 {
        func pack(_ plane: Int, _ isFurther: Bool, _ column: Int, _ sub: Int, _ pod: Int)
            -> UInt64
        {
            UInt64(plane) << 30 | (isFurther ? 1 << 29 : 0) | UInt64(column & 2_047) << 18
                | UInt64(sub & 511) << 9 | UInt64(pod & 511)
        }
        switch clos.kind(of: LinkID(Int(all.firstLinks[bundle]))) {
        case .lower(let plane, let pod, let edge, let aggregation):
            let column = aggregation / clos.lowerTrunk.width
            return pack(plane, column > 0, column, min(511, 256 + edge / 16), pod)
        case .upper(let plane, let pod, let aggregation, let core):
            let column = aggregation / clos.lowerTrunk.width
            let block = core / clos.upperTrunk.width
            let isFirst = aggregation / clos.upperTrunk.depth == 0 && block == 0
            return pack(plane, !isFirst, column, min(255, block), pod)
        }
    }

    /// In a graph: first a spanning forest of the groups, then the rest, in the file's order.
    private static func spanningFirst(
        _ all: LinkBundles, _ groups: SwitchGroups, _ fabric: Fabric
    ) -> [UInt64] {
        var sets = DisjointSets(max(1, fabric.switchCount))
        var keys = [UInt64](repeating: 1, count: all.count)
        for (link, bundle) in all.bundleOf.enumerated() {
            let (lower, upper) = fabric.ends(of: LinkID(link))
            if sets.join(lower.owner.index, upper.owner.index) { keys[Int(bundle)] = 0 }
        }
        return keys
    }

    /// Lays the bundles one by one and says after how many trunks the destinations of plane 0 are
    /// joined; cables that are no trunks are there from the start.
    private static func connected(_ fabric: Fabric, _ all: LinkBundles, _ order: [UInt32]) -> Int? {
        var starts = [Int32](repeating: 0, count: all.count + 1)
        for bundle in all.bundleOf { starts[Int(bundle) + 1] += 1 }
        for index in 0..<all.count { starts[index + 1] += starts[index] }
        var fill = starts
        var links = [UInt32](repeating: 0, count: all.bundleOf.count)
        for (link, bundle) in all.bundleOf.enumerated() {
            links[Int(fill[Int(bundle)])] = UInt32(link)
            fill[Int(bundle)] += 1
        }
        var isDestination = [Bool](repeating: false, count: fabric.switchCount)
        var missing = 0
        for index in 0..<fabric.destinationCount {
            let owner = fabric.owner(of: DestinationID(index))
            guard fabric.plane(of: owner) == 0 else { continue }
            isDestination[owner.index] = true
            missing += 1
        }
        // Joins that merge two sets which both hold destinations bring the end one nearer.
        var sets = DisjointSets(max(1, fabric.switchCount))
        func lay(_ bundle: Int) {
            for at in starts[bundle]..<starts[bundle + 1] {
                let (lower, upper) = fabric.ends(of: LinkID(Int(links[Int(at)])))
                let a = sets.root(of: lower.owner.index)
                let b = sets.root(of: upper.owner.index)
                guard a != b else { continue }
                if isDestination[a], isDestination[b] { missing -= 1 }
                let holds = isDestination[a] || isDestination[b]
                sets.join(a, b)
                isDestination[sets.root(of: a)] = holds
            }
        }
        for bundle in 0..<all.count where !all.isTrunk(bundle) { lay(bundle) }
        if missing <= 1 { return 0 }
        for (turn, bundle) in order.prefix(all.trunkCount).enumerated() {
            if all.planes[Int(bundle)] != 0 { continue }
            lay(Int(bundle))
            if missing <= 1 { return turn + 1 }
        }
        return nil
    }
}
