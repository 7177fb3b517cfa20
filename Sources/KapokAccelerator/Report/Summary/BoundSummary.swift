/// A time that no schedule of the same work on the same machine can be shorter than.
struct BoundSummary: Hashable, Sendable {
    /// What sets it: an engine's name, `dmaEngines` or `hbmStack`.
    var name: String
    /// One sentence on how it follows.
    var definition: String
    /// The bound in ticks.
    var ticks: Int64

    /// The bounds of a profile, the largest first: that one binds.
    static func all(of profile: Profile) -> [BoundSummary] {
        var bounds = profile.units.filter { $0.unit < .firstDMA }.map { usage in
            BoundSummary(
                name: EngineSummary.name(of: usage.unit),
                definition: "the busy time of \(EngineSummary.name(of: usage.unit)):"
                    + " one instruction at a time",
                ticks: usage.busy)
        }
        let moving = profile.units.filter { $0.unit >= .firstDMA }.reduce(0) { $0 + $1.busy }
        let engines = Int64(profile.machine.dmaEngines)
        bounds.append(
            BoundSummary(
                name: "dmaEngines",
                definition: "all packets, dealt evenly to \(engines) DMA engines",
                ticks: (moving + engines - 1) / engines))
        bounds.append(
            BoundSummary(
                name: "hbmStack",
                definition: "bytes of inputs and outputs at the bandwidth of one HBM stack",
                ticks: Self.memoryTicks(profile)))
        return bounds.sorted { $0.ticks > $1.ticks }
    }

    private static func memoryTicks(_ profile: Profile) -> Int64 {
        let machine = profile.machine
        let stacks = max(1, machine.value(.hbmStacks))
        let bytesPerNanosecond = machine.value(.hbmBandwidthPerChip) / stacks
        guard bytesPerNanosecond > 0 else { return 0 }
        return machine.ticks(
            nanoseconds: Double(profile.metrics.minimumBytes) / bytesPerNanosecond)
    }
}
