public import KapokInference
import KapokModel
import KapokSimulation
import KapokWorld

/// Why a fleet could not be simulated.
public struct FleetError: Error, CustomStringConvertible {
    /// What is wrong and what to do.
    public let description: String
}

/// A load on a fleet: the scheduler that serves in earnest, in modelled time.
public struct FleetSimulation: ~Copyable {
    private enum Event {
        case arrival(Int)
        case submit(Int)
        case stepEnd(machine: Int, executor: Int, plan: UInt64)
        case timer(machine: Int, number: UInt64)
        /// Pages up to `tokens` tokens are at the decode role.
        case pulled(request: Int, tokens: Int)
    }

    /// A request on its way.
    private struct Progress {
        /// The machine that serves it, and the one that prefills for it.
        var machine = -1
        var prefillMachine: Int?
        var lastToken: Instant?
        var record: FleetReport.Record
    }

    /// Tokens of a simulated vocabulary.
    private static let vocabulary: UInt64 = 50_000
    /// Request numbers of prefills begin here.
    private static let prefillNumbers: UInt64 = 1 << 40

    private let configuration: FleetConfiguration
    private let load: ServingLoad
    private let objectives: ServingObjectives
    private var machines: [FleetMachine] = []
    private var requests: [Progress]
    private var queue = EventQueue<Event>()
    private var trace = TraceHash()
    private var nextMachine = 0
    private var now = Instant.zero
    private var lastEnd = Instant.zero
    private let seed: RandomStream
    /// Called at the end of each step with the machine's number and what a real one would log.
    private let onStep: (Int, StepSample) -> Void

    /// `load` on a fleet; equal seeds give equal reports.
    /// - Parameter onStep: called at the end of each step with the machine's number and a line of
    ///   a step log.
    public init(
        _ configuration: FleetConfiguration, load: ServingLoad, objectives: ServingObjectives,
        seed: UInt64, onStep: @escaping (Int, StepSample) -> Void = { _, _ in }
    ) throws(FleetError) {
        if let fault = configuration.fault { throw FleetError(description: fault) }
        self.configuration = configuration
        self.load = load
        self.onStep = onStep
        self.objectives = objectives
        self.seed = RandomStream(seed: seed)
        for pool in configuration.pools {
            for _ in 0..<pool.machines {
                let number = UInt64(machines.count)
                machines.append(
                    FleetMachine(pool, random: self.seed.split("machines").split(number)))
            }
        }
        requests = load.arrivals.indices.map {
            Progress(record: FleetReport.Record(index: $0))
        }
        for (index, arrival) in load.arrivals.enumerated() {
            queue.push(.arrival(index), at: Self.instant(arrival.seconds))
        }
    }

    /// Runs to the end of the last request.
    /// - Returns: the report, and each request's outcome.
    public consuming func run() -> (report: FleetReport, records: [FleetReport.Record]) {
        while let (time, event) = queue.pop() {
            now = time
            trace.mix(now)
            handle(event)
        }
        let begin = Self.instant(load.arrivals.first?.seconds ?? 0)
        let records = requests.map(\.record)
        let report = FleetReport(
            records, seconds: Double((lastEnd - begin).nanoseconds) / 1e9,
            objectives: objectives, traceHash: trace.value)
        return (report, records)
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .arrival(let index):
            let machine = route(load.arrivals[index])
            requests[index].machine = machine
            machines[machine].outstanding += tokens(index)
            let costs = machines[machine].costs
            let seconds =
                costs.requestSeconds
                + costs.requestSecondsPerToken * Double(load.arrivals[index].promptTokens)
            queue.push(.submit(index), at: now + Self.interval(seconds))
        case .submit(let index):
            give(.submit(request(index)), to: requests[index].machine)
        case .stepEnd(let machine, let executor, let plan):
            guard machines[machine].executors[executor].running?.plan == plan else { return }
            endStep(machine, executor)
        case .timer(let machine, let number):
            if machines[machine].timer == number { give(.timer, to: machine) }
        case .pulled(let index, let tokens):
            give(
                .pulled(RequestID(UInt64(index) + 1), tokens: tokens),
                to: requests[index].machine)
        }
    }

    // MARK: Requests

    private func tokens(_ index: Int) -> Int {
        load.arrivals[index].promptTokens + load.arrivals[index].newTokens
    }

    private func request(_ index: Int) -> ScheduledRequest {
        let arrival = load.arrivals[index]
        var scheduled = ScheduledRequest(
            id: RequestID(UInt64(index) + 1), prompt: prompt(index),
            maximumNewTokens: arrival.newTokens, mode: arrival.mode)
        scheduled.speculates = arrival.mode == .optimized
        return scheduled
    }

    /// The prompt's tokens: those that all have, those of its group, its own.
    private func prompt(_ index: Int) -> [TokenID] {
        let arrival = load.arrivals[index]
        var common = seed.split("common")
        var shared = seed.split("groups").split(UInt64(arrival.prefixGroup ?? 0))
        var own = seed.split("prompts").split(UInt64(index))
        let sharedEnd =
            load.commonTokens + (arrival.prefixGroup == nil ? 0 : arrival.prefixTokens)
        return (0..<arrival.promptTokens).map { position in
            TokenID(
                position < load.commonTokens
                    ? common.below(Self.vocabulary)
                    : position < sharedEnd
                        ? shared.below(Self.vocabulary) : own.below(Self.vocabulary))
        }
    }

    private mutating func route(_ arrival: ServingLoad.Arrival) -> Int {
        let serving = machines.indices.filter { machines[$0].role != .prefill }
        switch configuration.routing {
        case .roundRobin:
            nextMachine += 1
            return serving[(nextMachine - 1) % serving.count]
        case .prefixAffinity where arrival.prefixGroup != nil:
            let group = UInt64(arrival.prefixGroup ?? 0)
            var choice = seed.split("affinity").split(group)
            return serving[choice.below(serving.count)]
        case .leastLoaded, .prefixAffinity:
            return leastLoaded(serving)
        }
    }

    private func leastLoaded(_ choices: [Int]) -> Int {
        choices.min { machines[$0].outstanding < machines[$1].outstanding } ?? 0
    }

    // MARK: Machines

    private mutating func give(_ event: SchedulerEvent, to machine: Int) {
        var effects = EffectBuffer<SchedulerEffect>()
        machines[machine].scheduler.handle(event, at: now, into: &effects)
        for effect in effects.takeAll() { carry(effect, machine) }
        planEnds(machine)
    }

    private mutating func carry(_ effect: SchedulerEffect, _ machine: Int) {
        switch effect {
        case .admitted: break
        case .refused(let id, _):
            guard id.number < Self.prefillNumbers else {
                // The prefill role is full: the decode role computes the prompt itself.
                let index = Int(id.number - Self.prefillNumbers)
                requests[index].prefillMachine = nil
                machines[machine].outstanding -= load.arrivals[index].promptTokens
                queue.push(.pulled(request: index, tokens: 0), at: now)
                return
            }
            let index = Int(id.number) - 1
            requests[index].record.refused = true
            machines[machine].outstanding -= tokens(index)
        case .run(let step):
            machines[machine].start(step, at: now)
        case .pull(let id, _, let tokens, _):
            startPrefill(Int(id.number) - 1, tokens: tokens)
        case .abandonPull(let id):
            let index = Int(id.number) - 1
            endPrefill(index)
            queue.push(.pulled(request: index, tokens: 0), at: now)
        case .prefillProgress(let id, let tokens, _):
            transfer(Int(id.number - Self.prefillNumbers), tokens: tokens, machine)
        case .prefilled(let id, let pages):
            let index = Int(id.number - Self.prefillNumbers)
            transfer(index, tokens: min(pages.count * KVPage.tokens, pulledTokens(index)), machine)
            let arrives = max(machines[machine].linkFree, now) + configuration.transferLatency
            queue.push(.pulled(request: index, tokens: pulledTokens(index)), at: arrives)
        case .finished(let id, _, let account):
            guard id.number < Self.prefillNumbers else { return }
            let index = Int(id.number) - 1
            requests[index].record.account.cachedTokens = account.cachedTokens
            requests[index].record.account.pulledTokens = account.pulledTokens
            requests[index].record.account.preemptions = account.preemptions
            machines[machine].outstanding -= tokens(index)
            endPrefill(index)
            lastEnd = max(lastEnd, now)
        case .setTimer(let time):
            machines[machine].timer += 1
            queue.push(
                .timer(machine: machine, number: machines[machine].timer), at: max(time, now))
        }
    }

    /// Events for the ends of all steps of a machine whose plan is new.
    private mutating func planEnds(_ machine: Int) {
        for executor in machines[machine].executors.indices {
            guard let (end, plan) = machines[machine].planEnd(of: executor) else { continue }
            queue.push(
                .stepEnd(machine: machine, executor: executor, plan: plan), at: max(end, now))
        }
    }

    private mutating func endStep(_ machine: Int, _ executor: Int) {
        let (step, sample) = machines[machine].finish(executor, at: now)
        onStep(machine, sample)
        let outcomes = step.entries.map { outcome($0, machine) }
        give(
            .stepDone(
                executor: step.executor, StepOutcome(number: step.number, entries: outcomes)),
            to: machine)
    }

    private mutating func outcome(_ entry: StepEntry, _ machine: Int) -> EntryOutcome {
        var outcome = EntryOutcome(request: entry.request, tokens: [], drafted: entry.drafts)
        guard entry.samples, entry.request.number < Self.prefillNumbers else { return outcome }
        let index = Int(entry.request.number) - 1
        var count = 1
        let acceptance = machines[machine].costs.draftAcceptance
        while count <= entry.drafts, machines[machine].random.unit() < acceptance { count += 1 }
        let text = seed.split("answers").split(UInt64(index))
        for offset in 1...count {
            var token = text.split(UInt64(entry.start + entry.count + offset))
            outcome.tokens.append(TokenID(token.below(Self.vocabulary)))
            record(index)
        }
        return outcome
    }

    /// A token of the request arrives at its client.
    private mutating func record(_ index: Int) {
        let produced =
            requests[index].record.gaps.count + (requests[index].lastToken == nil ? 0 : 1)
        guard produced < load.arrivals[index].newTokens else { return }
        if let last = requests[index].lastToken {
            requests[index].record.gaps.append(Double((now - last).nanoseconds) / 1e9)
        } else {
            let arrival = Self.instant(load.arrivals[index].seconds)
            requests[index].record.timeToFirstToken = Double((now - arrival).nanoseconds) / 1e9
        }
        requests[index].lastToken = now
        trace.mix(index)
    }

    // MARK: Prefill roles

    private func pulledTokens(_ index: Int) -> Int { load.arrivals[index].promptTokens - 1 }

    private mutating func startPrefill(_ index: Int, tokens: Int) {
        let machine = leastLoaded(machines.indices.filter { machines[$0].role == .prefill })
        requests[index].prefillMachine = machine
        machines[machine].outstanding += load.arrivals[index].promptTokens
        give(
            .submit(
                ScheduledRequest(
                    id: RequestID(UInt64(index) + Self.prefillNumbers),
                    prompt: Array(prompt(index).prefix(tokens)), maximumNewTokens: 1,
                    mode: load.arrivals[index].mode, prefillOnly: true)),
            to: machine)
    }

    /// The pages that became ready go over the machine's link, one after another.
    private mutating func transfer(_ index: Int, tokens: Int, _ machine: Int) {
        let sent = requests[index].record.account.pulledTokens
        guard tokens > sent else { return }
        requests[index].record.account.pulledTokens = tokens
        let pages = (tokens - sent + KVPage.tokens - 1) / KVPage.tokens
        let seconds =
            Double(pages * configuration.pageBytes) / configuration.bandwidthBytesPerSecond
        machines[machine].linkFree =
            max(machines[machine].linkFree, now) + Self.interval(seconds)
    }

    private mutating func endPrefill(_ index: Int) {
        guard let machine = requests[index].prefillMachine else { return }
        requests[index].prefillMachine = nil
        machines[machine].outstanding -= load.arrivals[index].promptTokens
        give(.cancel(RequestID(UInt64(index) + Self.prefillNumbers)), to: machine)
    }

    private static func instant(_ seconds: Double) -> Instant { .zero + interval(seconds) }

    private static func interval(_ seconds: Double) -> Interval {
        Interval(nanoseconds: UInt64(max(0, min(seconds, 1e9)) * 1e9))
    }
}
