/// The links between switches bundled by shared risk and by the two groups of switches that they
/// join. Two or more links between different racks make a trunk; the others get cables of their
/// own. A graph's shared risk may join several pairs of groups, or more links than a trunk has
/// room for: it gets a bundle for each.
struct LinkBundles: Sendable {
    /// For each link its bundle, and its lane there.
    private(set) var bundleOf: [UInt32]
    private(set) var laneOf: [UInt8]
    /// For each bundle: the shared risk, the groups (the lower tier's first) and the number of
    /// links.
    private var risks: [UInt32] = []
    private var groupsA: [UInt32] = []
    private var groupsB: [UInt32] = []
    private var counts: [UInt8] = []
    private(set) var planes: [UInt16] = []
    /// A link of each bundle.
    private(set) var firstLinks: [UInt32] = []
    private var racksA: [UInt32] = []
    private var racksB: [UInt32] = []
    /// The slot among the trunk ends of each rack; `UInt32.max` for bundles that are no trunks.
    private var slotsA: [UInt32] = []
    private var slotsB: [UInt32] = []
    /// How many bundles are trunks.
    private(set) var trunkCount = 0

    private struct Key: Hashable {
        var risk: Int
        var groupA: UInt32
        var groupB: UInt32
    }

    /// How many there are.
    var count: Int { risks.count }

    init(_ fabric: Fabric, _ groups: SwitchGroups) {
        let none = UInt32.max
        bundleOf = Array(repeating: 0, count: fabric.linkCount)
        laneOf = Array(repeating: 0, count: fabric.linkCount)
        var latest = [UInt32](repeating: none, count: fabric.trunkCount)
        // Only for graphs whose risks join several pairs of groups.
        var further: [Key: UInt32] = [:]
        for index in 0..<fabric.linkCount {
            let (lower, upper) = fabric.ends(of: LinkID(index))
            let risk = fabric.trunk(of: LinkID(index)).index
            let a = groups.groupOf[lower.owner.index]
            let b = groups.groupOf[upper.owner.index]
            var bundle = latest[risk]
            if bundle == none || !joins(bundle, a, b) {
                if bundle != none { further[key(of: bundle)] = bundle }
                let wanted = Key(risk: risk, groupA: min(a, b), groupB: max(a, b))
                bundle = further[wanted] ?? none
            }
            if bundle == none || counts[Int(bundle)] == ClosTopology.fibresPerTrunk {
                bundle = UInt32(count)
                risks.append(UInt32(risk))
                groupsA.append(a)
                groupsB.append(b)
                counts.append(0)
                planes.append(UInt16(fabric.plane(of: lower.owner)))
                firstLinks.append(UInt32(index))
            }
            latest[risk] = bundle
            bundleOf[index] = bundle
            laneOf[index] = counts[Int(bundle)]
            counts[Int(bundle)] += 1
        }
    }

    private func key(of bundle: UInt32) -> Key {
        let a = groupsA[Int(bundle)]
        let b = groupsB[Int(bundle)]
        return Key(risk: Int(risks[Int(bundle)]), groupA: min(a, b), groupB: max(a, b))
    }

    private func joins(_ bundle: UInt32, _ a: UInt32, _ b: UInt32) -> Bool {
        let (x, y) = (groupsA[Int(bundle)], groupsB[Int(bundle)])
        return x == a && y == b || x == b && y == a
    }

    /// For each group how many trunks may end at it; those between groups that come to stand in one
    /// rack are counted too.
    func trunkEnds(groupCount: Int) -> [Int32] {
        var ends = [Int32](repeating: 0, count: groupCount)
        for index in 0..<count where counts[index] > 1 && groupsA[index] != groupsB[index] {
            ends[Int(groupsA[index])] += 1
            ends[Int(groupsB[index])] += 1
        }
        return ends
    }

    /// Gives every trunk its place in the panels of both racks, in the order of the links.
    mutating func takeSlots(_ groups: SwitchGroups, _ placement: WiringPlacement) {
        var next = [UInt32](repeating: 0, count: placement.racks.count)
        func rack(_ group: UInt32) -> UInt32 {
            placement.switchRacks[Int(groups.members(of: Int(group)).first ?? 0)]
        }
        for index in 0..<count {
            let a = rack(groupsA[index])
            let b = rack(groupsB[index])
            racksA.append(a)
            racksB.append(b)
            if counts[index] > 1, a != b {
                slotsA.append(next[Int(a)])
                slotsB.append(next[Int(b)])
                next[Int(a)] += 1
                next[Int(b)] += 1
                trunkCount += 1
            } else {
                slotsA.append(.max)
                slotsB.append(.max)
            }
        }
    }

    /// Whether a bundle is a trunk between panels.
    func isTrunk(_ index: Int) -> Bool { slotsA[index] != .max }
    /// The shared risk of a bundle.
    func risk(_ index: Int) -> TrunkID { TrunkID(Int(risks[index])) }
    /// How many links it has.
    func links(_ index: Int) -> Int { Int(counts[index]) }
    /// The racks that it joins.
    func racks(_ index: Int) -> (Int, Int) { (Int(racksA[index]), Int(racksB[index])) }

    /// Where a trunk ends at side 0 or 1.
    func panel(_ index: Int, _ side: Int, _ placement: WiringPlacement)
        -> (rack: Int, unit: Int, cassette: Int)
    {
        placement.panelPlace(
            rack: Int(side == 0 ? racksA[index] : racksB[index]),
            slot: Int(side == 0 ? slotsA[index] : slotsB[index]))
    }
}
