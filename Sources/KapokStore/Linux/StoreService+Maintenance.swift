import Dispatch
import KapokDrive
import KapokWorld
import Synchronization

extension StoreService {
    /// Begins what goes on in the background: looking whether drives are still there, and
    /// compaction.
    func startMaintenance() {
        maintenance.withLock { tasks in
            tasks.append(
                Task.detached(priority: .utility) { [weak self] in
                    while !Task.isCancelled {
                        try? await Task.sleep(for: .milliseconds(500))
                        guard let self, !Task.isCancelled else { return }
                        await self.onMaintenanceThread { self.probeDrives() }
                        while !Task.isCancelled, await self.compactOnce() {}
                    }
                })
        }
    }

    /// Runs `body`, which may wait for media, apart from the threads that serve requests.
    func onMaintenanceThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withUnsafeContinuation { continuation in
            maintenanceQueue.async { continuation.resume(returning: body()) }
        }
    }

    private func probeDrives() {
        for position in 0..<Int(pool.driveCount) {
            guard let drive = drive(UInt32(position)), drive.probe() != .ok else { continue }
            handle(.driveLost(position: UInt32(position)))
        }
    }

    // MARK: Compaction

    /// How empty an extent must be to be worth moving, by how much room is left: with plenty, what
    /// is half dead now is likely to be all dead before anyone needs the space.
    private static func threshold(free: Double) -> Double {
        switch free {
        case 0.5...: 0.1
        case 0.25...: 0.3
        case 0.1...: 0.6
        default: 0.9
        }
    }

    /// Compacts one extent, if there is one worth it.
    func compactOnce() async -> Bool {
        let (victim, members, mayForget) = state.withLock { state in
            let machine = state.machine
            let all = Int(pool.slotsPerDrive) * Int(pool.driveCount) / pool.width
            let free = Double(machine.allocatableExtents) / Double(max(1, all))
            let victim = machine.compactionVictim(threshold: Self.threshold(free: free))
            return (
                victim, victim.flatMap { machine.members(of: $0) } ?? [],
                machine.mayForgetTombstones
            )
        }
        guard let victim else { return false }
        let scan = ExtentScan(
            reader: blocks, pool: pool, code: code, extent: victim, members: members)
        let slotBlocks = pool.slotBlocks
        let candidates = await onMaintenanceThread { scan.candidates(in: 1..<slotBlocks).found }
        for candidate in candidates {
            guard await compact(candidate, scan, mayForget: mayForget) else { return false }
        }
        return true
    }

    /// Moves what lives in one stripe; false when the store would not take it.
    private func compact(
        _ candidate: ExtentScan<LocalBlocks>.Candidate, _ scan: ExtentScan<LocalBlocks>,
        mayForget: Bool
    ) async -> Bool {
        let found = await onMaintenanceThread {
            scan.read(candidate).map { stripe in
                let plan = try? CompactionPlan(
                    stripe: stripe.image, header: stripe.assembly.header, index: self.index,
                    mayForget: mayForget)
                return (stripe: UncheckedStripe(image: stripe.image), plan: plan)
            }
        }
        guard let found else { return true }
        guard let plan = found.plan else { return false }
        var request = plan.request
        for chunk in plan.large {
            guard let move = await append(chunk, of: found.stripe.image) else {
                handle(.abandon(request.stripes.map { $0.to.record.extent }))
                return false
            }
            request.stripes.append(move)
        }
        guard !request.isEmpty else { return true }
        let final = request
        if case .done = await self.request({ .move($0, final) }) { return true }
        return false
    }

    private func append(
        _ chunk: CompactionPlan.LargeChunk, of image: StripeImage
    ) async -> (chunk: ChunkID, from: ChunkLocation, to: ChunkLocation)? {
        let stripe = ChunkStripe(
            chunk: chunk.chunk, blobOffset: chunk.from.blobOffset, byteCount: chunk.payload.count,
            pool: pool)
        image.payload(chunk.payload).withUnsafeBytes { _ = stripe.buffer.append($0) }
        stripe.seal(epoch: epoch, code: code)
        let reply = await request {
            .append($0, stripe.buffer, blob: chunk.chunk.blob, moves: true)
        }
        guard case .appended(let record) = reply else { return nil }
        return (chunk.chunk, chunk.from, stripe.location(at: record))
    }
}

/// A stripe that one thread has filled and another one reads.
private struct UncheckedStripe: @unchecked Sendable {
    let image: StripeImage
}
