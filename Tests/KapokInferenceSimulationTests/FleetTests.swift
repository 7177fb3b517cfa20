@testable import KapokInference
@testable import KapokInferenceSimulation
import KapokWorld
import Testing

@Suite struct FleetTests {
    /// Steps of 1 ms, 0.1 ms a token, 0.2 ms a row of logits, 10 ns a key of a prompt's token and
    /// 50 ns one of a sequence that decodes.
    private func seconds(_ step: StepSample) -> Double {
        0.001 + 0.0001 * Double(step.prefillTokens + step.decodeTokens)
            + 0.0002 * Double(step.logitRows) + 1e-8 * Double(step.prefillKeys)
            + 5e-8 * Double(step.decodeKeys)
    }

    private func samples(_ executor: String, slowdown: Double = 1) -> [StepSample] {
        var random = RandomStream(seed: 5)
        return (0..<800).map { index in
            var sample = StepSample(executor: executor)
            if index % 2 == 0 {
                for _ in 0...random.below(8) {
                    sample.add(count: 1, start: random.below(1000), logits: 1, isDecode: true)
                }
            } else {
                let count = 1 + random.below(500)
                sample.add(
                    count: count, start: random.below(500), logits: random.below(2),
                    isDecode: false)
            }
            let alone = seconds(sample)
            let overlaps = random.chance(1, in: 2)
            sample.nanoseconds = UInt64(alone * (overlaps ? slowdown : 1) * 1e9)
            sample.overlapNanoseconds = overlaps && slowdown > 1 ? sample.nanoseconds : 0
            sample.gapNanoseconds = 50_000
            return sample
        }
    }

    private func costs() throws -> StepCostModel { try StepCostModel(fitting: samples("both")) }

    private func fleet(_ pools: [FleetConfiguration.Pool]) -> FleetConfiguration {
        FleetConfiguration(pools: pools, pageBytes: 100_000)
    }

    private func pool(
        _ role: EngineRole, _ machines: Int, _ costs: StepCostModel
    ) -> FleetConfiguration.Pool {
        var scheduler = SchedulerConfiguration(pages: 2000, contextLimit: 4096)
        if role == .decode { scheduler.pullThreshold = 64 }
        return .init(role: role, machines: machines, scheduler: scheduler, costs: costs)
    }

    private let objectives = ServingObjectives(
        timeToFirstTokenMilliseconds: 500, timePerOutputTokenMilliseconds: 20)

    private func load(
        _ rate: Double, _ requests: Int, prompt: String = "uniform:20-400"
    ) throws -> ServingLoad {
        ServingLoad(
            .init(
                requestsPerSecond: rate, requests: requests,
                promptLength: try #require(LengthDistribution(prompt)),
                answerLength: .uniform(4...40)), seed: 3)
    }

    @Test("a fit finds the costs that made the steps")
    func fit() throws {
        let model = try costs()
        for (count, start, logits) in [(1, 100, 1), (300, 0, 1), (64, 700, 0)] {
            var step = StepSample(executor: "both")
            step.add(count: count, start: start, logits: logits, isDecode: count == 1)
            #expect(abs(model.seconds(step) / seconds(step) - 1) < 0.03)
        }
        let gap = try #require(model.executors["both"]?.gapSeconds.means.last)
        #expect(abs(gap - 5e-5) < 1e-9)
    }

    @Test("a fit finds how much executors of one machine slow each other down")
    func slowdown() throws {
        let model = try StepCostModel(fitting: samples("decode", slowdown: 1.4))
        let found = try #require(model.executors["decode"]?.slowdown)
        #expect(abs(found - 1.4) < 0.051)
    }

    @Test("a fit finds what share of a disturbance lasts, and how long")
    func persistence() throws {
        var random = RandomStream(seed: 11)
        var truth = StepPersistence()
        truth.share = 0.6
        truth.seconds = 0.2
        var disturbance = StepDisturbance()
        let steps = (0..<20_000).map { index in
            (
                point: disturbance.next(truth, after: 0.004, &random),
                seconds: Double(index) * 0.004
            )
        }
        let found = StepPersistence(fitting: steps)
        #expect(abs(found.share - 0.6) < 0.06)
        #expect(abs(found.seconds / 0.2 - 1) < 0.2)
        // Evenly spread over all places, or the residuals' distribution would be bent.
        for tenth in 1..<10 {
            let below = steps.count { $0.point < Double(tenth) / 10 }
            #expect(abs(below - tenth * 2000) < 600)
        }
        let alone = steps.map { (point: random.unit(), seconds: $0.seconds) }
        #expect(StepPersistence(fitting: alone).share < 0.05)
    }

    @Test("lasting disturbances leave the mean length of steps as it was")
    func meanLength() throws {
        var random = RandomStream(seed: 21)
        var disturbance = StepDisturbance()
        var truth = StepPersistence()
        truth.share = 0.7
        truth.seconds = 0.3
        let logged = samples("both").filter { $0.prefillTokens == 0 } + samples("both")
        let disturbed = logged.map { sample in
            var sample = sample
            let alone = seconds(sample)
            let factor = 0.6 + 0.8 * disturbance.next(truth, after: alone, &random)
            sample.nanoseconds = UInt64(alone * factor * 1e9)
            return sample
        }
        let model = try StepCostModel(fitting: disturbed)
        var ratios: [Double] = []
        for seed in 1...UInt64(8) {
            _ = try FleetSimulation(
                fleet([pool(.alone, 1, model)]), load: load(8, 60), objectives: objectives,
                seed: seed,
                onStep: { ratios.append(Double($1.nanoseconds) / 1e9 / self.seconds($1)) }
            ).run()
        }
        let real = disturbed.reduce(0) { $0 + Double($1.nanoseconds) / 1e9 / seconds($1) }
        let mean = ratios.reduce(0, +) / Double(ratios.count)
        #expect(abs(mean / (real / Double(disturbed.count)) - 1) < 0.04)
    }

    @Test("residuals of short steps are not drawn for long ones")
    func residuals() {
        var pairs: [StepResiduals.Pair] = []
        for index in 0..<400 {
            let disturbance = Double(index % 20) / 20
            pairs.append((0.002, 0.002 * (1 + disturbance)))
            pairs.append((0.1, 0.1 * (1.2 + disturbance / 10)))
        }
        let residuals = StepResiduals(pairs)
        #expect(residuals.bounds.count + 1 == residuals.classes.count)
        #expect(abs(residuals.draw(0.002, 0.5) - 1.5) < 0.06)
        #expect(abs(residuals.draw(0.1, 0.5) - 1.25) < 0.01)
        #expect(abs(residuals.point(0.1, 0.125) - 0.5) < 0.06)
        #expect(StepResiduals([]).draw(1, 0.3) == 1)
    }

    @Test("one very long step does not make the mean of all longer than it was")
    func evenParts() {
        let values = (0..<1000).map { $0 == 700 ? 1000 : 1 + Double($0 % 7) }
        let parts = EvenParts(values)
        let mean = values.reduce(0, +) / 1000
        #expect(abs(parts.means.reduce(0, +) / Double(parts.means.count) - mean) < 1e-9)
        #expect(parts.value(at: 0) == 1)
        #expect(parts.value(at: 0.999).map { $0 > 100 } == true)
        #expect(abs(parts.point(of: 4) - 0.43) < 0.02)
        #expect(EvenParts([]).value(at: 0.5) == nil)
        #expect(EvenParts([3]).value(at: 1) == 3)
    }

    @Test("the simulated step log holds every token, in steps of the logged length")
    func stepLog() throws {
        let load = try load(20, 40)
        var steps: [StepSample] = []
        let (report, _) = try FleetSimulation(
            fleet([pool(.alone, 1, costs())]), load: load, objectives: objectives, seed: 1,
            onStep: { steps.append($1) }
        ).run()
        #expect(
            steps.reduce(0) { $0 + $1.prefillTokens } + report.cachedTokens
                == load.arrivals.reduce(0) { $0 + $1.promptTokens })
        #expect(
            steps.reduce(0) { $0 + $1.decodeTokens }
                == load.arrivals.reduce(0) { $0 + $1.newTokens - 1 })
        let model = try costs()
        for step in steps {
            #expect(abs(Double(step.nanoseconds) / 1e9 - model.seconds(step) - 5e-5) < 3e-4)
        }
    }

    @Test("loads taken together keep every request")
    func pooling() throws {
        let runs = try [1, 2].map { seed in
            try FleetSimulation(
                fleet([pool(.alone, 1, costs())]), load: load(10, 30), objectives: objectives,
                seed: seed
            ).run()
        }
        let pooled = FleetReport(pooling: runs, objectives: objectives)
        #expect(pooled.requests == 60)
        #expect(pooled.seconds == runs[0].report.seconds + runs[1].report.seconds)
        #expect(
            pooled.timeToFirstToken.maximum
                == max(
                    runs[0].report.timeToFirstToken.maximum,
                    runs[1].report.timeToFirstToken.maximum))
        #expect(pooled.traceHash != runs[0].report.traceHash)
    }

    @Test("a fit finds what lies between clients and the engine, queues or not")
    func requests() throws {
        let header = StepLogHeader(
            SchedulerConfiguration(pages: 2000, contextLimit: 4096), model: "m", threads: 1,
            pageBytes: 100_000)
        var truth = FleetCosts(engine: header, costs: try costs())
        truth.costs.requestSeconds = 0.004
        truth.costs.requestSecondsPerToken = 2e-5
        let observed = try [2.0, 9].map { rate in
            let load = try load(rate, 200)
            let records = try FleetSimulation(
                fleet([truth.pool(.alone, machines: 1)]), load: load, objectives: objectives,
                seed: 99
            ).run().records
            return FleetCosts.ObservedLoad(
                load: load, timesToFirstToken: records.map(\.timeToFirstToken))
        }
        var found = FleetCosts(engine: header, costs: try costs())
        try found.fitRequests(observed, seed: 1)
        for tokens in [20.0, 200, 400] {
            let wanted = 0.004 + 2e-5 * tokens
            let fitted =
                found.costs.requestSeconds + found.costs.requestSecondsPerToken * tokens
            #expect(abs(fitted - wanted) < 0.001)
        }
        // Nothing was seen: nothing is added.
        try found.fitRequests([], seed: 1)
        #expect(found.costs.requestSeconds == 0 && found.costs.requestSecondsPerToken == 0)
    }

    @Test("the tokens before a request are those of its window alone")
    func preceding() {
        let load = ServingLoad(
            arrivals: [(0, 10), (1, 20), (1.5, 40), (3.2, 80)].map {
                .init(seconds: $0.0, promptTokens: $0.1, newTokens: 1)
            })
        #expect(load.precedingTokens(within: 2) == [0, 11, 32, 41])
    }

    @Test("too few steps make no model")
    func tooFew() {
        #expect(throws: CostFitError.self) {
            try StepCostModel(fitting: Array(samples("both").prefix(10)))
        }
        #expect(throws: CostFitError.self) { try StepCostModel(fitting: []) }
    }

    @Test("a lone request takes what its steps take")
    func loneRequest() throws {
        let load = ServingLoad(arrivals: [.init(seconds: 1, promptTokens: 100, newTokens: 11)])
        let (report, records) = try FleetSimulation(
            fleet([pool(.alone, 1, costs())]), load: load, objectives: objectives, seed: 1
        ).run()
        var first = StepSample(executor: "both")
        first.add(count: 100, start: 0, logits: 1, isDecode: false)
        let expected = seconds(first) + 5e-5
        #expect(abs((records[0].timeToFirstToken ?? 0) / expected - 1) < 0.05)
        #expect(records[0].gaps.count == 10)
        #expect(report.goodShare == 1)
    }

    @Test("equal seeds give equal traces; every token arrives once")
    func replay() throws {
        let load = try load(40, 120)
        func run(_ seed: UInt64) throws -> (report: FleetReport, records: [FleetReport.Record]) {
            try FleetSimulation(
                fleet([pool(.prefill, 1, costs()), pool(.decode, 2, costs())]), load: load,
                objectives: objectives, seed: seed
            ).run()
        }
        let first = try run(1)
        #expect(try run(1).report.traceHash == first.report.traceHash)
        #expect(try run(2).report.traceHash != first.report.traceHash)
        #expect(first.report.pulledTokens > 0)
        for (record, arrival) in zip(first.records, load.arrivals) {
            #expect(record.gaps.count + 1 == arrival.newTokens)
        }
    }

    @Test("prefill on machines of its own shortens the longest waits between tokens")
    func disaggregation() throws {
        let load = try load(12, 150, prompt: "30x0.7+1500x0.3")
        let together = try FleetSimulation(
            fleet([pool(.alone, 2, costs())]), load: load, objectives: objectives, seed: 1
        ).run().report
        let apart = try FleetSimulation(
            fleet([pool(.prefill, 1, costs()), pool(.decode, 1, costs())]), load: load,
            objectives: objectives, seed: 1
        ).run().report
        #expect(apart.interTokenLatency.p99 < together.interTokenLatency.p99 / 2)
    }

    @Test("prompts that begin alike find their pages, more so where they meet")
    func affinity() throws {
        var shape = ServingLoad.Shape(
            requestsPerSecond: 20, requests: 100, promptLength: .constant(400),
            answerLength: .constant(4))
        shape.prefixGroups = 4
        shape.prefixTokens = 320
        let load = ServingLoad(shape, seed: 3)
        var fleet = fleet([pool(.alone, 4, try costs())])
        func cached(_ routing: FleetConfiguration.Routing) throws -> Int {
            fleet.routing = routing
            return try FleetSimulation(fleet, load: load, objectives: objectives, seed: 1)
                .run().report.cachedTokens
        }
        let scattered = try cached(.roundRobin)
        #expect(scattered > 0)
        #expect(try cached(.prefixAffinity) > scattered)
    }

    @Test("a fleet that cannot serve is refused with its reason")
    func faults() throws {
        let load = try load(1, 1)
        for pools in [
            [], [pool(.prefill, 1, try costs())], [pool(.decode, 1, try costs())],
            [pool(.alone, -1, try costs())],
        ] {
            #expect(throws: FleetError.self) {
                _ = try FleetSimulation(
                    fleet(pools), load: load, objectives: objectives, seed: 1
                ).run()
            }
        }
    }
}
