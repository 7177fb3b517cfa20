/// What all DMA engines together moved, in equal parts of the run.
struct TransferRate: Hashable, Sendable {
    /// Ticks of one part; the last one may reach beyond the end.
    var ticksPerPart: Int64
    /// Bytes moved in each part.
    var bytes: [Double]

    /// The bytes of a transfer are spread evenly over the time in which engines moved it.
    ///
    /// - Parameter parts: how many parts there are at most.
    init(_ profile: Profile, parts: Int) {
        precondition(parts > 0)
        let timeline = profile.timeline
        ticksPerPart = Self.ticksPerPart(profile, parts: parts)
        let count = Int((timeline.makespan + ticksPerPart - 1) / ticksPerPart)
        bytes = [Double](repeating: 0, count: count)
        var moving = [Int64](repeating: 0, count: profile.program.instructions.count)
        for segment in timeline.segments {
            moving[Int(segment.instruction)] += segment.end - segment.start
        }
        var bytesPerTick = [Double](repeating: 0, count: moving.count)
        for transfer in timeline.transfers {
            let instruction = Int(transfer.instruction)
            guard moving[instruction] > 0 else { continue }
            bytesPerTick[instruction] =
                Double(profile.program.transferBytes(of: instruction))
                / Double(moving[instruction])
        }
        for segment in timeline.segments where segment.end > segment.start {
            add(segment, bytesPerTick: bytesPerTick[Int(segment.instruction)])
        }
    }

    /// The length of a part.
    static func ticksPerPart(_ profile: Profile, parts: Int) -> Int64 {
        max(1, (profile.timeline.makespan + Int64(parts) - 1) / Int64(parts))
    }

    private mutating func add(_ segment: TransferSegment, bytesPerTick: Double) {
        var start = segment.start
        while start < segment.end {
            let part = start / ticksPerPart
            let end = min(segment.end, (part + 1) * ticksPerPart)
            bytes[Int(part)] += Double(end - start) * bytesPerTick
            start = end
        }
    }
}
