import KapokStore
import Testing

@testable import KapokS3

@Suite("Completing multipart uploads")
struct CompleteTests {
    private let region = CatalogFixture()
    private var catalog: Catalog { region.catalog }
    private static let partSize = 5 << 20

    private func begin(
        checksum: ChecksumAlgorithm? = nil, type: ChecksumType? = nil
    ) async throws -> String {
        try await catalog.createUpload(
            "bucket", "key", headers: ObjectHeaders(contentType: "a/b", user: [("n", "v")]),
            tags: [S3Tag(key: "t", value: "v")], checksum: checksum, type: type)
    }

    /// Uploads a part whose length is only claimed, so that big parts cost nothing.
    private func claim(
        _ id: String, _ number: Int, size: Int, fill: UInt8 = 1, checksum: Checksum? = nil
    ) async throws -> CompletedPart {
        let staged = StagedObject(
            blob: try await region.stage([fill]).blob, length: UInt64(size),
            md5: [UInt8](repeating: fill, count: 16), checksum: checksum)
        let info = try await catalog.putPart(
            "bucket", "key", upload: id, number: number, staged)
        return CompletedPart(number: number, eTag: info.eTag, checksum: info.checksum)
    }

    private func put(
        _ id: String, _ number: Int, _ bytes: [UInt8], checksum: ChecksumAlgorithm? = nil
    ) async throws -> CompletedPart {
        let info = try await catalog.putPart(
            "bucket", "key", upload: id, number: number,
            try await region.stage(bytes, checksum: checksum))
        return CompletedPart(number: number, eTag: info.eTag, checksum: info.checksum)
    }

    @discardableResult
    private func complete(
        _ id: String, _ parts: [CompletedPart], checksum: Checksum? = nil,
        type: ChecksumType? = nil, length: UInt64? = nil, ifMatch: String? = nil,
        ifNoneMatch: String? = nil
    ) async throws -> ObjectInfo {
        try await catalog.completeUpload(
            "bucket", "key", upload: id, parts: parts, checksum: checksum, type: type,
            length: length,
            conditions: WriteConditions(ifMatch: ifMatch, ifNoneMatch: ifNoneMatch))
    }

    @Test("the object is its parts in order, with the upload's headers, tags and a multipart ETag")
    func whole() async throws {
        try await catalog.createBucket("bucket")
        try await region.put("bucket", "key", "before")
        let id = try await begin()
        let a = [UInt8](repeating: 65, count: Self.partSize)
        let b = Array("tail".utf8)
        let second = try await put(id, 9, b)
        let first = try await put(id, 2, a)
        #expect(try await region.text("bucket", "key") == "before")
        let info = try await complete(id, [first, second])
        #expect(try await region.bytes("bucket", "key") == a + b)
        let read = try await catalog.object("bucket", "key")
        #expect(read.eTag == info.eTag)
        #expect(read.eTag.hasSuffix("-2"))
        #expect(read.parts.map(\.number) == [2, 9])
        #expect(read.parts.map(\.length) == [UInt64(Self.partSize), 4])
        #expect(read.parts.map(\.eTag) == [first.eTag, second.eTag])
        #expect(read.headers.contentType == "a/b")
        #expect(read.tagCount == 1)
        #expect(read.blobs.count == 2)
        #expect(region.store.blobCount == 2)
        // The bucket and the object: upload and parts are gone.
        #expect(region.store.entryCount() == 2)
    }

    /// Computed with Python's hashlib for parts of 5 MiB of A, B and C.
    @Test("ETag and composite checksum are known values of three parts")
    func knownAnswer() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin(checksum: .sha256)
        var parts: [CompletedPart] = []
        for (i, letter) in "ABC".utf8.enumerated() {
            let bytes = [UInt8](repeating: letter, count: Self.partSize)
            parts.append(try await put(id, i + 1, bytes, checksum: .sha256))
        }
        #expect(parts[0].checksum?.base64 == "275VF5loJr1YYawit0XSHREhkFXYkkPKGuoK0x9VKxI=")
        let info = try await complete(id, parts)
        #expect(info.eTag == "b2add96cc9702bbf4efb0ccdfc6b7747-3")
        #expect(info.checksum?.base64 == "uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4=-3")
        #expect(info.parts.map(\.checksum) == parts.map(\.checksum))
    }

    @Test(
        "a full-object checksum is that of the bytes",
        arguments: [ChecksumAlgorithm.crc32, .crc32c, .crc64nvme])
    func fullObject(_ algorithm: ChecksumAlgorithm) async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin(checksum: algorithm, type: .fullObject)
        let a = [UInt8](repeating: 3, count: Self.partSize)
        let b = Array("the end".utf8)
        let parts = [
            try await put(id, 1, a, checksum: algorithm),
            try await put(id, 2, b, checksum: algorithm),
        ]
        let info = try await complete(id, parts)
        let expected = (a + b).withUnsafeBytes { ChecksumHasher.checksum(algorithm, of: $0) }
        #expect(info.checksum == expected)
        #expect(try await catalog.object("bucket", "key").checksum == expected)
    }

    @Test("parts must exist, be in order and have the ETags named")
    func partList() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let one = try await claim(id, 1, size: Self.partSize)
        let two = try await claim(id, 2, size: 1)
        await expectRefusal(.malformedXML) { try await complete(id, []) }
        await expectRefusal(.invalidPartOrder) { try await complete(id, [two, one]) }
        await expectRefusal(.invalidPartOrder) { try await complete(id, [one, two, one]) }
        await expectRefusal(.invalidPart) {
            try await complete(id, [CompletedPart(number: 9, eTag: one.eTag, checksum: nil)])
        }
        await expectRefusal(.invalidPart) {
            try await complete(id, [CompletedPart(number: 1, eTag: two.eTag + "0", checksum: nil)])
        }
        await expectRefusal(.noSuchKey) { try await catalog.object("bucket", "key") }
        try await complete(id, [one, two])
    }

    @Test("every part but the last has at least 5 MiB")
    func tooSmall() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let small = try await claim(id, 1, size: Self.partSize - 1)
        let last = try await claim(id, 2, size: 1)
        await expectRefusal(.entityTooSmall) { try await complete(id, [small, last]) }
        try await complete(id, [small])
    }

    @Test("parts that are not named are freed")
    func unnamed() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let one = try await claim(id, 1, size: Self.partSize)
        _ = try await claim(id, 2, size: Self.partSize)
        let three = try await claim(id, 3, size: 1)
        let info = try await complete(id, [one, three])
        #expect(info.parts.map(\.number) == [1, 3])
        #expect(region.store.blobCount == 2)
        #expect(region.store.entryCount() == 2)
    }

    @Test("ten thousand parts make one object in one commit")
    func manyParts() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let bytes = [UInt8](repeating: 1, count: 16)
        let parts = try await region.claimAllParts(
            "bucket", id, size: UInt64(Self.partSize), md5: bytes)
        let commits = region.store.commits
        let info = try await complete(id, parts)
        #expect(info.length == UInt64(Self.partSize) * 10_000)
        #expect(info.eTag.hasSuffix("-10000"))
        #expect(region.store.commits == commits + 1)
        #expect(try await catalog.object("bucket", "key").parts.count == 10_000)
    }

    @Test("what the client says of checksum, type and size must be so, and a repaired try succeeds")
    func comparisons() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin(checksum: .crc32)
        let part = try await put(id, 1, Array("hello".utf8), checksum: .crc32)
        let right = try #require(part.checksum.flatMap { ChecksumCombination.composite([$0]) })
        var bytes = right.bytes
        bytes[0] ^= 1
        await expectRefusal(.badDigest) {
            try await complete(id, [part], checksum: Checksum(.crc32, bytes, partCount: 1))
        }
        await expectRefusal(.badDigest) {
            try await complete(id, [part], checksum: Checksum(.crc32, right.bytes, partCount: 2))
        }
        await expectRefusal(.badDigest) {
            try await complete(
                id, [part], checksum: Checksum(.sha1, [UInt8](repeating: 0, count: 20)))
        }
        await expectRefusal(.invalidRequest) { try await complete(id, [part], type: .fullObject) }
        await expectRefusal(.invalidRequest) { try await complete(id, [part], length: 4) }
        var wrong = part
        wrong.checksum = Checksum(.crc32, bytes)
        await expectRefusal(.invalidPart) { try await complete(id, [wrong]) }
        let info = try await complete(
            id, [part], checksum: right, type: .composite, length: 5)
        #expect(info.checksum == right)
    }

    @Test("a full-object upload needs no checksums in its part list")
    func fullObjectWithoutPartChecksums() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin(checksum: .crc64nvme)
        var part = try await put(id, 1, [1, 2, 3], checksum: .crc64nvme)
        let sum = part.checksum
        part.checksum = nil
        #expect(try await complete(id, [part]).checksum == sum)
    }

    @Test("completing again succeeds while the object still is that upload's")
    func repeated() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let part = try await claim(id, 1, size: 3)
        let first = try await complete(id, [part], ifNoneMatch: "*")
        let again = try await complete(id, [part], ifNoneMatch: "*")
        #expect(first.eTag == again.eTag)
        #expect(first.modifiedMilliseconds == again.modifiedMilliseconds)
        try await catalog.setObjectTags("bucket", "key", [])
        try await complete(id, [part])
        try await region.put("bucket", "key", "other")
        await expectRefusal(.noSuchUpload) { try await complete(id, [part]) }
        #expect(try await region.text("bucket", "key") == "other")
    }

    @Test("the conditions of a completion are those of a put; a refused one leaves the upload")
    func conditions() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let part = try await claim(id, 1, size: 3)
        await expectRefusal(.noSuchKey) { try await complete(id, [part], ifMatch: "*") }
        let tag = try await region.put("bucket", "key", "one").eTag
        await expectRefusal(.preconditionFailed) {
            try await complete(id, [part], ifNoneMatch: "*")
        }
        await expectRefusal(.preconditionFailed) { try await complete(id, [part], ifMatch: "x") }
        try await complete(id, [part], ifMatch: tag)
        #expect(region.store.blobCount == 1)
    }

    @Test("among many completions with If-None-Match: * at the same time one succeeds")
    func oneWinner() async throws {
        try await catalog.createBucket("bucket")
        var uploads: [(String, CompletedPart)] = []
        for i in 0..<20 {
            let id = try await begin()
            uploads.append((id, try await claim(id, 1, size: 3, fill: UInt8(i))))
        }
        let winners = await withTaskGroup(of: Bool.self) { group in
            for (id, part) in uploads {
                group.addTask {
                    (try? await complete(id, [part], ifNoneMatch: "*")) != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
        // The losers' uploads and parts stay until they are aborted.
        #expect(region.store.entryCount() == 2 + 19 * 2)
    }

    @Test("a part that comes in between a completion's look and its commit is freed")
    func partBeforeCommit() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let part = try await claim(id, 1, size: 3)
        region.beforeNextCommit { _ = try await claim(id, 2, size: 3) }
        try await complete(id, [part])
        #expect(region.store.blobCount == 1)
        #expect(region.store.entryCount() == 2)
    }

    @Test("a part replaced between a completion's look and its commit is not the one named")
    func replacedBeforeCommit() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let part = try await claim(id, 1, size: 3, fill: 1)
        region.beforeNextCommit { _ = try await claim(id, 1, size: 3, fill: 2) }
        await expectRefusal(.invalidPart) { try await complete(id, [part]) }
    }

    @Test("an object put between a completion's condition and its commit is looked at")
    func objectBeforeCommit() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let part = try await claim(id, 1, size: 3)
        let region = region
        region.beforeNextCommit { try await region.put("bucket", "key", "other") }
        await expectRefusal(.preconditionFailed) {
            try await complete(id, [part], ifNoneMatch: "*")
        }
        #expect(try await region.text("bucket", "key") == "other")
    }

    @Test("an upload aborted before its completion commits is gone")
    func abortBeforeCommit() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let part = try await claim(id, 1, size: 3)
        let catalog = catalog
        region.beforeNextCommit {
            try await catalog.abortUpload("bucket", "key", upload: id)
        }
        await expectRefusal(.noSuchUpload) { try await complete(id, [part]) }
        #expect(region.store.blobCount == 0)
    }

    @Test("a part sent again while its upload is completed is in the object or freed, never lost")
    func partDuringComplete() async throws {
        try await catalog.createBucket("bucket")
        for _ in 0..<30 {
            let id = try await begin()
            let part = try await claim(id, 1, size: 3)
            await withTaskGroup(of: Void.self) { group in
                for fill in 2..<6 {
                    group.addTask {
                        _ = try? await claim(id, 1, size: 3, fill: UInt8(fill))
                    }
                }
                group.addTask { _ = try? await complete(id, [part]) }
            }
            try? await catalog.abortUpload("bucket", "key", upload: id)
        }
        try await catalog.deleteObject("bucket", "key", where: .none)
        #expect(region.store.blobCount == 0)
        #expect(region.store.entryCount() == 1)
    }
}
