import KapokFabric
import KapokSimulation
import KapokWorld

/// Faults begin and end.
extension SweepWorld {
    mutating func begin(_ number: Int, _ agenda: inout Agenda<Event>) {
        let incident = parameters.incidents[number]
        counts.faults += 1
        openIncidents += 1
        quietSince = agenda.now
        if let duration = incident.duration { agenda.schedule(.end(number), after: duration) }
        apply(number, isOn: true, &agenda)
        if incident.fault.deadLink != nil {
            agenda.schedule(
                .expectDead(number), after: parameters.timers.hello * Self.detectionIntervals)
        }
    }

    /// Intervals within which steady agents find a dead link: the multiplier, the time for the
    /// echo, the phase of two loops, and the most that an agent's own lateness adds.
    static let detectionIntervals: UInt64 = 16

    mutating func end(_ number: Int, _ agenda: inout Agenda<Event>) {
        openIncidents -= 1
        quietSince = agenda.now
        apply(number, isOn: false, &agenda)
    }

    private mutating func apply(_ number: Int, isOn: Bool, _ agenda: inout Agenda<Event>) {
        let incident = parameters.incidents[number]
        let step = isOn ? 1 : -1
        switch incident.fault {
        case .silentCut(let link):
            links[link.index].cuts[0] += step
            links[link.index].cuts[1] += step
            trouble(link, isOn, &agenda)
        case .oneWayCut(let link, let direction):
            links[link.index].cuts[direction] += step
            trouble(link, isOn, &agenda)
        case .carrierLoss(let link):
            trouble(link, isOn, &agenda)
            darken(link, isOn, &agenda)
        case .flap(let link):
            trouble(link, isOn, &agenda)
            guard isOn, let duration = incident.duration else { return }
            let times = 2 * (1 + network.below(4))
            let pause = Interval(nanoseconds: duration.nanoseconds / UInt64(times + 1))
            for time in 0..<times {
                agenda.schedule(.flap(number, left: time), after: pause * UInt64(time))
            }
        case .loss(let link, let direction, let perThousand):
            links[link.index].lossPerThousand[direction] = isOn ? perThousand : 0
            links[link.index].wasLossy = true
            trouble(link, isOn, &agenda)
        case .noise(let link):
            links[link.index].isNoisy = isOn
            // A hello that is overtaken counts as lost: a cable does not reorder.
            links[link.index].wasLossy = true
        case .agentStall(let id): stallAgent(id, isOn, incident.duration, &agenda)
        case .hostStall(let id): stallHost(id, isOn, incident.duration, &agenda)
        case .agentCrash(let id):
            if isOn {
                stopAgent(id)
            } else if switches[id.index].isUp, switches[id.index].agent == nil {
                startAgent(id, &agenda)
            }
        case .switchCrash(let id, let isSilent):
            crash(id, isOn, isSilent: isSilent, &agenda)
        case .drain(let port):
            drains[port, default: 0] += step
            let isDrained = drains[port, default: 0] > 0
            deliver(.drain(port: port.port, isDrained: isDrained), to: port.owner, &agenda)
        }
    }

    /// Notes that a link has a reason to be found dead, or no longer.
    private mutating func trouble(_ link: LinkID, _ isOn: Bool, _ agenda: inout Agenda<Event>) {
        links[link.index].troubles += isOn ? 1 : -1
        links[link.index].soundSince = agenda.now
    }

    private mutating func troubleAll(
        of id: SwitchID, _ isOn: Bool, _ agenda: inout Agenda<Event>
    ) {
        for port in 0..<fabric.fabricPortCount(of: id) {
            if let next = fabric.neighbor(of: id, port: port) { trouble(next.link, isOn, &agenda) }
        }
    }

    private mutating func darken(_ link: LinkID, _ isOn: Bool, _ agenda: inout Agenda<Event>) {
        let was = links[link.index].darkness
        links[link.index].darkness += isOn ? 1 : -1
        let ends = fabric.ends(of: link)
        guard (was > 0) != (links[link.index].darkness > 0) else { return }
        for end in [ends.lower, ends.upper] where switches[end.owner.index].isUp {
            deliver(.carrier(port: end.port, isUp: !isOn), to: end.owner, &agenda)
        }
    }

    mutating func flap(_ number: Int, _ left: Int, _ agenda: inout Agenda<Event>) {
        guard case .flap(let link) = parameters.incidents[number].fault else { return }
        darken(link, left % 2 == 0, &agenda)
    }

    private mutating func stallAgent(
        _ id: SwitchID, _ isOn: Bool, _ duration: Interval?, _ agenda: inout Agenda<Event>
    ) {
        switches[id.index].steadySince = agenda.now
        guard isOn, let duration else { return }
        switches[id.index].agentStalledUntil = max(
            switches[id.index].agentStalledUntil, agenda.now + duration)
    }

    private mutating func stallHost(
        _ id: SwitchID, _ isOn: Bool, _ duration: Interval?, _ agenda: inout Agenda<Event>
    ) {
        switches[id.index].steadySince = agenda.now
        troubleAll(of: id, isOn, &agenda)
        guard isOn, let duration else { return }
        switches[id.index].hostStalledUntil = max(
            switches[id.index].hostStalledUntil, agenda.now + duration)
    }

    /// A switch goes dark: its tables are gone. Its neighbours see the light go out, or nothing.
    private mutating func crash(
        _ id: SwitchID, _ isOn: Bool, isSilent: Bool, _ agenda: inout Agenda<Event>
    ) {
        if isOn {
            stopAgent(id)
            switches[id.index].isUp = false
            switches[id.index].forwarding = nil
        }
        troubleAll(of: id, isOn, &agenda)
        if !isSilent {
            for port in 0..<fabric.fabricPortCount(of: id) {
                if let next = fabric.neighbor(of: id, port: port) {
                    darken(next.link, isOn, &agenda)
                }
            }
        }
        if !isOn { restart(id, host: true, &agenda) }
    }

    mutating func restart(_ id: SwitchID, host: Bool, _ agenda: inout Agenda<Event>) {
        // Two crashes may overlap: the last one to end lets it start.
        let isStillDown = parameters.incidents.contains { incident in
            guard case .switchCrash(id, _) = incident.fault else { return false }
            let end = incident.duration.map { incident.at + $0 }
            let now = Interval(nanoseconds: agenda.now.nanoseconds)
            return incident.at <= now && end.map { $0 > now } ?? true
        }
        guard !isStillDown, switches[id.index].agent == nil else { return }
        if host {
            switches[id.index].isUp = true
            switches[id.index].dead = []
            switches[id.index].avoided = []
        }
        startAgent(id, &agenda)
    }
}
