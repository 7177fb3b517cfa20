/// How much of SBUF and PSUM is in use over time: a tile is, from the start of the first to the end
/// of the last instruction that touches it.
public struct MemoryProfile: Sendable {
    /// The use from a time on, until the next sample. Ticks and bytes over all partitions.
    public struct Sample: Hashable, Sendable {
        /// From when on.
        public var time: Int64
        /// Bytes of SBUF and PSUM in tiles that are alive, over all partitions.
        public var sbufBytes: Int
        public var psumBytes: Int
    }

    /// In order of time, one for each time at which something changes.
    public private(set) var samples: [Sample] = []
    /// Most bytes of a partition in use at the same time.
    public private(set) var peakSBUFBytesPerPartition = 0
    public private(set) var peakPSUMBytesPerPartition = 0

    /// The memory in use while the program of `profile` ran.
    public init(_ profile: Profile) {
        self.init(profile.program, profile.timeline, partitions: profile.machine.partitions)
    }

    init(_ run: ProfiledRun) {
        self.init(run.program, run.timeline, partitions: run.machine.partitions)
    }

    private init(_ program: Program, _ timeline: Timeline, partitions: Int) {
        let events = Self.events(program, timeline)
        var partitionUse = [[Int]](
            repeating: [Int](repeating: 0, count: partitions), count: 2)
        var totals = [0, 0]
        var peaks = [0, 0]
        for event in events {
            let tile = program.tiles[event.tile]
            let space = tile.space == .psum ? 1 : 0
            let change = event.isBirth ? tile.bytesPerPartition : -tile.bytesPerPartition
            let first = min(max(0, tile.partitionStart), partitions)
            let last = min(max(first, first + tile.partitionCount), partitions)
            for partition in first..<last {
                partitionUse[space][partition] += change
                peaks[space] = max(peaks[space], partitionUse[space][partition])
            }
            totals[space] += change * (last - first)
            add(Sample(time: event.time, sbufBytes: totals[0], psumBytes: totals[1]))
        }
        peakSBUFBytesPerPartition = peaks[0]
        peakPSUMBytesPerPartition = peaks[1]
    }

    private mutating func add(_ sample: Sample) {
        if let last = samples.last, last.time == sample.time {
            samples[samples.count - 1] = sample
        } else {
            samples.append(sample)
        }
    }

    private struct Event {
        var time: Int64
        var isBirth: Bool
        var tile: Int
    }

    /// In order of time; what dies at a tick dies before anything is born.
    private static func events(_ program: Program, _ timeline: Timeline) -> [Event] {
        var events: [Event] = []
        for (tile, life) in lifetimes(program, timeline).enumerated() where life.end > life.start {
            events.append(Event(time: life.start, isBirth: true, tile: tile))
            events.append(Event(time: life.end, isBirth: false, tile: tile))
        }
        events.sort { a, b in
            if a.time != b.time { return a.time < b.time }
            if a.isBirth != b.isBirth { return b.isBirth }
            return a.tile < b.tile
        }
        return events
    }

    /// From the tiles that operands name; for tiles that none names from their first and last use.
    private static func lifetimes(
        _ program: Program, _ timeline: Timeline
    ) -> [(start: Int64, end: Int64)] {
        var lives = [(start: Int64, end: Int64)](
            repeating: (.max, .min), count: program.tiles.count)
        func touch(_ tile: Int, _ index: Int) {
            guard lives.indices.contains(tile) else { return }
            lives[tile].start = min(lives[tile].start, timeline.start[index])
            lives[tile].end = max(lives[tile].end, timeline.end[index])
        }
        for (index, instruction) in program.instructions.enumerated() {
            instruction.forEachPattern { touch(Int(program.patterns[$0].tile), index) }
        }
        for (number, tile) in program.tiles.enumerated() where lives[number].start == .max {
            for use in [tile.firstUse, tile.lastUse]
            where program.instructions.indices.contains(Int(use)) {
                touch(number, Int(use))
            }
        }
        return lives
    }
}
