/// What fails at once in the failure sets of a check.
public enum FailureKind: String, Hashable, Sendable, CaseIterable {
    /// Links between switches, one by one.
    case link
    /// Switches, with all their links.
    case `switch`
    /// Trunks: all fibres of one connector.
    case trunk
    /// With one failure: any one link, switch or trunk. With two: one switch or trunk, and one
    /// link.
    case mixed

    /// How many of each may fail together when `count` (1 or 2) things fail.
    func patterns(_ count: Int) -> [FailurePattern] {
        switch (self, count) {
        case (.link, _): [FailurePattern(links: count)]
        case (.switch, _): [FailurePattern(switches: count)]
        case (.trunk, _): [FailurePattern(trunks: count)]
        case (.mixed, 1):
            [FailurePattern(links: 1), FailurePattern(switches: 1), FailurePattern(trunks: 1)]
        case (.mixed, _):
            [FailurePattern(links: 1, switches: 1), FailurePattern(links: 1, trunks: 1)]
        }
    }

    /// Whether trunks play a part: they are what tells the planes of a Clos network apart.
    var hasTrunks: Bool { self == .trunk || self == .mixed }
}

/// How many things of each sort fail.
struct FailurePattern: Hashable, Sendable {
    var links = 0
    var switches = 0
    var trunks = 0

    func covers(_ other: FailurePattern) -> Bool {
        links >= other.links && switches >= other.switches && trunks >= other.trunks
    }

    func adding(_ risk: Risk) -> FailurePattern {
        var sum = self
        switch risk {
        case .link: sum.links += 1
        case .node: sum.switches += 1
        case .trunk: sum.trunks += 1
        }
        return sum
    }
}

/// One thing that fails, with all the links that die of it.
public enum Risk: Hashable, Sendable {
    /// A link.
    case link(LinkID)
    /// A switch.
    case node(SwitchID)
    /// A trunk.
    case trunk(TrunkID)
}

/// The things that can fail in a fabric, and the failure sets that they make.
struct RiskTable: Sendable {
    let fabric: Fabric
    /// The links of each trunk; empty when trunks play no part.
    private let trunkLinks: [[LinkID]]

    init(_ fabric: Fabric, hasTrunks: Bool) {
        self.fabric = fabric
        var trunkLinks: [[LinkID]] = []
        if hasTrunks {
            trunkLinks = Array(repeating: [], count: fabric.trunkCount)
            for index in 0..<fabric.linkCount {
                trunkLinks[fabric.trunk(of: LinkID(index)).index].append(LinkID(index))
            }
        }
        self.trunkLinks = trunkLinks
    }

    /// Whether trunks play no part.
    var isTrunkless: Bool { trunkLinks.isEmpty }

    /// The links that die of a risk.
    func links(of risk: Risk) -> LinkSet {
        switch risk {
        case .link(let link): return [link]
        case .trunk(let trunk): return LinkSet(trunkLinks[trunk.index])
        case .node(let id):
            return LinkSet(
                (0..<fabric.fabricPortCount(of: id)).compactMap {
                    fabric.neighbor(of: id, port: $0)?.link
                })
        }
    }

    /// The risks that a link dies of, as far as some pattern has room for them beside `declared`.
    func risks(
        of link: LinkID, beside declared: FailurePattern, in patterns: [FailurePattern]
    ) -> [Risk] {
        let (lower, upper) = fabric.ends(of: link)
        var all: [Risk] = [.link(link), .node(lower.owner), .node(upper.owner)]
        if !trunkLinks.isEmpty { all.append(.trunk(fabric.trunk(of: link))) }
        return all.filter { risk in
            let sum = declared.adding(risk)
            return patterns.contains { $0.covers(sum) }
        }
    }

    /// How many failure sets the patterns make.
    func setCount(_ patterns: [FailurePattern]) -> Int {
        func choose(_ n: Int, _ k: Int) -> Int { k == 0 ? 1 : k == 1 ? n : n * (n - 1) / 2 }
        return patterns.reduce(0) { sum, pattern in
            sum + choose(fabric.linkCount, pattern.links)
                * choose(fabric.switchCount, pattern.switches)
                * choose(fabric.trunkCount, pattern.trunks)
        }
    }

    /// Calls `body` with every failure set; stops when it returns false.
    func forEachSet(_ patterns: [FailurePattern], _ body: ([Risk]) -> Bool) {
        for pattern in patterns {
            let links = Self.choices(fabric.linkCount, pattern.links) { .link(LinkID($0)) }
            let nodes = Self.choices(fabric.switchCount, pattern.switches) {
                .node(SwitchID($0))
            }
            let trunks = Self.choices(fabric.trunkCount, pattern.trunks) { .trunk(TrunkID($0)) }
            for a in nodes {
                for b in trunks {
                    for c in links where !body(a + b + c) { return }
                }
            }
        }
    }

    private static func choices(_ n: Int, _ k: Int, _ risk: (Int) -> Risk) -> [[Risk]] {
        switch k {
        case 0: return [[]]
        case 1: return (0..<n).map { [risk($0)] }
        default:
            return (0..<n).flatMap { a in (a + 1..<max(n, a + 1)).map { [risk(a), risk($0)] } }
        }
    }

    /// A risk in words.
    func describe(_ risk: Risk) -> String {
        switch risk {
        case .link(let link): return "link \(fabric.describe(link))"
        case .node(let id): return "switch \(fabric.name(of: id))"
        case .trunk(let trunk):
            let links = trunkLinks.isEmpty ? [] : trunkLinks[trunk.index]
            guard let first = links.first else { return "trunk \(trunk.index)" }
            return "trunk \(trunk.index) (\(links.count) links, \(fabric.describe(first)) ...)"
        }
    }
}
