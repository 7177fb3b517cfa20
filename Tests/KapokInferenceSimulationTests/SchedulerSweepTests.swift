import KapokInference
import KapokInferenceSimulation
import KapokSimulation
import Testing

@Suite("The scheduler under the faults of many seeds")
struct SchedulerSweepTests {
    @Test("no seed leaks a page, loses or repeats a token, or lets anybody starve")
    func seeds() {
        var counts = SchedulerSweepCounts()
        for seed in 1...60 as ClosedRange<UInt64> {
            let result = SchedulerSweep.run(seed: seed)
            let replay = ReplayLine(seed: seed, commit: nil, scenario: "serve")
            #expect(result.violation == nil, "\(replay)\n\(result.summary)")
            counts.completed += result.counts.completed
            counts.preemptions += result.counts.preemptions
            counts.pulls += result.counts.pulls
            counts.faults += result.counts.faults
            counts.sharedTokens += result.counts.sharedTokens
        }
        // The sweep is worth something only as long as these things happen in it.
        #expect(counts.completed > 500)
        #expect(counts.preemptions > 10)
        #expect(counts.pulls > 50)
        #expect(counts.faults > 20)
        #expect(counts.sharedTokens > 1_000)
    }

    @Test("seeds run as in the release build, event by event")
    func golden() throws {
        for line in Self.hashes.split(separator: "\n") {
            let parts = line.split(separator: " ")
            let seed = try #require(UInt64(parts[0]))
            let hash = try #require(UInt64(parts[1], radix: 16))
            #expect(SchedulerSweep.run(seed: seed).traceHash == hash, "seed \(seed)")
        }
    }

    @Test("deliberate mistakes are found within a few seeds", arguments: SchedulerDefect.allCases)
    func defects(defect: SchedulerDefect) {
        let found = (1...40 as ClosedRange<UInt64>).first {
            SchedulerSweep.run(seed: $0, defect: defect).violation != nil
        }
        #expect(found != nil, "\(defect.rawValue) was not found")
    }

    /// Printed by the release build: `kapok simulate serve --seeds 10 --print-hashes`. A change to
    /// what the scheduler or the sweep does changes them; then they are printed anew.
    private static let hashes = """
        1 7210fbe06cc27cf8
        2 c1239011425891d4
        3 c8d77c41411c0f54
        4 80b5a11793fdd389
        5 0aa6467145454c8d
        6 629b70a74e9076a1
        7 f08052167ed2b768
        8 ca691d31bb5dcdba
        9 12432979caadef17
        10 377cadc226a26e59
        """
}
