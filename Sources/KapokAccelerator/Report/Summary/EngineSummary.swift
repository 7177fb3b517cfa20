/// What an engine did with its time, as reports show it: one for each unit, and one (`dma`) for all
/// DMA engines together.
struct EngineSummary: Hashable, Sendable {
    /// The name in exports: `tensor` (the unit that multiplies), `tensorLoad`, `vector`, `scalar`,
    /// `gpsimd`, `sync`, `dma`, `dma0` and so on.
    var name: String
    /// The unit; nil for all DMA engines together.
    var unit: Unit?
    /// Instructions, or segments of transfers.
    var count: Int
    /// Ticks in which it worked; for `dma`: in which any DMA engine moved data.
    var active: Int64
    /// Idle ticks at index ``StallReason/rawValue``. Their sum and `active` are the makespan.
    var stalled: [Int64]

    /// Idle ticks in all.
    var idle: Int64 { stalled.reduce(0, +) }

    /// The name of a unit in exports.
    static func name(of unit: Unit) -> String {
        unit == .tensorMultiply ? "tensor" : unit.name
    }

    /// The engines of a profile in the order of reports: compute engines, `dma`, the DMA engines.
    static func all(of profile: Profile) -> [EngineSummary] {
        let order = profile.units.sorted { rank($0.unit) < rank($1.unit) }
        var engines = order.map { usage in
            EngineSummary(
                name: name(of: usage.unit), unit: usage.unit, count: usage.count,
                active: usage.busy, stalled: usage.stalled)
        }
        let firstDMA = engines.firstIndex { $0.unit?.dmaIndex != nil } ?? engines.endIndex
        engines.insert(AnyDMA(profile).summary(), at: firstDMA)
        return engines
    }

    /// The multiplying unit comes first.
    private static func rank(_ unit: Unit) -> Int {
        switch unit {
        case .tensorMultiply: 0
        case .tensorLoad: 1
        default: Int(unit.rawValue)
        }
    }
}

/// All DMA engines as one: active when any of them moves data. While none does, it waits for the
/// one that moves next (of several, the first by number), for that one's reason.
private struct AnyDMA {
    private let profile: Profile
    private let stallRanges: [Range<Int>]
    private var next: [Int]
    private let ends: [Int]
    private var active: Int64 = 0
    private var stalled = [Int64](repeating: 0, count: StallReason.allCases.count + 1)

    init(_ profile: Profile) {
        self.profile = profile
        stallRanges = profile.stallRanges()
        let starts = profile.timeline.segmentStart
        next = Array(starts.dropLast())
        ends = Array(starts.dropFirst())
    }

    func summary() -> EngineSummary {
        var copy = self
        copy.merge()
        return EngineSummary(
            name: "dma", unit: nil, count: profile.timeline.segments.count, active: copy.active,
            stalled: copy.stalled)
    }

    private mutating func merge() {
        var time: Int64 = 0
        var last = 0
        while let engine = earliest() {
            let segment = profile.timeline.segments[next[engine]]
            next[engine] += 1
            if segment.start > time { explain(time, segment.start, by: engine) }
            let from = max(time, segment.start)
            if segment.end > from {
                active += segment.end - from
                time = segment.end
                last = engine
            }
        }
        if profile.timeline.makespan > time { explain(time, profile.timeline.makespan, by: last) }
    }

    /// The engine whose next segment starts first.
    private func earliest() -> Int? {
        var best: Int?
        var start = Int64.max
        for engine in next.indices where next[engine] < ends[engine] {
            let candidate = profile.timeline.segments[next[engine]].start
            if candidate < start {
                start = candidate
                best = engine
            }
        }
        return best
    }

    /// Adds up the reasons that a DMA engine has between two times.
    private mutating func explain(_ start: Int64, _ end: Int64, by engine: Int) {
        let range = stallRanges[Int(Unit.dma(engine).rawValue)]
        var index = profile.stalls.firstIndex(in: range) { $0.end > start }
        while index < range.upperBound, profile.stalls[index].start < end {
            let stall = profile.stalls[index]
            stalled[Int(stall.reason.rawValue)] += min(stall.end, end) - max(stall.start, start)
            index += 1
        }
    }
}

extension Profile {
    /// Where in `stalls` those of each unit stand, at index ``Unit/rawValue``.
    func stallRanges() -> [Range<Int>] {
        let count = max(Unit.engineUnitCount + machine.dmaEngines, units.count)
        var ranges = [Range<Int>](repeating: 0..<0, count: count)
        var index = 0
        while index < stalls.count {
            let unit = stalls[index].unit
            let end = stalls.firstIndex(in: index..<stalls.count) { $0.unit > unit }
            ranges[Int(unit.rawValue)] = index..<end
            index = end
        }
        return ranges
    }
}

extension Array {
    /// The first index in `range` whose element satisfies `predicate`, which no earlier and every
    /// later one in `range` does (binary search); the range's end when there is none.
    func firstIndex(in range: Range<Int>, where predicate: (Element) -> Bool) -> Int {
        var low = range.lowerBound
        var high = range.upperBound
        while low < high {
            let middle = low + (high - low) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
