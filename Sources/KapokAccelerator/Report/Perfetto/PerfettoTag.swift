/// The tags (field number x 8 + wire type) that a trace uses, from Perfetto's public definitions:
/// `protos/perfetto/trace/**/*.proto` (trace.proto, trace_packet.proto, track_event.proto and the
/// ones that they import), https://perfetto.dev/docs/reference/trace-packet-proto.
enum PerfettoTag {
    /// Trace.packet.
    static let packet: UInt32 = 1 << 3 | 2

    /// Fields of TracePacket.
    enum Packet {
        static let clockSnapshot: UInt32 = 6 << 3 | 2
        static let timestamp: UInt32 = 8 << 3
        static let trustedPacketSequenceID: UInt32 = 10 << 3
        static let trackEvent: UInt32 = 11 << 3 | 2
        static let internedData: UInt32 = 12 << 3 | 2
        static let sequenceFlags: UInt32 = 13 << 3
        static let compressedPackets: UInt32 = 50 << 3 | 2
        static let timestampClockID: UInt32 = 58 << 3
        static let tracePacketDefaults: UInt32 = 59 << 3 | 2
        static let trackDescriptor: UInt32 = 60 << 3 | 2
    }

    /// Values of TracePacket.sequence_flags.
    enum SequenceFlag {
        static let incrementalStateCleared: UInt64 = 1
        static let needsIncrementalState: UInt64 = 2
    }

    /// Fields of ClockSnapshot and of its Clock.
    enum Clock {
        static let clocks: UInt32 = 1 << 3 | 2
        static let primaryTraceClock: UInt32 = 2 << 3
        static let clockID: UInt32 = 1 << 3
        static let timestamp: UInt32 = 2 << 3
        static let isIncremental: UInt32 = 3 << 3
        /// BuiltinClock.BUILTIN_CLOCK_BOOTTIME: the clock of traces.
        static let bootTime: UInt64 = 6
        /// The first of the numbers for clocks that belong to one sequence.
        static let ofSequence: UInt64 = 64
    }

    /// Fields of TracePacketDefaults and of TrackEventDefaults.
    enum Defaults {
        static let timestampClockID: UInt32 = 58 << 3
        static let trackEventDefaults: UInt32 = 11 << 3 | 2
        static let trackUUID: UInt32 = 11 << 3
    }

    /// Fields of TrackEvent.
    enum Event {
        static let debugAnnotations: UInt32 = 4 << 3 | 2
        static let type: UInt32 = 9 << 3
        static let nameIID: UInt32 = 10 << 3
        static let counterValue: UInt32 = 30 << 3
        static let sourceLocationIID: UInt32 = 34 << 3
        static let doubleCounterValue: UInt32 = 44 << 3 | 1
        static let flowIDs: UInt32 = 47 << 3 | 1
        static let terminatingFlowIDs: UInt32 = 48 << 3 | 1
    }

    /// Values of TrackEvent.type.
    enum EventType {
        static let sliceBegin: UInt64 = 1
        static let sliceEnd: UInt64 = 2
        static let counter: UInt64 = 4
    }

    /// Fields of DebugAnnotation.
    enum Annotation {
        static let nameIID: UInt32 = 1 << 3
        static let boolValue: UInt32 = 2 << 3
        static let uintValue: UInt32 = 3 << 3
    }

    /// Fields of InternedData, and of the messages in it.
    enum Interned {
        static let eventNames: UInt32 = 2 << 3 | 2
        static let debugAnnotationNames: UInt32 = 3 << 3 | 2
        static let sourceLocations: UInt32 = 4 << 3 | 2
        static let iid: UInt32 = 1 << 3
        static let name: UInt32 = 2 << 3 | 2
        static let fileName: UInt32 = 2 << 3 | 2
        static let lineNumber: UInt32 = 4 << 3
    }

    /// Fields of TrackDescriptor, and of its CounterDescriptor.
    enum Track {
        static let uuid: UInt32 = 1 << 3
        static let name: UInt32 = 2 << 3 | 2
        static let parentUUID: UInt32 = 5 << 3
        static let counter: UInt32 = 8 << 3 | 2
        static let childOrdering: UInt32 = 11 << 3
        static let siblingOrderRank: UInt32 = 12 << 3
        static let description: UInt32 = 14 << 3 | 2
        static let counterUnit: UInt32 = 3 << 3
        static let counterUnitName: UInt32 = 6 << 3 | 2
        /// ChildTracksOrdering.EXPLICIT.
        static let explicitOrdering: UInt64 = 3
        /// CounterDescriptor.Unit.UNIT_SIZE_BYTES.
        static let sizeBytes: UInt64 = 3
    }
}
