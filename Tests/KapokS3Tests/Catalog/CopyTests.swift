import KapokStore
import Testing

@testable import KapokS3

@Suite("Copies")
struct CopyTests {
    private let region = CatalogFixture()
    private var catalog: Catalog { region.catalog }

    @discardableResult
    private func copy(
        from source: String = "source", to key: String = "copy", headers: ObjectHeaders? = nil,
        tags: [S3Tag]? = nil, checksum: ChecksumAlgorithm? = nil,
        conditions: WriteConditions = .none, where given: ReadConditions = ReadConditions()
    ) async throws -> ObjectInfo {
        try await catalog.copyObject(
            "bucket", key, from: CopySource(bucket: "bucket", key: source, conditions: given),
            headers: headers, tags: tags, checksum: checksum, conditions: conditions)
    }

    private func fill(_ text: String = "hello", checksum: ChecksumAlgorithm? = nil) async throws {
        try await catalog.createBucket("bucket")
        try await region.put(
            "bucket", "source", text,
            headers: ObjectHeaders(contentType: "a/b", user: [("n", "v")]),
            tags: [S3Tag(key: "t", value: "v")], checksum: checksum)
    }

    @Test("a copy has the bytes, headers, tags and checksum algorithm of its source")
    func plain() async throws {
        try await fill(checksum: .crc32c)
        region.pass(milliseconds: 1000)
        let info = try await copy()
        let source = try await catalog.object("bucket", "source")
        #expect(info.eTag == source.eTag)
        #expect(info.headers == source.headers)
        #expect(info.checksum == source.checksum)
        #expect(info.modifiedMilliseconds == source.modifiedMilliseconds + 1000)
        #expect(try await catalog.objectTags("bucket", "copy").count == 1)
        try await catalog.deleteObject("bucket", "source", where: .none)
        #expect(try await region.text("bucket", "copy") == "hello")
        #expect(region.store.blobCount == 1)
    }

    @Test("headers, tags and checksum are replaced where the request says so")
    func replaced() async throws {
        try await fill(checksum: .crc32)
        let headers = ObjectHeaders(contentType: "c/d", user: [])
        let info = try await copy(
            headers: headers, tags: [S3Tag(key: "x", value: "y")], checksum: .sha256)
        #expect(info.headers == headers)
        #expect(info.checksum?.algorithm == .sha256)
        #expect(
            try await catalog.objectTags("bucket", "copy") == [S3Tag(key: "x", value: "y")])
        await expectRefusal(.invalidTag) { try await copy(tags: [S3Tag(key: "", value: "")]) }
    }

    @Test("long objects are copied piece by piece; an empty one too")
    func sizes() async throws {
        let long = String(repeating: "0123456789abcdef", count: 20_000)
        try await fill(long)
        try await copy()
        #expect(try await region.text("bucket", "copy") == long)
        try await region.put("bucket", "empty", "")
        let info = try await copy(from: "empty", to: "also empty")
        #expect(info.length == 0 && info.blobs.isEmpty)
    }

    @Test("a copy of a multipart object is an object in one piece")
    func multipartSource() async throws {
        try await catalog.createBucket("bucket")
        let id = try await catalog.createUpload(
            "bucket", "source", headers: ObjectHeaders(), tags: [], checksum: .crc32, type: nil)
        let bytes = [UInt8](repeating: 9, count: 5 << 20)
        var parts: [CompletedPart] = []
        for (i, piece) in [bytes, [1, 2, 3]].enumerated() {
            let info = try await catalog.putPart(
                "bucket", "source", upload: id, number: i + 1,
                try await region.stage(piece, checksum: .crc32))
            parts.append(
                CompletedPart(number: i + 1, eTag: info.eTag, checksum: info.checksum))
        }
        _ = try await catalog.completeUpload(
            "bucket", "source", upload: id, parts: parts, checksum: nil, type: nil, length: nil,
            conditions: .none)
        let whole = try await region.stage(bytes + [1, 2, 3], checksum: .crc32)
        let info = try await copy()
        #expect(info.eTag == Hexadecimal.encode(whole.md5))
        #expect(info.checksum == whole.checksum)
        #expect(info.blobs.count == 1)
        #expect(try await region.bytes("bucket", "copy") == bytes + [1, 2, 3])
        // Onto itself it becomes one piece as well.
        let again = try await copy(to: "source", headers: ObjectHeaders())
        #expect(again.eTag == info.eTag)
        #expect(again.parts.isEmpty)
        #expect(region.store.blobCount == 2)
    }

    @Test("a copy onto itself that changes nothing is refused")
    func ontoItself() async throws {
        try await fill()
        await expectRefusal(.invalidRequest) { try await copy(to: "source") }
        await expectRefusal(.invalidRequest) { try await copy(to: "source", tags: []) }
    }

    @Test("a copy onto itself with new headers moves no bytes")
    func newHeaders() async throws {
        try await fill(checksum: .crc32)
        let before = try await catalog.object("bucket", "source")
        region.pass(milliseconds: 5)
        let headers = ObjectHeaders(contentType: "c/d", user: [])
        let info = try await copy(to: "source", headers: headers)
        #expect(info.headers == headers)
        #expect(info.blobs == before.blobs)
        #expect(info.eTag == before.eTag && info.checksum == before.checksum)
        #expect(info.modifiedMilliseconds == before.modifiedMilliseconds + 5)
        #expect(try await region.text("bucket", "source") == "hello")
        let other = try await copy(to: "source", headers: headers, checksum: .sha1)
        #expect(other.checksum?.algorithm == .sha1)
        #expect(region.store.blobCount == 1)
    }

    @Test("the source must exist and be as the conditions say; each failure is the same")
    func sourceConditions() async throws {
        await expectRefusal(.noSuchBucket) { try await copy() }
        try await fill()
        let info = try await catalog.object("bucket", "source")
        await expectRefusal(.noSuchKey) { try await copy(from: "nothing") }
        await expectRefusal(.noSuchBucket) {
            try await catalog.copyObject(
                "bucket", "copy",
                from: CopySource(bucket: "other", key: "k", conditions: ReadConditions()),
                headers: nil, tags: nil, checksum: nil, conditions: .none)
        }
        var conditions = ReadConditions()
        conditions.ifMatch = "\"other\""
        await expectRefusal(.preconditionFailed) { try await copy(where: conditions) }
        conditions.ifMatch = info.eTag
        conditions.ifUnmodifiedSince = 0
        try await copy(where: conditions)
        conditions = ReadConditions()
        conditions.ifNoneMatch = info.eTag
        await expectRefusal(.preconditionFailed) { try await copy(where: conditions) }
        conditions = ReadConditions()
        conditions.ifModifiedSince = info.modifiedMilliseconds / 1000
        await expectRefusal(.preconditionFailed) { try await copy(where: conditions) }
    }

    @Test("a copy's conditions about the object it replaces hold as for a put")
    func writeConditions() async throws {
        try await fill()
        try await copy(conditions: WriteConditions(ifNoneMatch: "*"))
        await expectRefusal(.preconditionFailed) {
            try await copy(conditions: WriteConditions(ifNoneMatch: "*"))
        }
        await expectRefusal(.noSuchKey) {
            try await copy(to: "other", conditions: WriteConditions(ifMatch: "*"))
        }
        #expect(region.store.blobCount == 2)
    }

    @Test("a source overwritten while it is read is copied as it is then")
    func overwrittenMeanwhile() async throws {
        try await fill(String(repeating: "old", count: 100_000))
        let region = region
        region.store.beforePiece { _ in
            region.store.beforePiece(nil)
            _ = try? await region.put("bucket", "source", "new")
        }
        try await copy()
        #expect(try await region.text("bucket", "copy") == "new")
        #expect(region.store.blobCount == 2)
    }

    @Test("a source deleted while it is read is no source")
    func deletedMeanwhile() async throws {
        try await fill()
        let region = region
        region.store.beforePiece { _ in
            region.store.beforePiece(nil)
            try? await region.catalog.deleteObject("bucket", "source", where: .none)
        }
        await expectRefusal(.noSuchKey) { try await copy() }
        #expect(region.store.blobCount == 0)
    }

    @Test("a source above 5 GiB is refused")
    func tooLarge() async throws {
        try await catalog.createBucket("bucket")
        let id = try await catalog.createUpload(
            "bucket", "source", headers: ObjectHeaders(), tags: [], checksum: nil, type: nil)
        var parts: [CompletedPart] = []
        for number in 1...2 {
            let info = try await catalog.putPart(
                "bucket", "source", upload: id, number: number,
                StagedObject(
                    blob: nil, length: 5 << 30, md5: [UInt8](repeating: 1, count: 16),
                    checksum: nil))
            parts.append(CompletedPart(number: number, eTag: info.eTag, checksum: nil))
        }
        _ = try await catalog.completeUpload(
            "bucket", "source", upload: id, parts: parts, checksum: nil, type: nil, length: nil,
            conditions: .none)
        await expectRefusal(.invalidRequest) { try await copy() }
    }

    @Test("a part is copied from all bytes of an object or from some, and not from bytes it lacks")
    func parts() async throws {
        try await fill("0123456789")
        let id = try await catalog.createUpload(
            "bucket", "copy", headers: ObjectHeaders(), tags: [], checksum: .crc32, type: nil)
        var source = CopySource(bucket: "bucket", key: "source", conditions: ReadConditions())
        let all = try await catalog.copyPart(
            "bucket", "copy", upload: id, number: 1, from: source)
        #expect(all.length == 10)
        source.range = 2...4
        let some = try await catalog.copyPart(
            "bucket", "copy", upload: id, number: 2, from: source)
        let expected = try await region.stage(Array("234".utf8), checksum: .crc32)
        #expect(some.eTag == Hexadecimal.encode(expected.md5))
        #expect(some.checksum == expected.checksum)
        source.range = 5...10
        let beyond = source
        await expectRefusal(.invalidRange) {
            try await catalog.copyPart("bucket", "copy", upload: id, number: 3, from: beyond)
        }
        await expectRefusal(.noSuchUpload) {
            try await catalog.copyPart("bucket", "copy", upload: "1", number: 3, from: beyond)
        }
        #expect(region.store.blobCount == 3)
    }
}
