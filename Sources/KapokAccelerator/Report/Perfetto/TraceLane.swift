/// A row of a trace: slices that follow each other, written as one packet sequence.
struct TraceLane: Sendable {
    /// What its slices are.
    enum Content: Hashable, Sendable {
        /// The instructions of a unit; `first` is where they begin in
        /// ``TracePlan/instructionsByUnit``.
        case instructions(first: Int)
        /// Idle times; `first` is the index of the first one.
        case stalls(first: Int)
        /// What a DMA engine moved; `first` is the index of the first segment.
        case segments(first: Int)
    }

    var content: Content
    /// Slices.
    var count: Int
    /// The row's name, its number, the row that it belongs to, and its place there.
    var name: String
    var uuid: UInt64
    var parent: UInt64
    var rank: UInt64
    /// The number of its packet sequence.
    var sequence: UInt64
    /// Names of slices, and which of them an opcode or reason (by raw value) has.
    var names: [String] = []
    var nameIndex = [UInt8](repeating: 0, count: 256)
    /// Source lines that slices come from, by index in the program.
    var lines: [UInt32] = []

    init(
        _ content: Content, count: Int, name: String, uuid: UInt64, parent: UInt64, rank: UInt64
    ) {
        self.content = content
        self.count = count
        self.name = name
        self.uuid = uuid
        self.parent = parent
        self.rank = rank
        sequence = uuid
    }
}

/// One slice of a lane.
struct TraceSlice: Hashable, Sendable {
    /// From, and up to but not including, in ticks.
    var start: Int64
    var end: Int64
    /// The raw value of its opcode or reason.
    var key: UInt8
    /// The instruction; of a stall, its culprit.
    var instruction: UInt32
    /// Index of the source line; 0 when unknown, and for stalls.
    var line: UInt32
    /// Of a stall: see ``Stall/isShared``.
    var isShared: Bool
}
