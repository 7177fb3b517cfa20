import KapokWorld
import Testing

@testable import KapokFabric

/// Holds the swap list against searches that know nothing of paths and rings.
@Suite("Swap lists")
struct WiringSwapTests {
    /// Random cables and links over a few ports: a plan, and what became of it.
    struct Case {
        var ports: Int
        var planned: [(Int, Int)]
        var seen: [(Int, Int)]
    }

    static func matching(_ ports: [Int], _ count: Int) -> [(Int, Int)] {
        (0..<count).map { (ports[2 * $0], ports[2 * $0 + 1]) }
    }

    static func randomCase(_ seed: UInt64, links: Int) -> Case {
        var random = RandomStream(seed: seed)
        let ports = 2 * links + random.below(3)
        let order = Array(0..<ports).shuffled(using: &random)
        let planned = matching(order, 1 + random.below(links))
        var seen = planned
        switch seed % 3 {
        case 0:
            // Anything at all.
            seen = matching(order.shuffled(using: &random), random.below(links + 1))
        case 1:
            // Some ends moved around among themselves.
            for _ in 0..<1 + random.below(4) {
                let a = random.below(seen.count)
                let b = random.below(seen.count)
                if a != b { (seen[a].0, seen[b].1) = (seen[b].1, seen[a].0) }
            }
        default:
            // Some cables gone, some ends in spare ports.
            seen.removeAll { _ in random.chance(1, in: 4) }
            let used = Set(seen.flatMap { [$0.0, $0.1] })
            for port in order where !used.contains(port) && !seen.isEmpty {
                if random.chance(1, in: 2) { seen[random.below(seen.count)].0 = port }
            }
        }
        return Case(ports: ports, planned: planned, seen: seen)
    }

    static func list(_ one: Case) -> SwapList {
        func key(_ pair: (Int, Int)) -> [Int] { [min(pair.0, pair.1), max(pair.0, pair.1)] }
        let there = Set(one.seen.map(key))
        let wanted = Set(one.planned.map(key))
        return SwapList(
            seen: one.seen.filter { !wanted.contains(key($0)) },
            planned: one.planned.filter { !there.contains(key($0)) }, portCount: one.ports)
    }

    static func cost(_ list: SwapList) -> Int {
        list.steps.reduce(0) { $0 + $1.named { SeenReport.End("\($0)", "") }.cost }
    }

    /// Carries the steps out with real plugs; whether every step is possible and the plan stands.
    static func carriesOut(_ one: Case, _ list: SwapList) -> Bool {
        var cables = Set(one.seen.map { Set([$0.0, $0.1]) })
        var spares: Set<Int> = []
        func isFree(_ port: Int) -> Bool { !cables.contains { $0.contains(port) } }
        for step in list.steps {
            switch step {
            case .take(let kept, let from):
                guard cables.remove([kept, from]) != nil else { return false }
                cables.insert([kept])
            case .put(let kept, let to):
                guard isFree(to), cables.remove([kept]) != nil else { return false }
                cables.insert([kept, to])
            case .move(let kept, let from, let to):
                guard isFree(to), cables.remove([kept, from]) != nil else { return false }
                cables.insert([kept, to])
            case .remove(let a, let b, let spare):
                guard cables.remove([a, b]) != nil else { return false }
                if let spare { spares.insert(spare) }
            case .lay(let a, let b, let spare):
                guard isFree(a), isFree(b) else { return false }
                if let spare, spares.remove(spare) == nil { return false }
                cables.insert([a, b])
            }
        }
        return spares.isEmpty && cables == Set(one.planned.map { Set([$0.0, $0.1]) })
    }

    /// The least cost over all ways to say which cable becomes which link, right ones included.
    static func leastAssignment(_ one: Case) -> Int {
        let links = one.planned.map { Set([$0.0, $0.1]) }
        var best = [Int](repeating: .max, count: 1 << links.count)
        best[0] = 0
        for cable in one.seen {
            var next = best.map { $0 == .max ? Int.max : $0 + 2 }
            for taken in best.indices where best[taken] != .max {
                for (index, link) in links.enumerated() where taken & 1 << index == 0 {
                    let kept = [cable.0, cable.1].count { link.contains($0) }
                    let cost = best[taken] + 2 - kept
                    next[taken | 1 << index] = min(next[taken | 1 << index], cost)
                }
            }
            best = next
        }
        return best.indices.compactMap { taken in
            best[taken] == .max
                ? nil : best[taken] + 2 * (links.count - taken.nonzeroBitCount)
        }.min() ?? 0
    }

    @Test("no assignment of cables to links is cheaper, and the steps can be done")
    func assignments() {
        for seed in 0..<900 {
            let one = Self.randomCase(UInt64(seed), links: 1 + seed % 9)
            let list = Self.list(one)
            #expect(Self.cost(list) == Self.leastAssignment(one), "seed \(seed)")
            #expect(Self.carriesOut(one, list), "seed \(seed)")
        }
    }

    /// Where every end of every cable is: a port, `hand` when it was pulled out, or `fresh` when
    /// it never was plugged in.
    private struct Plugs: Hashable {
        var ends: [Int8]
        static let hand: Int8 = -1
        static let fresh: Int8 = -2
    }

    /// The least cost over all sequences of pulling and plugging (Dijkstra over all states): an
    /// end costs 1 when it is pulled out first, or plugged in fresh; then it may move for nothing.
    private static func leastSequence(_ one: Case) -> Int {
        let fresh = one.planned.count
        let start = Plugs(
            ends: one.seen.flatMap { [Int8($0.0), Int8($0.1)] }
                + Array(repeating: Plugs.fresh, count: 2 * fresh))
        let wanted = Set(one.planned.map { Set([Int8($0.0), Int8($0.1)]) })
        var best: [Plugs: Int] = [start: 0]
        var buckets: [[Plugs]] = [[start]]
        var cost = 0
        while cost < buckets.count {
            var at = 0
            while at < buckets[cost].count {
                let state = buckets[cost][at]
                at += 1
                guard best[state] == cost else { continue }
                if isRight(state, wanted) { return cost }
                for (next, price) in moves(state, one.ports, seenEnds: 2 * one.seen.count)
                where best[next].map({ $0 > cost + price }) ?? true {
                    best[next] = cost + price
                    while buckets.count <= cost + price { buckets.append([]) }
                    buckets[cost + price].append(next)
                }
            }
            cost += 1
        }
        return -1
    }

    private static func isRight(_ state: Plugs, _ wanted: Set<Set<Int8>>) -> Bool {
        var found: Set<Set<Int8>> = []
        for cable in stride(from: 0, to: state.ends.count, by: 2) {
            let ends = [state.ends[cable], state.ends[cable + 1]]
            if ends.allSatisfy({ $0 < 0 }) { continue }
            guard ends.allSatisfy({ $0 >= 0 }), wanted.contains(Set(ends)) else { return false }
            found.insert(Set(ends))
        }
        return found == wanted
    }

    private static func moves(_ state: Plugs, _ ports: Int, seenEnds: Int) -> [(Plugs, Int)] {
        var all: [(Plugs, Int)] = []
        let used = Set(state.ends)
        var triedFresh = false
        for (index, end) in state.ends.enumerated() {
            if end >= 0 {
                // Pulling out what was plugged in during the work never helps.
                guard index < seenEnds else { continue }
                var next = state
                next.ends[index] = Plugs.hand
                all.append((next, 1))
            } else {
                if end == Plugs.fresh, index % 2 == 0 {
                    // All fresh cables are alike.
                    if triedFresh { continue }
                    triedFresh = true
                } else if end == Plugs.fresh, state.ends[index - 1] == Plugs.fresh {
                    continue
                }
                for port in 0..<Int8(ports) where !used.contains(port) {
                    var next = state
                    next.ends[index] = port
                    all.append((next, end == Plugs.fresh ? 1 : 0))
                }
            }
        }
        return all
    }

    @Test("no sequence of pulling and plugging is cheaper")
    func sequences() {
        for seed in 0..<200 {
            let one = Self.randomCase(UInt64(seed), links: 1 + seed % 3)
            guard one.seen.count + one.planned.count <= (seed < 8 ? 5 : 4) else { continue }
            #expect(Self.cost(Self.list(one)) == Self.leastSequence(one), "seed \(seed)")
        }
    }
}
