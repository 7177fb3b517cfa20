import KapokStore
import Testing

@testable import KapokS3

@Suite("Conditional writes")
struct ConditionTests {
    private let region = CatalogFixture()
    private var catalog: Catalog { region.catalog }

    @Test("If-None-Match: * writes only where there is no object")
    func ifNoneMatchAny() async throws {
        try await catalog.createBucket("bucket")
        try await region.put("bucket", "key", "one", ifNoneMatch: "*")
        await expectRefusal(.preconditionFailed) {
            try await region.put("bucket", "key", "two", ifNoneMatch: "*")
        }
        #expect(try await region.text("bucket", "key") == "one")
        #expect(region.store.blobCount == 1)
        try await catalog.deleteObject("bucket", "key", where: .none)
        try await region.put("bucket", "key", "two", ifNoneMatch: "*")
    }

    @Test("If-None-Match with a tag writes unless the object has that tag")
    func ifNoneMatchTag() async throws {
        try await catalog.createBucket("bucket")
        let tag = try await region.put("bucket", "key", "one").eTag
        await expectRefusal(.preconditionFailed) {
            try await region.put("bucket", "key", "two", ifNoneMatch: "\"\(tag)\"")
        }
        try await region.put("bucket", "key", "two", ifNoneMatch: "\"\(tag)x\"")
        try await region.put("bucket", "key", "three", ifNoneMatch: "\"\(tag)\"")
    }

    @Test("If-Match writes only over the object with that tag, in quotes or without, in a list")
    func ifMatch() async throws {
        try await catalog.createBucket("bucket")
        await expectRefusal(.noSuchKey) { try await region.put("bucket", "key", ifMatch: "*") }
        await expectRefusal(.noSuchKey) { try await region.put("bucket", "key", ifMatch: "tag") }
        let one = try await region.put("bucket", "key", "one").eTag
        let two = try await region.put("bucket", "key", "two", ifMatch: one).eTag
        await expectRefusal(.preconditionFailed) {
            try await region.put("bucket", "key", "three", ifMatch: one)
        }
        try await region.put("bucket", "key", "three", ifMatch: "\"x\" , \"\(two)\"")
        try await region.put("bucket", "key", "four", ifMatch: "*")
        #expect(try await region.text("bucket", "key") == "four")
    }

    @Test("a conditional write asks for the bucket first")
    func bucketFirst() async {
        await expectRefusal(.noSuchBucket) { try await region.put("bucket", "key", ifMatch: "*") }
        await expectRefusal(.noSuchBucket) {
            try await catalog.checkWrite("bucket", "key", conditions: .none)
        }
    }

    @Test("whether a write could succeed can be asked before its body")
    func checkWrite() async throws {
        try await catalog.createBucket("bucket")
        let absent = WriteConditions(ifNoneMatch: "*")
        try await catalog.checkWrite("bucket", "key", conditions: absent)
        try await region.put("bucket", "key")
        await expectRefusal(.preconditionFailed) {
            try await catalog.checkWrite("bucket", "key", conditions: absent)
        }
        try await catalog.checkWrite("bucket", "key", conditions: .none)
    }

    @Test("a conditional delete deletes the object that is meant, and nothing needs no condition")
    func conditionalDelete() async throws {
        try await catalog.createBucket("bucket")
        try await catalog.deleteObject(
            "bucket", "key", where: DeleteConditions(ifMatch: "other"))
        let info = try await region.put("bucket", "key", "four")
        await expectRefusal(.preconditionFailed) {
            try await catalog.deleteObject(
                "bucket", "key", where: DeleteConditions(ifMatch: "other"))
        }
        await expectRefusal(.preconditionFailed) {
            try await catalog.deleteObject("bucket", "key", where: DeleteConditions(size: 5))
        }
        let seconds = info.modifiedMilliseconds / 1000
        await expectRefusal(.preconditionFailed) {
            try await catalog.deleteObject(
                "bucket", "key", where: DeleteConditions(lastModifiedSeconds: seconds - 1))
        }
        let all = DeleteConditions(ifMatch: info.eTag, lastModifiedSeconds: seconds, size: 4)
        try await catalog.deleteObject("bucket", "key", where: all)
        #expect(try await region.keys("bucket").isEmpty)
        try await catalog.deleteObject("bucket", "key", where: all)
    }

    @Test("an object overwritten between a delete's condition and its commit is kept")
    func overwrittenBeforeDelete() async throws {
        try await catalog.createBucket("bucket")
        let tag = try await region.put("bucket", "key", "one").eTag
        let region = region
        region.beforeNextCommit { try await region.put("bucket", "key", "two") }
        await expectRefusal(.preconditionFailed) {
            try await catalog.deleteObject(
                "bucket", "key", where: DeleteConditions(ifMatch: tag))
        }
        #expect(try await region.text("bucket", "key") == "two")
    }

    @Test("among many who put with If-None-Match: * at the same time one succeeds")
    func oneWinner() async throws {
        try await catalog.createBucket("bucket")
        let region = region
        // Two catalogs, for one process's lock must not be what makes it right.
        let other = region.otherCatalog()
        for round in 0..<20 {
            let winners = await withTaskGroup(of: Int?.self) { group in
                for i in 0..<40 {
                    group.addTask {
                        guard let staged = try? await region.stage([UInt8(i)]) else { return nil }
                        let info = try? await (i % 2 == 0 ? region.catalog : other).putObject(
                            "bucket", "key\(round)", staged, headers: ObjectHeaders(), tags: [],
                            conditions: WriteConditions(ifNoneMatch: "*"))
                        return info == nil ? nil : i
                    }
                }
                return await group.reduce(into: [Int]()) { if let i = $1 { $0.append(i) } }
            }
            #expect(winners.count == 1)
            #expect(
                try await region.bytes("bucket", "key\(round)") == winners.map { UInt8($0) })
        }
        #expect(region.store.blobCount == 20)
    }

    @Test("counters raised with If-Match by many tasks lose no step")
    func compareAndSwap() async throws {
        try await catalog.createBucket("bucket")
        let region = region
        try await region.put("bucket", "counter", "0")
        let other = region.otherCatalog()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                let catalog = task % 2 == 0 ? region.catalog : other
                group.addTask {
                    var steps = 0
                    while steps < 25 {
                        let info = try await catalog.object("bucket", "counter")
                        var text: [UInt8] = []
                        do {
                            try await region.store.read(
                                info.blobs[0], range: 0..<info.blobs[0].length
                            ) { piece in piece.withUnsafeBytes { text.append(contentsOf: $0) } }
                        } catch StoreError.gone {
                            continue
                        }
                        let value = try #require(Int(String(decoding: text, as: UTF8.self)))
                        let staged = try await region.stage(Array(String(value + 1).utf8))
                        do {
                            _ = try await catalog.putObject(
                                "bucket", "counter", staged, headers: ObjectHeaders(), tags: [],
                                conditions: WriteConditions(ifMatch: info.eTag))
                            steps += 1
                        } catch let error as S3Error where error.code == .preconditionFailed {
                            continue
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await region.text("bucket", "counter") == "200")
        #expect(region.store.blobCount == 1)
    }

    @Test("a write that comes between a condition and its commit makes it look again")
    func betweenLookAndCommit() async throws {
        try await catalog.createBucket("bucket")
        let tag = try await region.put("bucket", "key", "one").eTag
        let region = region
        region.beforeNextCommit {
            let staged = try await region.stage([1])
            _ = try await region.otherCatalog().putObject(
                "bucket", "key", staged, headers: ObjectHeaders(), tags: [], conditions: .none)
        }
        await expectRefusal(.preconditionFailed) {
            try await region.put("bucket", "key", "two", ifMatch: tag)
        }
        #expect(try await region.bytes("bucket", "key") == [1])
    }

    @Test("a conditional write that always loses gives up with ConditionalRequestConflict")
    func givesUp() async throws {
        try await catalog.createBucket("bucket")
        let store = region.store
        store.beforeCommit { transaction in
            guard let key = transaction.checkedKeys.last, transaction.readPoint != nil else {
                return
            }
            var other = Transaction()
            other.writes = [.init(key: key, value: nil)]
            // The interloper itself checks nothing and comes in by the same door.
            guard !transaction.checkedKeys.isEmpty else { return }
            _ = try? await store.commit(other)
        }
        await expectRefusal(.conditionalRequestConflict) {
            try await region.put("bucket", "key", ifNoneMatch: "*")
        }
        store.beforeCommit(nil)
        #expect(store.blobCount == 0)
    }

    @Test("writers without conditions do not fail on each other, and the last one stays")
    func lastOneWins() async throws {
        try await catalog.createBucket("bucket")
        let region = region
        try await withThrowingTaskGroup(of: Void.self) { group in
            for i in 0..<100 {
                group.addTask { try await region.put("bucket", "key", "\(i)") }
            }
            try await group.waitForAll()
        }
        #expect(region.store.conflicts == 0)
        #expect(region.store.blobCount == 1)
        #expect(Int(try await region.text("bucket", "key")) != nil)
    }
}
