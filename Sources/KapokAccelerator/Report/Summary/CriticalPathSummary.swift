/// The critical path added up: by what happened, and by where.
struct CriticalPathSummary: Hashable, Sendable {
    /// A part of the path.
    struct Part: Hashable, Sendable {
        /// What happened.
        var kind: CriticalStep.Kind
        /// The unit of the instruction (for transfers: the one that triggered it).
        var unit: Unit
        /// The opcode and source line (index) of the instruction.
        var opcode: Opcode
        var line: UInt32
        /// Steps, and their ticks.
        var count: Int
        var ticks: Int64
    }

    /// Ticks by kind, at index ``CriticalStep/Kind/rawValue``.
    var ticksByKind = [Int64](repeating: 0, count: CriticalStep.Kind.allCases.count)
    /// Parts of one kind, unit, opcode and line, the longest first.
    var parts: [Part] = []

    init(_ profile: Profile) {
        var places: [UInt64: Int] = [:]
        for step in profile.criticalPath
        where step.instruction < profile.program.instructions.count {
            let instruction = profile.program.instructions[Int(step.instruction)]
            let ticks = step.end - step.start
            ticksByKind[Int(step.kind.rawValue)] += ticks
            let key =
                UInt64(step.kind.rawValue) << 56 | UInt64(instruction.unit.rawValue) << 48
                | UInt64(instruction.opcode.rawValue) << 32 | UInt64(instruction.line)
            let place = places[key] ?? parts.count
            if place == parts.count {
                places[key] = place
                parts.append(
                    Part(
                        kind: step.kind, unit: instruction.unit, opcode: instruction.opcode,
                        line: instruction.line, count: 0, ticks: 0))
            }
            parts[place].count += 1
            parts[place].ticks += ticks
        }
        parts.sort { ($0.ticks, $1.line) > ($1.ticks, $0.line) }
    }
}

extension CriticalStep.Kind {
    /// The name in exports.
    var name: String { "\(self)" }
}
