import KapokStore
import Testing

@Suite("The store in memory keeps the contract of the store client")
struct MemoryStoreTests {
    private let store = MemoryStore()

    private func stage(_ bytes: [UInt8]) async throws -> any StagedBlob {
        let writer = try store.makeBlobWriter(expectedLength: nil)
        var offset = 0
        while offset < bytes.count {
            offset += bytes[offset...].withUnsafeBytes { writer.take($0) }
            try await writer.makeRoom()
        }
        return try await writer.finish()
    }

    private func put(_ key: String, _ bytes: [UInt8]) async throws -> CommitOutcome {
        let blob = try await stage(bytes)
        var transaction = Transaction()
        transaction.staged = [blob]
        transaction.writes = [
            .init(key: StoreKey(Array(key.utf8)), value: [1], blobs: [blob.reference])
        ]
        return try await store.commit(transaction)
    }

    @Test("a transaction conflicts when a checked key was written after its read point")
    func checkedKey() async throws {
        let key = StoreKey([1])
        var transaction = Transaction(readPoint: store.readPoint())
        transaction.checkedKeys = [key]
        transaction.writes = [.init(key: key, value: [1])]
        #expect(try await store.commit(transaction) != .conflict)
        #expect(try await store.commit(transaction) == .conflict)
        transaction.readPoint = store.readPoint()
        #expect(try await store.commit(transaction) != .conflict)
    }

    @Test("a transaction conflicts when a key appeared in or vanished from a checked range")
    func checkedRange() async throws {
        var check = Transaction(readPoint: store.readPoint())
        check.checkedRanges = [(StoreKey([1]), StoreKey([3]))]
        check.writes = [.init(key: StoreKey([9]), value: [])]
        var other = Transaction()
        other.writes = [.init(key: StoreKey([3]), value: [])]
        _ = try await store.commit(other)
        #expect(try await store.commit(check) != .conflict)
        other.writes = [.init(key: StoreKey([2]), value: [])]
        _ = try await store.commit(other)
        #expect(try await store.commit(check) == .conflict)
        check.readPoint = store.readPoint()
        other.writes = [.init(key: StoreKey([2]), value: nil)]
        _ = try await store.commit(other)
        #expect(try await store.commit(check) == .conflict)
    }

    @Test("a replaced entry's blobs are freed unless a write of the transaction names them")
    func blobLifetime() async throws {
        _ = try await put("a", [1, 2, 3])
        let old = try #require(try await store.get(StoreKey(Array("a".utf8))))
        var move = Transaction()
        move.writes = [
            .init(key: StoreKey(Array("a".utf8)), value: nil),
            .init(key: StoreKey(Array("b".utf8)), value: [2], blobs: old.blobs),
        ]
        _ = try await store.commit(move)
        #expect(store.blobCount == 1)
        _ = try await put("b", [4])
        #expect(store.blobCount == 1)
        #expect(store.blobBytes == 1)
        await #expect(throws: StoreError.gone) {
            try await store.read(old.blobs[0], range: 0..<3) { _ in }
        }
    }

    @Test("a blob cannot be claimed by a second entry")
    func oneOwner() async throws {
        _ = try await put("a", [1])
        let entry = try #require(try await store.get(StoreKey(Array("a".utf8))))
        var steal = Transaction()
        steal.writes = [.init(key: StoreKey([1]), value: [1], blobs: entry.blobs)]
        await #expect(throws: StoreError.self) { try await store.commit(steal) }
    }
}
