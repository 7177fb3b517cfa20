/// A profile as a Perfetto trace (TrackEvent protobuf, `.pftrace`) for https://ui.perfetto.dev.
///
/// Rows: each unit with a slice for each instruction, named by opcode, its stalls below it, named
/// by reason; the DMA engines with what they moved; counters of memory and DMA throughput. Arrows
/// lead from who is waited for to who waits. Source lines, instruction numbers and culprits are
/// annotations. The layout, and how exact ticks are carried, is documented in
/// `docs/profile-formats.md`.
public enum PerfettoTrace {
    /// The version of what the documentation says about rows and annotations.
    public static let version = 1

    /// What goes into a trace, and how it is packed.
    public struct Options: Hashable, Sendable {
        /// Rows of stalls.
        public var includesStalls = true
        /// Arrows of dependences.
        public var includesFlows = true
        /// Source lines of slices.
        public var includesSourceLines = true
        /// Rows of counters.
        public var includesCounters = true
        /// 1 (fast) to 9 (small); 0 leaves the packets uncompressed.
        public var compressionLevel = 1
        /// Threads that encode and compress. The bytes do not depend on it.
        public var threads = 2
        /// Slices that are encoded and compressed in one go at most: some 300 KiB of packets.
        var slicesPerBlock = 8192

        public init() {}
    }

    /// Writes the trace in blocks; memory beside the profile's does not grow with the slices
    /// (indices for rows and arrows take some 20 bytes an instruction).
    ///
    /// - Parameter sink: takes the blocks in order; what it throws ends the export.
    public static func write<Failure: Error>(
        _ profile: Profile, options: Options = Options(),
        to sink: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        let plan = TracePlan(profile, options)
        let pieces = TracePiece.all(of: plan)
        let threads = min(max(1, options.threads), 64)
        let workers = (0..<threads).map { _ in
            TraceWorker(plan, compressionLevel: min(max(0, options.compressionLevel), 9))
        }
        try sink(header(plan))
        if plan.options.includesCounters { try sink(workers[0].counters()) }
        try WorkerThreads.run(
            count: pieces.count, threads: threads,
            work: { piece, thread in workers[thread].block(pieces[piece]) }, emit: sink)
    }

    /// The whole trace in one piece.
    public static func bytes(_ profile: Profile, options: Options = Options()) -> [UInt8] {
        var bytes: [UInt8] = []
        write(profile, options: options) { bytes += $0 }
        return bytes
    }

    private static func header(_ plan: TracePlan) -> [UInt8] {
        var buffer = PacketBuffer()
        TraceHeader.write(plan, into: &buffer)
        return buffer.withBytes { Array($0) }
    }
}

/// Slices of one lane that are encoded and compressed in one go.
private struct TracePiece: Sendable {
    var lane: Int
    var range: Range<Int>

    static func all(of plan: TracePlan) -> [TracePiece] {
        let size = plan.options.slicesPerBlock
        return plan.lanes.indices.flatMap { lane in
            stride(from: 0, to: plan.lanes[lane].count, by: size).map { start in
                let end = min(start + size, plan.lanes[lane].count)
                return TracePiece(lane: lane, range: start..<end)
            }
        }
    }
}

/// What one thread needs to make blocks. Only that thread uses it, which makes it safe to hand
/// over.
private final class TraceWorker: @unchecked Sendable {
    private let plan: TracePlan
    private let encoder: TraceEncoder
    private var buffer = PacketBuffer(capacity: 1 << 20)
    private var deflater: Deflater?

    init(_ plan: TracePlan, compressionLevel: Int) {
        self.plan = plan
        encoder = TraceEncoder(plan)
        deflater = compressionLevel > 0 ? Deflater(level: compressionLevel) : nil
    }

    /// The piece as a part of the trace.
    func block(_ piece: TracePiece) -> [UInt8] {
        buffer.removeAll()
        encoder.encode(plan.lanes[piece.lane], piece.range, into: &buffer)
        return packed()
    }

    /// The rows of counters as a part of the trace.
    func counters() -> [UInt8] {
        buffer.removeAll()
        TraceCounters(plan).write(into: &buffer)
        return packed()
    }

    private func packed() -> [UInt8] {
        buffer.withBytes { packets in
            guard let compressed = deflater?.compress(packets) else { return Array(packets) }
            return Self.packet(holding: compressed)
        }
    }

    /// A packet that holds compressed packets.
    private static func packet(holding compressed: [UInt8]) -> [UInt8] {
        let inner =
            varint(UInt64(PerfettoTag.Packet.compressedPackets))
            + varint(UInt64(compressed.count))
        let outer =
            varint(UInt64(PerfettoTag.packet))
            + varint(UInt64(inner.count + compressed.count))
        return outer + inner + compressed
    }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest >= 128 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
