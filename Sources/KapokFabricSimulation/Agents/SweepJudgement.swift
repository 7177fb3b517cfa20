import KapokFabric
import KapokSimulation
import KapokWorld

/// What must hold in the end, when faults are over but for those that stay, and all had time.
extension SweepWorld {
    mutating func judgeEnd(_ agenda: borrowing Agenda<Event>) {
        guard violation == nil else { return }
        let truth = LinkSet(links.indices.map { LinkID($0) }.filter { !isAlive($0) })
        let up = switches.indices.map { SwitchID($0) }.filter { switches[$0.index].isUp }
        for id in up where switches[id.index].agent == nil {
            return fail("\(fabric.name(of: id)) has no agent", agenda)
        }
        judgeKnowledge(truth, up, agenda)
        judgeAvoided(truth, up, agenda)
        for number in 0..<fabric.destinationCount {
            judgeDelivery(to: DestinationID(number), truth, up, agenda)
        }
    }

    /// Switches that news about a link can come to from one of its ends, over living links between
    /// switches that keep it.
    private func audience(of link: LinkID) -> Set<SwitchID> {
        let ends = fabric.ends(of: link)
        var stack = [ends.lower.owner, ends.upper.owner].filter { switches[$0.index].isUp }
        var seen = Set(stack)
        while let at = stack.popLast() {
            for port in 0..<fabric.fabricPortCount(of: at) {
                guard let next = fabric.neighbor(of: at, port: port), isAlive(next.link),
                    flood.isInScope(link, of: next.far.owner),
                    seen.insert(next.far.owner).inserted
                else { continue }
                stack.append(next.far.owner)
            }
        }
        return seen
    }

    /// Everybody concerned knows which links are dead, and takes no living one for dead.
    private mutating func judgeKnowledge(
        _ truth: LinkSet, _ up: [SwitchID], _ agenda: borrowing Agenda<Event>
    ) {
        for link in links.indices.map({ LinkID($0) }) {
            let audience = audience(of: link)
            for id in up where audience.contains(id) {
                let believes = switches[id.index].dead.contains(link)
                if believes != truth.contains(link) {
                    return fail(
                        "in the end \(fabric.name(of: id)) takes \(fabric.describe(link)) for "
                            + (believes ? "dead" : "sound"), agenda)
                }
            }
        }
    }

    /// A sound link is avoided for a reason, and then by everybody concerned.
    private mutating func judgeAvoided(
        _ truth: LinkSet, _ up: [SwitchID], _ agenda: borrowing Agenda<Event>
    ) {
        var drained: LinkSet = []
        for incident in parameters.incidents where incident.duration == nil {
            if case .drain(let port) = incident.fault,
                let next = fabric.neighbor(of: port.owner, port: port.port)
            {
                drained.insert(next.link)
            }
        }
        for link in links.indices.map({ LinkID($0) }) where !truth.contains(link) {
            let concerned = up.filter { audience(of: link).contains($0) }
            let avoiding = concerned.filter { switches[$0.index].avoided.contains(link) }
            if !avoiding.isEmpty, avoiding.count != concerned.count {
                return fail("not everybody avoids \(fabric.describe(link))", agenda)
            }
            if avoiding.isEmpty != !drained.contains(link), !links[link.index].wasLossy {
                return fail(
                    "\(fabric.describe(link)) is \(avoiding.isEmpty ? "not " : "")avoided",
                    agenda)
            }
        }
    }

    /// Packets arrive where there is a way, and at rank 0 where a shortest one is left. Where too
    /// much has failed for the plan's trees, also perfect knowledge would lose them.
    private mutating func judgeDelivery(
        to destination: DestinationID, _ truth: LinkSet, _ up: [SwitchID],
        _ agenda: borrowing Agenda<Event>
    ) {
        let owner = fabric.owner(of: destination)
        guard switches[owner.index].isUp else { return }
        var walk = SweepWalk(self, destination)
        var ideal = SweepWalk(self, destination, knowing: truth)
        for source in up where fabric.destination(of: source) != nil && source != owner {
            guard fabric.plane(of: source) == fabric.plane(of: owner),
                hasWay(from: source, to: owner)
            else { continue }
            counts.pairs += 1
            let outcome = walk.explore(from: source)
            let best = ideal.explore(from: source)
            if outcome.contains(.isLost), !best.contains(.isLost) || truth.count <= 1 {
                return fail(
                    "in the end packets from \(fabric.name(of: source)) to "
                        + "\(fabric.name(of: owner)) are lost", agenda)
            }
            if outcome.contains(.rises), !best.contains(.rises) {
                return fail(
                    "in the end packets from \(fabric.name(of: source)) to "
                        + "\(fabric.name(of: owner)) leave shortest paths", agenda)
            }
        }
        if let loop = walk.loop { fail("a loop to \(destination): \(loop)", agenda) }
    }

    private func hasWay(from source: SwitchID, to owner: SwitchID) -> Bool {
        var seen: Set = [source]
        var stack = [source]
        while let at = stack.popLast() {
            if at == owner { return true }
            for port in 0..<fabric.fabricPortCount(of: at) {
                if let next = fabric.neighbor(of: at, port: port), isAlive(next.link),
                    seen.insert(next.far.owner).inserted
                {
                    stack.append(next.far.owner)
                }
            }
        }
        return false
    }
}
