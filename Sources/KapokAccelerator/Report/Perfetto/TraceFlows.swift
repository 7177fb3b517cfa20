/// The arrows of a trace: from who is waited for to who waits, and from a transfer's trigger to its
/// first packets. Each arrow has a number of its own.
struct TraceFlows: Sendable {
    /// Stands for an instruction that moves nothing.
    static let noTransfer = UInt32.max

    private let edgeCount: Int
    /// Edges by producer: those of instruction i are `byProducer[producerStart[i] ..<
    /// producerStart[i + 1]]`. By consumer they are numbered in order.
    private let producerStart: [UInt32]
    private let byProducer: [UInt32]
    private let consumerStart: [UInt32]
    private let transferOfInstruction: [UInt32]
    private let firstSegment: [UInt32]
    private let lastSegment: [UInt32]

    /// - Complexity: O(instructions + waits + segments).
    init(_ profile: Profile) {
        let edges = DependenceEdges(profile.program).edges
        let count = profile.program.instructions.count
        edgeCount = edges.count
        (producerStart, byProducer) = Self.grouped(edges.lazy.map(\.producer), count)
        (consumerStart, _) = Self.grouped(edges.lazy.map(\.consumer), count)

        let timeline = profile.timeline
        var transferOf = [UInt32](repeating: Self.noTransfer, count: count)
        for (index, transfer) in timeline.transfers.enumerated() {
            transferOf[Int(transfer.instruction)] = UInt32(index)
        }
        var first = [UInt32](repeating: Self.noTransfer, count: timeline.transfers.count)
        var last = first
        for (index, segment) in timeline.segments.enumerated() {
            let transfer = Int(transferOf[Int(segment.instruction)])
            let isFirst =
                first[transfer] == Self.noTransfer
                || segment.start < timeline.segments[Int(first[transfer])].start
            if isFirst { first[transfer] = UInt32(index) }
            let isLast =
                last[transfer] == Self.noTransfer
                || segment.end > timeline.segments[Int(last[transfer])].end
            if isLast { last[transfer] = UInt32(index) }
        }
        transferOfInstruction = transferOf
        firstSegment = first
        lastSegment = last
    }

    /// Indices of `keys`, grouped by key: a counting sort, which keeps their order within a group.
    private static func grouped(
        _ keys: some Collection<UInt32>, _ count: Int
    ) -> (start: [UInt32], indices: [UInt32]) {
        var start = [UInt32](repeating: 0, count: count + 1)
        for key in keys { start[Int(key) + 1] += 1 }
        for key in 0..<count { start[key + 1] += start[key] }
        var next = start
        var indices = [UInt32](repeating: 0, count: keys.count)
        for (index, key) in keys.enumerated() {
            indices[Int(next[Int(key)])] = UInt32(index)
            next[Int(key)] += 1
        }
        return (start, indices)
    }

    // MARK: Ends of arrows

    /// Writes where arrows begin and end at an instruction.
    @inline(__always)
    func write(instruction: Int, into buffer: inout PacketBuffer) {
        for edge in consumerStart[instruction]..<consumerStart[instruction + 1] {
            buffer.fixed64(PerfettoTag.Event.terminatingFlowIDs, UInt64(edge) + 1)
        }
        let transfer = transferOfInstruction[instruction]
        if transfer != Self.noTransfer, firstSegment[Int(transfer)] != Self.noTransfer {
            buffer.fixed64(PerfettoTag.Event.flowIDs, triggerFlow(transfer))
        } else {
            writeOutgoing(instruction, into: &buffer)
        }
    }

    /// Writes where arrows begin and end at a segment of the transfer that `instruction` triggered:
    /// its trigger points to the segment that starts first, and who waits for it to the one that
    /// ends last.
    @inline(__always)
    func write(segment: Int, of instruction: Int, into buffer: inout PacketBuffer) {
        let transfer = transferOfInstruction[instruction]
        if firstSegment[Int(transfer)] == UInt32(segment) {
            buffer.fixed64(PerfettoTag.Event.terminatingFlowIDs, triggerFlow(transfer))
        }
        if lastSegment[Int(transfer)] == UInt32(segment) {
            writeOutgoing(instruction, into: &buffer)
        }
    }

    private func triggerFlow(_ transfer: UInt32) -> UInt64 {
        UInt64(edgeCount) + UInt64(transfer) + 1
    }

    @inline(__always)
    private func writeOutgoing(_ instruction: Int, into buffer: inout PacketBuffer) {
        for place in producerStart[instruction]..<producerStart[instruction + 1] {
            buffer.fixed64(PerfettoTag.Event.flowIDs, UInt64(byProducer[Int(place)]) + 1)
        }
    }
}
