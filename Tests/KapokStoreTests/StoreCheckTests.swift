import Foundation
import KapokDrive
import KapokWorld
import Synchronization
import Testing

@testable import KapokStore

@Suite("A check of the whole store", .serialized)
struct StoreCheckTests {
    private static let big = 3 << 20

    @Test("finds nothing in a healthy store, looks at every shard, and says how far it is")
    func healthy() async throws {
        try await withStore { store in
            for number in 0..<20 { try await store.put("small-\(number)", count: 900) }
            try await store.put("big", count: Self.big)
            let steps = Mutex<[(done: Int, of: Int)]>([])
            let report = try await store.service.check { done, of in
                steps.withLock { $0.append((done, of)) }
            }
            #expect(report.isHealthy)
            #expect(report.stripes > 3)
            #expect(report.shards == report.stripes * 6)
            #expect(report.drives.map(\.position) == Array(0..<6))
            let seen = steps.withLock { $0 }
            #expect(seen.last?.done == report.stripes)
            #expect(seen.allSatisfy { $0.done <= $0.of && $0.of == report.stripes })
            #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.done < $1.done })
        }
    }

    @Test("finds nothing in an empty store")
    func empty() async throws {
        try await withStore { store in
            let report = try await store.check()
            #expect(report.isHealthy)
            #expect(report.stripes == 0)
        }
    }

    @Test("names the drive of a single wrong byte")
    func oneByte() async throws {
        try await withStore { store in
            try await store.put("big", count: Self.big)
            let shard = try store.shards(of: try #require(await store.blob("big")), chunk: 1)[3]
            try store.change(shard.drive, at: shard.offset + 5000, 1) { $0 ^ 0x10 }
            let report = try await store.check()
            #expect(!report.isHealthy)
            #expect(report.corruptShards == 1)
            #expect(report.missingShards == 0)
            #expect(report.lostStripes == 0)
            #expect(report.drives.filter { $0.corrupt > 0 }.map(\.position) == [shard.drive])
            #expect(report.affectedKeys.isEmpty)
            try await store.verifyAll()
        }
    }

    @Test("takes a shard that was never written for missing, not for corrupt")
    func unwritten() async throws {
        try await withStore { store in
            try await store.put("big", count: Self.big)
            let shard = try store.shards(of: try #require(await store.blob("big")), chunk: 0)[0]
            try store.change(shard.drive, at: shard.offset, shard.byteCount) { _ in 0 }
            let report = try await store.check()
            #expect(report.missingShards == 1)
            #expect(report.corruptShards == 0)
            #expect(report.drives[shard.drive].missing == 1)
            try await store.verifyAll()
        }
    }

    @Test("counts every shard of M deleted drives as missing while all reads are right")
    func deletedDrives() async throws {
        try await withStore { store in
            for number in 0..<5 { try await store.put("small-\(number)", count: 4000) }
            try await store.put("big", count: Self.big)
            for drive in [1, 4] { try FileManager.default.removeItem(atPath: store.path(drive)) }
            let report = try await store.check()
            #expect(report.missingShards == 2 * report.stripes)
            #expect(report.corruptShards == 0)
            #expect(report.lostStripes == 0)
            #expect(report.drives.filter { $0.failure != nil }.map(\.position) == [1, 4])
            #expect(
                report.drives.filter { $0.missing == report.stripes }.map(\.position) == [1, 4])
            try await store.verifyAll()
        }
    }

    @Test("notices a drive that was cut short")
    func truncatedDrive() async throws {
        try await withStore { store in
            try await store.put("big", count: Self.big)
            try #require(truncate(store.path(2), 1 << 20) == 0)
            let report = try await store.check()
            #expect(report.missingShards == report.stripes)
            #expect(report.drives.filter { $0.failure != nil }.map(\.position) == [2])
            try await store.verifyAll()
        }
    }

    @Test("counts every shard of M overwritten drives as corrupt while all reads are right")
    func overwrittenDrives() async throws {
        try await withStore { store in
            for number in 0..<5 { try await store.put("small-\(number)", count: 4000) }
            try await store.put("big", count: Self.big)
            let start = Int(MediaLayout.byteOffset(ofLBA: 8))
            for drive in [0, 5] {
                try store.change(drive, at: start, (64 << 20) - start - 4096) { $0 &+ 0x5B }
            }
            let report = try await store.check()
            #expect(report.corruptShards == 2 * report.stripes)
            #expect(report.missingShards == 0)
            #expect(report.lostStripes == 0)
            #expect(report.drives.filter { $0.corrupt > 0 }.map(\.position) == [0, 5])
            try await store.verifyAll()
        }
    }

    @Test("names the keys that more than M wrong shards have cost, and no others")
    func lostStripe() async throws {
        try await withStore { store in
            try await store.put("first", count: Self.big)
            try await store.put("se\u{1}cond\\", count: Self.big)
            let blob = try #require(await store.blob("se\u{1}cond\\"))
            for shard in try store.shards(of: blob, chunk: 2).prefix(3) {
                try store.change(shard.drive, at: shard.offset + 100, 1) { $0 &+ 1 }
            }
            let report = try await store.check()
            #expect(report.lostStripes == 1)
            #expect(report.corruptShards == 3)
            #expect(report.affectedKeys == ["se\\x01cond\\x5c"])
            #expect(report.affectedKeyCount == 1)
            try await store.verify("first")
            await #expect(throws: StoreError.self) { try await store.verify("se\u{1}cond\\") }
        }
    }

    @Test("does not care for what nothing lives in any more")
    func deletedEntry() async throws {
        try await withStore { store in
            try await store.put("stays", count: Self.big)
            try await store.put("goes", count: Self.big)
            let shards = try store.shards(of: try #require(await store.blob("goes")), chunk: 0)
            try await store.delete("goes")
            for shard in shards {
                try store.change(shard.drive, at: shard.offset + 100, 1) { $0 &+ 1 }
            }
            #expect(try await store.check().isHealthy)
            try await store.verifyAll()
        }
    }

    @Test("finds nothing wrong while entries are overwritten and their space is reclaimed")
    func concurrentWrites() async throws {
        try await withStore { store in
            let writing = Task {
                defer { store.isWritten.store(true, ordering: .releasing) }
                for round in 0..<40 {
                    try await store.put("key-\(round % 5)", count: 1 << 20)
                    try await store.put("small-\(round % 7)", count: 2000)
                    _ = await store.service.compactOnce()
                }
            }
            while !store.isWritten.load(ordering: .acquiring) {
                let report = try await store.check()
                #expect(report.isHealthy, "\(report)")
            }
            try await writing.value
            #expect(store.service.counters().machine.extentsReleased > 0)
            let report = try await store.check()
            #expect(report.isHealthy)
            #expect(report.stripes > 0)
            try await store.verifyAll()
        }
    }

    @Test("ends early when its task is cancelled")
    func cancelled() async throws {
        try await withStore { store in
            try await store.put("big", count: Self.big)
            let check = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await store.check()
            }
            await #expect(throws: StoreError.failed("the check was cancelled")) {
                try await check.value
            }
        }
    }
}

// MARK: A store to break

/// A store of 6 drives of 64 MiB, coded 4+2, and what was put into it.
private final class BreakableStore: Sendable {
    let service: StoreService
    /// Whoever writes beside a check says here that it is done.
    let isWritten = Atomic(false)
    private let directory: String
    private let lengths = Mutex<[String: (seed: UInt64, count: Int)]>([:])
    private let nextSeed = Atomic<UInt64>(1)

    init(directory: String) throws {
        self.directory = directory
        var options = StoreOptions(directory: directory)
        options.driveSizeBytes = 64 << 20
        service = try StoreService.open(options)
    }

    func path(_ drive: Int) -> String { "\(directory)/drives/drive-0\(drive)" }

    func check() async throws -> CheckReport { try await service.check { _, _ in } }

    private func content(seed: UInt64, count: Int) -> [UInt8] {
        var random = RandomStream(seed: seed)
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { buffer in
            for offset in stride(from: 0, to: count - 7, by: 8) {
                buffer.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
            }
        }
        return bytes
    }

    func put(_ key: String, count: Int) async throws {
        let seed = nextSeed.wrappingAdd(1, ordering: .relaxed).oldValue
        let bytes = content(seed: seed, count: count)
        let writer = try service.makeBlobWriter(expectedLength: UInt64(count))
        var offset = 0
        while offset < count {
            let taken = bytes.withUnsafeBytes {
                writer.take(UnsafeRawBufferPointer(rebasing: $0[offset...]))
            }
            offset += taken
            if offset < count { try await writer.makeRoom() }
        }
        let staged = try await writer.finish()
        var transaction = Transaction()
        transaction.staged = [staged]
        transaction.writes = [
            Transaction.Write(
                key: StoreKey(Array(key.utf8)), value: [1], blobs: [staged.reference])
        ]
        guard case .committed = try await service.commit(transaction) else {
            throw StoreError.failed("not committed")
        }
        lengths.withLock { $0[key] = (seed, count) }
    }

    func delete(_ key: String) async throws {
        var transaction = Transaction()
        transaction.writes = [Transaction.Write(key: StoreKey(Array(key.utf8)), value: nil)]
        _ = try await service.commit(transaction)
        lengths.withLock { $0[key] = nil }
    }

    func blob(_ key: String) async throws -> BlobReference? {
        try await service.get(StoreKey(Array(key.utf8)))?.blobs.first
    }

    /// Reads the key's blob and compares every byte.
    func verify(_ key: String) async throws {
        let (seed, count) = try #require(lengths.withLock { $0[key] })
        let reference = try #require(await blob(key))
        var found: [UInt8] = []
        try await service.read(reference, range: 0..<reference.length) { piece in
            piece.withUnsafeBytes { found.append(contentsOf: $0) }
        }
        #expect(found == content(seed: seed, count: count), "\(key)")
    }

    func verifyAll() async throws {
        for key in lengths.withLock({ $0.keys.sorted() }) { try await verify(key) }
    }

    /// Where the shards of a chunk lie in the drives' files.
    func shards(
        of blob: BlobReference, chunk: UInt32
    ) throws -> [(drive: Int, offset: Int, byteCount: Int)] {
        let id = ChunkID(blob: blob.id, index: chunk)
        let known = service.state.withLock { $0.machine.overlay.chunk(id) }
        let location =
            try known
            ?? ChunkLocation(
                decoding: #require(try service.index.get(IndexKey.chunk(id))))
        let members = try #require(
            service.state.withLock { $0.machine.members(of: location.record.extent) })
        return members.map { member in
            let lba = service.pool.lba(ofSlot: member.slot) + UInt64(location.record.block)
            return (
                Int(member.drive), Int(MediaLayout.byteOffset(ofLBA: lba)),
                Int(location.record.shardBlocks) * driveBlockSize
            )
        }
    }

    /// Changes bytes of a drive behind its back.
    func change(
        _ drive: Int, at offset: Int, _ count: Int, _ change: (UInt8) -> UInt8
    ) throws {
        let file = try FileHandle(forUpdating: URL(filePath: path(drive)))
        try file.seek(toOffset: UInt64(offset))
        let old = try #require(try file.read(upToCount: count))
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: Data(old.map(change)))
        try file.synchronize()
        try file.close()
    }
}

/// Lends a new store to `body` and takes it away again.
private func withStore(_ body: (BreakableStore) async throws -> Void) async throws {
    let directory =
        FileManager.default.temporaryDirectory.path + "/kapok-check-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let store = try BreakableStore(directory: directory)
    do {
        try await body(store)
    } catch {
        await store.service.close()
        throw error
    }
    await store.service.close()
}
