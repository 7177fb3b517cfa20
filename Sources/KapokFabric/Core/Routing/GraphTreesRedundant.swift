/// Two maximally redundant trees to one root: the two ways of any switch have no link in common
/// but bridges, and no switch but those that the network cannot do without (the "red" and "blue"
/// trees of Itai and Rodeh, "The multi-tree approach to reliability in distributed networks",
/// Information and Computation 79, 1988; RFC 7811 computes the same with another method).
///
/// In each biconnected part, seen from the root, the switches are numbered so that each has a
/// neighbour with a lower number and one with a higher number, the part's first switch s counting
/// as both ends (an st-numbering; Tarjan, "Two streamlined depth-first search algorithms",
/// Fundamenta Informaticae 9, 1986). The red way goes down in numbers, the blue way up; of the
/// ways that do, each takes the shortest.
struct GraphRedundantTrees {
    /// Each switch's port along falling numbers.
    private(set) var red: [UInt16]
    /// Each switch's port along rising numbers.
    private(set) var blue: [UInt16]

    private let arcs: GraphArcs
    private let root: Int
    // The depth-first search: each switch's arc to its parent, its number, the lowest-numbered
    // switch that its subtree has a link to, and the switches in order of their numbers.
    private var parentArc: [Int32]
    private var number: [Int32]
    private var low: [Int32]
    private var order: [Int32] = []
    // The part that holds the link to a switch's parent, named by its one child of s.
    private var part: [Int32]
    // The lists that become the numberings, without s; -1 is an end.
    private var previous: [Int32]
    private var following: [Int32]
    // The place in the list, from 1.
    private var place: [Int32]

    init(_ arcs: GraphArcs, root: Int) {
        self.arcs = arcs
        self.root = root
        let count = arcs.nodeCount
        red = [UInt16](repeating: GraphTree.none, count: count)
        blue = red
        parentArc = [Int32](repeating: -1, count: count)
        number = parentArc
        low = parentArc
        part = parentArc
        previous = parentArc
        place = parentArc
        following = parentArc
        search()
        for last in arrange() { colour(partOf: last) }
    }

    private func parent(of node: Int) -> Int { Int(arcs.fars[Int(parentArc[node])]) }

    /// Depth-first from the root, without recursion: wirings may be thousands of switches long.
    private mutating func search() {
        var cursor = arcs.firsts
        var stack = [root]
        number[root] = 0
        low[root] = 0
        order.append(Int32(root))
        while let at = stack.last {
            let arc = Int(cursor[at])
            if arc < Int(arcs.firsts[at + 1]) {
                cursor[at] += 1
                guard arcs.isUsable[arc], arc != Int(parentArc[at]) else { continue }
                let far = Int(arcs.fars[arc])
                if number[far] >= 0 {
                    low[at] = min(low[at], number[far])
                    continue
                }
                number[far] = Int32(order.count)
                low[far] = number[far]
                parentArc[far] = arcs.reverses[arc]
                order.append(Int32(far))
                stack.append(far)
            } else {
                stack.removeLast()
                if let above = stack.last { low[above] = min(low[above], low[at]) }
            }
        }
    }

    /// Sorts the switches into parts and each part into its list; gives the last switch of each.
    private mutating func arrange() -> [Int] {
        var isBefore = [Bool](repeating: true, count: arcs.nodeCount)
        var lasts: [Int] = []
        for at in order.dropFirst().map({ Int($0) }) {
            let above = parent(of: at)
            if low[at] >= number[above] {
                // Nothing below reaches past the parent: it is the s of a new part.
                part[at] = Int32(at)
                lasts.append(at)
                continue
            }
            part[at] = part[above]
            let lowest = Int(order[Int(low[at])])
            let goesBefore = lowest == parent(of: Int(part[at])) || isBefore[lowest]
            if goesBefore {
                link(Int(previous[above]), at)
                link(at, above)
            } else {
                link(at, Int(following[above]))
                link(above, at)
            }
            isBefore[above] = !goesBefore
        }
        return lasts
    }

    private mutating func link(_ first: Int, _ second: Int) {
        if first >= 0 { following[first] = Int32(second) }
        if second >= 0 { previous[second] = Int32(first) }
    }

    /// Chooses the ports of a part's switches.
    private mutating func colour(partOf last: Int) {
        let top = parent(of: last)
        var members = [last]
        while previous[members[members.count - 1]] >= 0 {
            members.append(Int(previous[members[members.count - 1]]))
        }
        members.reverse()
        for (index, member) in members.enumerated() { place[member] = Int32(index + 1) }
        var length = [Int32](repeating: .max, count: members.count + 1)
        for member in members {
            // The last switch keeps the link to its parent for the way up, if it has another.
            let kept = member == last ? Int(parentArc[member]) : -1
            var best = choose(member, top, &length, isUp: false, except: kept)
            if best < 0 { best = kept }
            red[member] = UInt16(best - Int(arcs.firsts[member]))
        }
        length = [Int32](repeating: .max, count: members.count + 1)
        for member in members.reversed() {
            let used = Int(arcs.firsts[member]) + Int(red[member])
            var best = choose(member, top, &length, isUp: true, except: used)
            if best < 0 { best = used }
            blue[member] = UInt16(best - Int(arcs.firsts[member]))
        }
    }

    /// The arc that begins the shortest way down (or up) from a switch, of all but one; -1 where
    /// there is none. `length` holds the lengths of the ways by place.
    private func choose(
        _ member: Int, _ top: Int, _ length: inout [Int32], isUp: Bool, except: Int
    ) -> Int {
        let own = Int(place[member])
        var best = -1
        length[own] = 1
        for arc in arcs.arcs(of: member) where arcs.isUsable[arc] && arc != except {
            let far = Int(arcs.fars[arc])
            if far == top {
                length[own] = 1
                return arc
            }
            guard part[far] == part[member] else { continue }
            let other = Int(place[far])
            guard isUp ? other > own : other < own else { continue }
            if best < 0 || length[other] + 1 < length[own] {
                best = arc
                length[own] = length[other] + 1
            }
        }
        return best
    }
}
