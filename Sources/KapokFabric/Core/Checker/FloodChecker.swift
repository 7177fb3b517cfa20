/// Faults of flooding that tests put in on purpose.
public enum FloodDefect: String, Hashable, Sendable, CaseIterable {
    /// A switch whose next hops would not pass the news on does not tell them.
    case oneHopShort
    /// The two ends start the same copy.
    case oneCopyOnly
}

/// What a check of flooding found.
public struct FloodReport: Sendable {
    /// A switch that should have heard and did not.
    public struct Example: Hashable, Sendable {
        /// The link that the news is about.
        public var link: LinkID
        /// The other dead link; nil when the first is alone.
        public var second: LinkID?
        /// The copies that were started.
        public var copies: [Int]
        /// Who did not hear.
        public var unheard: SwitchID

        /// The example in words.
        public func text(in fabric: Fabric) -> String {
            let beside = second.map { ", with \(fabric.describe($0)) dead too" } ?? ""
            let names = copies.map { "\($0)" }.joined(separator: " and ")
            return "news of \(fabric.describe(link))\(beside): copy \(names) does not reach "
                + fabric.name(of: unheard)
        }
    }

    /// Links whose news was followed.
    public var links = 0
    /// Failure sets: each link alone, and with each second one.
    public var sets = 0
    /// Copies that by themselves, with one link dead, miss a switch in scope.
    public var copyGaps = 0
    /// Failure sets in which a switch in scope that is connected hears neither copy. With one link
    /// dead there must be none; with two the comparison of digests between neighbours, or the next
    /// rank, has to cover it.
    public var unheard = 0
    /// Whether only some links were looked at, because there are too many.
    public var isSample = false
    /// The first example of `unheard`, or else of `copyGaps`.
    public var example: Example?
}

/// Follows news along `FloodTree`.
public struct FloodChecker: Sendable {
    private let fabric: Fabric
    private let tree: FloodTree
    /// A fault put in on purpose.
    public var defect: FloodDefect?
    /// Beyond this many links only those of the first and last numbers of each sort are followed.
    public static let mostLinks = 4_096
    /// Second failures are tried while links squared times switches stay below this.
    private static let mostWork = 40_000_000

    public init(_ fabric: Fabric) {
        self.fabric = fabric
        tree = FloodTree(fabric)
    }

    /// Checks each link alone; with `withSecondFailure` also beside each other dead link.
    public func check(withSecondFailure: Bool = false) -> FloodReport {
        var report = FloodReport()
        let links = chosenLinks()
        report.isSample = links.count < fabric.linkCount
        report.links = links.count
        let work = links.count * fabric.linkCount * fabric.switchCount
        let pairs = withSecondFailure && work <= Self.mostWork
        report.isSample = report.isSample || withSecondFailure && !pairs
        var gap: FloodReport.Example?
        for link in links {
            let copies = Array(0..<tree.copyCount)
            for copy in copies where defect != .oneCopyOnly || copy == 0 {
                if let unheard = missed(by: [copy], of: link, dead: [link]) {
                    report.copyGaps += 1
                    gap =
                        gap ?? .init(link: link, second: nil, copies: [copy], unheard: unheard)
                }
            }
            report.sets += 1
            if let unheard = missed(by: copies, of: link, dead: [link]) {
                report.unheard += 1
                report.example =
                    report.example
                    ?? .init(link: link, second: nil, copies: copies, unheard: unheard)
            }
            guard pairs else { continue }
            for other in 0..<fabric.linkCount where other != link.index {
                report.sets += 1
                let second = LinkID(other)
                if let unheard = missed(by: copies, of: link, dead: [link, second]) {
                    report.unheard += 1
                    report.example =
                        report.example
                        ?? .init(link: link, second: second, copies: copies, unheard: unheard)
                }
            }
        }
        report.example = report.example ?? gap
        return report
    }

    private func chosenLinks() -> [LinkID] {
        guard fabric.linkCount > Self.mostLinks, case .clos(let clos) = fabric else {
            return (0..<min(fabric.linkCount, Self.mostLinks)).map { LinkID($0) }
        }
        func ends(_ count: Int) -> [Int] { Array(Set([0, 1, count - 1].filter { $0 < count })) }
        let shape = clos.shape
        var all = LinkSet()
        for pod in ends(shape.pods) {
            for aggregation in ends(shape.aggregationsPerPod) {
                for edge in ends(shape.edgesPerPod) {
                    all.insert(
                        clos.lowerLink(plane: 0, pod: pod, edge: edge, aggregation: aggregation))
                }
                for core in ends(shape.coresPerAggregation) where core >= 0 {
                    all.insert(
                        clos.upperLink(plane: 0, pod: pod, aggregation: aggregation, core: core))
                }
            }
        }
        return all.links
    }

    /// A switch in scope, connected to an end of the link, that hears none of the copies.
    private func missed(by copies: [Int], of link: LinkID, dead: LinkSet) -> SwitchID? {
        let heard = heard(copies, of: link, dead: dead)
        let ends = fabric.ends(of: link)
        var reached: [Bool]?
        for index in 0..<fabric.switchCount where !heard[index] {
            let id = SwitchID(index)
            guard tree.isInScope(link, of: id) else { continue }
            if reached == nil {
                let lower = fabric.reached(
                    from: ends.lower.owner, without: dead, and: [], until: nil)
                let upper = fabric.reached(
                    from: ends.upper.owner, without: dead, and: [], until: nil)
                reached = zip(lower, upper).map { $0 || $1 }
            }
            if reached?[index] == true { return id }
        }
        return nil
    }

    /// Who hears.
    private func heard(_ copies: [Int], of link: LinkID, dead: LinkSet) -> [Bool] {
        var isHeard = [Bool](repeating: false, count: fabric.switchCount)
        let ends = fabric.ends(of: link)
        isHeard[ends.lower.owner.index] = true
        isHeard[ends.upper.owner.index] = true
        for copy in copies {
            // Each switch passes each copy on once for each port that it comes in by.
            var seen: Set<PortID> = []
            var queue: [(id: SwitchID, arrival: Int?)] = []
            for end in [ends.lower, ends.upper] {
                let own =
                    defect == .oneCopyOnly ? 0 : tree.originCopy(of: link, at: end.owner)
                if own == copy { queue.append((end.owner, nil)) }
            }
            while let (id, arrival) = queue.popLast() {
                for port in relays(of: link, copy, at: id, arrival) {
                    guard let next = fabric.neighbor(of: id, port: port),
                        !dead.contains(next.link)
                    else { continue }
                    let isNew = !isHeard[next.far.owner.index]
                    isHeard[next.far.owner.index] = true
                    // In a graph who knows the news stops it.
                    if tree.copyCount == 1 ? isNew : seen.insert(next.far).inserted {
                        queue.append((next.far.owner, next.far.port))
                    }
                }
            }
        }
        return isHeard
    }

    private func relays(of link: LinkID, _ copy: Int, at id: SwitchID, _ arrival: Int?) -> [Int] {
        var ports: [Int] = []
        tree.appendRelays(of: link, copy: copy, at: id, arrival: arrival, into: &ports)
        guard defect == .oneHopShort else { return ports }
        return ports.filter { port in
            guard let next = fabric.neighbor(of: id, port: port) else { return false }
            var further: [Int] = []
            tree.appendRelays(
                of: link, copy: copy, at: next.far.owner, arrival: next.far.port, into: &further)
            return !further.isEmpty
        }
    }
}
