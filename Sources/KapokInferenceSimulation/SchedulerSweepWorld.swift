import KapokInference
import KapokModel
import KapokSimulation
import KapokWorld

/// What can happen around a simulated scheduler.
enum SchedulerSweepEvent {
    case arrive(Int)
    case cancel(Int)
    case stepDone(executor: Int)
    /// A pull is answered.
    case pulled(Int)
    case timer(UInt64)
    case drain
}

/// A scheduler with virtual executors, a virtual prefill role and clients.
struct SchedulerSweepWorld: Scenario {
    typealias Event = SchedulerSweepEvent

    /// An executor and its step that is on its way.
    struct Executor {
        var role: ExecutorRole
        var step: Step?
        var fails = false
        /// The drafts of each entry.
        var drafts: [[TokenID]] = []
    }

    /// A pull that is on its way.
    struct Pull {
        var request: Int
        var pages: [PageID]
        var from: Int
        var tokens: Int
        /// How many tokens it brings.
        var brings: Int
        var isAbandoned = false
    }

    let parameters: SchedulerSweepParameters
    var scheduler: Scheduler
    var memory: SchedulerSweepMemory
    var executors: [Executor]
    var requests: [SchedulerSweepRequest]
    /// By number; answered ones are nil.
    var pulls: [Pull?] = []
    var effects = EffectBuffer<SchedulerEffect>()
    var random: RandomStream
    var faults: FaultSites
    var timer: UInt64 = 0
    var isDraining = false
    /// Requests that are taken and not over, by arrival.
    var live: [Int] = []
    var counts = SchedulerSweepCounts()
    var violation: String?

    init(parameters: SchedulerSweepParameters) {
        self.parameters = parameters
        let random = RandomStream(seed: parameters.seed)
        scheduler = Scheduler(
            configuration: parameters.configuration, random: random.split("scheduler"))
        memory = SchedulerSweepMemory(pages: parameters.configuration.pages)
        executors = parameters.configuration.executors.map { Executor(role: $0) }
        requests = parameters.requests.map { SchedulerSweepRequest($0) }
        self.random = random.split("world")
        faults = FaultSites(random: random.split("faults"), firing: 0.04)
    }

    /// Schedules what does not depend on the scheduler.
    func start(_ agenda: inout Agenda<Event>) {
        for (index, client) in parameters.requests.enumerated() {
            agenda.schedule(.arrive(index), at: client.arrival)
            if let after = client.cancelAfter, !client.request.prefillOnly {
                agenda.schedule(.cancel(index), at: client.arrival + after)
            }
        }
        if let drain = parameters.drain { agenda.schedule(.drain, at: drain) }
    }

    /// Notes what the oracle found; the first finding counts.
    mutating func report(_ text: String) {
        if violation == nil { violation = text }
    }

    static func mix(_ event: Event, into trace: inout TraceHash) {
        switch event {
        case .arrive(let index):
            trace.mix(0)
            trace.mix(index)
        case .cancel(let index):
            trace.mix(1)
            trace.mix(index)
        case .stepDone(let executor):
            trace.mix(2)
            trace.mix(executor)
        case .pulled(let index):
            trace.mix(3)
            trace.mix(index)
        case .timer(let number):
            trace.mix(4)
            trace.mix(number)
        case .drain: trace.mix(5)
        }
    }

    mutating func handle(_ event: Event, in agenda: inout Agenda<Event>) {
        switch event {
        case .arrive(let index):
            counts.requests += 1
            tell(.submit(requests[index].client.request), &agenda)
            if requests[index].state == .announced {
                report("request \(index) was neither taken nor refused")
            }
        case .cancel(let index):
            // Its pages are looked at a last time before they may go.
            if requests[index].isPromisedAll { verifyPromise(index) }
            requests[index].isPromisedAll = false
            tell(.cancel(requests[index].id), &agenda)
        case .stepDone(let executor):
            let outcome = finishStep(executor, agenda.now)
            tell(.stepDone(executor: executors[executor].role, outcome), &agenda)
        case .pulled(let number):
            guard let pull = pulls[number] else { return }
            finishPull(pull)
            pulls[number] = nil
            tell(.pulled(requests[pull.request].id, tokens: pull.brings), &agenda)
        case .timer(let number):
            if number == timer { tell(.timer, &agenda) }
        case .drain:
            isDraining = true
            tell(.drain, &agenda)
        }
        if violation != nil { agenda.stop() }
    }

    /// Hands the scheduler an event, carries out what it wants, and judges.
    private mutating func tell(_ event: SchedulerEvent, _ agenda: inout Agenda<Event>) {
        let before = scheduler.snapshot
        scheduler.handle(event, at: agenda.now, into: &effects)
        var steps: [Step] = []
        for effect in effects.takeAll() { carry(effect, &steps, &agenda) }
        judgeTurns(before: before, agenda.now)
        for step in steps {
            judgeGaps(step)
            startStep(step, &agenda)
        }
        if let fault = scheduler.checkInvariants() { report(fault) }
    }

    private mutating func carry(
        _ effect: SchedulerEffect, _ steps: inout [Step], _ agenda: inout Agenda<Event>
    ) {
        switch effect {
        case .admitted(let id, let mode): admit(index(id), mode, agenda.now)
        case .refused(let id, let reason): refuse(index(id), reason)
        case .run(let step): steps.append(step)
        case .pull(let id, let from, let tokens, let pages):
            agenda.trace.mix(id.number)
            startPull(index(id), from: from, tokens: tokens, pages: pages, &agenda)
        case .abandonPull(let id): abandonPull(index(id))
        case .prefillProgress(let id, let tokens, let pages):
            promise(index(id), tokens: tokens, pages)
        case .prefilled(let id, let pages):
            let index = index(id)
            promise(index, tokens: requests[index].promptCount, pages)
            requests[index].isPromisedAll = true
            if let after = requests[index].client.cancelAfter {
                agenda.schedule(.cancel(index), after: after)
            }
        case .finished(let id, let reason, let account):
            agenda.trace.mix(id.number)
            agenda.trace.mix(account.generatedTokens)
            finish(index(id), reason, account, agenda.now)
        case .setTimer(let instant):
            timer += 1
            agenda.schedule(.timer(timer), at: max(instant, agenda.now))
        }
    }

    func index(_ id: RequestID) -> Int { Int(id.number) }
}
