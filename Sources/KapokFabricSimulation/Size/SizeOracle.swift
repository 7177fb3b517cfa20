import KapokFabric
import KapokWorld

/// Follows packets through the network as the switches forward them with what each knows at that
/// instant, and says when one does not fare as the engine claims. It shares `Forwarding.decide`
/// with the switches, and nothing with the engine's sums.
struct SizeOracle {
    let forwarding: Forwarding
    /// Every how many failures it looks.
    let stride: Int
    var random: RandomStream
    var checks = 0
    /// Packets that fared worse than is promised.
    var failures = 0
    /// The same where more is broken than the promise is about: two links, a trunk, or a switch.
    var beyondPromise = 0
    /// Packets that met a failure which its switch could not have noticed yet.
    var tooEarly = 0
    /// Pairs between which no way is left.
    var disconnected = 0
    var firstFailure: String?
    /// The way of the packet that was followed last: each switch, and the link it took.
    var path: [(at: SwitchID, link: LinkID)] = []
    /// The most that a link carries while packets take detours, 1 being its healthy load.
    var worstDetour = 1.0
    var detoursMeasured = 0

    /// When it looks, in nanoseconds after the repair.
    static let delays: [UInt64] = [0, 50_000, 200_000, 500_000, 5_000_000, 1_000_000_000]
    /// From this look on packets must be on shortest paths, if at most two links are open.
    static let strictPhase = 4
    /// From this look on they must be on shortest paths in any case.
    static let finalPhase = 5
    /// Failures whose detours are added up link by link.
    static let measuredDetours = 4

    init(_ fabric: Fabric, failures: Int, walks: Int, random: RandomStream) {
        forwarding = Forwarding(fabric, extraTrees: fabric.extraTrees())
        self.random = random
        let perFailure = 2 * Self.delays.count
        stride = walks <= 0 ? 0 : max(1, (failures * perFailure + walks - 1) / walks)
    }

    func looks(at failure: Int) -> Bool { stride > 0 && failure % stride == 0 }
}

/// Where a packet ended.
enum WalkEnd: Hashable {
    case delivered(rank: UInt8)
    case dropped(at: SwitchID)
    case lost(at: SwitchID, on: LinkID)
    case goesRound
}

extension SizeEngine {
    /// All ends of a failure have noticed: the oracle will look whether packets get through.
    mutating func scheduleLooks(_ failure: Int) {
        guard oracle.looks(at: failure) else { return }
        for (phase, delay) in SizeOracle.delays.enumerated() {
            push(
                SizeEvent(kind: .look, subject: UInt32(failure), detail: UInt32(phase)),
                at: now + options.tableUpdate.nanoseconds + delay)
        }
    }

    mutating func look(at failure: Int, phase: Int) {
        let event = schedule.events[failure]
        guard let link = event.links.randomElement(using: &oracle.random) else { return }
        // Its link may be up again by now, or out of use since before.
        guard links[link.index].causes > 0 || links[link.index].told != .up else { return }
        for isDown in [false, true] {
            guard let (from, to) = pair(for: link, isDown: isDown) else { continue }
            oracle.checks += 1
            let end = walk(from: from, to: to, steeredTo: link)
            guard let complaint = judge(end, from, to, phase) else { continue }
            if isPromised {
                oracle.failures += 1
                if oracle.firstFailure == nil {
                    oracle.firstFailure =
                        "\(event.kind.rawValue) failure \(failure), "
                        + "\(SizeOracle.delays[phase] / 1000) us after the repair, "
                        + "\(fabric.name(of: from)) to "
                        + "\(fabric.name(of: fabric.owner(of: to))): \(complaint)"
                }
            } else {
                oracle.beyondPromise += 1
            }
        }
        if phase == 0, oracle.detoursMeasured < SizeOracle.measuredDetours, case .clos = fabric {
            oracle.detoursMeasured += 1
            measureDetours(event.links)
        }
    }

    /// Whether no more is broken than what the checker proves to be survived: one failure of any
    /// kind, or two links.
    private var isPromised: Bool {
        if openLinks.count <= 2 { return true }
        let first = openLinks.links[0]
        return openLinks.allSatisfy { links[$0.index].failure == links[first.index].failure }
    }

    /// A source and a destination whose traffic uses a link, upwards or downwards; nil when that
    /// one has none that lives.
    private mutating func pair(
        for link: LinkID, isDown: Bool
    ) -> (from: SwitchID, to: DestinationID)? {
        let near: SwitchID
        let far: SwitchID
        if let topology {
            let cause = cause(of: link)
            let shape = topology.shape
            let edge =
                cause.kind == .lower ? cause.member : oracle.random.below(shape.edgesPerPod)
            near = topology.edge(plane: cause.plane, pod: cause.pod, edge)
            // Upper links carry what goes between pods.
            let isBetweenPods = cause.kind == .upper
            if isBetweenPods && shape.pods < 2 { return nil }
            let pod =
                isBetweenPods
                ? (cause.pod + 1 + oracle.random.below(shape.pods - 1)) % shape.pods
                : oracle.random.below(shape.pods)
            far = topology.edge(
                plane: cause.plane, pod: pod, oracle.random.below(shape.edgesPerPod))
        } else {
            let count = fabric.destinationCount
            near = fabric.owner(of: DestinationID(oracle.random.below(count)))
            far = fabric.owner(of: DestinationID(oracle.random.below(count)))
        }
        guard near != far, deadSwitches[near.index] == 0, deadSwitches[far.index] == 0,
            let nearID = fabric.destination(of: near), let farID = fabric.destination(of: far)
        else { return nil }
        return isDown ? (far, nearID) : (near, farID)
    }

    /// What is wrong with how a packet fared; nil when nothing is.
    private mutating func judge(
        _ end: WalkEnd, _ from: SwitchID, _ to: DestinationID, _ phase: Int
    ) -> String? {
        switch end {
        case .delivered(let rank):
            let isStrict =
                phase >= SizeOracle.finalPhase
                || (phase >= SizeOracle.strictPhase && openLinks.count <= 2)
            guard isStrict, rank > 0 else { return nil }
            let (dead, avoided) = toldKnowledge()
            if case .forward(_, .zero) = oracle.forwarding.decide(
                at: from, to: to, tag: .zero, dead: dead, avoided: avoided)
            {
                return "arrived at rank \(rank), though a shortest path is left"
            }
            return nil
        case .goesRound: return "went round in a circle"
        case .dropped(let id):
            if isConnected(from, fabric.owner(of: to)) {
                return "was dropped at \(fabric.name(of: id)), though a way is left"
            }
            oracle.disconnected += 1
            return nil
        case .lost(let id, let link):
            let outcome = outcomes[Int(links[link.index].failure)]
            let noticed = outcome.began + outcome.detection + options.tableUpdate.nanoseconds
            if outcome.pendingDetections > 0 || now < noticed {
                oracle.tooEarly += 1
                return nil
            }
            return "was lost on \(fabric.describe(link)) at \(fabric.name(of: id))"
        }
    }

    // MARK: Walking

    /// Follows a packet. Where a switch may choose among several ports it takes one that leads to
    /// `link`, otherwise any.
    mutating func walk(
        from start: SwitchID, to destination: DestinationID, steeredTo link: LinkID
    ) -> WalkEnd {
        oracle.path.removeAll(keepingCapacity: true)
        var at = start
        var tag = Tag.zero
        // Each rank is free of circles; 64 ranks of short ways stay far below this.
        for _ in 0..<4 * fabric.switchCount + 64 {
            let (dead, avoided) = knowledge(of: at)
            switch oracle.forwarding.decide(
                at: at, to: destination, tag: tag, dead: dead, avoided: avoided)
            {
            case .deliver: return .delivered(rank: tag.rank)
            case .drop: return .dropped(at: at)
            case .forward(let ports, let next):
                let port = choose(ports, at: at, link)
                guard let neighbor = neighbor(of: at, port: port) else {
                    return .dropped(at: at)
                }
                if links[neighbor.link.index].causes > 0 {
                    return .lost(at: at, on: neighbor.link)
                }
                oracle.path.append((at, neighbor.link))
                tag = next
                at = neighbor.far.owner
            }
        }
        return .goesRound
    }

    private mutating func choose(_ ports: [Int], at id: SwitchID, _ link: LinkID) -> Int {
        guard ports.count > 1 else { return ports[0] }
        let wanted = ports.first { port in
            guard let next = neighbor(of: id, port: port) else { return false }
            if next.link == link { return true }
            guard let topology else {
                let (lower, upper) = ends(of: link)
                return next.far.owner == lower.owner || next.far.owner == upper.owner
            }
            let cause = cause(of: link)
            let far = topology.position(of: next.far.owner)
            guard far.group == cause.aggregation else { return false }
            return far.tier == .aggregation
                || (far.tier == .core && (cause.kind == .lower || far.member == cause.member))
        }
        return wanted ?? ports[oracle.random.below(ports.count)]
    }

    /// What a switch has in force now.
    private func knowledge(of id: SwitchID) -> (dead: LinkSet, avoided: LinkSet) {
        var dead: [LinkID] = []
        var avoided: [LinkID] = []
        for link in openLinks {
            let state = links[link.index]
            var condition = state.told
            let cause = cause(of: link)
            guard let index = scopeIndex(cause, id) else {
                if condition == .down, isEscalated(cause, at: id) { dead.append(link) }
                continue
            }
            if state.slotPlusOne > 0 {
                let news = slots[Int(state.slotPlusOne) - 1]
                let offset = news.known[index]
                let isKnown =
                    offset != NewsSlot.unknown && news.start + UInt64(offset) <= now
                condition = isKnown ? news.condition : news.before
            }
            switch condition {
            case .up: break
            case .down: dead.append(link)
            case .drained: avoided.append(link)
            }
        }
        return (LinkSet(dead), LinkSet(avoided))
    }

    /// All that was told, as everyone will know it.
    private func toldKnowledge() -> (dead: LinkSet, avoided: LinkSet) {
        var dead: [LinkID] = []
        var avoided: [LinkID] = []
        for link in openLinks {
            switch links[link.index].told {
            case .up: break
            case .down: dead.append(link)
            case .drained: avoided.append(link)
            }
        }
        return (LinkSet(dead), LinkSet(avoided))
    }

    /// Whether any way is left between two switches, whatever the routes.
    private func isConnected(_ from: SwitchID, _ to: SwitchID) -> Bool {
        var seen = [Bool](repeating: false, count: fabric.switchCount)
        var queue = [from]
        seen[from.index] = true
        var next = 0
        while next < queue.count {
            let at = queue[next]
            next += 1
            if at == to { return true }
            for port in 0..<fabric.fabricPortCount(of: at) {
                guard let neighbor = neighbor(of: at, port: port),
                    links[neighbor.link.index].causes == 0, !seen[neighbor.far.owner.index]
                else { continue }
                seen[neighbor.far.owner.index] = true
                queue.append(neighbor.far.owner)
            }
        }
        return false
    }

    /// Adds up where the traffic goes that reaches the upper ends of failed links and cannot go
    /// down: each destination's share along its detour, on top of what the links carry anyway.
    private mutating func measureDetours(_ failed: [LinkID]) {
        guard let topology else { return }
        var extra: [Int: Double] = [:]
        for link in failed.prefix(ClosTopology.fibresPerTrunk) {
            let cause = cause(of: link)
            let upper = ends(of: link).upper.owner
            guard deadSwitches[upper.index] == 0 else { continue }
            let edges =
                cause.kind == .lower
                ? cause.member..<cause.member + 1 : 0..<topology.shape.edgesPerPod
            let share = shares.share(of: cause.kind) / Double(edges.count)
            for edge in edges {
                let owner = topology.edge(plane: cause.plane, pod: cause.pod, edge)
                guard let destination = topology.destination(of: owner),
                    deadSwitches[owner.index] == 0
                else { continue }
                _ = walk(from: upper, to: destination, steeredTo: link)
                for (id, used) in oracle.path {
                    let isUp = ends(of: used).lower.owner == id
                    extra[2 * used.index + (isUp ? 1 : 0), default: 0] += share
                }
            }
        }
        for (key, load) in extra {
            let healthy = shares.share(of: cause(of: LinkID(key / 2)).kind)
            guard healthy > 0 else { continue }
            oracle.worstDetour = max(oracle.worstDetour, 1 + load / healthy)
        }
    }
}
