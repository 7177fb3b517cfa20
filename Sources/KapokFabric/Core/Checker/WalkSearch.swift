/// Follows packets one by one, against an adversary who decides what fails, who knows it and who
/// is at which plan, at the latest possible moment: when the way of the packet depends on it.
///
/// A failure set and a state of knowledge matter to a packet only through the decisions on its way.
/// So all failure sets are covered, without being listed, when at each switch on the way every
/// change is tried that alters this switch's decision and agrees with all decisions before (they
/// are checked again). What can alter a decision is on the witness of one of its ports
/// (`appendWitness`). With no failures left to declare it is the exact search for one given set.
final class WalkSearch {
    /// What the adversary has fixed so far.
    private struct Adversary {
        var risks: [Risk] = []
        var declared = FailurePattern()
        var dead = LinkSet()
        var revived = LinkSet()
        var seats: [Seat] = []
        /// The destination cannot be reached any more.
        var isCut = false
    }

    /// A switch that the packet has visited: the same each time it comes by.
    private struct Seat {
        var id: SwitchID
        var plan: Int
        /// Beyond its own dead links.
        var heard = LinkSet()
        var known = LinkSet()
    }

    private struct Entry {
        var id: SwitchID
        var seat: Int
        var tag: Tag
        var port: Int
        var sent: Tag
        var link: LinkID
    }

    /// As many links as a packet may cross: the first TTL of Linux and of many others.
    static let maximumHops = 64

    private let fabric: Fabric
    private let plans: [Forwarding]
    private let knowledge: KnowledgeModel
    private let table: RiskTable
    private let patterns: [FailurePattern]
    private let limit: Int
    private let absent: LinkSet
    /// Links that some plan does without: they connect nothing.
    private let unplanned: LinkSet

    private var destination = DestinationID(0)
    private var owner = SwitchID(0)
    private var adversary = Adversary()
    private var trace: [Entry] = []
    private var start = SwitchID(0)
    private var hasPrefix = false
    /// The longest way at rank 0 that may lead to the start.
    private var prefixBound = 0

    private(set) var maxHops = 0
    private(set) var maxRank = 0
    private(set) var decisions = 0
    private(set) var found: [CounterExample] = []

    /// At most `limit` bad walks are looked for. `patterns` say what the adversary may let fail.
    init(
        plans: [Forwarding], knowledge: KnowledgeModel, table: RiskTable,
        patterns: [FailurePattern], limit: Int
    ) {
        self.plans = plans
        self.knowledge = knowledge
        self.table = table
        self.patterns = patterns
        self.limit = limit
        fabric = plans[0].fabric
        absent = Forwarding.absentLinks(plans)
        unplanned = Forwarding.unplannedLinks(plans)
    }

    var isFull: Bool { found.count >= limit }

    // MARK: Beginning

    /// All walks from `source` for one failure set.
    func follow(
        from source: SwitchID, to destination: DestinationID, risks: [Risk], dead: LinkSet,
        revived: LinkSet = []
    ) {
        begin(to: destination, at: source)
        adversary.risks = risks
        adversary.dead = dead
        adversary.revived = revived
        arrive(at: source, .zero)
    }

    /// All walks whose first surprise is at `id`: the packet came there at rank 0 by ways that the
    /// failures leave as they are without any failure, and there its way differs.
    func follow(firstSurpriseAt id: SwitchID, to destination: DestinationID, prefixBound: Int) {
        begin(to: destination, at: id)
        guard id != owner else { return }
        hasPrefix = true
        self.prefixBound = prefixBound
        for plan in plans.indices {
            adversary.seats = [Seat(id: id, plan: plan)]
            var ports: [Int] = []
            switch decide(0, .zero, &ports) {
            case .deliver: continue
            case .drop: fail(.noWayOn, at: id, .zero, seat: 0)
            case .forward(let sent) where sent != .zero:
                // A surprise without any failure: links that do not exist.
                for port in ports { go(by: port, sent, from: id, .zero, seat: 0) }
                press(0, .zero, ports, sent)
            case .forward(let sent): press(0, .zero, ports, sent)
            }
        }
    }

    private func begin(to destination: DestinationID, at id: SwitchID) {
        self.destination = destination
        owner = fabric.owner(of: destination)
        adversary = Adversary()
        trace.removeAll(keepingCapacity: true)
        start = id
        hasPrefix = false
        prefixBound = 0
    }

    // MARK: Walking

    private func arrive(at id: SwitchID, _ tag: Tag) {
        if isFull { return }
        if id == owner { return deliver(tag) }
        if trace.contains(where: { $0.id == id && $0.tag == tag }) {
            return fail(.loop, at: id, tag, seat: trace.first { $0.id == id }?.seat ?? 0)
        }
        if let seat = adversary.seats.firstIndex(where: { $0.id == id }) {
            if trace.count >= Self.maximumHops { return fail(.tooLong, at: id, tag, seat: seat) }
            return look(seat, tag)
        }
        for plan in plans.indices {
            var seat = Seat(id: id, plan: plan)
            seat.known = known(to: seat)
            adversary.seats.append(seat)
            let index = adversary.seats.count - 1
            if trace.count >= Self.maximumHops {
                fail(.tooLong, at: id, tag, seat: index)
            } else {
                look(index, tag)
            }
            adversary.seats.removeLast()
        }
    }

    private func look(_ seat: Int, _ tag: Tag) {
        var ports: [Int] = []
        let id = adversary.seats[seat].id
        switch decide(seat, tag, &ports) {
        case .deliver: deliver(tag)
        case .drop: fail(.noWayOn, at: id, tag, seat: seat)
        case .forward(let sent):
            for port in ports { go(by: port, sent, from: id, tag, seat: seat) }
            press(seat, tag, ports, sent)
        }
    }

    private func go(by port: Int, _ sent: Tag, from id: SwitchID, _ tag: Tag, seat: Int) {
        guard let next = fabric.neighbor(of: id, port: port) else { return }
        trace.append(
            Entry(id: id, seat: seat, tag: tag, port: port, sent: sent, link: next.link))
        if adversary.dead.contains(next.link) || absent.contains(next.link) {
            fail(.deadLink(next.link), at: next.far.owner, sent, seat: nil)
        } else {
            arrive(at: next.far.owner, sent)
        }
        trace.removeLast()
    }

    // MARK: The adversary

    private enum Change {
        case fails(Risk, isHeard: Bool)
        case isOver(Risk)
        case isHeard
    }

    /// Tries everything that changes what this switch does.
    private func press(_ seat: Int, _ tag: Tag, _ ports: [Int], _ sent: Tag) {
        var way: [LinkID] = []
        let id = adversary.seats[seat].id
        guard !adversary.isCut, mayChange(seat) else { return }
        plans[adversary.seats[seat].plan].appendWitness(
            at: id, to: destination, port: ports[0], sent: sent,
            dead: adversary.seats[seat].known, into: &way)
        for (place, link) in way.enumerated() {
            for change in changes(of: link, isOwn: place == 0, seat) {
                if isFull { return }
                let saved = adversary
                if make(change, link, seat) { settle(seat, tag, ports, sent) }
                adversary = saved
            }
        }
    }

    /// Whether anything is left that could change what a switch knows.
    private func mayChange(_ seat: Int) -> Bool {
        let hasRoom = patterns.contains { pattern in
            pattern.covers(adversary.declared) && pattern != adversary.declared
        }
        if hasRoom { return true }
        let knowable = adversary.dead.count + adversary.revived.count
        return knowledge.isOpen && adversary.seats[seat].known.count < knowable
    }

    private func changes(of link: LinkID, isOwn: Bool, _ seat: Int) -> [Change] {
        let isOpen = knowledge.isOpen
        if adversary.dead.contains(link) || adversary.revived.contains(link) {
            let isNews = isOpen && !isOwn && !adversary.seats[seat].known.contains(link)
            return isNews ? [.isHeard] : []
        }
        if !isOwn && knowledge == .local { return [] }
        let risks = table.risks(of: link, beside: adversary.declared, in: patterns)
        var all: [Change] = risks.map { .fails($0, isHeard: isOpen && !isOwn) }
        if knowledge == .stale, !isOwn { all += risks.map { .isOver($0) } }
        return all
    }

    /// Makes a change; false when it does not agree with what happened before.
    private func make(_ change: Change, _ link: LinkID, _ seat: Int) -> Bool {
        switch change {
        case .isHeard: adversary.seats[seat].heard.insert(link)
        case .isOver(let risk):
            adversary.risks.append(risk)
            adversary.declared = adversary.declared.adding(risk)
            adversary.revived = adversary.revived.union(table.links(of: risk))
            adversary.seats[seat].heard.insert(link)
        case .fails(let risk, let isHeard):
            if case .node(let id) = risk, id == owner || id == start { return false }
            let links = table.links(of: risk)
            if trace.contains(where: { links.contains($0.link) }) { return false }
            adversary.risks.append(risk)
            adversary.declared = adversary.declared.adding(risk)
            adversary.dead = adversary.dead.union(links)
            adversary.isCut = isCut
            if isHeard { adversary.seats[seat].heard.insert(link) }
        }
        for index in adversary.seats.indices {
            let known = known(to: adversary.seats[index])
            guard known != adversary.seats[index].known else { continue }
            adversary.seats[index].known = known
            if !agrees(index) { return false }
        }
        return true
    }

    /// Whether what failed disconnects the packet from its destination. In large fabrics only
    /// where the destination stands alone: then a walk is followed for nothing, no more.
    private var isCut: Bool {
        if fabric.linkCount <= 1 << 11 {
            return !fabric.isConnected(start, owner, without: adversary.dead, and: unplanned)
        }
        return !fabric.hasLivingLink(owner, adversary.dead, unplanned)
    }

    /// Whether a switch with what it knows now would have done what it did.
    private func agrees(_ seat: Int) -> Bool {
        var ports: [Int] = []
        for entry in trace where entry.seat == seat {
            guard case .forward(entry.sent) = decide(seat, entry.tag, &ports),
                ports.contains(entry.port)
            else { return false }
        }
        return true
    }

    /// Goes on after a change: along what is new, and then to further changes.
    private func settle(_ seat: Int, _ tag: Tag, _ oldPorts: [Int], _ oldSent: Tag) {
        let id = adversary.seats[seat].id
        // With full knowledge a packet seldom comes to where it would be surprised.
        if knowledge == .flooded, trace.isEmpty, hasPrefix, longestPrefix == nil { return }
        var ports: [Int] = []
        guard case .forward(let sent) = decide(seat, tag, &ports) else {
            return fail(.noWayOn, at: id, tag, seat: seat)
        }
        for port in ports {
            // What was taken before is new where it now leads into a dead link.
            let isDead = fabric.neighbor(of: id, port: port).map {
                adversary.dead.contains($0.link)
            }
            if sent != oldSent || !oldPorts.contains(port) || isDead == true {
                go(by: port, sent, from: id, tag, seat: seat)
            }
        }
        press(seat, tag, ports, sent)
    }

    // MARK: Knowledge

    private func known(to seat: Seat) -> LinkSet {
        switch knowledge {
        case .flooded: adversary.dead
        case .local: ownDead(of: seat.id)
        case .partial, .stale: ownDead(of: seat.id).union(seat.heard)
        }
    }

    private func ownDead(of id: SwitchID) -> LinkSet {
        if adversary.dead.isEmpty { return [] }
        return LinkSet(
            sorted: adversary.dead.links.filter { link in
                let (lower, upper) = fabric.ends(of: link)
                return lower.owner == id || upper.owner == id
            })
    }

    private func decide(_ seat: Int, _ tag: Tag, _ ports: inout [Int]) -> Forwarding.Outcome {
        decisions += 1
        return plans[adversary.seats[seat].plan].decide(
            at: adversary.seats[seat].id, to: destination, tag: tag,
            dead: adversary.seats[seat].known, into: &ports)
    }

    // MARK: Ends of walks

    private func deliver(_ tag: Tag) {
        let hops = trace.count + prefixBound
        guard hops > maxHops || Int(tag.rank) > maxRank else { return }
        guard let prefix = longestPrefix else { return }
        maxHops = max(maxHops, trace.count + prefix)
        maxRank = max(maxRank, Int(tag.rank))
    }

    /// Notes a bad walk; `seat` is nil where the packet never arrived.
    private func fail(_ fault: CounterExample.Fault, at id: SwitchID, _ tag: Tag, seat: Int?) {
        if isFull { return }
        if fault != .loop {
            guard fabric.isConnected(start, owner, without: adversary.dead, and: unplanned)
            else { return }
        }
        guard longestPrefix != nil else { return }
        var steps = trace.map { entry in
            step(entry.id, entry.tag, entry.seat, .init(port: entry.port, tag: entry.sent))
        }
        if let seat {
            steps.append(step(id, tag, seat, nil))
        } else {
            steps.append(
                CounterExample.Step(at: id, tag: tag, known: [], isOldPlan: false, sent: nil))
        }
        let example = CounterExample(
            fault: fault, destination: destination, knowledge: knowledge,
            failures: adversary.risks, dead: adversary.dead, revived: adversary.revived,
            steps: steps)
        if !found.contains(example) { found.append(example) }
    }

    private func step(_ id: SwitchID, _ tag: Tag, _ seat: Int, _ sent: CounterExample.Sent?)
        -> CounterExample.Step
    {
        CounterExample.Step(
            at: id, tag: tag, known: adversary.seats[seat].known,
            isOldPlan: adversary.seats[seat].plan > 0, sent: sent)
    }

    // MARK: How the packet came to the start

    /// The most links that a packet can have crossed before it came to the start with these
    /// failures; nil when none comes there.
    private var longestPrefix: Int? {
        guard hasPrefix else { return 0 }
        // With drained links knowing more can also open ports: then any way is taken for possible.
        if knowledge.isOpen, plans.contains(where: { !$0.drained.isEmpty }) { return prefixBound }
        return longestPrefix(to: start, bound: prefixBound)
    }

    private func longestPrefix(to id: SwitchID, bound: Int) -> Int? {
        var best: Int? = fabric.destination(of: id) != nil && id != owner ? 0 : nil
        guard bound > 0 else { return best }
        var ports: [Int] = []
        for port in 0..<fabric.fabricPortCount(of: id) {
            guard let next = fabric.neighbor(of: id, port: port),
                !adversary.dead.contains(next.link), next.far.owner != owner
            else { continue }
            let from = next.far.owner
            let sendsHere = plans.indices.contains { plan in
                var seat = Seat(id: from, plan: plan)
                if let visited = adversary.seats.first(where: { $0.id == from }) {
                    guard visited.plan == plan else { return false }
                    seat = visited
                } else {
                    seat.known = known(to: seat)
                }
                decisions += 1
                let outcome = plans[plan].decide(
                    at: from, to: destination, tag: .zero, dead: seat.known, into: &ports)
                return outcome == .forward(.zero) && ports.contains(next.far.port)
            }
            if sendsHere, let before = longestPrefix(to: from, bound: bound - 1) {
                best = max(best ?? 0, before + 1)
                if best == bound { return best }
            }
        }
        return best
    }
}
