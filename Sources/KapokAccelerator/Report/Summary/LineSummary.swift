/// What one source line cost.
struct LineSummary: Hashable, Sendable {
    /// Index into the program's lines.
    var line: UInt32
    /// Its instructions.
    var count = 0
    /// Ticks in which its instructions kept units of compute engines busy (transfers: the trigger).
    var busy: Int64 = 0
    /// Ticks in which its transfers kept DMA engines busy, summed over engines.
    var moving: Int64 = 0
    /// Idle ticks of compute engines before its instructions, which waited.
    var waited: Int64 = 0
    /// Idle ticks of compute engines for which its instructions were the culprits.
    var caused: Int64 = 0
    /// Ticks of the critical path.
    var critical: Int64 = 0

    /// Every line that has instructions, the largest share of the critical path first.
    static func all(of profile: Profile) -> [LineSummary] {
        let program = profile.program
        var lines = program.lines.indices.map { LineSummary(line: UInt32($0)) }
        for (index, instruction) in program.instructions.enumerated() {
            lines[Int(instruction.line)].count += 1
            lines[Int(instruction.line)].busy +=
                profile.timeline.busyEnd[index] - profile.timeline.start[index]
        }
        func line(of instruction: UInt32) -> Int? {
            instruction < program.instructions.count
                ? Int(program.instructions[Int(instruction)].line) : nil
        }
        for segment in profile.timeline.segments {
            guard let line = line(of: segment.instruction) else { continue }
            lines[line].moving += segment.end - segment.start
        }
        for stall in profile.stalls
        where stall.unit < .firstDMA && stall.reason != .programEnd {
            if let victim = line(of: stall.victim) { lines[victim].waited += stall.duration }
            if let culprit = line(of: stall.culprit) { lines[culprit].caused += stall.duration }
        }
        for step in profile.criticalPath {
            guard let line = line(of: step.instruction) else { continue }
            lines[line].critical += step.end - step.start
        }
        return lines.filter { $0.count > 0 }.sorted {
            ($0.critical, $0.busy, $1.line) > ($1.critical, $1.busy, $0.line)
        }
    }
}
