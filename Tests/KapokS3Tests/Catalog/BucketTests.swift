import KapokStore
import Testing

@testable import KapokS3

@Suite("Buckets")
struct BucketTests {
    private let region = CatalogFixture()
    private var catalog: Catalog { region.catalog }

    @Test("a bucket exists from its creation to its deletion")
    func lifetime() async throws {
        await expectRefusal(.noSuchBucket) { try await catalog.headBucket("bucket") }
        try await catalog.createBucket("bucket")
        try await catalog.headBucket("bucket")
        await expectRefusal(.bucketAlreadyOwnedByYou) { try await catalog.createBucket("bucket") }
        try await catalog.deleteBucket("bucket")
        await expectRefusal(.noSuchBucket) { try await catalog.headBucket("bucket") }
        await expectRefusal(.noSuchBucket) { try await catalog.deleteBucket("bucket") }
        #expect(region.store.entryCount() == 0)
    }

    @Test(
        "a name against the naming rules is refused",
        arguments: ["ab", "Bucket", "buc_ket", "-bucket", "bucket-", "a..b", "192.168.5.4", ""])
    func names(_ name: String) async {
        await expectRefusal(.invalidBucketName) { try await catalog.createBucket(name) }
    }

    @Test("a bucket with an object is not deleted")
    func notEmpty() async throws {
        try await catalog.createBucket("bucket")
        try await region.put("bucket", "key")
        await expectRefusal(.bucketNotEmpty) { try await catalog.deleteBucket("bucket") }
        try await catalog.deleteObject("bucket", "key", where: .none)
        try await catalog.deleteBucket("bucket")
        #expect(region.store.entryCount() == 0)
        #expect(region.store.blobCount == 0)
    }

    @Test("uploads in progress are deleted with their bucket, and their parts freed")
    func uploadsGo() async throws {
        try await catalog.createBucket("bucket")
        let id = try await catalog.createUpload(
            "bucket", "key", headers: ObjectHeaders(), tags: [], checksum: nil, type: nil)
        _ = try await catalog.putPart(
            "bucket", "key", upload: id, number: 1, try await region.stage([1]))
        #expect(region.store.blobCount == 1)
        try await catalog.deleteBucket("bucket")
        #expect(region.store.entryCount() == 0)
        #expect(region.store.blobCount == 0)
    }

    @Test("a bucket with more uploads than one transaction takes is deleted all the same")
    func manyUploads() async throws {
        try await catalog.createBucket("bucket")
        var id = ""
        for _ in 0..<120 {
            id = try await catalog.createUpload(
                "bucket", "key", headers: ObjectHeaders(), tags: [], checksum: nil, type: nil)
        }
        _ = try await region.claimAllParts(
            "bucket", id, size: 0, md5: [UInt8](repeating: 0, count: 16))
        try await catalog.deleteBucket("bucket")
        #expect(region.store.entryCount() == 0)
    }

    @Test("a bucket that was created again has none of the old one's objects, tags or uploads")
    func recreated() async throws {
        try await catalog.createBucket("bucket")
        try await catalog.setBucketTags("bucket", [S3Tag(key: "a", value: "b")])
        try await region.put("bucket", "key")
        let id = try await catalog.createUpload(
            "bucket", "key", headers: ObjectHeaders(), tags: [], checksum: nil, type: nil)
        try await catalog.deleteObject("bucket", "key", where: .none)
        try await catalog.deleteBucket("bucket")
        try await catalog.createBucket("bucket")
        #expect(try await region.keys("bucket").isEmpty)
        await expectRefusal(.noSuchTagSet) { try await catalog.bucketTags("bucket") }
        await expectRefusal(.noSuchUpload) {
            try await catalog.upload("bucket", "key", id: id)
        }
        try await region.put("bucket", "key", "new")
        #expect(try await region.text("bucket", "key") == "new")
    }

    @Test("another front end's deletion and creation of a bucket are seen at once")
    func otherFrontEnd() async throws {
        let other = region.otherCatalog()
        try await catalog.createBucket("bucket")
        try await region.put("bucket", "key", "old")
        try await other.deleteObject("bucket", "key", where: .none)
        try await other.deleteBucket("bucket")
        await expectRefusal(.noSuchBucket) { try await catalog.object("bucket", "key") }
        await expectRefusal(.noSuchBucket) { try await region.put("bucket", "key") }
        #expect(region.store.blobCount == 0)
        try await other.createBucket("bucket")
        _ = try await other.putObject(
            "bucket", "key", try await region.stage([7]), headers: ObjectHeaders(), tags: [],
            conditions: .none)
        #expect(try await region.bytes("bucket", "key") == [7])
    }

    @Test("a bucket that was remembered is not trusted when it seems to lack an object")
    func remembered() async throws {
        try await catalog.createBucket("bucket")
        try await catalog.headBucket("bucket")
        let other = region.otherCatalog()
        try await other.deleteBucket("bucket")
        try await other.createBucket("bucket")
        _ = try await other.putObject(
            "bucket", "key", try await region.stage([7]), headers: ObjectHeaders(), tags: [],
            conditions: .none)
        #expect(try await region.bytes("bucket", "key") == [7])
    }

    @Test("a bucket deleted between a put's look and its commit does not swallow the object")
    func deletedMeanwhile() async throws {
        try await catalog.createBucket("bucket")
        try await catalog.headBucket("bucket")
        let other = region.otherCatalog()
        region.beforeNextCommit { try await other.deleteBucket("bucket") }
        await expectRefusal(.noSuchBucket) { try await region.put("bucket", "key") }
        #expect(region.store.entryCount() == 0)
        #expect(region.store.blobCount == 0)
    }

    @Test("an object put between a deletion's look and its commit keeps the bucket")
    func putMeanwhile() async throws {
        try await catalog.createBucket("bucket")
        let region = region
        region.beforeNextCommit { try await region.put("bucket", "key", "kept") }
        await expectRefusal(.bucketNotEmpty) { try await catalog.deleteBucket("bucket") }
        #expect(try await region.text("bucket", "key") == "kept")
    }

    @Test("an upload begun, or a part uploaded, before a bucket's deletion commits goes with it")
    func uploadMeanwhile() async throws {
        try await catalog.createBucket("bucket")
        let region = region
        region.beforeNextCommit {
            let id = try await region.catalog.createUpload(
                "bucket", "key", headers: ObjectHeaders(), tags: [], checksum: nil, type: nil)
            _ = try await region.catalog.putPart(
                "bucket", "key", upload: id, number: 1, try await region.stage([1]))
        }
        try await catalog.deleteBucket("bucket")
        #expect(region.store.entryCount() == 0)
        #expect(region.store.blobCount == 0)
    }

    @Test("an upload is not begun in a bucket that is deleted before it commits")
    func uploadInDeleted() async throws {
        try await catalog.createBucket("bucket")
        let other = region.otherCatalog()
        region.beforeNextCommit { try await other.deleteBucket("bucket") }
        await expectRefusal(.noSuchBucket) {
            try await catalog.createUpload(
                "bucket", "key", headers: ObjectHeaders(), tags: [], checksum: nil, type: nil)
        }
        #expect(region.store.entryCount() == 0)
    }

    @Test("buckets are listed in order of name, by prefix and in pages")
    func listing() async throws {
        for name in ["beta", "alpha", "gamma", "alpine"] { try await catalog.createBucket(name) }
        region.pass(milliseconds: 5)
        try await catalog.createBucket("zeta")
        let all = try await catalog.listBuckets(prefix: "", after: nil, limit: 10_000)
        #expect(all.buckets.map(\.name) == ["alpha", "alpine", "beta", "gamma", "zeta"])
        #expect(all.buckets.last?.createdMilliseconds == Int64(region.now))
        #expect(!all.isTruncated)
        let first = try await catalog.listBuckets(prefix: "al", after: nil, limit: 1)
        #expect(first.buckets.map(\.name) == ["alpha"])
        #expect(first.isTruncated)
        let second = try await catalog.listBuckets(prefix: "al", after: "alpha", limit: 1)
        #expect(second.buckets.map(\.name) == ["alpine"])
        #expect(!second.isTruncated)
        let none = try await catalog.listBuckets(prefix: "al", after: "zzz", limit: 1)
        #expect(none.buckets.isEmpty)
    }

    @Test("among many who create a bucket at the same time one succeeds")
    func concurrentCreation() async throws {
        let catalog = catalog
        let winners = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    do {
                        try await catalog.createBucket("bucket")
                        return true
                    } catch {
                        return false
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
    }
}
