/// Packets that describe the rows of a trace and begin its sequences.
enum TraceHeader {
    /// The clock's definition and one packet for each row.
    static func write(_ plan: TracePlan, into buffer: inout PacketBuffer) {
        let program = plan.profile.program
        track(
            TracePlan.rootTrack, "\(program.name) on \(plan.profile.machine.description.name)",
            parent: nil, rank: 0, into: &buffer
        ) { buffer in
            buffer.varint(
                PerfettoTag.Track.childOrdering, PerfettoTag.Track.explicitOrdering)
            buffer.string(PerfettoTag.Track.description, description(plan))
        }
        track(
            TracePlan.dmaTrack, "DMA engines", parent: TracePlan.rootTrack,
            rank: plan.nextTrack, into: &buffer
        ) { buffer in
            buffer.varint(
                PerfettoTag.Track.childOrdering, PerfettoTag.Track.explicitOrdering)
        }
        for lane in plan.lanes {
            track(lane.uuid, lane.name, parent: lane.parent, rank: lane.rank, into: &buffer) { _ in
            }
        }
    }

    /// What a reader must know to get ticks back; see `docs/profile-formats.md`.
    private static func description(_ plan: TracePlan) -> String {
        "kapok.trace version=\(PerfettoTrace.version)"
            + " ticksPerSecond=\(Int64(plan.profile.machine.ticksPerSecond))"
            + " remainders=\(plan.clock.remainders) makespanTicks=\(plan.profile.timeline.makespan)"
            + " instructions=\(plan.profile.program.instructions.count)."
            + " Times are whole nanoseconds, rounded down; with R remainders, an interned name's"
            + " number less 1 is (name x R + begin) x R + end, where begin and end count ticks"
            + " from the first of their nanosecond."
    }

    /// A row. `more` adds fields to its description.
    static func track(
        _ uuid: UInt64, _ name: String, parent: UInt64?, rank: UInt64,
        into buffer: inout PacketBuffer, more: (inout PacketBuffer) -> Void
    ) {
        let packet = buffer.open(PerfettoTag.packet)
        buffer.varint(PerfettoTag.Packet.trustedPacketSequenceID, TracePlan.rootTrack)
        let descriptor = buffer.open(PerfettoTag.Packet.trackDescriptor)
        buffer.varint(PerfettoTag.Track.uuid, uuid)
        buffer.string(PerfettoTag.Track.name, name)
        if let parent {
            buffer.varint(PerfettoTag.Track.parentUUID, parent)
            buffer.varint(PerfettoTag.Track.siblingOrderRank, rank)
        }
        more(&buffer)
        buffer.close(descriptor)
        buffer.close(packet)
    }

    /// Begins a sequence: its packets belong to `track`, and their times count from the packet
    /// before them, the first one's from 0.
    static func beginSequence(
        _ sequence: UInt64, track: UInt64, into buffer: inout PacketBuffer
    ) {
        let packet = buffer.open(PerfettoTag.packet)
        buffer.varint(PerfettoTag.Packet.timestamp, 0)
        buffer.varint(PerfettoTag.Packet.timestampClockID, PerfettoTag.Clock.bootTime)
        buffer.varint(PerfettoTag.Packet.trustedPacketSequenceID, sequence)
        buffer.varint(
            PerfettoTag.Packet.sequenceFlags, PerfettoTag.SequenceFlag.incrementalStateCleared)
        let defaults = buffer.open(PerfettoTag.Packet.tracePacketDefaults)
        buffer.varint(PerfettoTag.Defaults.timestampClockID, PerfettoTag.Clock.ofSequence)
        let ofEvents = buffer.open(PerfettoTag.Defaults.trackEventDefaults)
        buffer.varint(PerfettoTag.Defaults.trackUUID, track)
        buffer.close(ofEvents)
        buffer.close(defaults)
        let snapshot = buffer.open(PerfettoTag.Packet.clockSnapshot)
        clock(PerfettoTag.Clock.bootTime, isIncremental: false, into: &buffer)
        clock(PerfettoTag.Clock.ofSequence, isIncremental: true, into: &buffer)
        buffer.varint(PerfettoTag.Clock.primaryTraceClock, PerfettoTag.Clock.bootTime)
        buffer.close(snapshot)
        buffer.close(packet)
    }

    private static func clock(
        _ number: UInt64, isIncremental: Bool, into buffer: inout PacketBuffer
    ) {
        let clock = buffer.open(PerfettoTag.Clock.clocks)
        buffer.varint(PerfettoTag.Clock.clockID, number)
        buffer.varint(PerfettoTag.Clock.timestamp, 0)
        if isIncremental { buffer.varint(PerfettoTag.Clock.isIncremental, 1) }
        buffer.close(clock)
    }
}
