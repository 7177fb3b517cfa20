import KapokStore
import KapokWorld
import Synchronization
import Testing

@testable import KapokS3

/// Swift Testing has tags of its own.
typealias S3Tag = KapokS3.Tag

/// A catalog over a store in memory, with a clock that stands still unless told to go on.
struct CatalogFixture: Sendable {
    private final class Clock: Sendable { let now = Atomic<UInt64>(1_700_000_000_000) }

    let store = MemoryStore()
    let catalog: Catalog
    private let clock = Clock()

    init() {
        let clock = clock
        catalog = Catalog(store: store) { clock.now.load(ordering: .relaxed) }
    }

    var now: UInt64 { clock.now.load(ordering: .relaxed) }

    func pass(milliseconds: UInt64) {
        clock.now.wrappingAdd(milliseconds, ordering: .relaxed)
    }

    /// Takes bytes in as the server does.
    func stage(
        _ bytes: [UInt8], checksum: ChecksumAlgorithm? = nil
    ) async throws -> StagedObject {
        var digest = BodyDigest(checksum: checksum)
        bytes.withUnsafeBytes { digest.update($0) }
        let result = digest.finish()
        guard !bytes.isEmpty else {
            return StagedObject(
                blob: nil, length: 0, md5: result.md5, checksum: result.checksum)
        }
        let writer = try store.makeBlobWriter(expectedLength: UInt64(bytes.count))
        var offset = 0
        while offset < bytes.count {
            offset += bytes.withUnsafeBytes {
                writer.take(UnsafeRawBufferPointer(rebasing: $0[offset...]))
            }
            if offset < bytes.count { try await writer.makeRoom() }
        }
        return StagedObject(
            blob: try await writer.finish(), length: result.length, md5: result.md5,
            checksum: result.checksum)
    }

    @discardableResult
    func put(
        _ bucket: String, _ key: String, _ text: String = "x",
        headers: ObjectHeaders = ObjectHeaders(), tags: [S3Tag] = [],
        checksum: ChecksumAlgorithm? = nil, ifMatch: String? = nil, ifNoneMatch: String? = nil
    ) async throws -> ObjectInfo {
        try await catalog.putObject(
            bucket, key, try await stage(Array(text.utf8), checksum: checksum), headers: headers,
            tags: tags, conditions: WriteConditions(ifMatch: ifMatch, ifNoneMatch: ifNoneMatch))
    }

    /// All bytes of an object.
    func bytes(_ bucket: String, _ key: String) async throws -> [UInt8] {
        let info = try await catalog.object(bucket, key)
        var bytes: [UInt8] = []
        for blob in info.blobs {
            try await store.read(blob, range: 0..<blob.length) { piece in
                piece.withUnsafeBytes { bytes.append(contentsOf: $0) }
            }
        }
        #expect(bytes.count == Int(info.length))
        return bytes
    }

    func text(_ bucket: String, _ key: String) async throws -> String {
        String(decoding: try await bytes(bucket, key), as: UTF8.self)
    }

    /// Gives an upload all 10,000 parts at once, without bytes.
    func claimAllParts(
        _ bucket: String, _ id: String, size: UInt64, md5: [UInt8]
    ) async throws -> [CompletedPart] {
        let bucket = try await catalog.readBucket(bucket).bucket.id
        let upload = try #require(UploadID(id))
        let record = PartRecord(size: size, md5: md5, modifiedMilliseconds: now, checksum: nil)
        var transaction = Transaction()
        transaction.writes = (1...10_000).map {
            Transaction.Write(key: KeySpace.part(bucket, upload, $0), value: record.encoded)
        }
        _ = try await store.commit(transaction)
        return (1...10_000).map {
            CompletedPart(number: $0, eTag: Hexadecimal.encode(md5), checksum: nil)
        }
    }

    /// Runs `body` once, between the look of the next operation and its commit.
    func beforeNextCommit(_ body: @escaping @Sendable () async throws -> Void) {
        let store = store
        store.beforeCommit { _ in
            store.beforeCommit(nil)
            do { try await body() } catch { Issue.record(error) }
        }
    }

    /// Another front end to the same store, which shares no locks.
    func otherCatalog() -> Catalog { Catalog(store: store) { 0 } }

    func keys(_ bucket: String, prefix: String = "") async throws -> [String] {
        var request = ListRequest()
        request.prefix = prefix
        return try await catalog.listObjects(bucket, request).items.map(\.key)
    }
}

/// Expects `body` to be refused with `code`.
func expectRefusal(
    _ code: S3Error.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> some Any
) async {
    do {
        _ = try await body()
        Issue.record("\(code.rawValue) was expected", sourceLocation: sourceLocation)
    } catch let error as S3Error {
        #expect(error.code == code, "\(error.message)", sourceLocation: sourceLocation)
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
}
