import Crypto
import KapokWorld

/// What is told of links, and what is heard.
extension SwitchAgent {
    /// Datagrams of a summary that are sent at a time.
    static let summaryDatagrams = 4

    // MARK: Telling

    /// Tells what became of an own link, when it is not what was told last.
    mutating func tell(
        _ port: Int, at now: Instant, into effects: inout EffectBuffer<AgentEffect>
    ) {
        guard !ports[port].isMissing else { return }
        let condition = ownCondition(port)
        guard condition != ports[port].told ?? .up else { return }
        originate(condition, port)
        note(.info, "news_told_\(condition)", at: now, into: &effects) {
            "\($0.describe(port)): told \(condition)"
        }
    }

    private func ownCondition(_ port: Int) -> LinkCondition {
        let isOffered =
            defect == .usesBeforeTelling ? ports[port].isInUse : ports[port].isOffered
        guard isOffered else { return .down }
        return ports[port].isAvoided ? .drained : .up
    }

    private mutating func originate(_ condition: LinkCondition, _ port: Int) {
        ports[port].told = condition
        newsSequence += 1
        let piece = LinkNews(
            link: ports[port].link, origin: identity.switchID, condition: condition,
            sequence: newsSequence, epoch: plan?.epoch ?? 0)
        guard let plan, keep(piece) else { return }
        spread(piece, arrival: nil)
        escalate(piece, plan)
        // The other end is on no way that starts here; it hears it over the link itself.
        enqueue(piece, to: port)
    }

    /// Keeps a piece of news and brings the digests into line; false when there is no room.
    private mutating func keep(_ piece: LinkNews) -> Bool {
        let (replaced, isKept) = news.keep(piece)
        guard isKept else { return false }
        let change = NewsBase.mark(replaced) ^ NewsBase.mark(piece)
        for port in ports.indices where isShared(piece, with: port) {
            digests[port] ^= change
        }
        return true
    }

    /// Hands a piece of news on: along the ways of its copy, and to edge switches that depend on
    /// it. Each end of a link starts its own copy, so the origin tells which copy it is.
    private mutating func spread(_ piece: LinkNews, arrival: Int?) {
        guard let plan, arrival == nil || defect != .floodsOneHopOnly else { return }
        let flood = FloodTree(plan.fabric)
        var relays: [Int] = []
        flood.appendRelays(
            of: piece.link, copy: flood.originCopy(of: piece.link, at: piece.origin),
            at: identity.switchID, arrival: arrival, into: &relays)
        for port in relays where port != arrival { enqueue(piece, to: port) }
    }

    private mutating func enqueue(_ piece: LinkNews, to port: Int) {
        guard ports.indices.contains(port), ports[port].canCarryNews,
            !outbox[port].contains(piece)
        else { return }
        outbox[port].append(piece)
        hasOutgoingNews = true
    }

    mutating func sendOutbox(into effects: inout EffectBuffer<AgentEffect>) {
        hasOutgoingNews = false
        for port in outbox.indices where !outbox[port].isEmpty {
            let pieces = outbox[port]
            outbox[port].removeAll(keepingCapacity: true)
            var from = 0
            while from < pieces.count {
                let to = min(from + NewsMessage.maximumNews, pieces.count)
                send(Array(pieces[from..<to]), isSummary: false, to: port, into: &effects)
                from = to
            }
        }
    }

    private mutating func send(
        _ pieces: [LinkNews], isSummary: Bool, to port: Int,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        hopSequence += 1
        tally.newsSent += 1
        let message = NewsMessage(
            isSummary: isSummary, sender: PortID(identity.switchID, port),
            incarnation: identity.incarnation,
            receiverIncarnation: ports[port].peerIncarnation, hopSequence: hopSequence,
            news: pieces)
        effects.append(.send(port: port, bytes: message.encoded(key: keys.newsKey)))
    }

    // MARK: Hearing

    mutating func receiveNews(
        _ bytes: [UInt8], port: Int, plan: SwitchPlan, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        let message: NewsMessage
        do throws(DatagramRefusal) {
            message = try NewsMessage(bytes, key: keys.newsKey)
            guard message.sender == ports[port].far else { throw .wrongSender(message.sender) }
            guard message.incarnation == ports[port].peerIncarnation,
                message.receiverIncarnation == identity.incarnation
            else { throw .wrongIncarnation }
            guard defect == .acceptsReplays || message.hopSequence > ports[port].peerHopSequence
            else { throw .replayed }
        } catch { return refuse("news", error, port, at: now, into: &effects) }
        ports[port].peerHopSequence = message.hopSequence
        tally.newsReceived += 1
        for piece in message.news {
            if let refusal = objection(to: piece, from: port, plan) {
                note(.warning, refusal, at: now, into: &effects) {
                    "\($0.describe(port)): news of \(piece.link) from \(piece.origin) refused"
                }
            } else {
                take(
                    piece, from: port, isSummary: message.isSummary, plan, at: now,
                    into: &effects)
            }
        }
    }

    /// Why a piece of news cannot be taken, as the name of a counter.
    private func objection(to piece: LinkNews, from port: Int, _ plan: SwitchPlan) -> String? {
        guard piece.link.index < plan.fabric.linkCount else { return "news_unknown_link" }
        let (lower, upper) = plan.fabric.ends(of: piece.link)
        guard piece.origin == lower.owner || piece.origin == upper.owner else {
            return "news_wrong_origin"
        }
        guard piece.epoch <= newestEpoch else { return "news_epoch_unknown" }
        guard piece.sequence < .max - 1 else { return "news_bad_sequence" }
        if isForMe(piece.link, plan) || isEscalated(piece.link, by: port, plan) { return nil }
        // Some ways lead through switches that need not know themselves.
        let flood = FloodTree(plan.fabric)
        var relays: [Int] = []
        flood.appendRelays(
            of: piece.link, copy: flood.originCopy(of: piece.link, at: piece.origin),
            at: identity.switchID, arrival: port, into: &relays)
        return relays.isEmpty ? "news_out_of_scope" : nil
    }

    private func isForMe(_ link: LinkID, _ plan: SwitchPlan) -> Bool {
        FloodTree(plan.fabric).isInScope(link, of: identity.switchID)
    }

    private mutating func take(
        _ piece: LinkNews, from port: Int, isSummary: Bool, _ plan: SwitchPlan,
        at now: Instant, into effects: inout EffectBuffer<AgentEffect>
    ) {
        let known = news.newest(of: piece.link, from: piece.origin)
        if piece.origin == identity.switchID {
            return correct(piece, known: known, from: port)
        }
        if let known, known.sequence >= piece.sequence {
            ledger.count(known.sequence == piece.sequence ? "news_known" : "news_old")
            // Who tells of the past in a summary lacks the present.
            if isSummary, known.sequence > piece.sequence { enqueue(known, to: port) }
            return
        }
        guard keep(piece) else {
            return note(.warning, "news_full", at: now, into: &effects) { _ in
                "no room for news of \(piece.link)"
            }
        }
        spread(piece, arrival: port)
        // What is only passed on is kept to know it again.
        guard isForMe(piece.link, plan) || isEscalated(piece.link, by: port, plan) else { return }
        let before = known?.condition ?? .up
        if before != piece.condition {
            note(.info, "news_heard_\(piece.condition)", at: now, into: &effects) {
                "\($0.describe(piece.link)): \(piece.condition) by \($0.describe(piece.origin))"
            }
        }
        apply(piece.link)
        escalate(piece, plan)
    }

    /// News of an earlier life of this very switch that others still have: the present replaces it.
    private mutating func correct(_ piece: LinkNews, known: LinkNews?, from port: Int) {
        if let known, known.sequence >= piece.sequence {
            if known.sequence > piece.sequence { enqueue(known, to: port) }
            return
        }
        newsSequence = max(newsSequence, piece.sequence)
        guard let own = ports.firstIndex(where: { $0.link == piece.link }) else { return }
        ledger.count("news_of_earlier_life")
        originate(ownCondition(own), own)
    }

    /// Puts what the ends of a foreign link say into force.
    mutating func apply(_ link: LinkID) {
        guard !ports.contains(where: { $0.link == link && !$0.isMissing }) else { return }
        let condition = news.condition(of: link)
        let changedDead = condition == .down ? dead.insert(link) : dead.remove(link)
        let changedAvoided = condition == .drained ? avoided.insert(link) : avoided.remove(link)
        if changedDead || changedAvoided { causes.append(link) }
    }

    func describe(_ link: LinkID) -> String { plan?.fabric.describe(link) ?? "\(link)" }
    func describe(_ id: SwitchID) -> String { plan?.fabric.name(of: id) ?? "\(id)" }

    // MARK: Agreement between neighbours

    /// Whether both this switch and its neighbour at a port should know a piece of news. That an
    /// end of the link hears of it in hellos is no exception: it may be the only one that can set
    /// a neighbour right about what the other end told.
    func isShared(_ piece: LinkNews, with port: Int) -> Bool {
        guard let plan else { return false }
        let flood = FloodTree(plan.fabric)
        let far = ports[port].far.owner
        let isForBoth =
            flood.isInScope(piece.link, of: identity.switchID)
            && flood.isInScope(piece.link, of: far)
        return isForBoth || isEscalated(piece.link, by: port, plan)
            || (escalated.contains(piece.link) && plan.fabric.tier(of: far) == .edge)
    }

    /// Compares the neighbour's digest with the own one. A difference that lasts for a digest
    /// interval is more than news on its way: all that both should know is sent, some datagrams at
    /// a time.
    mutating func compareDigests(
        _ port: Int, timers: AgentTimers, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        guard ports[port].phase == .up, ports[port].peerHearsMe,
            ports[port].peerDigest != digests[port], defect != .skipsAntiEntropy
        else {
            ports[port].mismatchSince = nil
            return
        }
        guard let since = ports[port].mismatchSince else {
            ports[port].mismatchSince = now
            return
        }
        guard now - since >= timers.digest, now - ports[port].lastSummary >= timers.digest else {
            return
        }
        ports[port].lastSummary = now
        ledger.count("digest_mismatch")
        let limit = Self.summaryDatagrams * NewsMessage.maximumNews
        var pieces: [LinkNews] = []
        let all = news.all
        var at = min(ports[port].summaryCursor, all.count)
        while at < all.count, pieces.count < limit {
            if all[at].condition != .up, isShared(all[at], with: port) {
                pieces.append(all[at])
            }
            at += 1
        }
        ports[port].summaryCursor = at < all.count ? at : 0
        for from in stride(from: 0, to: pieces.count, by: NewsMessage.maximumNews) {
            let to = min(from + NewsMessage.maximumNews, pieces.count)
            send(Array(pieces[from..<to]), isSummary: true, to: port, into: &effects)
        }
    }

    // MARK: Edge switches above a plane that has no way to a pod

    /// Whether this is an edge switch and the link belongs to the part of the network above the
    /// aggregation switch at `port`, which alone tells of it.
    private func isEscalated(_ link: LinkID, by port: Int, _ plan: SwitchPlan) -> Bool {
        guard case .clos(let clos) = plan.fabric,
            case .upper(let plane, _, let aggregation, _) = clos.kind(of: link)
        else { return false }
        let at = clos.position(of: identity.switchID)
        return at.tier == .edge && at.plane == plane && port == aggregation
    }

    /// At an aggregation switch: when its known dead links leave no valley-free way to some pod,
    /// its edge switches are told of those links, for they choose between planes. What was told
    /// once is kept up to date until the link is up.
    mutating func escalate(_ piece: LinkNews, _ plan: SwitchPlan) {
        guard case .clos(let clos) = plan.fabric,
            case .upper(_, let pod, let aggregation, _) = clos.kind(of: piece.link)
        else { return }
        let at = clos.position(of: identity.switchID)
        guard at.tier == .aggregation, at.group == aggregation else { return }
        let edges = 0..<clos.shape.edgesPerPod
        if escalated.contains(piece.link) {
            for port in edges { enqueue(piece, to: port) }
            if news.condition(of: piece.link) == .up { escalated.remove(piece.link) }
        }
        guard piece.condition == .down else { return }
        let pods = pod == at.pod ? Array(0..<clos.shape.pods) : [pod]
        for other in pods where other != at.pod {
            let ways = (0..<clos.shape.coresPerAggregation).map { core in
                [at.pod, other].map {
                    clos.upperLink(plane: at.plane, pod: $0, aggregation: aggregation, core: core)
                }.filter { dead.contains($0) }
            }
            guard ways.allSatisfy({ !$0.isEmpty }) else { continue }
            for link in ways.joined() where escalated.insert(link) {
                for entry in news.news(of: link) where entry.condition != .up {
                    for port in edges {
                        digests[port] ^= NewsBase.mark(entry)
                        enqueue(entry, to: port)
                    }
                }
            }
        }
    }

    /// After a change of plans: finds again what the edge switches must know.
    mutating func reescalate() {
        guard let plan else { return }
        for piece in news.all where piece.condition == .down { escalate(piece, plan) }
    }
}
