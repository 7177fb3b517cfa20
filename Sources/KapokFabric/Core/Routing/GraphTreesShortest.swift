/// Builds shortest-path trees to one root that part from each other: a link costs more for each
/// earlier tree that uses it, and each tree prefers a link of the root of its own.
///
/// Costs are small whole numbers, so the queue is a ring of buckets (Dial, "Algorithm 360",
/// CACM 12, 1969). Links that a tree had better not use at all (those it was asked to avoid, and
/// links of the root that belong to other trees) are looked at only when nothing else leads on,
/// the root's first.
struct GraphTreeBuilder {
    private let arcs: GraphArcs
    private let root: Int
    /// Trees that use each link.
    private var uses: [UInt8]
    /// Trees that leave a switch by each arc.
    private var departures: [UInt8]
    /// Distinguishes the ties of different destinations.
    private let salt: UInt32
    private var buckets: [[Int32]]

    /// What a link costs more for each tree that uses it, in links.
    private static let usePenalty = 4
    /// What an arc costs more for each tree that leaves its switch by it, in links.
    private static let departurePenalty = 4
    /// Uses beyond this many cost no more.
    private static let countedUses: UInt8 = 15

    /// A builder of trees that part from `redundant`, too.
    init(_ arcs: GraphArcs, root: Int, besides redundant: GraphRedundantTrees) {
        self.arcs = arcs
        self.root = root
        uses = [UInt8](repeating: 0, count: arcs.linkCount)
        departures = [UInt8](repeating: 0, count: arcs.fars.count)
        salt = UInt32(truncatingIfNeeded: root &* 0x9E37_79B1)
        let most = 1 + Int(Self.countedUses) * (Self.usePenalty + Self.departurePenalty)
        buckets = Array(repeating: [], count: most + 1)
        note(redundant.red)
        note(redundant.blue)
    }

    /// Counts a tree, so that later ones part from it.
    private mutating func note(_ tree: [UInt16]) {
        for node in 0..<arcs.nodeCount where tree[node] != GraphTree.none {
            let arc = Int(arcs.firsts[node]) + Int(tree[node])
            let link = Int(arcs.links[arc])
            if uses[link] < Self.countedUses { uses[link] += 1 }
            if departures[arc] < Self.countedUses { departures[arc] += 1 }
        }
    }

    /// The next tree: each switch's port towards the root. It enters by the `entry`-th link of the
    /// root if it can, and uses the links of `avoided` only where nothing else leads on.
    mutating func build(entry: Int, avoiding avoided: LinkSet = []) -> [UInt16] {
        let count = arcs.nodeCount
        var port = [UInt16](repeating: GraphTree.none, count: count)
        var best = [Int32](repeating: .max, count: count)
        var isDone = [Bool](repeating: false, count: count)
        var isAvoided = [Bool](repeating: false, count: avoided.isEmpty ? 0 : arcs.linkCount)
        for link in avoided where link.index < isAvoided.count { isAvoided[link.index] = true }
        let entryArc = entryArc(entry, isAvoided)
        let turn = salt &+ UInt32(truncatingIfNeeded: entry) &* 0x85EB_CA6B
        var otherEntries: [Int32] = []
        var lastResort: [Int32] = []
        var pending = 0
        var cost = 0

        func relax(_ arc: Int, _ from: Int32) {
            let far = Int(arcs.fars[arc])
            let back = Int(arcs.reverses[arc])
            let step =
                1 + Self.usePenalty * Int(uses[Int(arcs.links[arc])])
                + Self.departurePenalty * Int(departures[back])
            let total = from + Int32(step)
            guard total <= best[far] else { return }
            let backPort = back - Int(arcs.firsts[far])
            if total == best[far] {
                if Self.tie(backPort, turn) < Self.tie(Int(port[far]), turn) {
                    port[far] = UInt16(backPort)
                }
                return
            }
            best[far] = total
            port[far] = UInt16(backPort)
            buckets[Int(total) % buckets.count].append(Int32(far))
            pending += 1
        }

        best[root] = 0
        buckets[0].append(Int32(root))
        pending = 1
        while true {
            while pending > 0 {
                let slot = cost % buckets.count
                // A link costs at least one, so a bucket does not grow while it is emptied.
                for place in buckets[slot].indices {
                    let at = Int(buckets[slot][place])
                    pending -= 1
                    if isDone[at] || Int(best[at]) != cost { continue }
                    isDone[at] = true
                    for arc in arcs.arcs(of: at) where arcs.isUsable[arc] {
                        if isDone[Int(arcs.fars[arc])] { continue }
                        if !isAvoided.isEmpty && isAvoided[Int(arcs.links[arc])] {
                            lastResort.append(Int32(arc))
                        } else if at == root && arc != entryArc {
                            otherEntries.append(Int32(arc))
                        } else {
                            relax(arc, Int32(cost))
                        }
                    }
                }
                buckets[slot].removeAll(keepingCapacity: true)
                cost += 1
            }
            // What is left is reached by another link of the root, or else over links to avoid.
            var wave: [Int32] = []
            swap(&wave, &otherEntries)
            if wave.allSatisfy({ isDone[Int(arcs.fars[Int($0)])] }) { swap(&wave, &lastResort) }
            for arc in wave where !isDone[Int(arcs.fars[Int(arc)])] {
                relax(Int(arc), Int32(cost))
            }
            if pending == 0 { break }
        }
        note(port)
        return port
    }

    private static func tie(_ port: Int, _ turn: UInt32) -> UInt32 {
        var mixed = (UInt32(truncatingIfNeeded: port) &+ turn) &* 0x9E37_79B1
        mixed ^= mixed >> 15
        return mixed &* 0x85EB_CA6B
    }

    /// The root's arc that a tree enters by: of those that carry the fewest trees, the
    /// `entry`-th; -1 where the root has none.
    private func entryArc(_ entry: Int, _ isAvoided: [Bool]) -> Int {
        let usable = arcs.arcs(of: root).filter { arc in
            arcs.isUsable[arc] && (isAvoided.isEmpty || !isAvoided[Int(arcs.links[arc])])
        }
        guard let least = usable.map({ uses[Int(arcs.links[$0])] }).min() else { return -1 }
        let candidates = usable.filter { uses[Int(arcs.links[$0])] == least }
        return candidates[Int(UInt32(truncatingIfNeeded: entry) &+ salt >> 8) % candidates.count]
    }
}

/// One tree: for each switch its port towards the root.
enum GraphTree {
    /// The port of the root, and of what the tree does not reach.
    static let none = UInt16.max
}
