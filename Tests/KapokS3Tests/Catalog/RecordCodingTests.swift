import KapokStore
import KapokWorld
import Testing

@testable import KapokS3

@Suite("Records and keys")
struct RecordCodingTests {
    private static func object() -> ObjectRecord {
        var record = ObjectRecord(
            size: 1 << 40, md5: (0..<16).map { UInt8($0) }, modifiedMilliseconds: 1_700_000_000_123,
            checksum: Checksum(.crc32, [1, 2, 3, 4], partCount: 2))
        record.headers = ObjectHeaders(contentType: "text/plain", user: [("name", "värde")])
        record.headers.expires = ""
        record.tags = [S3Tag(key: "k", value: "")]
        record.upload = UploadID(high: 1, low: 2)
        record.setParts([
            .init(
                number: 3, size: 5 << 20, md5: [UInt8](repeating: 7, count: 16),
                checksum: Checksum(.crc32, [9, 9, 9, 9])),
            .init(number: 10_000, size: 0, md5: [UInt8](repeating: 8, count: 16), checksum: nil),
        ])
        return record
    }

    private static func upload() -> UploadRecord {
        var record = UploadRecord(begunMilliseconds: 77)
        record.checksumAlgorithm = .sha256
        record.checksumType = .composite
        record.headers = ObjectHeaders(contentType: "a/b", user: [])
        record.tags = [S3Tag(key: "k", value: "v")]
        return record
    }

    @Test("records read back as written")
    func roundTrip() throws {
        let object = Self.object()
        #expect(try ObjectRecord(decoding: object.encoded) == object)
        #expect(object.eTag == "000102030405060708090a0b0c0d0e0f-2")
        let upload = Self.upload()
        #expect(try UploadRecord(decoding: upload.encoded) == upload)
        let part = PartRecord(
            size: 3, md5: [UInt8](repeating: 1, count: 16), modifiedMilliseconds: 4,
            checksum: Checksum(.sha1, [UInt8](repeating: 2, count: 20)))
        #expect(try PartRecord(decoding: part.encoded) == part)
        var bucket = BucketRecord(id: BucketID(high: 1, low: 2), createdMilliseconds: 3)
        bucket.tags = [S3Tag(key: "k", value: "v")]
        #expect(try BucketRecord(decoding: bucket.encoded) == bucket)
    }

    @Test("a listing reads what it shows and passes over the rest")
    func listingExtent() throws {
        let record = try ObjectRecord(decoding: Self.object().encoded, .listing)
        #expect(record.eTag == Self.object().eTag)
        #expect(record.size == 1 << 40)
        #expect(record.checksum == Self.object().checksum)
        #expect(record.parts.isEmpty && record.tags.isEmpty)
    }

    @Test("the form of records stays: these bytes are read for ever")
    func frozen() throws {
        // Form 1, kind 2; size 5; MD5; date 1,000; content type a/b; a field 99 from the future.
        let bytes: [UInt8] =
            [1, 2, 1, 1, 5, 2, 16] + [UInt8](repeating: 0xAB, count: 16) + [3, 2, 0xE8, 0x07]
            + [32, 3, 0x61, 0x2F, 0x62] + [99, 2, 1, 2]
        let record = try ObjectRecord(decoding: bytes)
        #expect(record.size == 5)
        #expect(record.md5 == [UInt8](repeating: 0xAB, count: 16))
        #expect(record.modifiedMilliseconds == 1000)
        #expect(record.headers.contentType == "a/b")
        #expect(record.encoded == Array(bytes.dropLast(4)))
    }

    @Test("another form, another kind, and records without size or MD5 are refused")
    func refused() {
        var bytes = Self.object().encoded
        bytes[0] = 2
        #expect(throws: ByteCodingError.unknownTag(2)) { try ObjectRecord(decoding: bytes) }
        #expect(throws: ByteCodingError.self) { try UploadRecord(decoding: Self.object().encoded) }
        #expect(throws: ByteCodingError.self) { try ObjectRecord(decoding: [1, 2]) }
        #expect(throws: ByteCodingError.self) { try BucketRecord(decoding: [1, 1]) }
        #expect(throws: ByteCodingError.self) { try PartRecord(decoding: []) }
    }

    @Test("damaged and random bytes are refused or read, never a crash", arguments: 0..<20)
    func fuzz(_ seed: Int) {
        var random = RandomStream(seed: UInt64(seed))
        let samples = [Self.object().encoded, Self.upload().encoded]
        for _ in 0..<2000 {
            var bytes = samples[random.below(2)]
            switch random.below(4) {
            case 0: bytes.removeLast(random.below(bytes.count))
            case 1:
                for _ in 0...random.below(4) {
                    bytes[random.below(bytes.count)] = UInt8(random.below(256))
                }
            case 2: bytes.insert(UInt8(random.below(256)), at: random.below(bytes.count))
            default: bytes = (0..<random.below(64)).map { _ in UInt8(random.below(256)) }
            }
            if let record = try? ObjectRecord(decoding: bytes) {
                #expect((try? ObjectRecord(decoding: record.encoded)) == record)
            }
            _ = try? UploadRecord(decoding: bytes)
            _ = try? PartRecord(decoding: bytes)
            _ = try? BucketRecord(decoding: bytes)
        }
    }

    @Test("keys of objects keep the order of names and fit the store", arguments: 0..<5)
    func keyOrder(_ seed: Int) {
        var random = RandomStream(seed: UInt64(seed))
        let bucket = BucketID(from: &random)
        func name() -> String {
            let bytes = (0...random.below(6)).map { _ in UInt8(1 + random.below(3)) }
            return String(decoding: bytes, as: UTF8.self)
        }
        for _ in 0..<2000 {
            let (a, b) = (name(), name())
            let isBefore = a.utf8.lexicographicallyPrecedes(b.utf8)
            #expect((KeySpace.object(bucket, a) < KeySpace.object(bucket, b)) == isBefore)
            let id = UploadID(from: &random)
            let key = KeySpace.upload(bucket, a, id)
            #expect(KeySpace.uploadID(key) == id)
            #expect(KeySpace.name(key).elementsEqual(a.utf8))
        }
        let longest = KeySpace.object(bucket, String(repeating: "k", count: 1024))
        #expect(longest.bytes.count <= StoreKey.maximumLength)
    }

    @Test("the layout of keys stays")
    func layout() {
        let id = UniqueID(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)
        let bytes = Array(1...16 as ClosedRange<UInt8>)
        #expect(KeySpace.bucket("ab").bytes == [0x42, 0x61, 0x62])
        #expect(
            KeySpace.object(id, "k").bytes
                == [0x4F] + bytes + [0x6B, 0] + [UInt8](repeating: 0xFF, count: 8))
        #expect(KeySpace.upload(id, "k", id).bytes == [0x55] + bytes + [0x6B, 0] + bytes)
        #expect(KeySpace.part(id, id, 0x0203).bytes == [0x50] + bytes + bytes + [2, 3])
        #expect(KeySpace.partNumber(KeySpace.part(id, id, 10_000)) == 10_000)
    }
}
