import Testing

@testable import KapokAccelerator

@Suite("Sums that reports show")
struct ReportSummaryTests {
    private let profile = ReportFixture.profile(count: 400, seed: 7)

    @Test("each engine's active and idle time is the makespan, for all DMA engines together too")
    func closes() {
        let engines = EngineSummary.all(of: profile)
        #expect(engines.count == Unit.engineUnitCount + profile.machine.dmaEngines + 1)
        for engine in engines {
            #expect(
                engine.active + engine.idle == profile.timeline.makespan, "\(engine.name)")
        }
    }

    @Test("names and order: the unit that multiplies is `tensor`, `dma` stands before its engines")
    func names() {
        let names = EngineSummary.all(of: profile).map(\.name)
        #expect(
            names.prefix(8) == [
                "tensor", "tensorLoad", "vector", "scalar", "gpsimd", "sync", "dma", "dma0",
            ])
        #expect(names.last == "dma15")
    }

    @Test("`dma` is active in exactly the ticks in which a DMA engine moves data")
    func anyDMA() throws {
        var isActive = [Bool](repeating: false, count: Int(profile.timeline.makespan))
        for segment in profile.timeline.segments {
            for tick in segment.start..<segment.end { isActive[Int(tick)] = true }
        }
        let dma = try #require(EngineSummary.all(of: profile).first { $0.name == "dma" })
        #expect(dma.active == Int64(isActive.count { $0 }))
        #expect(dma.active > 0 && dma.idle > 0)
    }

    @Test("a program without transfers leaves `dma` idle from its start to its end")
    func noTransfers() throws {
        var quiet = ReportFixture.profile(count: 0)
        quiet.timeline.makespan = 1000
        quiet.stalls = quiet.units.map {
            Stall(
                unit: $0.unit, reason: .programEnd, start: 0, end: 1000, culprit: 0,
                victim: Stall.none)
        }
        let dma = try #require(EngineSummary.all(of: quiet).first { $0.name == "dma" })
        #expect(dma.active == 0)
        #expect(dma.stalled[Int(StallReason.programEnd.rawValue)] == 1000)
    }

    @Test("causes hold every idle tick but those after a unit's last instruction")
    func causes() {
        let causes = CauseSummary.all(of: profile)
        let stalls = profile.stalls.filter { $0.reason != .programEnd }
        #expect(causes.reduce(0) { $0 + $1.ticks } == stalls.reduce(0) { $0 + $1.duration })
        #expect(causes.reduce(0) { $0 + $1.count } == stalls.count)
        #expect(causes.map(\.ticks) == causes.map(\.ticks).sorted(by: >))
        for cause in causes {
            let culprit = profile.program.instructions[Int(cause.example)]
            #expect(culprit.opcode == cause.opcode && culprit.line == cause.line)
        }
    }

    @Test("lines stand in order of their share of the critical path, which adds up to the run")
    func lines() {
        let lines = profile.linesByCost()
        let shares = lines.map(\.usage.criticalTicks)
        #expect(shares == shares.sorted(by: >) && lines.count > 5)
        #expect(shares.reduce(0, +) == profile.timeline.makespan)
        #expect(lines.reduce(0) { $0 + $1.usage.count } == profile.program.instructions.count)
        #expect(
            lines.reduce(0) { $0 + $1.usage.moving }
                == profile.timeline.segments.reduce(0) { $0 + $1.end - $1.start })
        #expect(profile.place(ofLine: 3) == "Kernels/Fixture, \"quoted\".swift:3")
        #expect(profile.place(ofLine: 0) == nil && profile.place(ofLine: 99) == nil)
    }

    @Test("the critical path's kinds and its parts both add up to the makespan")
    func criticalPath() {
        let summary = CriticalPathSummary(profile)
        #expect(summary.ticksByKind.reduce(0, +) == profile.timeline.makespan)
        #expect(summary.parts.reduce(0) { $0 + $1.ticks } == profile.timeline.makespan)
        #expect(summary.parts.reduce(0) { $0 + $1.count } == profile.criticalPath.count)
    }

    @Test("no bound of a unit is longer than the run; the largest stands first")
    func bounds() {
        let bounds = BoundSummary.all(of: profile)
        #expect(bounds.allSatisfy { $0.ticks <= profile.timeline.makespan })
        #expect(bounds.map(\.ticks) == bounds.map(\.ticks).sorted(by: >))
        #expect(bounds.first?.ticks == profile.units.prefix(6).map(\.busy).max())
    }

    @Test("waits are named by the compiler's record, and without one by the semaphores")
    func edges() {
        let recorded = DependenceEdges(profile.program)
        #expect(recorded.edges.count == profile.program.waitReasons.count)
        let consumer = profile.program.waitReasons[10].consumer
        #expect(
            recorded.producers(of: Int(consumer)).map(\.producer)
                == [profile.program.waitReasons[10].producer])

        var program = Program(name: "by hand", machine: "trn2")
        var signalling = Instruction(.tensorCopy, on: .vector)
        signalling.signal = 2
        signalling.signalAmount = 2
        var waiting = Instruction(.activation, on: .scalar)
        waiting.wait1 = SemaphoreWait(semaphore: 2, value: 3, kind: .anti)
        var satisfied = Instruction(.activation, on: .scalar)
        satisfied.wait0 = SemaphoreWait(semaphore: 2, value: 0)
        program.instructions = [signalling, signalling, signalling, waiting, satisfied]
        #expect(
            DependenceEdges(program).edges
                == [DependenceEdges.Edge(producer: 1, consumer: 3, kind: .anti)])
    }
}
