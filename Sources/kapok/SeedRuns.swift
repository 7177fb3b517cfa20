import ArgumentParser
import Foundation
import KapokSimulation

/// Runs seeds of a simulation, `jobs` at a time (by default as many as there are cores), and hands
/// over the results in the order of the seeds.
func runSeeds<Outcome: Sendable>(
    _ seeds: Range<UInt64>, jobs: Int?,
    run: @escaping @Sendable (UInt64) throws -> Outcome, body: (Outcome) -> Void
) async throws {
    let width = UInt64(jobs ?? max(1, ProcessInfo.processInfo.activeProcessorCount))
    try await withThrowingTaskGroup(of: (UInt64, Outcome).self) { group in
        var next = seeds.lowerBound
        var wanted = seeds.lowerBound
        // One slow seed holds the others' results back, and no more than these many.
        let window = width * 16
        var early: [UInt64: Outcome] = [:]
        var running: UInt64 = 0
        while wanted < seeds.upperBound {
            while next < seeds.upperBound, running < width, next - wanted < window {
                let seed = next
                group.addTask { (seed, try run(seed)) }
                next += 1
                running += 1
            }
            guard let (seed, outcome) = try await group.next() else { break }
            running -= 1
            early[seed] = outcome
            while let outcome = early.removeValue(forKey: wanted) {
                body(outcome)
                wanted += 1
            }
        }
    }
}

/// A number in sixteen hexadecimal digits, as trace hashes are printed.
func hexadecimal(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}

/// What one seed of a simulation came to.
protocol SeedResult: Sendable {
    var seed: UInt64 { get }
    var steps: UInt64 { get }
    var traceHash: UInt64 { get }
    /// What the oracle found; nil when all was well.
    var violation: String? { get }
    var summary: String { get }
    /// What was counted besides, by name, in the order in which it is shown.
    var named: [(name: String, count: Int)] { get }
}

/// Which seeds to run, and how to print what they came to.
struct SeedOptions: ParsableArguments {
    @Option(help: "How many seeds to run.")
    var seeds: UInt64 = 100
    @Option(help: "The first seed.")
    var from: UInt64 = 1
    @Option(help: "How many seeds to run at a time. (default: the number of cores)")
    var jobs: Int?
    @Flag(help: "Print one JSON object.")
    var json = false
    @Flag(help: "Print seed and trace hash, one line for each seed.")
    var printHashes = false

    func validate() throws {
        guard seeds >= 1, from <= UInt64.max - seeds else {
            throw ValidationError("--seeds is at least 1, and --from leaves room for them")
        }
        guard jobs.map({ (1...1024).contains($0) }) ?? true else {
            throw ValidationError("--jobs is between 1 and 1024")
        }
    }

    /// Runs the seeds and prints what they came to; exit code 1 when an oracle found a violation.
    func run<Outcome: SeedResult>(
        scenario: String, defect: String?,
        _ run: @escaping @Sendable (UInt64) throws -> Outcome
    ) async throws {
        // What to type to see a seed's run again.
        let replay = { (seed: UInt64) in
            let line = ReplayLine(seed: seed, commit: nil, scenario: scenario)
            return "\(line)" + (defect.map { " --defect \($0)" } ?? "")
        }
        let began = ContinuousClock.now
        var tally = SeedTally<Outcome>()
        try await runSeeds(from..<from + seeds, jobs: jobs, run: run) { result in
            tally.add(result)
            if printHashes, !json { print("\(result.seed) \(hexadecimal(result.traceHash))") }
            if let violation = result.violation, !json {
                TerminalLine.clear()
                print("seed \(result.seed): \(violation)\n  \(result.summary)")
                print("  \(replay(result.seed))")
            }
            TerminalLine.show(
                "\(tally.seeds) of \(seeds) seeds, \(tally.failures.count) violations")
        }
        TerminalLine.clear()
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        print(json ? try tally.json(seconds: seconds, replay) : tally.text(seconds: seconds))
        if !tally.failures.isEmpty { throw ExitCode(1) }
    }
}

/// What all seeds together came to.
private struct SeedTally<Outcome: SeedResult> {
    var seeds: UInt64 = 0
    var events: UInt64 = 0
    var counts: [(name: String, count: Int)] = []
    var failures: [Outcome] = []
    /// Over seeds and hashes, in order of seeds.
    var trace = TraceHash()

    mutating func add(_ result: Outcome) {
        seeds += 1
        events += result.steps
        let named = result.named
        if counts.isEmpty { counts = named.map { ($0.name, 0) } }
        for index in named.indices { counts[index].count += named[index].count }
        trace.mix(result.seed)
        trace.mix(result.traceHash)
        if result.violation != nil { failures.append(result) }
    }

    func text(seconds: Double) -> String {
        let rows =
            [("seeds", "\(seeds)"), ("violations", "\(failures.count)")]
            + counts.map { ($0.name, "\($0.count)") } + [
                ("events", "\(events)"),
                ("events/s", "\(Int(Double(events) / max(seconds, 1e-9)))"),
                ("trace hash", hexadecimal(trace.value)),
            ]
        return TextTable(rows: rows.map { [$0.0, $0.1] }).text
    }

    func json(seconds: Double, _ replay: (UInt64) -> String) throws -> String {
        let document = SeedDocument(
            seeds: seeds,
            violations: failures.map {
                SeedDocument.Violation(
                    seed: $0.seed, violation: $0.violation ?? "", summary: $0.summary,
                    replay: replay($0.seed))
            },
            counts: counts, events: events, eventsPerSecond: Double(events) / max(seconds, 1e-9),
            seconds: seconds, traceHash: hexadecimal(trace.value))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}

/// The JSON object that a sweep of seeds prints; counts stand beside the other keys.
private struct SeedDocument: Encodable {
    struct Violation: Encodable {
        var seed: UInt64
        var violation: String
        var summary: String
        var replay: String
    }

    struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { nil }
    }

    var seeds: UInt64
    var violations: [Violation]
    var counts: [(name: String, count: Int)]
    var events: UInt64
    var eventsPerSecond: Double
    var seconds: Double
    var traceHash: String

    func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        try object.encode(seeds, forKey: Key("seeds"))
        try object.encode(violations, forKey: Key("violations"))
        for count in counts { try object.encode(count.count, forKey: Key(count.name)) }
        try object.encode(events, forKey: Key("events"))
        try object.encode(eventsPerSecond, forKey: Key("eventsPerSecond"))
        try object.encode(seconds, forKey: Key("seconds"))
        try object.encode(traceHash, forKey: Key("traceHash"))
    }
}
