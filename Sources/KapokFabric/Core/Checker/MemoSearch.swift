/// All walks of a packet for one failure set: a search over (switch, rank), each looked at once.
///
/// Where switches may know or be at different things, every visit of a switch chooses anew. That
/// gives a packet more walks than it can really have (a switch changes its mind between two
/// visits), so what is found fine is fine, and what is not is looked at again by `WalkSearch`.
final class MemoSearch {
    /// What becomes of a packet in the worst case.
    enum Outcome: Hashable {
        case delivered(hops: Int)
        case lost
        case looping
    }

    private let fabric: Fabric
    private let plans: [Forwarding]
    private let knowledge: KnowledgeModel
    private let absent: LinkSet
    private static let ranks = Int(Tag.highest.rank) + 1

    private var destination = DestinationID(0)
    private var owner = SwitchID(0)
    private var dead = LinkSet()
    private var knowable = LinkSet()
    /// The links of `dead` at each switch that has some.
    private var ownDead: [Int: LinkSet] = [:]
    private var round: UInt32 = 0
    private var rounds: [UInt32]
    private var results: [Int16]

    private(set) var decisions = 0
    private(set) var maxRank = 0
    /// Every choice is offered once, by the state of a switch alone, so that outcomes are exact.
    let isExact: Bool

    private static let onStack: Int16 = -1
    private static let lost: Int16 = -2
    private static let looping: Int16 = -3

    init(plans: [Forwarding], knowledge: KnowledgeModel) {
        self.plans = plans
        self.knowledge = knowledge
        fabric = plans[0].fabric
        absent = Forwarding.absentLinks(plans)
        isExact = plans.count == 1 && !knowledge.isOpen
        rounds = Array(repeating: 0, count: fabric.switchCount * Self.ranks)
        results = Array(repeating: 0, count: fabric.switchCount * Self.ranks)
    }

    /// Begins a failure set: `dead` links carry nothing; switches may also take `revived` ones for
    /// dead.
    func begin(to destination: DestinationID, dead: LinkSet, revived: LinkSet = []) {
        self.destination = destination
        owner = fabric.owner(of: destination)
        self.dead = dead
        knowable = dead.union(revived)
        ownDead.removeAll(keepingCapacity: true)
        for link in dead {
            let (lower, upper) = fabric.ends(of: link)
            ownDead[lower.owner.index, default: []].insert(link)
            ownDead[upper.owner.index, default: []].insert(link)
        }
        round += 1
    }

    /// What becomes of packets from `source`.
    func outcome(from source: SwitchID) -> Outcome {
        switch worst(source, .zero) {
        case Self.looping: .looping
        case Self.lost: .lost
        case let hops: .delivered(hops: Int(hops))
        }
    }

    private func worst(_ id: SwitchID, _ tag: Tag) -> Int16 {
        if id == owner { return 0 }
        let key = id.index * Self.ranks + Int(tag.rank)
        if rounds[key] == round {
            return results[key] == Self.onStack ? Self.looping : results[key]
        }
        rounds[key] = round
        results[key] = Self.onStack
        maxRank = max(maxRank, Int(tag.rank))
        var worst: Int16 = 0
        let known = knowledge == .flooded ? dead : ownDead[id.index] ?? []
        for plan in plans {
            follow(plan, id, tag, known: known, except: nil, &worst)
        }
        results[key] = worst
        return worst
    }

    /// Follows what a switch does with this knowledge, and then with more of it, as far as that
    /// makes a difference.
    private func follow(
        _ plan: Forwarding, _ id: SwitchID, _ tag: Tag, known: LinkSet,
        except: (ports: [Int], tag: Tag)?, _ result: inout Int16
    ) {
        var ports: [Int] = []
        decisions += 1
        guard
            case .forward(let sent) = plan.decide(
                at: id, to: destination, tag: tag, dead: known, into: &ports)
        else {
            result = Self.worse(result, Self.lost)
            return
        }
        for port in ports {
            if let except, except.tag == sent, except.ports.contains(port) { continue }
            guard let next = fabric.neighbor(of: id, port: port),
                !dead.contains(next.link), !absent.contains(next.link)
            else {
                result = Self.worse(result, Self.lost)
                continue
            }
            let further = worst(next.far.owner, sent)
            result = Self.worse(result, further < 0 ? further : further + 1)
        }
        guard knowledge.isOpen, known.count < knowable.count else { return }
        var way: [LinkID] = []
        plan.appendWitness(
            at: id, to: destination, port: ports[0], sent: sent, dead: known, into: &way)
        // Of its own link a switch knows the truth.
        for link in way.dropFirst() where knowable.contains(link) && !known.contains(link) {
            var more = known
            more.insert(link)
            follow(plan, id, tag, known: more, except: (ports, sent), &result)
        }
    }

    /// A loop is worse than a loss, a loss worse than any number of hops.
    private static func worse(_ a: Int16, _ b: Int16) -> Int16 {
        a < 0 || b < 0 ? min(a, b) : max(a, b)
    }
}

extension Forwarding {
    /// Links that are not there, whichever of the plans a switch is at. A link must be in place
    /// before the first plan that uses it comes into force, and stay until the last is gone.
    static func absentLinks(_ plans: [Forwarding]) -> LinkSet {
        LinkSet(plans[0].missing.filter { link in plans.allSatisfy { $0.missing.contains(link) } })
    }

    /// Links that at least one of the plans does without.
    static func unplannedLinks(_ plans: [Forwarding]) -> LinkSet {
        plans.reduce(LinkSet()) { $0.union($1.missing) }
    }
}
