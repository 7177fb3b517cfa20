import KapokStore
import Testing

@testable import KapokS3

@Suite("Objects")
struct ObjectTests {
    private let region = CatalogFixture()
    private var catalog: Catalog { region.catalog }

    @Test("an object comes back with its bytes, headers, tags and checksum")
    func roundTrip() async throws {
        try await catalog.createBucket("bucket")
        var headers = ObjectHeaders(
            contentType: "text/plain", user: [("a", "1"), ("b", "größe")])
        headers.cacheControl = "no-cache"
        headers.contentDisposition = "inline"
        headers.contentEncoding = "gzip"
        headers.contentLanguage = "de"
        headers.expires = "whenever"
        headers.websiteRedirectLocation = "/other"
        let put = try await region.put(
            "bucket", "key", "hello", headers: headers, tags: [S3Tag(key: "t", value: "v")],
            checksum: .crc32c)
        let info = try await catalog.object("bucket", "key")
        #expect(try await region.text("bucket", "key") == "hello")
        #expect(info.headers == headers)
        #expect(info.tagCount == 1)
        // MD5 of "hello" (RFC 1321's function; the value is well known).
        #expect(info.eTag == "5d41402abc4b2a76b9719d911017c592")
        #expect(put.eTag == info.eTag)
        #expect(info.length == 5)
        #expect(info.checksum?.algorithm == .crc32c)
        #expect(info.modifiedMilliseconds == Int64(region.now))
        #expect(info.parts.isEmpty)
        #expect(try await catalog.objectTags("bucket", "key") == [S3Tag(key: "t", value: "v")])
    }

    @Test("an object without bytes needs no blob")
    func empty() async throws {
        try await catalog.createBucket("bucket")
        let put = try await region.put("bucket", "key", "")
        #expect(put.eTag == "d41d8cd98f00b204e9800998ecf8427e")
        #expect(try await region.bytes("bucket", "key").isEmpty)
        #expect(region.store.blobCount == 0)
    }

    @Test("an overwritten or deleted object's bytes are freed")
    func freed() async throws {
        try await catalog.createBucket("bucket")
        try await region.put("bucket", "key", "one")
        try await region.put("bucket", "key", "three")
        #expect(region.store.blobBytes == 5)
        try await catalog.deleteObject("bucket", "key", where: .none)
        #expect(region.store.blobCount == 0)
        await expectRefusal(.noSuchKey) { try await catalog.object("bucket", "key") }
    }

    @Test("deleting what is not there succeeds, but not in a bucket that is not there")
    func deleteNothing() async throws {
        try await catalog.createBucket("bucket")
        let commits = region.store.commits
        try await catalog.deleteObject("bucket", "key", where: .none)
        #expect(region.store.commits == commits)
        await expectRefusal(.noSuchBucket) {
            try await catalog.deleteObject("other", "key", where: .none)
        }
    }

    @Test("many objects are deleted in one commit, each with its outcome")
    func deleteMany() async throws {
        try await catalog.createBucket("bucket")
        for i in 0..<20 { try await region.put("bucket", "key\(i)") }
        let commits = region.store.commits
        let long = String(repeating: "k", count: 1025)
        let outcomes = try await catalog.deleteObjects(
            "bucket", ["nothing", long] + (0..<20).map { "key\($0)" })
        #expect(outcomes.count == 22)
        #expect(outcomes[1]?.code == .keyTooLong)
        #expect(outcomes.compactMap(\.self).count == 1)
        #expect(region.store.commits == commits + 1)
        #expect(try await region.keys("bucket").isEmpty)
        #expect(region.store.blobCount == 0)
    }

    @Test("a key named twice in one request is deleted once")
    func deleteTwice() async throws {
        try await catalog.createBucket("bucket")
        try await region.put("bucket", "key")
        let outcomes = try await catalog.deleteObjects("bucket", ["key", "key"])
        #expect(outcomes.allSatisfy { $0 == nil })
        #expect(try await region.keys("bucket").isEmpty)
    }

    @Test("keys are bytes: what looks the same need not be the same")
    func canonicalEquivalence() async throws {
        try await catalog.createBucket("bucket")
        let composed = "caf\u{E9}"
        let decomposed = "cafe\u{301}"
        #expect(composed == decomposed)
        try await region.put("bucket", composed, "one")
        try await region.put("bucket", decomposed, "two")
        #expect(try await region.text("bucket", composed) == "one")
        #expect(try await region.text("bucket", decomposed) == "two")
        #expect(try await region.keys("bucket").count == 2)
    }

    @Test("keys are 1 to 1,024 bytes without zeros")
    func keyLimits() async throws {
        try await catalog.createBucket("bucket")
        try await region.put("bucket", String(repeating: "k", count: 1024))
        await expectRefusal(.keyTooLong) {
            try await region.put("bucket", String(repeating: "ü", count: 513))
        }
        await expectRefusal(.invalidArgument) { try await region.put("bucket", "a\0b") }
        await expectRefusal(.invalidArgument) { try await region.put("bucket", "") }
    }

    @Test("more than 5 GiB in one piece are refused")
    func tooLarge() async throws {
        try await catalog.createBucket("bucket")
        let staged = StagedObject(
            blob: nil, length: 5 << 30 + 1, md5: [UInt8](repeating: 0, count: 16), checksum: nil)
        await expectRefusal(.entityTooLarge) {
            try await catalog.putObject(
                "bucket", "key", staged, headers: ObjectHeaders(), tags: [], conditions: .none)
        }
    }

    @Test("objects of one bucket are not in another")
    func separation() async throws {
        try await catalog.createBucket("one")
        try await catalog.createBucket("two")
        try await region.put("one", "key")
        await expectRefusal(.noSuchKey) { try await catalog.object("two", "key") }
        #expect(try await region.keys("two").isEmpty)
    }

    @Test(
        "a refusal of the store becomes the error that a client can act on",
        arguments: [
            (StoreError.full, S3Error.Code.insufficientStorage),
            (.degraded("2 drives"), .serviceUnavailable), (.busy, .slowDown),
            (.dataLost("all"), .internalError), (.gone, .operationAborted),
            (.tooLarge("this"), .entityTooLarge), (.closed, .serviceUnavailable),
            (.failed("so"), .internalError),
        ])
    func refusals(_ error: StoreError, _ code: S3Error.Code) async throws {
        try await catalog.createBucket("bucket")
        try await region.put("bucket", "key", "old")
        region.store.refuseNextCommit(error)
        await expectRefusal(code) { try await region.put("bucket", "key", "new") }
        #expect(try await region.text("bucket", "key") == "old")
    }

    @Test("a put without conditions costs one commit and no reads once its bucket is known")
    func costOfPut() async throws {
        try await catalog.createBucket("bucket")
        try await region.put("bucket", "key")
        let commits = region.store.commits
        for i in 0..<100 { try await region.put("bucket", "key\(i)") }
        #expect(region.store.commits == commits + 100)
        #expect(region.store.conflicts == 0)
    }
}
