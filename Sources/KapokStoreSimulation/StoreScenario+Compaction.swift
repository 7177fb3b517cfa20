import KapokDrive
import KapokSimulation
import KapokStore
import KapokWorld

/// The compaction of one extent by one head: what was planned is sent a little later, as by a
/// thread that takes its time, and the next extent waits until all of it has been answered.
struct SimulatedCompaction {
    struct Move {
        var plan: CompactionPlan
        var image: StripeImage
    }
    var head: Int
    var planned: [Move] = []
    /// Requests that have not been answered.
    var outstanding = 0
}

extension StoreScenario {
    /// Plans to move what lives in one extent, as the region's compaction does.
    mutating func compact(_ agenda: inout Agenda<Event>) {
        if !isHealing { agenda.schedule(.compaction, after: .milliseconds(3)) }
        guard let head = activeHead, case .serving(let machine) = heads[head].phase else { return }
        if let running = compaction, running.head == head { return }
        guard let victim = machine.compactionVictim(threshold: 0.7),
            let row = try? index.get(IndexKey.extent(victim)),
            let extent = try? ExtentRow(decoding: row)
        else { return }
        counts.compactions += 1
        let scan = ExtentScan(
            reader: drives, pool: pool, code: code, extent: victim, members: extent.members)
        var planned = SimulatedCompaction(head: head)
        for candidate in scan.candidates(in: 1..<pool.slotBlocks).found {
            guard let stripe = scan.read(candidate),
                let plan = try? CompactionPlan(
                    stripe: stripe.image, header: stripe.assembly.header, index: index,
                    mayForget: machine.mayForgetTombstones),
                !plan.isEmpty
            else { continue }
            planned.planned.append(SimulatedCompaction.Move(plan: plan, image: stripe.image))
        }
        guard !planned.planned.isEmpty else { return }
        compaction = planned
        let pause = random.below(6_000_000 as UInt64)
        agenda.schedule(.compactionMoves(head: head), after: Interval(nanoseconds: pause))
    }

    /// Sends what was planned.
    mutating func sendMoves(_ head: Int, _ agenda: inout Agenda<Event>) {
        guard var running = compaction, running.head == head else { return }
        guard case .serving(let machine) = heads[head].phase else {
            compaction = nil
            return
        }
        let epoch = machine.epoch
        let moves = running.planned
        running.planned = []
        running.outstanding = moves.reduce(0) {
            $0 + $1.plan.large.count + ($1.plan.request.isEmpty ? 0 : 1)
        }
        compaction = running
        for move in moves { send(move.plan, of: move.image, by: head, epoch, &agenda) }
    }

    private mutating func send(
        _ plan: CompactionPlan, of image: StripeImage, by head: Int, _ epoch: Epoch,
        _ agenda: inout Agenda<Event>
    ) {
        if !plan.request.isEmpty {
            request(.compaction(.moved), to: head, &agenda) { .move($0, plan.request) }
        }
        for chunk in plan.large {
            let stripe = ChunkStripe(
                chunk: chunk.chunk, blobOffset: chunk.from.blobOffset,
                byteCount: chunk.payload.count, pool: pool)
            image.payload(chunk.payload).withUnsafeBytes { _ = stripe.buffer.append($0) }
            stripe.seal(epoch: epoch, code: code)
            request(.compaction(.appended(chunk, stripe)), to: head, &agenda) {
                .append($0, stripe.buffer, blob: chunk.chunk.blob, moves: true)
            }
        }
    }

    mutating func compactionReply(
        _ step: CompactionStep, _ reply: StoreReply, _ head: Int, _ agenda: inout Agenda<Event>
    ) {
        if case .appended(let chunk, let stripe) = step, case .appended(let record) = reply {
            var move = MoveRequest()
            move.stripes = [(chunk.chunk, chunk.from, stripe.location(at: record))]
            request(.compaction(.moved), to: head, &agenda) { .move($0, move) }
            return
        }
        guard compaction?.head == head else { return }
        compaction?.outstanding -= 1
        if compaction?.outstanding == 0 { compaction = nil }
    }
}
