import KapokDrive
import KapokSimulation
import KapokStore
import KapokWorld

/// What can happen in a simulated region.
enum StoreSimulationEvent {
    /// The client takes its next step.
    case client(Int)
    /// A command reaches its drive.
    case command(drive: Int, head: Int, DriveCommand)
    /// A media operation ends.
    case media(drive: Int, life: Int, id: UInt64)
    /// A completion reaches the head that sent the command.
    case completion(drive: Int, head: Int, DriveCompletion)
    case timer(head: Int, StoreTimer)
    /// The index commit of a head takes effect.
    case index(head: Int)
    /// A new head begins to take over.
    case headStart
    case compaction
    /// What a head's compaction has planned is sent.
    case compactionMoves(head: Int)
    case fault(StoreFault)
}

/// What befalls the region.
enum StoreFault: UInt8, CaseIterable {
    /// The head's process dies; its commands under way still arrive.
    case killHead
    /// Everything loses power.
    case powerFailure
    /// A new head takes over while the old one is alive and believes it is active.
    case takeover
    /// One of the bad drives stops answering, or answers again.
    case pullDrive
}

/// A simulated region: drives, an index, heads that come and go, and clients whose observations the
/// oracle judges.
struct StoreScenario: Scenario {
    typealias Event = StoreSimulationEvent

    struct Head {
        enum Phase {
            /// Waits for its attaches.
            case attaching(epoch: Epoch, remaining: Int)
            case serving(StoreMachine)
            case dead
        }
        var phase: Phase
        var indexWork: (operations: [IndexOperation], head: HeadRow)?
        var waiting: [StoreToken: Waiter] = [:]
        var nextToken: StoreToken = 1

        var isServing: Bool {
            if case .serving = phase { return true }
            return false
        }
    }

    /// Who is told of a reply.
    enum Waiter {
        case client(Int, serial: UInt64)
        case compaction(CompactionStep)
    }

    enum CompactionStep {
        case appended(CompactionPlan.LargeChunk, ChunkStripe)
        case moved
    }

    let parameters: StoreSimulationParameters
    let pool: PoolDescriptor
    let code: ErasureCode
    let drives: SimulatedDrives
    let index: MemoryIndex
    var random: RandomStream
    var network: RandomStream
    var heads: [Head] = []
    var clients: [SimulatedClient] = []
    var oracle = StoreOracle()
    var violation: OracleViolation?
    var commandOwners: [UInt64: (head: Int, id: UInt64)] = [:]
    var nextCommand: UInt64 = 1
    var nextSerial: UInt64 = 1
    var counts = StoreSimulationCounts()
    var isHealing = false
    var compaction: SimulatedCompaction?

    init(parameters: StoreSimulationParameters) throws {
        self.parameters = parameters
        var random = RandomStream(seed: parameters.seed)
        pool = parameters.pool
        code = try ErasureCode(
            dataShards: Int(pool.dataShards), parityShards: Int(pool.parityShards))
        let stream = random.split("drives")
        let capacity = 8 + UInt64(pool.slotBlocks) * UInt64(pool.slotsPerDrive)
        var made: [SimulatedDrive] = []
        for position in 0..<pool.driveCount {
            let identity = DriveIdentity(
                id: UniqueID(from: &random), region: pool.region, position: position,
                capacityBlocks: capacity, failureDomain: position)
            made.append(
                SimulatedDrive(identity: identity, random: stream.split(UInt64(position))))
        }
        drives = SimulatedDrives(made)
        for position in parameters.badDrives {
            drives.drives[position].disk.faults = parameters.badDriveFaults
        }
        index = MemoryIndex()
        network = random.split("network")
        self.random = random.split("scenario")
        for number in 0..<parameters.clients {
            clients.append(
                SimulatedClient(
                    random: random.split("clients").split(UInt64(number)),
                    operationsLeft: parameters.operationsPerClient))
        }
    }

    static func mix(_ event: Event, into trace: inout TraceHash) {
        switch event {
        case .client(let number): trace.mix(UInt64(1) << 32 | UInt64(number))
        case .command(let drive, let head, let command):
            trace.mix(UInt64(2) << 32 | UInt64(drive) << 16 | UInt64(head))
            trace.mix(command.id)
        case .media(let drive, _, let id): trace.mix(UInt64(3) << 32 | UInt64(drive) << 16 ^ id)
        case .completion(let drive, let head, let completion):
            trace.mix(UInt64(4) << 32 | UInt64(drive) << 16 | UInt64(head))
            trace.mix(completion.id << 8 | UInt64(completion.status.rawValue))
        case .timer(let head, _): trace.mix(UInt64(5) << 32 | UInt64(head))
        case .index(let head): trace.mix(UInt64(6) << 32 | UInt64(head))
        case .headStart: trace.mix(UInt64(7) << 32)
        case .compaction: trace.mix(UInt64(8) << 32)
        case .compactionMoves(let head): trace.mix(UInt64(10) << 32 | UInt64(head))
        case .fault(let fault): trace.mix(UInt64(9) << 32 | UInt64(fault.rawValue))
        }
    }

    mutating func handle(_ event: Event, in agenda: inout Agenda<Event>) {
        guard violation == nil else { return agenda.stop() }
        switch event {
        case .client(let number): stepClient(number, &agenda)
        case .command(let drive, let head, let command):
            deliver(command, to: drive, from: head, &agenda)
        case .media(let drive, let life, let id):
            guard drives.drives[drive].life == life else { return }
            let succeeded = drives.drives[drive].finish(id)
            carryOut(
                drives.drives[drive].handle(
                    .mediaCompleted(id: id, succeeded: succeeded), at: agenda.now),
                of: drive, &agenda)
        case .completion(let drive, let head, let completion):
            completed(completion, drive: drive, head: head, &agenda)
        case .timer(let head, let timer): send(.timer(timer), to: head, &agenda)
        case .index(let head): applyIndex(head, &agenda)
        case .headStart: startHead(&agenda)
        case .compaction: compact(&agenda)
        case .compactionMoves(let head): sendMoves(head, &agenda)
        case .fault(let fault): befall(fault, &agenda)
        }
    }

    // MARK: Drives

    mutating func deliver(
        _ command: DriveCommand, to drive: Int, from head: Int, _ agenda: inout Agenda<Event>
    ) {
        var command = command
        let id = nextCommand
        nextCommand += 1
        commandOwners[id] = (head, command.id)
        command.id = id
        carryOut(
            drives.drives[drive].handle(.submit(command), at: agenda.now), of: drive, &agenda)
    }

    private mutating func carryOut(
        _ effects: [DriveEffect], of drive: Int, _ agenda: inout Agenda<Event>
    ) {
        for effect in effects {
            switch effect {
            case .media(let operation):
                let latency = drives.drives[drive].start(operation)
                agenda.schedule(
                    .media(drive: drive, life: drives.drives[drive].life, id: operation.id),
                    after: latency)
            case .complete(let completion):
                guard let owner = commandOwners.removeValue(forKey: completion.id) else { continue }
                agenda.schedule(
                    .completion(
                        drive: drive, head: owner.head,
                        DriveCompletion(id: owner.id, status: completion.status)),
                    after: networkDelay())
            }
        }
    }

    mutating func networkDelay() -> Interval {
        let base = 5_000 + network.below(45_000 as UInt64)
        // Now and then a packet takes its time: long enough for a new head to be there first.
        return Interval(nanoseconds: network.chance(1, in: 64) ? base * 200 : base)
    }

    private mutating func completed(
        _ completion: DriveCompletion, drive: Int, head: Int, _ agenda: inout Agenda<Event>
    ) {
        guard case .attaching(let epoch, let remaining) = heads[head].phase else {
            send(
                .driveCompleted(position: UInt32(drive), completion), to: head, &agenda)
            return
        }
        heads[head].phase = .attaching(epoch: epoch, remaining: remaining - 1)
        if remaining == 1 { serve(head, epoch, &agenda) }
    }

    // MARK: Heads

    /// Hands an event to a head's machine and carries out what it wants.
    mutating func send(_ event: StoreEvent, to head: Int, _ agenda: inout Agenda<Event>) {
        guard case .serving(var machine) = heads[head].phase else { return }
        heads[head].phase = .dead
        var effects = EffectBuffer<StoreEffect>()
        machine.handle(event, at: agenda.now, into: &effects)
        heads[head].phase = .serving(machine)
        for effect in effects.takeAll() {
            switch effect {
            case .drive(let position, let command):
                agenda.schedule(
                    .command(drive: Int(position), head: head, command), after: networkDelay())
            case .index(let operations, let row):
                heads[head].indexWork = (operations, row)
                let delay = 100_000 + network.below(parameters.indexDelayNanoseconds)
                agenda.schedule(.index(head: head), after: Interval(nanoseconds: delay))
            case .reply(let token, let reply):
                guard let waiter = heads[head].waiting.removeValue(forKey: token) else { continue }
                switch waiter {
                case .client(let number, let serial):
                    clientReply(number, serial, reply, head, &agenda)
                case .compaction(let step): compactionReply(step, reply, head, &agenda)
                }
            case .setTimer(let timer, let instant):
                agenda.schedule(.timer(head: head, timer), at: max(instant, agenda.now))
            }
        }
    }

    mutating func request(
        _ waiter: Waiter, to head: Int, _ agenda: inout Agenda<Event>,
        _ body: (StoreToken) -> StoreEvent
    ) {
        let token = heads[head].nextToken
        heads[head].nextToken += 1
        heads[head].waiting[token] = waiter
        send(body(token), to: head, &agenda)
    }

    /// The head that clients talk to.
    var activeHead: Int? {
        guard let last = heads.indices.last, heads[last].isServing else { return nil }
        return last
    }

    private mutating func startHead(_ agenda: inout Agenda<Event>) {
        if let last = heads.last, case .attaching = last.phase { return }
        let indexEpoch =
            (try? Recovery<MemoryIndex, SimulatedDrives>.currentEpoch(of: index)) ?? .none
        let epoch = drives.drives.reduce(indexEpoch) { max($0, $1.epoch) }.next
        heads.append(Head(phase: .attaching(epoch: epoch, remaining: drives.drives.count)))
        counts.heads += 1
        let head = heads.count - 1
        for drive in drives.drives.indices {
            // A drive that was failed is opened anew, with whatever its media hold.
            if drives.drives[drive].controller?.failure != nil, drives.drives[drive].disk.isPresent
            {
                drives.drives[drive].powerCycle()
            }
            agenda.schedule(
                .command(
                    drive: drive, head: head,
                    DriveCommand(id: UInt64(drive), epoch: epoch, operation: .attach)),
                after: networkDelay())
        }
    }

    /// All drives have answered: recover and serve.
    private mutating func serve(_ head: Int, _ epoch: Epoch, _ agenda: inout Agenda<Event>) {
        let states = drives.drives.map { drive in
            RecoveredDrive(
                failureDomain: drive.position,
                failure: drive.isUsable && drive.epoch == epoch ? nil : "not attached")
        }
        do throws(RecoveryError) {
            let recovered = try Recovery(
                index: index, reader: drives, pool: pool, drives: states,
                defect: parameters.defect
            ).run(epoch: epoch)
            counts.replayed += recovered.replayedTransactions
            var configuration = StoreConfiguration(pool: pool)
            configuration.indexDelay = .milliseconds(parameters.indexPatienceMilliseconds)
            configuration.sabotage(parameters.defect)
            let machine = try makeMachine(configuration, recovered)
            heads[head].phase = .serving(machine)
            send(.abandon([]), to: head, &agenda)
        } catch {
            heads[head].phase = .dead
            if case .fenced = error {
            } else {
                violation = OracleViolation(description: "recovery failed: \(error)")
            }
            agenda.schedule(.headStart, after: .milliseconds(2))
        }
    }

    private mutating func makeMachine(
        _ configuration: StoreConfiguration, _ recovered: RecoveredState
    ) throws(RecoveryError) -> StoreMachine {
        do {
            return try StoreMachine(
                configuration: configuration, recovered: recovered,
                random: random.split(UInt64(heads.count)))
        } catch { throw .coding("\(error)") }
    }

    private mutating func applyIndex(_ head: Int, _ agenda: inout Agenda<Event>) {
        guard heads[head].isServing, let work = heads[head].indexWork else { return }
        heads[head].indexWork = nil
        do throws(IndexError) {
            var projection = Projection(index: index, defect: parameters.defect)
            for operation in work.operations { try projection.apply(operation) }
            let (commit, newHead) = projection.commit(as: work.head)
            if try index.commit(commit) {
                let touched = projection.touchedExtents.map { (id: $0.0, row: $0.1) }
                send(.indexDone(IndexResult(head: newHead, extents: touched)), to: head, &agenda)
            } else {
                send(.indexFailed("fenced", isFinal: true), to: head, &agenda)
            }
        } catch {
            violation = OracleViolation(description: "index: \(error)")
        }
    }

    // MARK: Faults

    private mutating func befall(_ fault: StoreFault, _ agenda: inout Agenda<Event>) {
        guard !isHealing else { return }
        counts.faults += 1
        switch fault {
        case .killHead:
            killHeads(&agenda)
            agenda.schedule(.headStart, after: restartDelay())
        case .powerFailure:
            powerFailure(&agenda)
            agenda.schedule(.headStart, after: restartDelay())
        case .takeover: agenda.schedule(.headStart, after: .microseconds(1))
        case .pullDrive:
            guard let position = parameters.badDrives.randomElement(using: &random) else { return }
            drives.drives[position].disk.isPresent.toggle()
            if drives.drives[position].disk.isPresent { drives.drives[position].restart() }
        }
    }

    private mutating func restartDelay() -> Interval {
        Interval(nanoseconds: 100_000 + random.below(5_000_000 as UInt64))
    }

    mutating func killHeads(_ agenda: inout Agenda<Event>) {
        for head in heads.indices {
            heads[head].phase = .dead
            heads[head].waiting = [:]
        }
        compaction = nil
        for number in clients.indices { clients[number].headDied() }
        for number in clients.indices { agenda.schedule(.client(number), after: restartDelay()) }
    }

    mutating func powerFailure(_ agenda: inout Agenda<Event>) {
        killHeads(&agenda)
        commandOwners = [:]
        for drive in drives.drives.indices where drives.drives[drive].disk.isPresent {
            drives.drives[drive].powerCycle()
        }
    }
}
