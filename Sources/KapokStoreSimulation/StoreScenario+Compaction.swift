import KapokDrive
import KapokSimulation
import KapokStore
import KapokWorld

extension StoreScenario {
    /// Moves what lives in one extent, as the region's compaction does.
    mutating func compact(_ agenda: inout Agenda<Event>) {
        if !isHealing { agenda.schedule(.compaction, after: .milliseconds(3)) }
        guard let head = activeHead, case .serving(let machine) = heads[head].phase,
            let victim = machine.compactionVictim(threshold: 0.7),
            let row = try? index.get(IndexKey.extent(victim)),
            let extent = try? ExtentRow(decoding: row)
        else { return }
        counts.compactions += 1
        let scan = ExtentScan(
            reader: drives, pool: pool, code: code, extent: victim, members: extent.members)
        for candidate in scan.candidates(in: 1..<pool.slotBlocks).found {
            guard let stripe = scan.read(candidate),
                let plan = try? CompactionPlan(
                    stripe: stripe.image, header: stripe.assembly.header, index: index,
                    mayForget: machine.mayForgetTombstones)
            else { continue }
            move(plan, of: stripe.image, by: head, machine.epoch, &agenda)
        }
    }

    private mutating func move(
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
        guard case .appended(let chunk, let stripe) = step, case .appended(let record) = reply
        else { return }
        var move = MoveRequest()
        move.stripes = [(chunk.chunk, chunk.from, stripe.location(at: record))]
        request(.compaction(.moved), to: head, &agenda) { .move($0, move) }
    }
}
