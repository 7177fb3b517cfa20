import Foundation
import KapokStore
import KapokWorld
import Testing

/// A store in a directory of its own, which goes when the test ends.
private final class TemporaryStore: Sendable {
    let directory: String

    init() throws {
        directory = NSTemporaryDirectory() + "kapok-store-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func open(drives: Int = 4, coding: (Int, Int) = (2, 1)) throws -> StoreService {
        var options = StoreOptions(directory: directory)
        options.driveCount = drives
        options.coding = coding
        options.driveSizeBytes = 64 << 20
        return try StoreService.open(options)
    }
}

private func key(_ text: String) -> StoreKey { StoreKey(Array(text.utf8)) }

/// Bytes that tell where they are.
private func pattern(_ seed: UInt64, _ count: Int) -> [UInt8] {
    var random = RandomStream(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) }
    }
    return Array(bytes.prefix(count))
}

extension StoreService {
    /// Writes `bytes` as the blob of the entry `name`, whatever was there.
    fileprivate func put(
        _ name: String, _ bytes: [UInt8], expecting: UInt64? = nil
    ) async throws -> CommitOutcome {
        let point = readPoint()
        let writer = try makeBlobWriter(expectedLength: UInt64(bytes.count))
        var position = 0
        while position < bytes.count {
            position += bytes[position...].withUnsafeBytes { writer.take($0) }
            if position < bytes.count { try await writer.makeRoom() }
        }
        let staged = try await writer.finish()
        var transaction = Transaction(readPoint: expecting == nil ? nil : point)
        if expecting != nil { transaction.checkedKeys = [key(name)] }
        transaction.staged = [staged]
        transaction.writes = [
            Transaction.Write(
                key: key(name), value: Array("value of \(name)".utf8), blobs: [staged.reference])
        ]
        return try await commit(transaction)
    }

    fileprivate func delete(_ name: String) async throws {
        var transaction = Transaction()
        transaction.writes = [Transaction.Write(key: key(name), value: nil)]
        _ = try await commit(transaction)
    }

    fileprivate func bytes(_ name: String, _ range: Range<UInt64>? = nil) async throws -> [UInt8]? {
        guard let entry = try await get(key(name)), let blob = entry.blobs.first else { return nil }
        var bytes: [UInt8] = []
        try await read(blob, range: range ?? 0..<blob.length) { piece in
            piece.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        return bytes
    }
}

@Suite("A store on this machine")
struct StoreServiceTests {
    static let sizes = [1, 4096, 131_072, 131_073, 1_048_576, 5_000_000]

    @Test("blobs of any size come back, whole and in ranges", arguments: sizes)
    func roundTrip(size: Int) async throws {
        let place = try TemporaryStore()
        let store = try place.open()
        let bytes = pattern(UInt64(size), size)
        _ = try await store.put("a", bytes)
        #expect(try await store.bytes("a") == bytes)
        var random = RandomStream(seed: 7)
        for _ in 0..<20 {
            let low = random.below(size)
            let high = low + 1 + random.below(size - low)
            #expect(
                try await store.bytes("a", UInt64(low)..<UInt64(high)) == Array(bytes[low..<high]))
        }
        await store.close()
    }

    @Test("what was committed is there after a clean end and after none")
    func survivesRestart() async throws {
        let place = try TemporaryStore()
        var store = try place.open()
        for number in 0..<50 {
            _ = try await store.put("small/\(number)", pattern(UInt64(number), 1000 + number))
        }
        _ = try await store.put("large", pattern(99, 3_000_000))
        await store.close()
        store = try place.open()
        #expect(try await store.bytes("large") == pattern(99, 3_000_000))
        try await store.delete("small/7")
        _ = try await store.put("small/8", pattern(1000, 10))
        await store.close()
        store = try place.open()
        #expect(try await store.bytes("small/7") == nil)
        #expect(try await store.bytes("small/8") == pattern(1000, 10))
        #expect(
            try await store.range(from: key("small/"), to: key("small0"), limit: 1000).count == 49)
        await store.close()
    }

    @Test("a rebuilt index tells the same as the one that was lost")
    func rebuild() async throws {
        let place = try TemporaryStore()
        var store = try place.open()
        for number in 0..<120 {
            _ = try await store.put("k/\(number)", pattern(UInt64(number), 100 + number * 997))
        }
        for number in stride(from: 0, to: 120, by: 3) { try await store.delete("k/\(number)") }
        for number in stride(from: 1, to: 120, by: 5) {
            _ = try await store.put("k/\(number)", pattern(UInt64(number) + 5000, 300_000))
        }
        let before = try await store.range(from: key("k/"), to: key("k0"), limit: 1000)
        await store.close()
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: place.directory + "/" + name)
        }
        #expect(throws: StoreOpenError.self) { try place.open() }
        let report = try StoreService.rebuildIndex(directory: place.directory)
        #expect(report.entries == before.count && report.unreadableStripes == 0)
        #expect(report.incompleteBlobs == 0)
        store = try place.open()
        let after = try await store.range(from: key("k/"), to: key("k0"), limit: 1000)
        #expect(after.map(\.key) == before.map(\.key) && after.map(\.entry) == before.map(\.entry))
        for number in stride(from: 1, to: 120, by: 5) where number % 3 != 0 || number % 5 == 1 {
            #expect(
                try await store.bytes("k/\(number)") == pattern(UInt64(number) + 5000, 300_000))
        }
        await store.close()
    }

    @Test("of two writers that saw the same, one conflicts")
    func conflicts() async throws {
        let place = try TemporaryStore()
        let store = try place.open()
        let outcomes = await withTaskGroup(of: CommitOutcome?.self) { group in
            for number in 0..<16 {
                group.addTask {
                    try? await store.put("k", pattern(UInt64(number), 64), expecting: 0)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let committed = outcomes.count { if case .committed = $0 { true } else { false } }
        #expect(committed >= 1 && outcomes.count { $0 == nil } == 0)
        let first = store.readPoint()
        _ = try await store.put("k", [1])
        var late = Transaction(readPoint: first)
        late.checkedKeys = [key("k")]
        late.writes = [Transaction.Write(key: key("other"), value: [1])]
        #expect(try await store.commit(late) == .conflict)
        var ranged = Transaction(readPoint: first)
        ranged.checkedRanges = [(key("a"), key("z"))]
        ranged.writes = [Transaction.Write(key: key("zz"), value: [1])]
        #expect(try await store.commit(ranged) == .conflict)
        await store.close()
    }

    @Test("a full store refuses writes, serves reads, and takes writes again after deletions")
    func full() async throws {
        let place = try TemporaryStore()
        let store = try place.open(drives: 3)
        var stored = 0
        var refusal: (any Error)?
        while stored < 200, refusal == nil {
            do {
                _ = try await store.put("f/\(stored)", pattern(UInt64(stored), 1_500_000))
                stored += 1
            } catch { refusal = error }
        }
        #expect(refusal as? StoreError == .full)
        #expect(stored > 40)
        #expect(try await store.bytes("f/3") == pattern(3, 1_500_000))
        for number in 0..<stored { try await store.delete("f/\(number)") }
        var isBack = false
        for _ in 0..<200 where !isBack {
            isBack = (try? await store.put("again", pattern(1, 1_500_000))) != nil
            if !isBack { try await Task.sleep(for: .milliseconds(50)) }
        }
        #expect(isBack)
        #expect(try await store.bytes("again") == pattern(1, 1_500_000))
        await store.close()
    }

    @Test("options that do not fit the store that is there are refused")
    func options() async throws {
        let place = try TemporaryStore()
        let store = try place.open()
        #expect(throws: StoreOpenError.self) { try place.open() }
        await store.close()
        #expect(throws: StoreOpenError.self) { try place.open(drives: 5) }
        #expect(throws: StoreOpenError.self) { try place.open(coding: (3, 1)) }
        await (try place.open()).close()
    }

    @Test("a lost drive's place is taken by an empty one, and what it held is written anew")
    func replacement() async throws {
        let place = try TemporaryStore()
        let store = try place.open()
        for number in 0..<30 {
            _ = try await store.put("k/\(number)", pattern(UInt64(number), 50_000))
        }
        try FileManager.default.removeItem(atPath: place.directory + "/drives/drive-01")
        var isNoticed = false
        for _ in 0..<200 where !isNoticed {
            isNoticed = store.report().drives[1].failure != nil
            if !isNoticed { try await Task.sleep(for: .milliseconds(50)) }
        }
        #expect(isNoticed)
        try await store.replaceDrive(1)
        var isWhole = false
        for _ in 0..<400 where !isWhole {
            let report = store.report()
            isWhole = report.degradedExtents == 0 && report.drives[1].failure == nil
            if !isWhole { try await Task.sleep(for: .milliseconds(50)) }
        }
        #expect(isWhole)
        try FileManager.default.removeItem(atPath: place.directory + "/drives/drive-02")
        for number in 0..<30 {
            #expect(try await store.bytes("k/\(number)") == pattern(UInt64(number), 50_000))
        }
        await store.close()
    }
}
