import KapokFabric
import KapokSimulation
import KapokWorld

/// How news travel through any fabric: each message an event, the ways from `FloodTree` itself. For
/// wirings as they are, and to test the batches of Clos networks against.
extension SizeEngine {
    mutating func relayGenerally(_ slot: Int, copy: Int, at id: SwitchID, arrival: Int?) {
        let news = slots[slot]
        if let relayed = news.relayed {
            // In a graph whoever knows the news stops them.
            let bit: UInt64 = 1 << UInt64(id.index & 63)
            if relayed[id.index >> 6] & bit != 0 { return }
            relayed[id.index >> 6] |= bit
        }
        if options.defect == .floodOneHopShort, isLastRelay(news, id) { return }
        ports.removeAll(keepingCapacity: true)
        flood.appendRelays(of: news.link, copy: copy, at: id, arrival: arrival, into: &ports)
        guard !ports.isEmpty else { return }
        var base = max(now, busy[id.index])
        for port in ports {
            guard let next = neighbor(of: id, port: port) else {
                preconditionFailure("flood ways use ports that exist")
            }
            base += options.send.nanoseconds
            if let done = deliver(slot, to: next.far.owner, over: next.link, departing: base) {
                slots[slot].outstanding += 1
                push(
                    SizeEvent(
                        kind: .relay, copy: UInt8(copy), port: Int32(next.far.port),
                        subject: UInt32(slot), detail: UInt32(next.far.owner.index)),
                    at: done)
            }
        }
        busy[id.index] = base
    }

    /// For the defect: an aggregation switch of another pod; in a graph whoever is not at the link.
    private func isLastRelay(_ news: NewsSlot, _ id: SwitchID) -> Bool {
        guard let topology else {
            let (lower, upper) = ends(of: news.link)
            return id != lower.owner && id != upper.owner
        }
        let at = topology.position(of: id)
        return news.cause.kind == .lower && at.tier == .aggregation && at.pod != news.cause.pod
    }
}
