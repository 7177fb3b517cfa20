import Foundation
import KapokSimulation
import KapokStore
import KapokStoreSimulation
import Testing

@Suite("The store under simulation")
struct StoreSimulationTests {
    /// The seeds of a sweep, in runs that can go in parallel.
    private static let sweep: [ClosedRange<UInt64>] = {
        let wanted = ProcessInfo.processInfo.environment["KAPOK_SEEDS"].flatMap { UInt64($0) }
        let count = max(1, wanted ?? 150)
        let stride: UInt64 = 25
        return (0..<(count + stride - 1) / stride).map { part in
            part * stride + 1...min(count, (part + 1) * stride)
        }
    }()

    @Test("keeps its promises under the faults of every seed", arguments: sweep)
    func seeds(_ seeds: ClosedRange<UInt64>) throws {
        var acknowledged = 0
        for seed in seeds {
            let result = try StoreSimulation.run(seed: seed)
            expectNoViolation(result)
            acknowledged += result.counts.acknowledged
        }
        #expect(acknowledged > 0, "the seeds did no work")
    }

    /// Seeds at which the oracle once found a violation; each stays mended.
    private static let regressions: [UInt64] = [4424, 3563, 733, 984, 764, 921]

    @Test("stays mended at every seed that once failed", arguments: regressions)
    func regression(_ seed: UInt64) throws {
        expectNoViolation(try StoreSimulation.run(seed: seed))
    }

    @Test("runs a seed the same way twice", arguments: [1, 2, 77, 4424] as [UInt64])
    func repeatability(_ seed: UInt64) throws {
        let first = try StoreSimulation.run(seed: seed)
        let second = try StoreSimulation.run(seed: seed)
        #expect(first.traceHash == second.traceHash)
        #expect(first.steps == second.steps)
        #expect(first.counts == second.counts)
    }

    @Test("runs different seeds differently")
    func difference() throws {
        let hashes = try (1...20).map { try StoreSimulation.run(seed: $0).traceHash }
        #expect(Set(hashes).count == hashes.count)
    }

    @Test("leaves the same trace as the release build")
    func goldenTraces() throws {
        let golden = try GoldenTraces.hashes
        #expect(golden.map(\.seed) == Array(1...20))
        for (seed, hash) in golden {
            let result = try StoreSimulation.run(seed: seed)
            #expect(result.traceHash == hash, "seed \(seed)")
        }
    }

    @Test(
        "notices each deliberate mistake in a few seeds, and nothing at that seed without it",
        arguments: StoreDefect.allCases)
    func defect(_ defect: StoreDefect) throws {
        let seed = try (1...60 as ClosedRange<UInt64>).first {
            try StoreSimulation.run(seed: $0, defect: defect).violation != nil
        }
        expectNoViolation(try StoreSimulation.run(seed: try #require(seed)))
    }

    private func expectNoViolation(_ result: StoreSimulationResult) {
        let replay = ReplayLine(seed: result.seed, commit: nil, scenario: "store")
        #expect(result.violation == nil, "\(replay)\n\(result.summary)")
    }
}
