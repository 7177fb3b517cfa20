/// The counters of a trace: memory in use, DMA throughput. Each is a row and a sequence of its own.
struct TraceCounters {
    private let plan: TracePlan

    /// Parts of the run in which throughput is counted at most.
    private static let maximumParts = 4096

    init(_ plan: TracePlan) { self.plan = plan }

    func write(into buffer: inout PacketBuffer) {
        let samples = MemoryProfile(plan.profile).samples
        memory(samples, \.sbufBytes, "SBUF in use", number: 0, into: &buffer)
        memory(samples, \.psumBytes, "PSUM in use", number: 1, into: &buffer)
        throughput(number: 2, into: &buffer)
    }

    private func memory(
        _ samples: [MemoryProfile.Sample], _ bytes: KeyPath<MemoryProfile.Sample, Int>,
        _ name: String, number: UInt64, into buffer: inout PacketBuffer
    ) {
        var previous = 0
        var time: Int64 = 0
        var sequence: UInt64?
        for sample in samples where sample[keyPath: bytes] != previous {
            previous = sample[keyPath: bytes]
            let number =
                sequence
                ?? begin(name, number, into: &buffer) { buffer in
                    buffer.varint(PerfettoTag.Track.counterUnit, PerfettoTag.Track.sizeBytes)
                }
            sequence = number
            let nanosecond = plan.clock.split(sample.time).nanosecond
            event(number, after: nanosecond - time, into: &buffer) { buffer in
                buffer.varint(PerfettoTag.Event.counterValue, UInt64(previous))
            }
            time = nanosecond
        }
    }

    private func throughput(number: UInt64, into buffer: inout PacketBuffer) {
        guard !plan.profile.timeline.segments.isEmpty else { return }
        let rate = TransferRate(plan.profile, parts: Self.maximumParts)
        let sequence = begin("DMA throughput", number, into: &buffer) { buffer in
            buffer.string(PerfettoTag.Track.counterUnitName, "bytes/ns")
        }
        let nanosecondsPerPart = plan.profile.machine.nanoseconds(ticks: rate.ticksPerPart)
        var time: Int64 = 0
        for (index, bytes) in (rate.bytes + [0]).enumerated() {
            let ticks = min(Int64(index) * rate.ticksPerPart, plan.profile.timeline.makespan)
            let nanosecond = plan.clock.split(ticks).nanosecond
            event(sequence, after: nanosecond - time, into: &buffer) { buffer in
                buffer.fixed64(
                    PerfettoTag.Event.doubleCounterValue,
                    (bytes / nanosecondsPerPart).bitPattern)
            }
            time = nanosecond
        }
    }

    /// Describes a counter's row and begins its sequence.
    private func begin(
        _ name: String, _ number: UInt64, into buffer: inout PacketBuffer,
        unit: (inout PacketBuffer) -> Void
    ) -> UInt64 {
        // Rank nextTrack is the group of DMA engines.
        let track = plan.nextTrack + 1 + number
        TraceHeader.track(
            track, name, parent: TracePlan.rootTrack, rank: track, into: &buffer
        ) { buffer in
            let counter = buffer.open(PerfettoTag.Track.counter)
            unit(&buffer)
            buffer.close(counter)
        }
        TraceHeader.beginSequence(track, track: track, into: &buffer)
        return track
    }

    private func event(
        _ sequence: UInt64, after nanoseconds: Int64, into buffer: inout PacketBuffer,
        value: (inout PacketBuffer) -> Void
    ) {
        let packet = buffer.open(PerfettoTag.packet)
        buffer.varint(PerfettoTag.Packet.timestamp, UInt64(nanoseconds))
        buffer.varint(PerfettoTag.Packet.trustedPacketSequenceID, sequence)
        buffer.varint(
            PerfettoTag.Packet.sequenceFlags, PerfettoTag.SequenceFlag.needsIncrementalState)
        let event = buffer.open(PerfettoTag.Packet.trackEvent)
        buffer.varint(PerfettoTag.Event.type, PerfettoTag.EventType.counter)
        value(&buffer)
        buffer.close(event)
        buffer.close(packet)
    }
}
