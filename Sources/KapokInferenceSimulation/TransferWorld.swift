import KapokInference
import KapokModel
import KapokSimulation
import KapokWorld

/// What can happen in the transfer's simulation. Processes are named with their generation:
/// events of one that was lost since are nobody's.
enum TransferWorldEvent {
    case order(decode: Int)
    case abandon(decode: Int, generation: Int, RequestID)
    case freePages(decode: Int, generation: Int, RequestID)
    case pullTimer(decode: Int, generation: Int, Instant)
    case leaseTimer(host: Int, generation: Int, Instant)
    case compute(host: Int, generation: Int, job: UInt64)
    case giveUp(host: Int, generation: Int, job: UInt64)
    case made(Int)
    case refused(Int)
    case toHost(Int, TransferRequest)
    case toDecode(Int, TransferReply)
    case pageLeaves(Int, PageSend, code: UInt64)
    case pageBegins(Int, PageHeader)
    case pageEnds(Int, PageHeader, content: UInt64)
    case closedAtHost(Int)
    case closedAtDecode(Int)
    case cut
    case blackHole
    case crashHost(Int)
    case restartHost(Int)
    case crashDecode(Int)
}

/// A connection between a decode and a prefill host: in each direction things arrive in order.
struct SimulatedConnection {
    var decode: Int
    var decodeGeneration: Int
    var host: Int
    var hostGeneration: Int
    var isOpenAtDecode = true
    var isOpenAtHost = false
    /// Nothing arrives any more, and nobody is told.
    var isBlackHole = false
    /// The decode role does not read: pages stay in the prefill role's kernel.
    var isStalled = false
    var lastToHost = Instant.zero
    var lastToDecode = Instant.zero
    /// Where the page goes that arrives now; nil when it is thrown away.
    var place: (request: RequestID, page: PageID)?
    var arriving: TransferID?
}

/// Two prefill hosts, two decode hosts, the network between them, and the oracle.
struct TransferWorld: Scenario {
    var random: RandomStream
    let defect: TransferDefect?
    var decodes: [SimulatedDecode] = []
    var hosts: [SimulatedPrefill] = []
    var connections: [SimulatedConnection] = []
    var isStorm = true
    var isLast = false
    var counts = TransferSweepCounts()
    private(set) var violation: String?
    var pullEffects = EffectBuffer<PullEffect>()
    var leaseEffects = EffectBuffer<LeaseEffect>()
    /// How much of this seed's traffic goes wrong, of a thousand.
    let corruption: UInt64
    let duplication: UInt64
    let stalling: UInt64

    init(seed: UInt64, defect: TransferDefect?) {
        random = RandomStream(seed: seed).split("transfer sweep")
        self.defect = defect
        corruption = [0, 20, 100][random.below(3)]
        duplication = [0, 20, 100][random.below(3)]
        stalling = [0, 0, 60][random.below(3)]
        for index in 0..<2 {
            hosts.append(SimulatedPrefill(generation: 0, defect: defect))
            decodes.append(SimulatedDecode(index: index, generation: 0, defect: defect))
        }
    }

    /// What goes wrong in this seed, for a person.
    var shape: String {
        "of 1000: \(corruption) corrupt, \(duplication) twice, \(stalling) not read"
    }

    mutating func report(_ what: String) { violation = violation ?? what }

    static func mix(_ event: TransferWorldEvent, into trace: inout TraceHash) {
        switch event {
        case .order(let decode): trace.mix(decode)
        case .toHost(let id, let request):
            trace.mix(id)
            trace.mix(request.encoded)
        case .toDecode(let id, let reply):
            trace.mix(id)
            trace.mix(reply.encoded)
        case .pageEnds(let id, let header, let content):
            trace.mix(id)
            trace.mix(TransferReply.page(header).encoded)
            trace.mix(content)
        case .compute(let host, _, let job):
            trace.mix(host)
            trace.mix(job)
        default: trace.mix(7 as UInt64)
        }
    }

    // MARK: The course of a run

    mutating func begin(_ agenda: inout Agenda<TransferWorldEvent>) {
        for decode in decodes.indices {
            pull(decode, .start, &agenda)
            agenda.schedule(.order(decode: decode), after: .milliseconds(UInt64(decode) + 5))
        }
        agenda.schedule(.cut, after: .milliseconds(200 + random.below(3000 as UInt64)))
        agenda.schedule(.blackHole, after: .milliseconds(500 + random.below(20_000 as UInt64)))
        for index in 0..<2 {
            agenda.schedule(
                .crashHost(index), after: .milliseconds(1000 + random.below(40_000 as UInt64)))
            if random.chance(1, in: 2) {
                agenda.schedule(
                    .crashDecode(index),
                    after: .milliseconds(1000 + random.below(50_000 as UInt64)))
            }
        }
    }

    /// No more faults; processes that are away come back.
    mutating func heal(_ agenda: inout Agenda<TransferWorldEvent>) {
        isStorm = false
        for host in hosts.indices where !hosts[host].isUp {
            agenda.schedule(.restartHost(host), after: .milliseconds(1))
        }
        // Those that the network has forgotten are found by silence; those that stalled go on.
        for id in connections.indices { connections[id].isStalled = false }
    }

    /// A last pull of each decode host, in a world without faults.
    mutating func orderLast(_ agenda: inout Agenda<TransferWorldEvent>) {
        isLast = true
        for decode in decodes.indices {
            if decodes[decode].machine.readyHosts != hosts.count {
                report("decode host \(decode) is not connected to all hosts after the faults")
            }
            agenda.schedule(.order(decode: decode), after: .milliseconds(1))
        }
    }

    mutating func judgeEnd() {
        for (index, host) in hosts.enumerated() {
            if host.leases.openTransfers != 0 || host.leases.pinnedPages != 0 {
                report("prefill host \(index) holds \(host.leases.pinnedPages) pages for ever")
            }
            if host.freePages.count != SimulatedPrefill.pageCount || !host.jobs.isEmpty {
                report("prefill host \(index) has lost pages")
            }
        }
        for (index, decode) in decodes.enumerated() {
            if decode.machine.openPulls != 0 || !decode.open.isEmpty {
                report("a pull of decode host \(index) never ended")
            }
            if violation == nil, !decode.lastWasComplete {
                report("the last pull of decode host \(index) was not complete")
            }
        }
    }

    var finalCounts: TransferSweepCounts {
        var counts = counts
        for decode in decodes {
            counts.foundCorrupt += decode.machine.counts.corruptPages
            counts.secondAttempts += decode.machine.counts.secondAttempts
        }
        for host in hosts { counts.expired += host.leases.counts.expired }
        return counts
    }

    mutating func handle(_ event: TransferWorldEvent, in agenda: inout Agenda<TransferWorldEvent>) {
        guard violation == nil else { return agenda.stop() }
        switch event {
        case .order(let decode): order(decode, &agenda)
        case .abandon(let decode, let generation, let request):
            guard decodes[decode].generation == generation else { return }
            decodes[decode].abandoned.insert(request)
            pull(decode, .abandon(request), &agenda)
        case .freePages(let decode, let generation, let request):
            guard decodes[decode].generation == generation else { return }
            if let what = decodes[decode].free(request) { report(what) }
        case .pullTimer(let decode, let generation, let instant):
            guard decodes[decode].generation == generation, decodes[decode].timer == instant
            else { return }
            pull(decode, .timer, &agenda)
        case .leaseTimer(let host, let generation, let instant):
            guard hosts[host].generation == generation, hosts[host].timer == instant
            else { return }
            lease(host, .timer, &agenda)
        case .compute(let host, let generation, let job):
            guard hosts[host].generation == generation else { return }
            compute(host, job, &agenda)
        case .giveUp(let host, let generation, let job):
            guard isStorm, hosts[host].generation == generation, hosts[host].end(job)
            else { return }
            lease(host, .report(job: job, .ended("given up")), &agenda)
        case .cut, .blackHole, .crashHost, .restartHost, .crashDecode:
            handleFault(event, &agenda)
        default: handleNetwork(event, &agenda)
        }
    }

    // MARK: Decode hosts

    private mutating func order(_ decode: Int, _ agenda: inout Agenda<TransferWorldEvent>) {
        let now = agenda.now
        if isStorm || isLast,
            let order = decodes[decode].makeOrder(&random, at: now, isPlain: isLast)
        {
            counts.wantedTokens += order.tokens.count - order.from
            if isStorm, random.chance(1, in: 6) {
                agenda.schedule(
                    .abandon(
                        decode: decode, generation: decodes[decode].generation, order.request),
                    after: .microseconds(random.below(400_000 as UInt64)))
            }
            pull(decode, .pull(order), &agenda)
        }
        guard isStorm else { return }
        agenda.schedule(
            .order(decode: decode), after: .milliseconds(random.below(1500 as UInt64)))
    }

    mutating func pull(
        _ decode: Int, _ event: PullEvent, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        decodes[decode].machine.handle(event, at: agenda.now, into: &pullEffects)
        for effect in pullEffects.takeAll() {
            switch effect {
            case .connect(let host): connect(decode, host, &agenda)
            case .disconnect(let host, _): closeAtDecode(decode, host, &agenda)
            case .send(let host, let request):
                guard let id = decodes[decode].connection[host] else { continue }
                send(request, on: id, &agenda)
            case .discard(let host, let transfer):
                guard let id = decodes[decode].connection[host] else { continue }
                if connections[id].arriving == transfer { connections[id].place = nil }
            case .finished(let request, let tokens, let end):
                finish(decode, request, tokens, end, &agenda)
            case .setTimer(let instant):
                decodes[decode].timer = instant
                agenda.schedule(
                    .pullTimer(
                        decode: decode, generation: decodes[decode].generation, instant),
                    at: max(instant, agenda.now))
            }
        }
    }

    private mutating func finish(
        _ decode: Int, _ request: RequestID, _ tokens: Int, _ end: PullEnd,
        _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        counts.ends[end, default: 0] += 1
        if let what = decodes[decode].finish(request, tokens, end, at: agenda.now) {
            return report(what)
        }
        counts.pulledTokens += tokens - (decodes[decode].finished[request]?.order.from ?? 0)
        agenda.schedule(
            .freePages(decode: decode, generation: decodes[decode].generation, request),
            after: .microseconds(random.below(300_000 as UInt64)))
    }

    // MARK: Prefill hosts

    mutating func lease(
        _ host: Int, _ event: LeaseEvent, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        hosts[host].leases.handle(event, at: agenda.now, into: &leaseEffects)
        for effect in leaseEffects.takeAll() {
            switch effect {
            case .send(let id, let reply): send(reply, on: Int(id.number), &agenda)
            case .sendPage(let id, let send): leave(send, on: Int(id.number), &agenda)
            case .submit(let job): submit(job, host, &agenda)
            case .release(let job):
                if hosts[host].sends[job, default: 0] != 0 {
                    report("pages were given up while they were being sent")
                }
                if !hosts[host].release(job) { report("a job was released twice") }
            case .close(let id, _):
                agenda.schedule(.closedAtHost(Int(id.number)), after: .microseconds(1))
                closeAtHostByCore(Int(id.number), &agenda)
            case .setTimer(let instant):
                hosts[host].timer = instant
                agenda.schedule(
                    .leaseTimer(host: host, generation: hosts[host].generation, instant),
                    at: max(instant, agenda.now))
            }
        }
    }

    private mutating func submit(
        _ job: PrefillJob, _ host: Int, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        let generation = hosts[host].generation
        guard hosts[host].submit(job) else {
            // Too few pages: said later, as an engine does.
            agenda.schedule(
                .giveUp(host: host, generation: generation, job: job.number),
                after: .microseconds(50))
            return
        }
        if isStorm, random.chance(1, in: 25) {
            agenda.schedule(
                .giveUp(host: host, generation: generation, job: job.number),
                after: .milliseconds(random.below(400 as UInt64)))
        }
        // Some are stuck in a queue for longer than anybody waits.
        let wait = isStorm && random.chance(1, in: 30) ? 20_000 : random.below(40 as UInt64)
        agenda.schedule(
            .compute(host: host, generation: generation, job: job.number),
            after: .milliseconds(wait))
    }

    private mutating func compute(
        _ host: Int, _ job: UInt64, _ agenda: inout Agenda<TransferWorldEvent>
    ) {
        let chunk = 1 + random.below(90)
        guard let report = hosts[host].compute(job, tokens: chunk) else { return }
        lease(host, .report(job: job, report), &agenda)
        agenda.schedule(
            .compute(host: host, generation: hosts[host].generation, job: job),
            after: .milliseconds(1 + random.below(30 as UInt64)))
    }
}
