import Foundation

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
