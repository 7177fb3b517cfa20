import KapokFabric
import KapokSimulation
import KapokWorld

/// What must hold at any instant.
extension SweepWorld {
    /// Intervals after the end of a trouble in which its consequences are not over.
    private static let aftermath: UInt64 = 30

    private func isOwn(_ link: LinkID, _ id: SwitchID) -> Bool {
        let ends = fabric.ends(of: link)
        return ends.lower.owner == id || ends.upper.owner == id
    }

    /// Judges a change of what a switch holds for dead.
    mutating func judgeChange(
        of id: SwitchID, from old: LinkSet, to new: LinkSet, _ agenda: borrowing Agenda<Event>
    ) {
        for link in new where !old.contains(link) && isOwn(link, id) {
            switches[id.index].downAt[link] = agenda.now
            counts.detections += 1
            let state = links[link.index]
            let isOver =
                agenda.now - state.soundSince > parameters.timers.hello * Self.aftermath
            // Who follows the other end, or starts while it waits for its hold-down, is right.
            let ends = fabric.ends(of: link)
            let other = ends.lower.owner == id ? ends.upper.owner : ends.lower.owner
            let isFirst = !switches[other.index].dead.contains(link)
            if state.troubles == 0 && isOver && isFirst {
                fail(
                    "\(fabric.name(of: id)) finds \(fabric.describe(link)) dead, "
                        + "which was sound all the time", agenda)
            }
        }
        for link in old where !new.contains(link) && isOwn(link, id) {
            judgeReturn(of: link, at: id, agenda)
        }
    }

    /// A link is used again: not before the hold-down, and not before others know.
    private mutating func judgeReturn(
        of link: LinkID, at id: SwitchID, _ agenda: borrowing Agenda<Event>
    ) {
        guard let since = switches[id.index].downAt[link] else { return }
        counts.returns += 1
        switches[id.index].downAt[link] = nil
        // What failed before it was agreed after a start owes no hold-down.
        let isOld =
            since - switches[id.index].startedAt > parameters.timers.hello * Self.aftermath
        if isOld, agenda.now - since < parameters.timers.holdDown {
            fail(
                "\(fabric.name(of: id)) uses \(fabric.describe(link)) again before the hold-down",
                agenda)
        }
        let isCalm =
            openIncidents == 0
            && agenda.now - quietSince > parameters.timers.hello * Self.aftermath
            && switches.allSatisfy { $0.epoch == switches[0].epoch }
        // What an agent told before it was started again is set right by the digests only: telling
        // of every link at every start would be a storm.
        let ends = fabric.ends(of: link)
        let areOld = [ends.lower.owner, ends.upper.owner].allSatisfy {
            agenda.now - switches[$0.index].startedAt > parameters.timers.digest * 4
        }
        guard isCalm, areOld else { return }
        for other in switches.indices.map({ SwitchID($0) })
        where !isOwn(link, other) && flood.isInScope(link, of: other)
            && switches[other.index].dead.contains(link)
        {
            return fail(
                "\(fabric.name(of: id)) uses \(fabric.describe(link)) before "
                    + "\(fabric.name(of: other)) knows that it is back", agenda)
        }
    }

    /// A dead link is found by both its ends in time, and when nothing else was wrong, everybody
    /// whose choices depend on it knows by then.
    mutating func judgeDetection(_ number: Int, _ agenda: inout Agenda<Event>) {
        let incident = parameters.incidents[number]
        guard let link = incident.fault.deadLink, !isAlive(link) else { return }
        let began = Instant.zero + incident.at
        if let duration = incident.duration, began + duration < agenda.now { return }
        let ends = fabric.ends(of: link)
        for id in [ends.lower.owner, ends.upper.owner] {
            let state = switches[id.index]
            // Who was not steady all the time, or has not come up yet, is excused.
            let isSteady =
                state.agent != nil && state.steadySince < began
                && began - state.startedAt > parameters.timers.hello * Self.aftermath
                && max(state.agentStalledUntil, state.hostStalledUntil) < began
            if isSteady, !state.dead.contains(link) {
                fail(
                    "\(fabric.name(of: id)) has not found that \(fabric.describe(link)) is dead",
                    agenda)
            }
        }
        guard number == 0, openIncidents == 1 else { return }
        for id in switches.indices.map({ SwitchID($0) })
        where flood.isInScope(link, of: id) && !switches[id.index].dead.contains(link) {
            fail("\(fabric.name(of: id)) was not told of \(fabric.describe(link)) in time", agenda)
        }
    }

    /// Packets to a few destinations, from everywhere, along every choice: with the tables as they
    /// are now, none may come twice to one switch with one rank.
    mutating func judgeWalks(_ agenda: inout Agenda<Event>) {
        for _ in 0..<2 {
            let destination = DestinationID(oracle.below(fabric.destinationCount))
            var walk = SweepWalk(self, destination)
            for source in switches.indices { walk.explore(from: SwitchID(source)) }
            counts.walks += 1
            if let loop = walk.loop { fail("a loop to \(destination): \(loop)", agenda) }
        }
    }
}

/// Packets of one destination, walked through the switches' tables.
struct SweepWalk {
    /// How a way can end.
    struct Outcome: OptionSet {
        let rawValue: Int
        static let arrives = Outcome(rawValue: 1)
        static let isLost = Outcome(rawValue: 2)
        /// It left rank 0.
        static let rises = Outcome(rawValue: 4)
    }

    private let world: SweepWorld
    private let destination: DestinationID
    /// For walks that ask what perfect knowledge would do: the dead links.
    private let truth: LinkSet?
    private var outcomes: [Int: Outcome] = [:]
    private var open: Set<Int> = []
    /// The loop that was found, in words.
    private(set) var loop: String?

    init(_ world: SweepWorld, _ destination: DestinationID, knowing truth: LinkSet? = nil) {
        self.world = world
        self.destination = destination
        self.truth = truth
    }

    private func decide(at id: SwitchID, _ tag: Tag) -> ForwardingDecision {
        let state = world.switches[id.index]
        guard let forwarding = state.forwarding else { return .drop }
        guard let truth else {
            return forwarding.decide(
                at: id, to: destination, tag: tag, dead: state.dead, avoided: state.avoided)
        }
        let known = LinkSet(truth.filter { world.flood.isInScope($0, of: id) })
        return forwarding.decide(
            at: id, to: destination, tag: tag, dead: known, avoided: state.avoided)
    }

    /// All ways in which a packet can end that stands at a switch with a tag.
    @discardableResult
    mutating func explore(from id: SwitchID, tag: Tag = .zero) -> Outcome {
        let key = id.index << 8 | Int(tag.rank)
        if let known = outcomes[key] { return known }
        guard open.insert(key).inserted else {
            loop = "\(world.fabric.name(of: id)) at \(tag) again"
            return .isLost
        }
        defer { open.remove(key) }
        var outcome: Outcome = []
        if !world.switches[id.index].isUp {
            outcome = .isLost
        } else {
            switch decide(at: id, tag) {
            case .deliver: outcome = .arrives
            case .drop: outcome = .isLost
            case .forward(let ports, let raised):
                if raised > .zero { outcome.insert(.rises) }
                for port in ports {
                    guard let next = world.fabric.neighbor(of: id, port: port),
                        passes(next, from: PortID(id, port))
                    else {
                        outcome.insert(.isLost)
                        continue
                    }
                    outcome.formUnion(explore(from: next.far.owner, tag: raised))
                }
            }
        }
        outcomes[key] = outcome
        return outcome
    }

    private func passes(_ next: Neighbor, from port: PortID) -> Bool {
        let link = world.links[next.link.index]
        let direction = world.fabric.ends(of: next.link).lower == port ? 0 : 1
        return link.cuts[direction] == 0 && link.darkness == 0
    }
}
