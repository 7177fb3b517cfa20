/// Writes the slices of a lane as packets.
///
/// Each slice is a pair of packets, SLICE_BEGIN and SLICE_END. Times count from the packet before
/// it in the sequence, in whole nanoseconds, rounded down. What the rounding takes away stands in
/// the number of the interned name: name k with `b` at the begin and `e` at the end has number `1 +
/// (k x R + b) x R + e`, R being ``TickClock/remainders``; all R x R numbers have the same text.
struct TraceEncoder: Sendable {
    private let plan: TracePlan
    private let remainders: UInt64

    /// Numbers of the interned names of annotations.
    enum AnnotationName {
        static let instruction: UInt64 = 1
        static let culprit: UInt64 = 2
        static let isShared: UInt64 = 3
    }

    init(_ plan: TracePlan) {
        self.plan = plan
        remainders = UInt64(plan.clock.remainders)
    }

    /// Appends slices `range` of a lane; before the first one, what its sequence needs.
    func encode(_ lane: TraceLane, _ range: Range<Int>, into buffer: inout PacketBuffer) {
        var time: Int64 = 0
        if range.lowerBound == 0 {
            TraceHeader.beginSequence(lane.sequence, track: lane.uuid, into: &buffer)
            intern(lane, into: &buffer)
        } else {
            time = plan.clock.split(plan.slice(range.lowerBound - 1, of: lane).end).nanosecond
        }
        for index in range {
            let slice = plan.slice(index, of: lane)
            let (start, startRemainder) = plan.clock.split(slice.start)
            let (end, endRemainder) = plan.clock.split(slice.end)
            let iid = number(
                lane.nameIndex[Int(slice.key)], begin: startRemainder, end: endRemainder)
            begin(slice, index, lane, after: UInt64(start - time), name: iid, into: &buffer)
            finish(lane, after: UInt64(end - start), into: &buffer)
            time = end
        }
    }

    /// The number of an interned name with what rounding takes away from begin and end.
    @inline(__always)
    private func number(_ name: UInt8, begin: Int64, end: Int64) -> UInt64 {
        1 + (UInt64(name) * remainders + UInt64(begin)) * remainders + UInt64(end)
    }

    private func name(of slice: TraceSlice, in lane: TraceLane) -> UInt64 {
        number(
            lane.nameIndex[Int(slice.key)], begin: plan.clock.split(slice.start).remainder,
            end: plan.clock.split(slice.end).remainder)
    }

    // MARK: Packets

    @inline(__always)
    private func open(
        _ lane: TraceLane, after nanoseconds: UInt64, into buffer: inout PacketBuffer
    ) -> Int {
        let packet = buffer.open(PerfettoTag.packet)
        buffer.varint(PerfettoTag.Packet.timestamp, nanoseconds)
        buffer.varint(PerfettoTag.Packet.trustedPacketSequenceID, lane.sequence)
        buffer.varint(
            PerfettoTag.Packet.sequenceFlags, PerfettoTag.SequenceFlag.needsIncrementalState)
        return packet
    }

    @inline(__always)
    private func begin(
        _ slice: TraceSlice, _ index: Int, _ lane: TraceLane, after nanoseconds: UInt64,
        name: UInt64, into buffer: inout PacketBuffer
    ) {
        let packet = open(lane, after: nanoseconds, into: &buffer)
        let event = buffer.open(PerfettoTag.Packet.trackEvent)
        buffer.varint(PerfettoTag.Event.type, PerfettoTag.EventType.sliceBegin)
        buffer.varint(PerfettoTag.Event.nameIID, name)
        if slice.line > 0, plan.options.includesSourceLines {
            buffer.varint(PerfettoTag.Event.sourceLocationIID, UInt64(slice.line))
        }
        annotate(slice, lane, into: &buffer)
        if let flows = plan.flows {
            switch lane.content {
            case .instructions:
                flows.write(instruction: Int(slice.instruction), into: &buffer)
            case .segments(let first):
                flows.write(
                    segment: first + index, of: Int(slice.instruction), into: &buffer)
            case .stalls: break
            }
        }
        buffer.close(event)
        buffer.close(packet)
    }

    @inline(__always)
    private func finish(
        _ lane: TraceLane, after nanoseconds: UInt64, into buffer: inout PacketBuffer
    ) {
        let packet = open(lane, after: nanoseconds, into: &buffer)
        let event = buffer.open(PerfettoTag.Packet.trackEvent)
        buffer.varint(PerfettoTag.Event.type, PerfettoTag.EventType.sliceEnd)
        buffer.close(event)
        buffer.close(packet)
    }

    /// The instruction's number, or a stall's culprit.
    @inline(__always)
    private func annotate(
        _ slice: TraceSlice, _ lane: TraceLane, into buffer: inout PacketBuffer
    ) {
        var name = AnnotationName.instruction
        if case .stalls = lane.content { name = AnnotationName.culprit }
        if slice.instruction != Stall.none {
            let annotation = buffer.open(PerfettoTag.Event.debugAnnotations)
            buffer.varint(PerfettoTag.Annotation.nameIID, name)
            buffer.varint(PerfettoTag.Annotation.uintValue, UInt64(slice.instruction))
            buffer.close(annotation)
        }
        if slice.isShared {
            let annotation = buffer.open(PerfettoTag.Event.debugAnnotations)
            buffer.varint(PerfettoTag.Annotation.nameIID, AnnotationName.isShared)
            buffer.varint(PerfettoTag.Annotation.boolValue, 1)
            buffer.close(annotation)
        }
    }

    // MARK: Interned text

    private func intern(_ lane: TraceLane, into buffer: inout PacketBuffer) {
        let packet = buffer.open(PerfettoTag.packet)
        buffer.varint(PerfettoTag.Packet.trustedPacketSequenceID, lane.sequence)
        buffer.varint(
            PerfettoTag.Packet.sequenceFlags, PerfettoTag.SequenceFlag.needsIncrementalState)
        let data = buffer.open(PerfettoTag.Packet.internedData)
        let used = usedNames(of: lane)
        for (index, name) in lane.names.enumerated() {
            for remainder in 0..<remainders * remainders {
                let iid = 1 + UInt64(index) * remainders * remainders + remainder
                guard used?.contains(iid) ?? true else { continue }
                intern(PerfettoTag.Interned.eventNames, iid, name, into: &buffer)
            }
        }
        let tag = PerfettoTag.Interned.debugAnnotationNames
        intern(tag, AnnotationName.instruction, "instruction", into: &buffer)
        intern(tag, AnnotationName.culprit, "culprit", into: &buffer)
        intern(tag, AnnotationName.isShared, "another cause lasts as long", into: &buffer)
        for line in lane.lines {
            let source = plan.profile.program.lines[Int(line)]
            let location = buffer.open(PerfettoTag.Interned.sourceLocations)
            buffer.varint(PerfettoTag.Interned.iid, UInt64(line))
            buffer.string(PerfettoTag.Interned.fileName, source.file)
            buffer.varint(PerfettoTag.Interned.lineNumber, UInt64(clamping: source.line))
            buffer.close(location)
        }
        buffer.close(data)
        buffer.close(packet)
    }

    /// The numbers of names that a short lane uses; nil for long ones, where looking costs more
    /// than it saves.
    private func usedNames(of lane: TraceLane) -> Set<UInt64>? {
        guard lane.count <= Self.shortLane else { return nil }
        return Set((0..<lane.count).map { name(of: plan.slice($0, of: lane), in: lane) })
    }

    private static let shortLane = 4096

    private func intern(
        _ tag: UInt32, _ iid: UInt64, _ text: String, into buffer: inout PacketBuffer
    ) {
        let entry = buffer.open(tag)
        buffer.varint(PerfettoTag.Interned.iid, iid)
        buffer.string(PerfettoTag.Interned.name, text)
        buffer.close(entry)
    }
}
