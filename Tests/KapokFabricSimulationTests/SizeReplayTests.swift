import KapokFabric
import KapokFabricSimulation
import KapokWorld
import Testing

@Suite("Replays, the planner and the oracle of the simulator at size")
struct SizeReplayTests {
    @Test("the same seed gives the same run on any machine, in debug and release")
    func replay() throws {
        let first = try SizeFixtures.run("planes:2,k6", count: 60, seed: 7, mode: .rates)
        let second = try SizeFixtures.run("planes:2,k6", count: 60, seed: 7, mode: .rates)
        #expect(first.traceHash == second.traceHash)
        #expect(first.traceHash == Self.knownHash)
        let other = try SizeFixtures.run("planes:2,k6", count: 60, seed: 8, mode: .rates)
        #expect(first.traceHash != other.traceHash)
    }

    /// Of the run above, as computed by a release build; it changes with the model only.
    static let knownHash = "82cf5b2e1b59c82f"

    @Test("without the planner everything happens as with it, to the nanosecond")
    func plannerGone() throws {
        for mode in FailureSchedule.Mode.allCases {
            var gone = SizeOptions()
            gone.hasPlanner = false
            let with = try SizeFixtures.run("k8", count: 20, seed: 2, mode: mode)
            let without = try SizeFixtures.run("k8", count: 20, seed: 2, mode: mode, gone)
            #expect(with.detail("planMessages") > 0)
            #expect(without.detail("planMessages") == 0)
            #expect(with.traceHash == without.traceHash)
            #expect(with.repairSamples == without.repairSamples)
            #expect(with.optimalSamples == without.optimalSamples)
            #expect(with.messages == without.messages)
        }
    }

    @Test("the oracle notices a flood that ends one hop short")
    func oneHopShort() throws {
        var options = SizeOptions()
        options.defect = .floodOneHopShort
        let report = try SizeFixtures.run("k8", count: 20, options)
        #expect(report.detail("oracleFailures") > 0)
        #expect(report.notes.first?.contains("shortest path") == true)
        let graph = try SizeFixtures.run("ab:8", count: 20, options)
        #expect(graph.detail("untold") > 0)
    }

    @Test("the oracle notices that a single copy does not survive the loss of its relay")
    func singleCopy() throws {
        guard case .clos(let clos) = try SizeFixtures.fabric("k6") else { return }
        // Core 1 of plane 0 brings copy 0 to pod 1: without the link between them pod 1 is not
        // told.
        let events = [
            SizeFixtures.cut(
                clos.upperLink(plane: 0, pod: 1, aggregation: 0, core: 1).index,
                at: SizeFixtures.second(1), for: 100),
            SizeFixtures.cut(
                clos.lowerLink(plane: 0, pod: 0, edge: 1, aggregation: 0).index,
                at: SizeFixtures.second(20), for: 30),
        ]
        var options = SizeOptions()
        options.oracleWalks = 2_000
        #expect(try SizeFixtures.run(.clos(clos), events, options).detail("untold") == 0)
        options.defect = .singleCopy
        var found = 0
        for seed in 1...12 {
            found += try SizeFixtures.run(.clos(clos), events, seed: UInt64(seed), options)
                .detail("oracleFailures")
        }
        #expect(found > 0)
    }

    @Test("the oracle notices a switch that goes on using its dead link")
    func noLocalRepair() throws {
        var options = SizeOptions()
        options.defect = .noLocalRepair
        let report = try SizeFixtures.run("k8", count: 20, options)
        #expect(report.detail("oracleFailures") > 0)
        #expect(report.notes.first?.contains("was lost on") == true)
    }
}
