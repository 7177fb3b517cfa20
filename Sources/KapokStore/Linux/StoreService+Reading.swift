import KapokDrive
import KapokWorld
import Synchronization

/// Counts of reads since the start.
final class ReadStatistics: Sendable {
    let chunks = Atomic<UInt64>(0)
    let degraded = Atomic<UInt64>(0)
    let lost = Atomic<UInt64>(0)
}

extension StoreService {
    /// See `StoreClient`.
    public func read(
        _ blob: BlobReference, range: Range<UInt64>,
        consume: (BlobPiece) async throws -> Void
    ) async throws {
        precondition(range.upperBound <= blob.length)
        guard !range.isEmpty else { return }
        let chunks = try pinnedChunks(of: blob, covering: range)
        let extents = chunks.map(\.location.record.extent)
        defer { state.withLock { $0.machine.unpin(extents) } }
        // One chunk ahead hides a drive's latency; memory has none to hide.
        let ahead = isMemoryBacked ? 0 : 2
        var running: [Task<ChunkPieces, any Error>] = []
        defer { for task in running { task.cancel() } }
        var next = 0
        while next < chunks.count || !running.isEmpty {
            while next < chunks.count, running.count < ahead {
                let chunk = chunks[next]
                next += 1
                running.append(
                    Task { try await self.read(chunk, of: blob.id, within: range) })
            }
            let pieces: ChunkPieces
            if running.isEmpty {
                pieces = try await read(chunks[next], of: blob.id, within: range)
                next += 1
            } else {
                pieces = try await running.removeFirst().value
            }
            for piece in pieces.ranges {
                try await consume(BlobPiece(buffer: pieces.buffer, range: piece))
            }
        }
    }

    private struct ChunkPieces: Sendable {
        var buffer: AlignedBuffer
        var ranges: [Range<Int>]
    }

    private struct PlacedChunk: Sendable {
        var location: ChunkLocation
        var members: [ExtentMember]
    }

    // MARK: Finding chunks

    private func chunkLocation(_ chunk: ChunkID) throws(StoreError) -> ChunkLocation {
        if let location = state.withLock({ $0.machine.overlay.chunk(chunk) }) { return location }
        let found: ChunkLocation?
        do throws(IndexError) {
            found = try index.get(IndexKey.chunk(chunk)).map { bytes throws(IndexError) in
                try ChunkLocation(decoding: bytes)
            }
        } catch {
            throw .failed("the index: \(error)")
        }
        guard let found else { throw .gone }
        return found
    }

    /// The chunks that hold `range`, with their extents kept from being given back. Compaction may
    /// move a chunk between looking it up and pinning it: then it is looked up again.
    private func pinnedChunks(
        of blob: BlobReference, covering range: Range<UInt64>
    ) throws(StoreError) -> [PlacedChunk] {
        for _ in 0..<16 {
            var locations: [ChunkLocation] = []
            // All chunks of a blob but the last are of the first one's length.
            let first = try chunkLocation(ChunkID(blob: blob.id, index: 0))
            let size = UInt64(max(1, first.dataLength))
            for index in range.lowerBound / size...(range.upperBound - 1) / size {
                locations.append(
                    index == 0
                        ? first : try chunkLocation(ChunkID(blob: blob.id, index: UInt32(index))))
            }
            let extents = locations.map(\.record.extent)
            let members = state.withLock { $0.machine.pinForReading(extents) }
            if let members {
                return zip(locations, members).map { PlacedChunk(location: $0, members: $1) }
            }
        }
        throw .gone
    }

    // MARK: Reading a chunk

    private func read(
        _ chunk: PlacedChunk, of blob: BlobID, within range: Range<UInt64>
    ) async throws(StoreError) -> ChunkPieces {
        let location = chunk.location
        let start = max(range.lowerBound, location.blobOffset) - location.blobOffset
        let end = min(range.upperBound - location.blobOffset, UInt64(location.dataLength))
        var reading = ChunkRead(
            location: location, blob: blob, members: chunk.members, pool: pool, code: code,
            range: Int(start)..<Int(end))
        readStatistics.chunks.wrappingAdd(1, ordering: .relaxed)
        while true {
            switch reading.next() {
            case .read(let reads):
                for index in await carryOut(reads) { reading.readFailed(index) }
            case .done(let buffer, let ranges):
                if reading.wasDegraded {
                    readStatistics.degraded.wrappingAdd(1, ordering: .relaxed)
                }
                return ChunkPieces(buffer: buffer, ranges: ranges)
            case .lost(let reason):
                readStatistics.lost.wrappingAdd(1, ordering: .relaxed)
                throw .dataLost(reason)
            }
        }
    }

    /// Carries the reads out, at once where the drive is memory, and returns those that failed.
    private func carryOut(_ reads: [ShardRead]) async -> [Int] {
        var failed: [Int] = []
        var slow: [Int] = []
        for (index, read) in reads.enumerated() {
            guard let drive = drive(read.drive) else {
                failed.append(index)
                continue
            }
            switch drive.readNow(
                lba: read.lba, blockCount: read.blockCount, into: read.buffer,
                bufferOffset: read.bufferOffset)
            {
            case .success: break
            case nil: slow.append(index)
            default: failed.append(index)
            }
        }
        guard !slow.isEmpty else { return failed }
        let slowDrives = driveTable.withLock { $0 }
        return await withUnsafeContinuation { continuation in
            let shared = ReadGroup(left: slow.count, failed: failed, continuation: continuation)
            for index in slow {
                let read = reads[index]
                let command = DriveCommand(
                    id: readIDs.wrappingAdd(1, ordering: .relaxed).oldValue, epoch: epoch,
                    operation: .read(
                        lba: read.lba, blockCount: read.blockCount, buffer: read.buffer,
                        bufferOffset: read.bufferOffset))
                slowDrives[Int(read.drive)]?.submit(command) { completion in
                    shared.completed(index, succeeded: completion.status == .success)
                }
            }
        }
    }
}

/// Reads that were sent together: the last one to end reports.
private final class ReadGroup: Sendable {
    private let state: Mutex<(left: Int, failed: [Int])>
    private let continuation: UnsafeContinuation<[Int], Never>

    init(left: Int, failed: [Int], continuation: UnsafeContinuation<[Int], Never>) {
        state = Mutex((left, failed))
        self.continuation = continuation
    }

    func completed(_ index: Int, succeeded: Bool) {
        let result = state.withLock { state -> [Int]? in
            state.left -= 1
            if !succeeded { state.failed.append(index) }
            return state.left == 0 ? state.failed : nil
        }
        if let result { continuation.resume(returning: result) }
    }
}
