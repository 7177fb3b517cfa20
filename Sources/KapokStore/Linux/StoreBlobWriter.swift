import KapokDrive
import KapokWorld
import Synchronization

/// A blob whose bytes are in memory (small ones) or in chunks on the drives.
struct StagedStoreBlob: StagedBlob {
    enum Content: Sendable {
        case inline(AlignedPiece)
        case chunks([ChunkLocation])
    }
    let reference: BlobReference
    let content: Content
}

/// Collects a blob: up to the inline limit in memory, beyond that in stripes that go to the drives
/// as they fill. At most `stripesInFlight` of them are on their way.
final class StoreBlobWriter: BlobWriter, @unchecked Sendable {
    private static let stripesInFlight = 2

    /// What completions, which come from other threads, change.
    private struct Shared {
        var inFlight = 0
        var chunks: [UInt32: ChunkLocation] = [:]
        var error: StoreError?
        var isAbandoned = false
        var waiting: UnsafeContinuation<Void, Never>?
    }

    private enum Current {
        case inline(AlignedBuffer, count: Int)
        case stripe(ChunkStripe)
        /// The last stripe was sent; the next begins with the next byte.
        case none
        case ended
    }

    private let service: StoreService
    private let id: BlobID
    private let shared = Mutex(Shared())
    private let chunkCapacity: Int
    // Used by one caller at a time, as the protocol demands.
    private var current: Current
    private var length: UInt64 = 0
    private var nextChunk: UInt32 = 0

    init(service: StoreService, id: BlobID, expectedLength: UInt64?) {
        self.service = service
        self.id = id
        chunkCapacity = ChunkStripe.capacity(in: service.pool)
        if let expectedLength, expectedLength > UInt64(Record.inlineLimit) {
            current = .none
        } else {
            let size = Int(expectedLength ?? 4096)
            current = .inline(AlignedBuffer(byteCount: max(1, size)), count: 0)
        }
    }

    func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        var taken = 0
        while taken < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[taken...])
            switch current {
            case .inline(let buffer, let count):
                guard count + rest.count <= Record.inlineLimit else {
                    spill(buffer, count)
                    continue
                }
                var target = buffer
                if count + rest.count > buffer.count {
                    target = AlignedBuffer(
                        byteCount: min(
                            Record.inlineLimit, max(count + rest.count, buffer.count * 2)))
                    target.baseAddress.copyMemory(from: buffer.baseAddress, byteCount: count)
                }
                if let source = rest.baseAddress {
                    (target.baseAddress + count).copyMemory(from: source, byteCount: rest.count)
                }
                current = .inline(target, count: count + rest.count)
                length += UInt64(rest.count)
                taken += rest.count
            case .stripe(let stripe):
                let room = min(stripe.buffer.room, chunkCapacity - stripe.count)
                guard room > 0 else { return taken }
                let count = stripe.buffer.append(
                    UnsafeRawBufferPointer(rebasing: rest[0..<min(room, rest.count)]))
                length += UInt64(count)
                taken += count
            case .none: beginStripe()
            case .ended: preconditionFailure("the blob has ended")
            }
        }
        return taken
    }

    private func beginStripe() {
        let chunk = ChunkID(blob: id, index: nextChunk)
        nextChunk += 1
        current = .stripe(
            ChunkStripe(
                chunk: chunk, blobOffset: length, byteCount: chunkCapacity, pool: service.pool))
    }

    /// Too much for memory: what was collected begins the first stripes.
    private func spill(_ buffer: AlignedBuffer, _ count: Int) {
        length = 0
        beginStripe()
        guard case .stripe(let stripe) = current else { return }
        precondition(count <= chunkCapacity, "a chunk holds what travels inline")
        stripe.buffer.append(UnsafeRawBufferPointer(rebasing: buffer.bytes[0..<count]))
        length = UInt64(count)
    }

    func makeRoom() async throws(StoreError) {
        guard case .stripe(let stripe) = current, stripe.count == chunkCapacity else {
            try check()
            return
        }
        current = .none
        await send(stripe)
        try check()
    }

    private func check() throws(StoreError) {
        if let error = shared.withLock({ $0.error }) { throw error }
    }

    private func send(_ stripe: ChunkStripe) async {
        stripe.seal(epoch: service.epoch, code: service.code)
        await wait { $0.inFlight < Self.stripesInFlight }
        await service.stripeSlots.take()
        shared.withLock { $0.inFlight += 1 }
        service.request({ .append($0, stripe.buffer, blob: self.id, moves: false) }) { reply in
            self.service.stripeSlots.give()
            self.sent(stripe, reply)
        }
    }

    private func sent(_ stripe: ChunkStripe, _ reply: StoreReply) {
        var orphan: ExtentID?
        let waiting = shared.withLock { shared -> UnsafeContinuation<Void, Never>? in
            shared.inFlight -= 1
            switch reply {
            case .appended(let record):
                if shared.isAbandoned { orphan = record.extent }
                shared.chunks[stripe.chunk.index] = stripe.location(at: record)
            case .refused(let error): shared.error = shared.error ?? error
            default: preconditionFailure("an append is answered with a place")
            }
            defer { shared.waiting = nil }
            return shared.waiting
        }
        if let orphan { service.handle(.abandon([orphan])) }
        waiting?.resume()
    }

    /// Suspends until `condition` holds for what is in flight.
    private func wait(until condition: @Sendable (borrowing Shared) -> Bool) async {
        while true {
            let isDone = shared.withLock { condition($0) }
            if isDone { return }
            await withUnsafeContinuation { continuation in
                let resumeNow = shared.withLock { shared in
                    if condition(shared) { return true }
                    shared.waiting = continuation
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        }
    }

    func finish() async throws(StoreError) -> any StagedBlob {
        let last = current
        current = .ended
        switch last {
        case .inline(let buffer, let count):
            let reference = BlobReference(id: id, length: UInt64(count))
            return StagedStoreBlob(
                reference: reference, content: .inline(AlignedPiece(buffer: buffer, count: count)))
        case .stripe(let stripe): await send(trimmed(stripe))
        case .none: break
        case .ended: preconditionFailure("the blob has ended already")
        }
        await wait { $0.inFlight == 0 }
        let (chunks, error) = shared.withLock { ($0.chunks, $0.error) }
        if let error {
            abandon()
            throw error
        }
        return StagedStoreBlob(
            reference: BlobReference(id: id, length: length),
            content: .chunks(chunks.sorted { $0.key < $1.key }.map(\.value)))
    }

    /// The last chunk in a stripe no larger than it needs.
    private func trimmed(_ stripe: ChunkStripe) -> ChunkStripe {
        guard stripe.count < chunkCapacity else { return stripe }
        let small = ChunkStripe(
            chunk: stripe.chunk, blobOffset: stripe.blobOffset, byteCount: stripe.count,
            pool: service.pool)
        stripe.buffer.withPayload(stripe.buffer.used - stripe.count..<stripe.buffer.used) {
            _ = small.buffer.append($0)
        }
        return small
    }

    func abandon() {
        current = .ended
        let extents = shared.withLock { shared in
            shared.isAbandoned = true
            defer { shared.chunks = [:] }
            return shared.chunks.values.map(\.record.extent)
        }
        if !extents.isEmpty { service.handle(.abandon(extents)) }
    }
}
