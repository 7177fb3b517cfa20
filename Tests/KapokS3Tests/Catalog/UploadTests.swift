import KapokStore
import KapokWorld
import Testing

@testable import KapokS3

@Suite("Multipart uploads")
struct UploadTests {
    private let region = CatalogFixture()
    private var catalog: Catalog { region.catalog }

    private func begin(
        _ key: String = "key", checksum: ChecksumAlgorithm? = nil, type: ChecksumType? = nil
    ) async throws -> String {
        try await catalog.createUpload(
            "bucket", key, headers: ObjectHeaders(contentType: "a/b", user: [("n", "v")]),
            tags: [S3Tag(key: "t", value: "v")], checksum: checksum, type: type)
    }

    @discardableResult
    private func put(
        _ id: String, _ number: Int, _ text: String = "x", checksum: ChecksumAlgorithm? = nil,
        key: String = "key"
    ) async throws -> PartInfo {
        try await catalog.putPart(
            "bucket", key, upload: id, number: number,
            try await region.stage(Array(text.utf8), checksum: checksum))
    }

    @Test("an upload's id has 32 digits and tells what the upload was begun with")
    func beginning() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin(checksum: .sha256)
        #expect(id.utf8.count == 32)
        let info = try await catalog.upload("bucket", "key", id: id)
        #expect(info.key == "key")
        #expect(info.id == id)
        #expect(info.begunMilliseconds == Int64(region.now))
        #expect(info.checksumAlgorithm == .sha256)
        #expect(info.checksumType == .composite)
        let crc = try await begin(checksum: .crc64nvme)
        #expect(try await catalog.upload("bucket", "key", id: crc).checksumType == .fullObject)
    }

    @Test("an upload is one of its bucket and key")
    func identity() async throws {
        try await catalog.createBucket("bucket")
        try await catalog.createBucket("other")
        let id = try await begin()
        await expectRefusal(.noSuchUpload) { try await catalog.upload("bucket", "k", id: id) }
        await expectRefusal(.noSuchUpload) { try await catalog.upload("other", "key", id: id) }
        await expectRefusal(.noSuchUpload) { try await catalog.upload("bucket", "key", id: "1") }
        await expectRefusal(.noSuchUpload) { try await put("56788", 1) }
        await expectRefusal(.noSuchBucket) { try await catalog.upload("none", "key", id: id) }
        await expectRefusal(.noSuchBucket) { try await catalog.upload("none", "key", id: "1") }
    }

    @Test("checksum types go with the algorithms that can do them")
    func checksumTypes() async throws {
        try await catalog.createBucket("bucket")
        await expectRefusal(.invalidRequest) { try await begin(checksum: .sha1, type: .fullObject) }
        await expectRefusal(.invalidRequest) {
            try await begin(checksum: .crc64nvme, type: .composite)
        }
        await expectRefusal(.invalidRequest) { try await begin(type: .composite) }
        _ = try await begin(checksum: .crc32, type: .fullObject)
    }

    @Test("parts have numbers 1 to 10,000, at most 5 GiB and the upload's checksum algorithm")
    func partRules() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin(checksum: .crc32)
        await expectRefusal(.invalidArgument) { try await put(id, 0, checksum: .crc32) }
        await expectRefusal(.invalidArgument) { try await put(id, 10_001, checksum: .crc32) }
        await expectRefusal(.invalidRequest) { try await put(id, 1, checksum: .sha1) }
        await expectRefusal(.invalidRequest) { try await put(id, 1) }
        try await put(id, 10_000, checksum: .crc32)
        let large = StagedObject(
            blob: nil, length: 5 << 30 + 1, md5: [UInt8](repeating: 0, count: 16), checksum: nil)
        await expectRefusal(.entityTooLarge) {
            try await catalog.putPart("bucket", "key", upload: id, number: 1, large)
        }
    }

    @Test("a part uploaded again replaces the first and frees its bytes")
    func resend() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        try await put(id, 1, "first")
        try await put(id, 1, "second")
        #expect(region.store.blobBytes == 6)
    }

    @Test("parts are listed by number in pages")
    func listParts() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        for number in [7, 1, 300, 256] { try await put(id, number, "part \(number)") }
        let all = try await catalog.listParts("bucket", "key", upload: id, after: 0, limit: 1000)
        #expect(all.parts.map(\.number) == [1, 7, 256, 300])
        #expect(all.parts.map(\.length) == [6, 6, 8, 8])
        #expect(!all.isTruncated)
        #expect(all.upload.id == id)
        let page = try await catalog.listParts("bucket", "key", upload: id, after: 1, limit: 2)
        #expect(page.parts.map(\.number) == [7, 256])
        #expect(page.isTruncated)
        let end = try await catalog.listParts("bucket", "key", upload: id, after: 256, limit: 2)
        #expect(end.parts.map(\.number) == [300])
        #expect(!end.isTruncated)
        let none = try await catalog.listParts("bucket", "key", upload: id, after: 10_000, limit: 2)
        #expect(none.parts.isEmpty)
    }

    @Test("an aborted upload is gone with its parts, and takes no more")
    func abort() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        for number in 1...5 { try await put(id, number) }
        try await catalog.abortUpload("bucket", "key", upload: id)
        #expect(region.store.blobCount == 0)
        #expect(region.store.entryCount() == 1)
        await expectRefusal(.noSuchUpload) { try await put(id, 1) }
        await expectRefusal(.noSuchUpload) {
            try await catalog.abortUpload("bucket", "key", upload: id)
        }
    }

    @Test("a part that comes in while its upload is aborted leaves nothing behind")
    func partDuringAbort() async throws {
        try await catalog.createBucket("bucket")
        for _ in 0..<30 {
            let id = try await begin()
            await withTaskGroup(of: Void.self) { group in
                for number in 1...10 {
                    group.addTask { _ = try? await put(id, number) }
                }
                group.addTask {
                    try? await catalog.abortUpload("bucket", "key", upload: id)
                }
            }
        }
        #expect(region.store.blobCount == 0)
        #expect(region.store.entryCount() == 1)
    }

    @Test("a part that comes in between an abort's look and its commit is freed")
    func partBeforeAbortCommits() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        region.beforeNextCommit { try await put(id, 4) }
        try await catalog.abortUpload("bucket", "key", upload: id)
        #expect(region.store.blobCount == 0)
        #expect(region.store.entryCount() == 1)
    }

    @Test("a part whose upload is aborted before it commits is refused")
    func abortBeforePartCommits() async throws {
        try await catalog.createBucket("bucket")
        let id = try await begin()
        let catalog = catalog
        region.beforeNextCommit {
            try await catalog.abortUpload("bucket", "key", upload: id)
        }
        await expectRefusal(.noSuchUpload) { try await put(id, 1) }
        #expect(region.store.blobCount == 0)
        #expect(region.store.entryCount() == 1)
    }

    // MARK: Listing uploads

    private func list(
        prefix: String = "", delimiter: String? = nil, afterKey: String? = nil,
        afterID: String? = nil, limit: Int = 1000
    ) async throws -> UploadPage {
        try await catalog.listUploads(
            "bucket", prefix: prefix, delimiter: delimiter, afterKey: afterKey,
            afterUploadID: afterID, limit: limit)
    }

    @Test("uploads are listed by key and then by the time they were begun")
    func listUploads() async throws {
        try await catalog.createBucket("bucket")
        var ids: [String] = []
        for key in ["b", "a", "b", "b", "c/1", "c/2"] {
            ids.append(try await begin(key))
            region.pass(milliseconds: 1)
        }
        let all = try await list()
        #expect(all.uploads.map(\.key) == ["a", "b", "b", "b", "c/1", "c/2"])
        #expect(all.uploads.map(\.id) == [ids[1], ids[0], ids[2], ids[3], ids[4], ids[5]])
        #expect(all.nextKey == nil && all.nextUploadID == nil)
        let first = try await list(delimiter: "/", limit: 2)
        #expect(first.uploads.map(\.id) == [ids[1], ids[0]])
        #expect(first.nextKey == "b" && first.nextUploadID == ids[0])
        let second = try await list(
            delimiter: "/", afterKey: first.nextKey, afterID: first.nextUploadID, limit: 3)
        #expect(second.uploads.map(\.id) == [ids[2], ids[3]])
        #expect(second.commonPrefixes == ["c/"])
        #expect(second.nextKey == nil)
        #expect(try await list(afterKey: "b").uploads.map(\.key) == ["c/1", "c/2"])
        #expect(try await list(delimiter: "/", afterKey: "c/").commonPrefixes.isEmpty)
        #expect(try await list(prefix: "c", afterKey: "a").uploads.map(\.key) == ["c/1", "c/2"])
        #expect(try await list(afterID: ids[0]).uploads.count == 6)
        await expectRefusal(.invalidArgument) { try await list(afterKey: "b", afterID: "x") }
    }

    @Test("a page that ends with a common prefix is followed by what lies behind it")
    func prefixAtEnd() async throws {
        try await catalog.createBucket("bucket")
        for key in ["a/1", "a/2", "b"] { _ = try await begin(key) }
        let first = try await list(delimiter: "/", limit: 1)
        #expect(first.commonPrefixes == ["a/"])
        #expect(first.nextKey == "a/" && first.nextUploadID == nil)
        let second = try await list(delimiter: "/", afterKey: first.nextKey, limit: 1)
        #expect(second.uploads.map(\.key) == ["b"])
        #expect(second.nextKey == nil)
    }
}
