/// How much of a memory space holds tiles that are still needed, over time.
struct MemoryUse: Hashable, Sendable {
    /// A change, in ticks, and the bytes from then on, over all partitions.
    struct Step: Hashable, Sendable {
        var time: Int64
        var bytes: Int64
    }

    /// The space.
    var space: MemorySpace
    /// Bytes that it has.
    var capacity: Int64
    /// Changes in order of time, one for each time. Before the first one nothing is in use.
    var steps: [Step]

    /// A tile is in use from the start of the first instruction that touches it to the end of the
    /// last one.
    init(_ space: MemorySpace, of profile: Profile) {
        let machine = profile.machine
        self.space = space
        let bytesPerPartition =
            space == .psum ? machine.psumBytesPerPartition : machine.sbufBytesPerPartition
        capacity = Int64(bytesPerPartition * machine.partitions)

        let timeline = profile.timeline
        var changes: [Step] = []
        for tile in profile.program.tiles
        where tile.space == space && Int(tile.lastUse) < timeline.end.count {
            let bytes = Int64(tile.bytesPerPartition) * Int64(tile.partitionCount)
            changes.append(Step(time: timeline.start[Int(tile.firstUse)], bytes: bytes))
            changes.append(Step(time: timeline.end[Int(tile.lastUse)], bytes: -bytes))
        }
        changes.sort { $0.time < $1.time }
        steps = []
        var bytes: Int64 = 0
        for (index, change) in changes.enumerated() {
            bytes += change.bytes
            let isLastOfItsTime =
                index + 1 == changes.count || changes[index + 1].time > change.time
            if isLastOfItsTime { steps.append(Step(time: change.time, bytes: bytes)) }
        }
    }

    /// The most that is in use at any time.
    var peak: Int64 { steps.map(\.bytes).max() ?? 0 }
}
