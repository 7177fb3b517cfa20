/// What changed from one profile to another, in ticks of the first one's machine: positive numbers
/// mean that the second one takes longer.
///
/// Profiles of different machines are compared in nanoseconds rounded to ticks of the first
/// machine.
public struct ProfileComparison: Sendable {
    /// A value in both profiles.
    public struct Change: Hashable, Sendable {
        /// In the first and in the second profile.
        public var before: Int64
        public var after: Int64

        /// What was added.
        public var delta: Int64 { after - before }
    }

    /// Busy and idle time of a unit.
    public struct UnitChange: Hashable, Sendable {
        /// The unit.
        public var unit: Unit
        /// Ticks in which it worked.
        public var busy: Change
        /// Idle ticks by reason, at index ``StallReason/rawValue``.
        public var stalled: [Change]
    }

    /// The work, the stalls and the share of the critical path of a source line.
    public struct LineChange: Hashable, Sendable {
        /// The line; its `file` is as in the programs.
        public var line: SourceLine
        /// Ticks of work, over all units of compute engines.
        public var busy: Change
        /// Ticks that units of compute engines stood still because of it.
        public var stallsCaused: Change
        /// Ticks on the critical path.
        public var critical: Change
    }

    /// The programs' lengths.
    public private(set) var makespan: Change
    /// One entry for each unit that either machine has.
    public private(set) var units: [UnitChange]
    /// Idle ticks of the compute engines' units by reason, at index ``StallReason/rawValue``.
    public private(set) var engineStalls: [Change]
    /// The same of all DMA engines.
    public private(set) var dmaStalls: [Change]
    /// Lines that either profile has: the one whose share of the critical path changed most first.
    public private(set) var lines: [LineChange]

    public init(_ before: Profile, _ after: Profile) {
        let scale = before.machine.ticksPerSecond / after.machine.ticksPerSecond
        func change(_ first: Int64, _ second: Int64) -> Change {
            Change(
                before: first,
                after: scale == 1 ? second : Int64((Double(second) * scale).rounded()))
        }
        makespan = change(before.timeline.makespan, after.timeline.makespan)
        let reasons = StallReason.allCases.count + 1
        let count = max(before.units.count, after.units.count)
        units = (0..<count).map { number in
            let unit = Unit(rawValue: UInt8(number))
            let first = number < before.units.count ? before.units[number] : UnitUsage(unit: unit)
            let second = number < after.units.count ? after.units[number] : UnitUsage(unit: unit)
            return UnitChange(
                unit: unit, busy: change(first.busy, second.busy),
                stalled: (0..<reasons).map { change(first.stalled[$0], second.stalled[$0]) })
        }
        func sums(_ isIncluded: (Unit) -> Bool) -> [Change] {
            (0..<reasons).map { reason in
                func sum(_ profile: Profile) -> Int64 {
                    profile.units.reduce(0) {
                        isIncluded($1.unit) ? $0 + $1.stalled[reason] : $0
                    }
                }
                return change(sum(before), sum(after))
            }
        }
        engineStalls = sums { $0.dmaIndex == nil }
        dmaStalls = sums { $0.dmaIndex != nil }
        let (first, second) = (Self.lineUsage(before), Self.lineUsage(after))
        lines = Set(first.keys).union(second.keys).map { line in
            let (a, b) = (first[line] ?? SourceUsage(), second[line] ?? SourceUsage())
            return LineChange(
                line: line, busy: change(a.engineBusy, b.engineBusy),
                stallsCaused: change(a.engineStallsCaused, b.engineStallsCaused),
                critical: change(a.criticalTicks, b.criticalTicks))
        }
        lines.sort { a, b in
            let (x, y) = (a.critical.delta.magnitude, b.critical.delta.magnitude)
            return x != y ? x > y : (a.line.file, a.line.line) < (b.line.file, b.line.line)
        }
    }

    /// By the line itself, since two programs number lines differently.
    private static func lineUsage(_ profile: Profile) -> [SourceLine: SourceUsage] {
        var usage: [SourceLine: SourceUsage] = [:]
        for entry in profile.lineUsage() {
            let line =
                entry.line < profile.program.lines.count
                ? profile.program.lines[entry.line] : SourceLine(file: "", line: 0)
            usage[line, default: SourceUsage()] += entry.usage
        }
        return usage
    }
}

extension SourceUsage {
    /// Ticks of work, over all units of compute engines.
    public var engineBusy: Int64 { busy.dropLast().reduce(0, +) }
}
