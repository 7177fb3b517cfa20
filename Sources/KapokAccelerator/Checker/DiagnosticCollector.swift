/// Collects diagnostics of one program: joins those of the same rule and source lines, and bounds
/// their number.
struct DiagnosticCollector {
    /// Of one rule, at most so many are kept; of the others only the number.
    static let maximumPerRule = 64

    private let program: Program
    private(set) var all: [Diagnostic] = []
    private var places: [Key: Int] = [:]
    private var kept: [Diagnostic.Rule: Int] = [:]
    private var omitted: [Diagnostic.Rule: (count: Int, severity: Diagnostic.Severity)] = [:]

    private struct Key: Hashable {
        var rule: Diagnostic.Rule
        var severity: Diagnostic.Severity
        var kind: Int
        var lines: [UInt32]
    }

    init(_ program: Program) { self.program = program }

    /// The source line of an instruction; nil when unknown or out of range.
    func line(of instruction: Int) -> SourceLine? {
        let index = Int(program.instructions[instruction].line)
        return index > 0 && index < program.lines.count ? program.lines[index] : nil
    }

    /// `tensorCopy #12 (vector)`: an instruction in a sentence.
    func name(of instruction: Int) -> String {
        let one = program.instructions[instruction]
        return "\(one.opcode.name) #\(instruction) (\(one.engine.name))"
    }

    /// Adds what is wrong with an instruction.
    ///
    /// - Parameters:
    ///   - kind: tells faults of one rule apart, so that only equal ones are joined.
    ///   - related: other instructions, each with its role.
    mutating func add(
        _ severity: Diagnostic.Severity, _ rule: Diagnostic.Rule, at instruction: Int,
        kind: Int = 0, related: [(instruction: Int, role: String)] = [],
        _ problem: @autoclosure () -> String, why: @autoclosure () -> String,
        remedy: @autoclosure () -> String
    ) {
        let lines =
            [program.instructions[instruction].line]
            + related.map { program.instructions[$0.instruction].line }
        let key = Key(rule: rule, severity: severity, kind: kind, lines: lines)
        if !lines.contains(0), let place = places[key] {
            all[place].occurrences += 1
            return
        }
        guard kept[rule, default: 0] < Self.maximumPerRule else {
            omitted[rule, default: (0, severity)].count += 1
            if let known = omitted[rule], known.severity < severity {
                omitted[rule]?.severity = severity
            }
            return
        }
        kept[rule, default: 0] += 1
        places[key] = all.count
        all.append(
            Diagnostic(
                severity, rule, instruction: instruction, line: line(of: instruction),
                problem: "\(name(of: instruction)) \(problem())", reason: why(),
                remedy: remedy(),
                related: related.map {
                    Diagnostic.Related(
                        instruction: $0.instruction, line: line(of: $0.instruction), role: $0.role)
                }))
    }

    /// Adds what is wrong with the program as a whole.
    mutating func addWhole(
        _ severity: Diagnostic.Severity, _ rule: Diagnostic.Rule, _ problem: String, why: String,
        remedy: String
    ) {
        all.append(
            Diagnostic(
                severity, rule, instruction: nil, line: nil, problem: problem, reason: why,
                remedy: remedy))
    }

    /// All diagnostics, the worst first, then in program order; last the numbers of those left out.
    func sorted() -> [Diagnostic] {
        var result = all.enumerated().sorted { a, b in
            let first = (a.element.severity, -(a.element.instruction ?? -1), -a.offset)
            let second = (b.element.severity, -(b.element.instruction ?? -1), -b.offset)
            return first > second
        }.map(\.element)
        for rule in Diagnostic.Rule.allCases {
            guard let left = omitted[rule] else { continue }
            result.append(
                Diagnostic(
                    left.severity, rule, instruction: nil, line: nil,
                    problem: "\(left.count) more of rule \(rule.rawValue) are not listed",
                    reason: "at most \(Self.maximumPerRule) of each rule are",
                    remedy: "mend those that are listed and check again"))
        }
        return result
    }
}
