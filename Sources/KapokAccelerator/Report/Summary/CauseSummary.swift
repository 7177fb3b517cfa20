/// Idle time of one unit with one reason and one place in the source that caused it.
struct CauseSummary: Hashable, Sendable {
    /// Who was idle.
    var unit: Unit
    /// Why.
    var reason: StallReason
    /// What was waited for: the opcode and the source line (index) of the culprits.
    var opcode: Opcode
    var line: UInt32
    /// Stalls, and their ticks.
    var count: Int
    var ticks: Int64
    /// The culprit of the longest of them.
    var example: UInt32
    /// Ticks of the longest.
    var longest: Int64

    /// Every cause of a profile, the longest idle time first. The end of the program is no cause: a
    /// unit that has nothing left to do waits for nobody.
    static func all(of profile: Profile) -> [CauseSummary] {
        var places: [UInt64: Int] = [:]
        var causes: [CauseSummary] = []
        var lastKey = UInt64.max
        var place = 0
        for stall in profile.stalls
        where stall.reason != .programEnd && stall.culprit < profile.program.instructions.count {
            let culprit = profile.program.instructions[Int(stall.culprit)]
            let key =
                UInt64(stall.unit.rawValue) << 48 | UInt64(stall.reason.rawValue) << 40
                | UInt64(culprit.opcode.rawValue) << 32 | UInt64(culprit.line)
            if key != lastKey {
                lastKey = key
                place = places[key] ?? causes.count
                if place == causes.count {
                    places[key] = place
                    causes.append(
                        CauseSummary(
                            unit: stall.unit, reason: stall.reason, opcode: culprit.opcode,
                            line: culprit.line, count: 0, ticks: 0, example: 0, longest: -1))
                }
            }
            causes[place].add(stall)
        }
        return causes.sorted { ($0.ticks, $1.example) > ($1.ticks, $0.example) }
    }

    private mutating func add(_ stall: Stall) {
        count += 1
        ticks += stall.duration
        if stall.duration > longest {
            longest = stall.duration
            example = stall.culprit
        }
    }
}
