/// One thing to do on the way from what is to what should be. `Port` is a number inside the
/// computation and a name in a report.
public enum SwapStep: Hashable, Sendable {
    /// Pull the plug out of `from` and hold it; its cable's other end stays at `kept`. Done to open
    /// a ring; the plug goes in again by `put`. Costs nothing, as `put` counts it.
    case take(kept: SeenReport.End, from: SeenReport.End)
    /// Plug the held end of the cable that is at `kept` into `to`. Costs 1.
    case put(kept: SeenReport.End, to: SeenReport.End)
    /// Move one end of the cable that is at `kept`. Costs 1.
    case move(kept: SeenReport.End, from: SeenReport.End, to: SeenReport.End)
    /// Take a cable away, both ends; `spare` is its number if it is used again. Costs 2.
    case remove(a: SeenReport.End, b: SeenReport.End, spare: Int?)
    /// Lay a cable: the spare of that number, at no further cost, or a new one, which costs 2.
    case lay(a: SeenReport.End, b: SeenReport.End, spare: Int?)

    /// Ends that are touched.
    public var cost: Int {
        switch self {
        case .take: 0
        case .put, .move: 1
        case .remove: 2
        case .lay(_, _, let spare): spare == nil ? 2 : 0
        }
    }
}

/// The fewest touched cable ends that turn a set of cables into another.
///
/// **The cost model.** A cable has two ends, a port takes one end. Pulling an end out of its port
/// and plugging it into another counts 1, however often it is held in between; so taking a cable
/// away counts 2, moving it with both ends counts 2, and laying a new one counts 2. Cables are
/// interchangeable (lengths are not looked at), and new ones are at hand. Only what must be right
/// at the end counts: every planned link is there and no other cable.
///
/// **Why it is least.** In any way of doing it each cable m that is there ends as some planned link
/// l, or is taken away; each planned link is made by one cable that was there, or by a new one. A
/// cable with o ends at ports of its link (0, 1 or 2) has at least 2 - o of its ends touched. So a
/// way with pairs (m, l) costs at least
///
///     sum of (2 - o(m, l)) over the pairs + 2 (cables left) + 2 (links left)
///       = 2 (cables + links) - 2 pairs - sum of o(m, l)
///
/// and this is reached, since ports are free once all ends that leave them are out. The number of
/// pairs is at most min(cables, links), and any set of pairs can be completed to that many without
/// making the sum of o smaller. So both terms are best at once when the sum of o is: draw cables
/// and links as edges between ports. Every port has at most one of each kind, so the drawing falls
/// apart into single edges that are both cable and link (o = 2, they stay), and into paths and
/// rings whose kinds alternate. There o(m, l) = 1 for neighbours and 0 otherwise, and pairs of
/// neighbours are a matching along the path: at most half of its edges, rounded down, which pairing
/// them off from one end reaches; a ring can be paired off all around. (A ring of two edges would
/// be the same cable and link.) What is left over at the odd ends is paired across paths with o =
/// 0.
///
/// The tests hold this against a search over all assignments and over all sequences of moves.
struct SwapList {
    /// A step between numbered ports.
    enum Step {
        case take(kept: Int, from: Int)
        case put(kept: Int, to: Int)
        case move(kept: Int, from: Int, to: Int)
        case remove(a: Int, b: Int, spare: Int?)
        case lay(a: Int, b: Int, spare: Int?)

        func named(_ name: (Int) -> SeenReport.End) -> SwapStep {
            switch self {
            case .take(let kept, let from): .take(kept: name(kept), from: name(from))
            case .put(let kept, let to): .put(kept: name(kept), to: name(to))
            case .move(let kept, let from, let to):
                .move(kept: name(kept), from: name(from), to: name(to))
            case .remove(let a, let b, let spare):
                .remove(a: name(a), b: name(b), spare: spare)
            case .lay(let a, let b, let spare): .lay(a: name(a), b: name(b), spare: spare)
            }
        }
    }

    private(set) var steps: [Step] = []
    private var cables: [Int32]
    private var links: [Int32]
    private var isDone: [Bool]
    private var moves: [Step] = []
    private var leftCables: [(Int, Int)] = []
    private var leftLinks: [(Int, Int)] = []

    /// - Parameters:
    ///   - seen: the cables that are there and not planned.
    ///   - planned: the links that are planned and not there.
    ///   - isForeign: whether a port is outside the plan: where there is a choice, cables to such
    ///     ports are the ones that are taken away.
    init(
        seen: [(Int, Int)], planned: [(Int, Int)], portCount: Int,
        isForeign: (Int) -> Bool = { _ in false }
    ) {
        cables = Array(repeating: -1, count: portCount)
        links = cables
        isDone = Array(repeating: false, count: portCount)
        for (a, b) in seen {
            cables[a] = Int32(b)
            cables[b] = Int32(a)
        }
        for (a, b) in planned {
            links[a] = Int32(b)
            links[b] = Int32(a)
        }
        let touched = (seen + planned).flatMap { [$0.0, $0.1] }
        // Ends of paths first; what is left then are rings.
        for port in touched where !isDone[port] && (cables[port] < 0) != (links[port] < 0) {
            path(walk(from: port), isForeign)
        }
        for port in touched where !isDone[port] { ring(walk(from: port)) }
        let reused = min(leftCables.count, leftLinks.count)
        for (number, cable) in leftCables.enumerated() {
            steps.append(
                .remove(a: cable.0, b: cable.1, spare: number < reused ? number : nil))
        }
        steps += moves
        for (number, link) in leftLinks.enumerated() {
            steps.append(.lay(a: link.0, b: link.1, spare: number < reused ? number : nil))
        }
    }

    /// The ports along a path or ring, which are marked as done. A ring is walked along its first
    /// cable first and comes without its first port at the end.
    private mutating func walk(from start: Int) -> [Int] {
        var ports = [start]
        isDone[start] = true
        var isCable = cables[start] >= 0
        var at = start
        while true {
            let next = Int(isCable ? cables[at] : links[at])
            guard next >= 0, !isDone[next] else { return ports }
            isDone[next] = true
            ports.append(next)
            at = next
            isCable.toggle()
        }
    }

    private mutating func path(_ walked: [Int], _ isForeign: (Int) -> Bool) {
        var ports = walked
        let edges = ports.count - 1
        var startsWithCable = cables[ports[0]] >= 0 && Int(cables[ports[0]]) == ports[1]
        if edges % 2 == 1, startsWithCable, isForeign(ports[0]) || isForeign(ports[1]) {
            ports.reverse()
        } else if edges % 2 == 0, !startsWithCable {
            // An even path has a cable at one end: begin there.
            ports.reverse()
            startsWithCable = true
        }
        var made: [Step] = []
        if startsWithCable {
            // Cable (p, q), link (q, r): p goes to r, which the next cable leaves. So from behind.
            var at = 0
            while at + 2 < ports.count {
                made.append(.move(kept: ports[at + 1], from: ports[at], to: ports[at + 2]))
                at += 2
            }
            if edges % 2 == 1 { leftCables.append((ports[edges - 1], ports[edges])) }
            moves += made.reversed()
        } else {
            // Link (p, q), cable (q, r): r goes to p; then r is free for the next.
            var at = 0
            while at + 2 < ports.count {
                made.append(.move(kept: ports[at + 1], from: ports[at + 2], to: ports[at]))
                at += 2
            }
            leftLinks.append((ports[edges - 1], ports[edges]))
            moves += made
        }
    }

    /// Cables (p0, p1), (p2, p3), ... and links (p1, p2), ..., (last, p0): each cable keeps its
    /// second end, and its first goes to where the next cable's first was.
    private mutating func ring(_ ports: [Int]) {
        moves.append(.take(kept: ports[1], from: ports[0]))
        var at = ports.count - 2
        while at > 0 {
            moves.append(
                .move(kept: ports[at + 1], from: ports[at], to: ports[(at + 2) % ports.count]))
            at -= 2
        }
        moves.append(.put(kept: ports[1], to: ports[2]))
    }
}
