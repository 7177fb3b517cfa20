import KapokFabric
import KapokSimulation
import KapokWorld

/// Kernels, processes and wires.
extension SweepWorld {
    // MARK: The agent's process

    /// Starts the agent of a switch with the plan that its disk has.
    mutating func startAgent(_ id: SwitchID, _ agenda: inout Agenda<Event>) {
        let now = agenda.now
        switches[id.index].life += 1
        let life = switches[id.index].life
        // Wall-clock time in nanoseconds: the simulated world began some day in 2026.
        var agent = SwitchAgent(
            identity: AgentIdentity(
                switchID: id, incarnation: 1_780_000_000_000_000_000 + now.nanoseconds),
            keys: keys, planner: plans[0].publicKey, initialPlan: switches[id.index].plan)
        if case .agent(let defect)? = parameters.defect { agent.defect = defect }
        switches[id.index].agent = agent
        switches[id.index].startedAt = now
        switches[id.index].steadySince = max(switches[id.index].steadySince, now)
        switches[id.index].agentStalledUntil = now
        switches[id.index].inbox = []
        switches[id.index].downAt = [:]
        // The driver reads the carriers first.
        for port in 0..<fabric.fabricPortCount(of: id) where !hasCarrier(PortID(id, port)) {
            deliver(.carrier(port: port, isUp: false), to: id, &agenda)
        }
        for port in 0..<fabric.fabricPortCount(of: id)
        where drains[PortID(id, port), default: 0] > 0 {
            deliver(.drain(port: port, isDrained: true), to: id, &agenda)
        }
        let first = now + Interval(nanoseconds: network.below(parameters.timers.hello.nanoseconds))
        switches[id.index].nextTick = first
        agenda.schedule(.tick(id, life: life), at: first)
    }

    mutating func stopAgent(_ id: SwitchID) {
        switches[id.index].agent = nil
        switches[id.index].life += 1
        switches[id.index].inbox = []
    }

    /// One turn of the loop: all that waits, then the tick, then the next one.
    mutating func tick(_ id: SwitchID, _ life: Int, _ agenda: inout Agenda<Event>) {
        guard switches[id.index].life == life, switches[id.index].agent != nil else { return }
        let now = agenda.now
        let stalledUntil = max(
            switches[id.index].agentStalledUntil, switches[id.index].hostStalledUntil)
        if stalledUntil > now { return agenda.schedule(.tick(id, life: life), at: stalledUntil) }
        let waiting = switches[id.index].inbox
        switches[id.index].inbox = []
        for event in waiting { run(event, at: id, &agenda) }
        let due = switches[id.index].nextTick
        run(.tick(lateness: now - due), at: id, &agenda)
        counts.ticks += 1
        let interval = parameters.timers.hello
        var next = due + interval
        if next <= now { next = now + interval }
        switches[id.index].nextTick = next
        // A timer is never early and mostly a little late.
        let late = Interval.microseconds(network.below(60 as UInt64))
        agenda.schedule(.tick(id, life: life), at: next + late)
    }

    /// Hands an event to an agent, or to its sockets while it does not run.
    mutating func deliver(_ event: AgentEvent, to id: SwitchID, _ agenda: inout Agenda<Event>) {
        guard switches[id.index].agent != nil else { return }
        let stalledUntil = max(
            switches[id.index].agentStalledUntil, switches[id.index].hostStalledUntil)
        // What waits comes first, also when the stall is over and the loop has not turned yet.
        guard stalledUntil > agenda.now || !switches[id.index].inbox.isEmpty else {
            return run(event, at: id, &agenda)
        }
        // A full socket loses datagrams; what the kernel or the operator says is kept elsewhere.
        if case .received = event, switches[id.index].inbox.count >= SweepSwitch.inboxLimit {
            return
        }
        switches[id.index].inbox.append(event)
    }

    private mutating func run(
        _ event: AgentEvent, at id: SwitchID, _ agenda: inout Agenda<Event>
    ) {
        if case .received(let bytes, let port, _) = event { capture(bytes, at: PortID(id, port)) }
        switches[id.index].agent?.handle(event, at: agenda.now, into: &effects)
        for effect in effects.takeAll() { carryOut(effect, of: id, &agenda) }
    }

    mutating func carryOut(
        _ effect: AgentEffect, of id: SwitchID, _ agenda: inout Agenda<Event>
    ) {
        switch effect {
        case .send(let port, let bytes):
            transmit(.datagram(bytes), from: PortID(id, port), &agenda)
        case .sendEchoes(let port):
            transmit(.echoRequest, from: PortID(id, port), &agenda)
            agenda.schedule(
                .selfEcho(id, life: switches[id.index].life),
                after: .microseconds(10 + network.below(20 as UInt64)))
        case .forward(let dead, let avoided, let cause):
            judgeChange(of: id, from: switches[id.index].dead, to: dead, agenda)
            switches[id.index].dead = dead
            switches[id.index].avoided = avoided
            counts.repairs += 1
            agenda.trace.mix(dead.count << 16 | avoided.count)
            agenda.trace.mix(cause?.index ?? -1)
        case .usePlan(let plan):
            switches[id.index].forwarding = forwarding(of: plan)
            switches[id.index].epoch = plan.epoch
            // Links that the plan before had as dead are told again by `forward`.
            switches[id.index].plan =
                plans[Int(plan.epoch) - 1].signedPlan(for: id).bytes
        case .answer(let epoch, let answer):
            agenda.trace.mix(epoch << 8 | (answer == .active ? 1 : answer == .stored ? 2 : 3))
        case .log: counts.logLines += 1
        }
    }

    private mutating func forwarding(of plan: SwitchPlan) -> Forwarding {
        if let known = forwardings[plan.epoch] { return known }
        var made = plan.forwarding()
        if case .forwarding(let defect)? = parameters.defect { made.defect = defect }
        forwardings[plan.epoch] = made
        return made
    }

    // MARK: Kernels and wires

    func hasCarrier(_ port: PortID) -> Bool {
        guard let next = fabric.neighbor(of: port.owner, port: port.port) else { return false }
        return links[next.link.index].darkness == 0
    }

    /// Whether packets pass in both directions.
    func isAlive(_ link: LinkID) -> Bool {
        let ends = fabric.ends(of: link)
        let state = links[link.index]
        return state.cuts == [0, 0] && state.darkness == 0
            && switches[ends.lower.owner.index].isUp && switches[ends.upper.owner.index].isUp
    }

    /// Puts a packet on the wire.
    mutating func transmit(
        _ payload: SweepPacket.Payload, from port: PortID, _ agenda: inout Agenda<Event>
    ) {
        guard let next = fabric.neighbor(of: port.owner, port: port.port),
            switches[port.owner.index].isUp
        else { return }
        counts.packets += 1
        let link = links[next.link.index]
        let direction = fabric.ends(of: next.link).lower == port ? 0 : 1
        let isLost = network.chance(link.lossPerThousand[direction], in: 1_000)
        if link.cuts[direction] > 0 || link.darkness > 0 || isLost { return }
        var copies = 1
        if link.isNoisy, network.chance(1, in: 10) { copies = 2 }
        for _ in 0..<copies {
            var delay = 15 + network.below(30 as UInt64)
            if link.isNoisy {
                // Three quarters of an interval late at most, which reorders bursts of hellos.
                let most = parameters.timers.hello.nanoseconds / 1_000
                delay += network.below(network.chance(1, in: 4) ? most * 3 / 4 : 300)
            }
            var arrival = agenda.now + .microseconds(delay)
            if !link.isNoisy { arrival = max(arrival, link.lastArrivals[direction]) }
            links[next.link.index].lastArrivals[direction] = arrival
            agenda.schedule(
                .arrival(SweepPacket(to: next.far, payload: payload)), at: arrival)
        }
    }

    /// The kernel's part: it answers echoes by itself and stamps what the agent gets.
    mutating func arrive(_ packet: SweepPacket, _ agenda: inout Agenda<Event>) {
        let id = packet.to.owner
        guard switches[id.index].isUp else { return }
        let stalledUntil = switches[id.index].hostStalledUntil
        if stalledUntil > agenda.now {
            return agenda.schedule(.arrival(packet), at: stalledUntil)
        }
        switch packet.payload {
        case .datagram(let bytes):
            deliver(
                .received(bytes: bytes, port: packet.to.port, arrival: agenda.now), to: id, &agenda
            )
        case .echoRequest: transmit(.echoReply, from: packet.to, &agenda)
        case .echoReply:
            deliver(.echoReply(port: packet.to.port, arrival: agenda.now), to: id, &agenda)
        }
    }

    mutating func selfEcho(_ id: SwitchID, _ life: Int, _ agenda: inout Agenda<Event>) {
        guard switches[id.index].life == life, switches[id.index].isUp else { return }
        let stalledUntil = switches[id.index].hostStalledUntil
        if stalledUntil > agenda.now {
            return agenda.schedule(.selfEcho(id, life: life), at: stalledUntil)
        }
        deliver(.selfEchoReply(arrival: agenda.now), to: id, &agenda)
    }
}
