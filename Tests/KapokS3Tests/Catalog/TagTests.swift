import Testing

@testable import KapokS3

@Suite("Tags")
struct TagTests {
    private let region = CatalogFixture()
    private var catalog: Catalog { region.catalog }

    private func tags(_ count: Int) -> [S3Tag] {
        (0..<count).map { S3Tag(key: "key\(10 + $0)", value: "value\($0)") }
    }

    @Test("an object's tags are replaced and removed; its bytes, date and headers stay")
    func objectTags() async throws {
        try await catalog.createBucket("bucket")
        let put = try await region.put("bucket", "key", "hello", checksum: .crc32)
        #expect(try await catalog.objectTags("bucket", "key").isEmpty)
        region.pass(milliseconds: 1000)
        try await catalog.setObjectTags("bucket", "key", tags(10))
        #expect(try await catalog.objectTags("bucket", "key") == tags(10))
        let info = try await catalog.object("bucket", "key")
        #expect(info.tagCount == 10)
        #expect(info.eTag == put.eTag)
        #expect(info.checksum == put.checksum)
        #expect(info.modifiedMilliseconds == put.modifiedMilliseconds)
        #expect(try await region.text("bucket", "key") == "hello")
        try await catalog.setObjectTags("bucket", "key", [])
        #expect(try await catalog.objectTags("bucket", "key").isEmpty)
    }

    @Test("tags come back in the order of their keys")
    func order() async throws {
        try await catalog.createBucket("bucket")
        let tags = ["foo", "Zoo", "bar"].map { S3Tag(key: $0, value: "") }
        try await region.put("bucket", "key", tags: tags)
        let sorted = [tags[1], tags[2], tags[0]]
        #expect(try await catalog.objectTags("bucket", "key") == sorted)
        try await catalog.setObjectTags("bucket", "key", tags)
        #expect(try await catalog.objectTags("bucket", "key") == sorted)
        try await catalog.setBucketTags("bucket", tags)
        #expect(try await catalog.bucketTags("bucket") == sorted)
    }

    @Test("what is not there has no tags")
    func nothing() async throws {
        await expectRefusal(.noSuchBucket) { try await catalog.objectTags("bucket", "key") }
        await expectRefusal(.noSuchBucket) { try await catalog.bucketTags("bucket") }
        try await catalog.createBucket("bucket")
        await expectRefusal(.noSuchKey) { try await catalog.objectTags("bucket", "key") }
        await expectRefusal(.noSuchKey) {
            try await catalog.setObjectTags("bucket", "key", tags(1))
        }
        await expectRefusal(.noSuchTagSet) { try await catalog.bucketTags("bucket") }
    }

    @Test("a bucket has up to 50 tags, an object up to 10")
    func counts() async throws {
        try await catalog.createBucket("bucket")
        try await catalog.setBucketTags("bucket", tags(50))
        #expect(try await catalog.bucketTags("bucket") == tags(50))
        await expectRefusal(.invalidTag) { try await catalog.setBucketTags("bucket", tags(51)) }
        try await catalog.setBucketTags("bucket", [])
        await expectRefusal(.noSuchTagSet) { try await catalog.bucketTags("bucket") }
        await expectRefusal(.invalidTag) { try await region.put("bucket", "key", tags: tags(11)) }
        try await region.put("bucket", "key", tags: tags(10))
        await expectRefusal(.invalidTag) {
            try await catalog.setObjectTags("bucket", "key", tags(11))
        }
        #expect(try await catalog.objectTags("bucket", "key") == tags(10))
    }

    @Test(
        "keys have 1 to 128 characters, values up to 256, of letters, digits, spaces and _.:/=+-@")
    func rules() throws {
        func isValid(_ key: String, _ value: String) -> Bool {
            (try? TagRules.validated([S3Tag(key: key, value: value)], atMost: 10)) != nil
        }
        #expect(isValid(String(repeating: "ü", count: 128), String(repeating: "漢", count: 256)))
        #expect(!isValid(String(repeating: "k", count: 129), ""))
        #expect(!isValid("k", String(repeating: "v", count: 257)))
        #expect(!isValid("", "v"))
        #expect(isValid("a b_.:/=+-@", "x y_.:/=+-@1"))
        #expect(!isValid("a?", "v"))
        #expect(!isValid("a", "v<"))
        #expect(!isValid("aws:mine", "v"))
        let twice = [S3Tag(key: "a", value: "1"), S3Tag(key: "a", value: "2")]
        #expect(throws: S3Error.self) { try TagRules.validated(twice, atMost: 10) }
    }

    @Test("tagging and overwriting at the same time leaves one of the two, whole")
    func concurrent() async throws {
        try await catalog.createBucket("bucket")
        let region = region
        try await region.put("bucket", "key", "0")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for i in 0..<50 {
                group.addTask { try await region.put("bucket", "key", "\(i)") }
                group.addTask {
                    try await region.catalog.setObjectTags(
                        "bucket", "key", [S3Tag(key: "i", value: "\(i)")])
                }
            }
            try await group.waitForAll()
        }
        #expect(region.store.blobCount == 1)
        #expect(Int(try await region.text("bucket", "key")) != nil)
    }
}
