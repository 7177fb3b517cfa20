import KapokInference
import KapokInferenceSimulation
import Testing

@Suite("KV transfer: simulation")
struct TransferSweepTests {
    @Test("seeds with lost, silent, corrupt and repeated traffic and lost hosts: nothing leaks")
    func sweep() {
        var counts = TransferSweepCounts()
        for seed in 1...6 as ClosedRange<UInt64> {
            let result = TransferSweep.run(seed: seed)
            #expect(result.violation == nil, "seed \(seed)")
            counts.add(result.counts)
        }
        // The sweep meets what it is meant to meet.
        #expect(counts.ends[.complete, default: 0] > 100)
        #expect(counts.pulledTokens < counts.wantedTokens)
        #expect(counts.corrupted > 0 && counts.foundCorrupt > 0)
        #expect(counts.cuts > 0 && counts.blackHoles > 0 && counts.crashes > 0)
        #expect(counts.duplicates > 0 && counts.secondAttempts > 0 && counts.expired > 0)
    }

    @Test("equal seeds give equal runs")
    func deterministic() {
        let first = TransferSweep.run(seed: 3)
        let second = TransferSweep.run(seed: 3)
        #expect(first.traceHash == second.traceHash)
        #expect(first.counts == second.counts)
        #expect(first.traceHash != TransferSweep.run(seed: 4).traceHash)
    }

    /// Which seeds show it, found by sweeping.
    static let exposing: [(TransferDefect, UInt64)] = [
        (.acceptAnyDigest, 2), (.serveOtherTransfer, 1), (.writeTwice, 2), (.countBehindGap, 2),
        (.keepWriting, 4), (.waitForEver, 35), (.keepAfterClose, 1), (.leasesForEver, 1),
        (.releaseWhileSending, 1), (.reportTwice, 1),
    ]

    @Test("each deliberate mistake is found", arguments: exposing)
    func defects(_ defect: TransferDefect, _ seed: UInt64) {
        #expect(TransferSweep.run(seed: seed, defect: defect).violation != nil)
    }

    @Test("no deliberate mistake is left out")
    func allDefects() {
        #expect(Set(Self.exposing.map(\.0)) == Set(TransferDefect.allCases))
    }
}
