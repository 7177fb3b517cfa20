import KapokWorld

@testable import KapokAccelerator

/// Reads traces as a consumer does: packets, sequences with their interned names, and slices in
/// exact ticks. Knows nothing of the code that writes them but the tags.
struct ReportTraceReader {
    /// Slices by name of their row.
    private(set) var slices: [String: [Slice]] = [:]
    /// Values by name of the counter's row, with the nanosecond from which they hold.
    private(set) var counters: [String: [Sample]] = [:]
    /// Names of rows by number, and the row that each belongs to.
    private(set) var rows: [UInt64: String] = [:]
    private(set) var parents: [String: UInt64] = [:]
    /// Packets that hold compressed packets.
    private(set) var compressedPackets = 0

    struct Slice: Hashable {
        var name: String
        var start: Int64
        var end: Int64
        var annotations: [String: UInt64]
        var place: SourceLine?
        var flows: [UInt64]
        var terminatingFlows: [UInt64]
    }

    struct Sample: Hashable {
        var nanosecond: Int64
        var value: Double
    }

    private struct Sequence {
        var track: UInt64 = 0
        var time: Int64 = 0
        var names: [UInt64: String] = [:]
        var annotations: [UInt64: String] = [:]
        var lines: [UInt64: SourceLine] = [:]
        var opened: (time: Int64, event: ProtobufFields)?
    }

    private let clock: TickClock
    private var sequences: [UInt64: Sequence] = [:]

    init(_ bytes: [UInt8], clock: TickClock) throws {
        self.clock = clock
        for packet in try ProtobufFields(bytes).messages(PerfettoTag.packet) {
            if packet.bytes(PerfettoTag.Packet.compressedPackets) != nil {
                compressedPackets += 1
            } else {
                try read(packet)
            }
        }
    }

    private mutating func read(_ packet: ProtobufFields) throws {
        if let track = try packet.messages(PerfettoTag.Packet.trackDescriptor).first {
            let name = track.text(PerfettoTag.Track.name)
            rows[track.number(PerfettoTag.Track.uuid) ?? 0] = name
            parents[name] = track.number(PerfettoTag.Track.parentUUID)
            return
        }
        let number = packet.number(PerfettoTag.Packet.trustedPacketSequenceID) ?? 0
        var sequence = sequences[number] ?? Sequence()
        if let defaults = try packet.messages(PerfettoTag.Packet.tracePacketDefaults).first {
            let ofEvents = try defaults.messages(PerfettoTag.Defaults.trackEventDefaults)
            sequence.track = ofEvents.first?.number(PerfettoTag.Defaults.trackUUID) ?? 0
        }
        if let data = try packet.messages(PerfettoTag.Packet.internedData).first {
            for entry in try data.messages(PerfettoTag.Interned.eventNames) {
                sequence.names[entry.number(PerfettoTag.Interned.iid) ?? 0] =
                    entry.text(PerfettoTag.Interned.name)
            }
            for entry in try data.messages(PerfettoTag.Interned.debugAnnotationNames) {
                sequence.annotations[entry.number(PerfettoTag.Interned.iid) ?? 0] =
                    entry.text(PerfettoTag.Interned.name)
            }
            for entry in try data.messages(PerfettoTag.Interned.sourceLocations) {
                sequence.lines[entry.number(PerfettoTag.Interned.iid) ?? 0] = SourceLine(
                    file: entry.text(PerfettoTag.Interned.fileName),
                    line: Int(entry.number(PerfettoTag.Interned.lineNumber) ?? 0))
            }
        }
        if let event = try packet.messages(PerfettoTag.Packet.trackEvent).first {
            let delta = packet.number(PerfettoTag.Packet.timestamp) ?? 0
            sequence.time += Int64(delta)
            try read(event, &sequence)
        }
        sequences[number] = sequence
    }

    private mutating func read(_ event: ProtobufFields, _ sequence: inout Sequence) throws {
        let row = rows[sequence.track] ?? "?"
        switch event.number(PerfettoTag.Event.type) {
        case PerfettoTag.EventType.sliceBegin: sequence.opened = (sequence.time, event)
        case PerfettoTag.EventType.sliceEnd:
            guard let (start, opening) = sequence.opened else { throw ReportTraceError.noBegin }
            let slice = try slice(from: start, to: sequence.time, opening, sequence)
            slices[row, default: []].append(slice)
            sequence.opened = nil
        default:
            let bits = event.number(PerfettoTag.Event.doubleCounterValue)
            let whole = event.number(PerfettoTag.Event.counterValue) ?? 0
            counters[row, default: []].append(
                Sample(
                    nanosecond: sequence.time,
                    value: bits.map(Double.init(bitPattern:)) ?? Double(whole)))
        }
    }

    private func slice(
        from start: Int64, to end: Int64, _ event: ProtobufFields, _ sequence: Sequence
    ) throws -> Slice {
        let iid = event.number(PerfettoTag.Event.nameIID) ?? 0
        let remainders = UInt64(clock.remainders)
        var annotations: [String: UInt64] = [:]
        for annotation in try event.messages(PerfettoTag.Event.debugAnnotations) {
            let name = sequence.annotations[annotation.number(PerfettoTag.Annotation.nameIID) ?? 0]
            annotations[name ?? "?"] =
                annotation.number(PerfettoTag.Annotation.uintValue)
                ?? annotation.number(PerfettoTag.Annotation.boolValue)
        }
        return Slice(
            name: sequence.names[iid] ?? "?",
            start: clock.firstTick(of: start) + Int64((iid - 1) / remainders % remainders),
            end: clock.firstTick(of: end) + Int64((iid - 1) % remainders),
            annotations: annotations,
            place: event.number(PerfettoTag.Event.sourceLocationIID).flatMap {
                sequence.lines[$0]
            },
            flows: event.numbers(PerfettoTag.Event.flowIDs),
            terminatingFlows: event.numbers(PerfettoTag.Event.terminatingFlowIDs))
    }
}

enum ReportTraceError: Error { case noBegin, wireType(UInt64), tooShort }

/// The fields of one protobuf message, by tag.
struct ProtobufFields {
    private var numbers: [UInt32: [UInt64]] = [:]
    private var blocks: [UInt32: [[UInt8]]] = [:]

    init(_ bytes: [UInt8]) throws {
        var reader = ByteReader(bytes)
        while reader.remaining > 0 {
            let tag = UInt32(try reader.varint())
            switch tag & 7 {
            case 0: numbers[tag, default: []].append(try reader.varint())
            case 1: numbers[tag, default: []].append(try reader.uint64())
            case 2:
                let count = Int(try reader.varint())
                guard count <= reader.remaining else { throw ReportTraceError.tooShort }
                blocks[tag, default: []].append(try reader.raw(count))
            default: throw ReportTraceError.wireType(UInt64(tag & 7))
            }
        }
    }

    func number(_ tag: UInt32) -> UInt64? { numbers[tag]?.last }
    func numbers(_ tag: UInt32) -> [UInt64] { numbers[tag] ?? [] }
    func bytes(_ tag: UInt32) -> [UInt8]? { blocks[tag]?.last }
    func text(_ tag: UInt32) -> String { String(decoding: bytes(tag) ?? [], as: UTF8.self) }
    func messages(_ tag: UInt32) throws -> [ProtobufFields] {
        try (blocks[tag] ?? []).map(ProtobufFields.init)
    }
}
