import Foundation
import KapokDrive
import KapokWorld
import Testing

@testable import KapokStore

/// `KAPOK_FUZZ` multiplies the rounds.
private let rounds =
    400 * (ProcessInfo.processInfo.environment["KAPOK_FUZZ"].flatMap { Int($0) } ?? 1)

private func bytes(_ count: Int, _ random: inout RandomStream) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
}

private func location(_ random: inout RandomStream) -> ChunkLocation {
    ChunkLocation(
        record: RecordLocation(
            extent: ExtentID(random.next()), block: UInt32(random.below(4096)),
            shardBlocks: UInt32(random.below(64)), offset: UInt32(random.below(1 << 20)),
            length: UInt32(random.below(1 << 20))),
        dataOffset: UInt32(random.below(1000)), dataLength: UInt32(random.below(1 << 30)),
        fillsStripe: random.chance(1, in: 2), blobOffset: random.next())
}

private func transaction(_ random: inout RandomStream) -> TransactionBody {
    var body = TransactionBody()
    for _ in 0..<random.below(5) {
        let key = bytes(random.below(40), &random)
        let isDeletion = random.chance(1, in: 3)
        let blobs = (0..<random.below(3)).map { _ in
            BlobReference(id: BlobID(random.next()), length: random.next())
        }
        body.writes.append(
            EntryWrite(
                key: key, value: isDeletion ? nil : bytes(random.below(200), &random),
                blobs: isDeletion ? [] : blobs))
    }
    for _ in 0..<random.below(3) {
        body.chunked.append(
            ChunkedBlob(
                id: BlobID(random.next()),
                chunks: (0..<random.below(6)).map { _ in location(&random) }))
    }
    for _ in 0..<random.below(3) {
        body.inline.append(
            InlineBlob(
                id: BlobID(random.next()), offset: UInt32(random.below(1 << 20)),
                length: UInt32(random.below(1 << 17))))
    }
    return body
}

@Suite("What lies on the drives")
struct RecordTests {
    @Test("records come back as they were written")
    func roundTrip() throws {
        var random = RandomStream(seed: 1)
        for _ in 0..<rounds {
            let body = transaction(&random)
            #expect(try TransactionBody(decoding: body.encoded()) == body)
            var copies = CopiesBody()
            copies.copies = body.writes.map { EntryCopy(version: random.next(), write: $0) }
            copies.chunks = [
                ChunkCopy(
                    chunk: ChunkID(blob: BlobID(random.next()), index: 7), blobOffset: 9,
                    offset: 10, length: 11)
            ]
            #expect(try CopiesBody(decoding: copies.encoded()) == copies)
            let place = location(&random)
            #expect(try ChunkLocation(decoding: place.encoded()) == place)
        }
    }

    @Test("bodies with flipped, cut or random bytes are decoded or refused, never more")
    func fuzzBodies() {
        var random = RandomStream(seed: 2)
        for _ in 0..<rounds * 5 {
            var input = transaction(&random).encoded()
            switch random.below(3) {
            case 0 where !input.isEmpty:
                input[random.below(input.count)] ^= UInt8(1) << UInt8(random.below(8))
            case 1: input = Array(input.prefix(random.below(input.count + 1)))
            default: input = bytes(random.below(300), &random)
            }
            _ = try? TransactionBody(decoding: input)
            _ = try? CopiesBody(decoding: input)
            _ = try? ChunkBody(decoding: input, blob: BlobID(1))
            _ = try? EntryRow(decoding: input)
            _ = try? ExtentRow(decoding: input)
            _ = try? ChunkLocation(decoding: input)
            _ = try? HeadRow(decoding: input)
        }
    }

    private static let region = UniqueID(high: 0x1122_3344, low: 0x5566_7788)

    private static func header() -> ShardHeader {
        ShardHeader(
            regionTag: region.low, shardIndex: 3, dataShards: 4, parityShards: 2,
            extent: ExtentID(77), block: 12, shardBlocks: 64, stripe: 99, epoch: Epoch(5),
            logicalLength: 1000, drive: 2, lba: 4711, object: 8, payloadCRC: 0xABCD)
    }

    @Test("a shard's header with any bit flipped is no header")
    func shardHeaderBits() {
        var block = [UInt8](repeating: 0, count: ShardHeader.byteCount)
        block.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress { Self.header().write(to: base) }
        }
        func read() -> ShardHeader? {
            block.withUnsafeBytes { ShardHeader($0, regionTag: Self.region.low) }
        }
        #expect(read() == Self.header())
        for bit in 0..<ShardHeader.byteCount * 8 {
            block[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(read() == nil, "bit \(bit)")
            block[bit / 8] ^= 1 << UInt8(bit % 8)
        }
        #expect(block.withUnsafeBytes { ShardHeader($0, regionTag: 1) } == nil)
    }

    @Test("a record's header holds at its own address only")
    func recordHeader() {
        let header = RecordHeader(
            kind: .transaction, length: 500, bodyLength: 100, sequence: 9, epoch: Epoch(1),
            contentCRC: 5)
        var block = [UInt8](repeating: 0, count: Record.headerBytes)
        block.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress {
                header.write(to: base, extent: ExtentID(3), block: 4, offset: 64)
            }
        }
        func read(_ extent: UInt64, _ block4: UInt32, _ offset: UInt32) -> RecordHeader? {
            block.withUnsafeBytes {
                RecordHeader($0, extent: ExtentID(extent), block: block4, offset: offset)
            }
        }
        #expect(read(3, 4, 64) == header)
        #expect(read(2, 4, 64) == nil && read(3, 5, 64) == nil && read(3, 4, 0) == nil)
        for bit in 0..<Record.headerBytes * 8 {
            block[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(read(3, 4, 64) == nil, "bit \(bit)")
            block[bit / 8] ^= 1 << UInt8(bit % 8)
        }
    }

    @Test("labels and pool descriptors come back, and are refused when anything is wrong")
    func labels() {
        let pool = PoolDescriptor(
            region: Self.region, driveCount: 8, dataShards: 4, parityShards: 2, slotBlocks: 4096,
            slotsPerDrive: 100)
        let label = ExtentHeader(
            region: Self.region, id: ExtentID(5), epoch: Epoch(2), shardIndex: 1,
            members: (0..<6).map { ExtentMember(drive: $0, slot: $0 * 3) })
        var random = RandomStream(seed: 3)
        for original in [pool.encoded(), label.encoded()] {
            #expect(original.count == driveBlockSize)
            for _ in 0..<rounds {
                var block = original
                block[random.below(block.count)] ^= UInt8(1) << UInt8(random.below(8))
                #expect(block.withUnsafeBytes { PoolDescriptor(block: $0) } == nil)
                #expect(block.withUnsafeBytes { ExtentHeader(block: $0) } == nil)
            }
        }
        #expect(pool.encoded().withUnsafeBytes { PoolDescriptor(block: $0) } == pool)
        #expect(label.encoded().withUnsafeBytes { ExtentHeader(block: $0) } == label)
    }

    @Test("a stripe is told from any K shards, and not from fewer")
    func stripes() throws {
        var random = RandomStream(seed: 4)
        let pool = PoolDescriptor(
            region: Self.region, driveCount: 6, dataShards: 4, parityShards: 2, slotBlocks: 64,
            slotsPerDrive: 4)
        let code = try ErasureCode(dataShards: 4, parityShards: 2)
        let members = (0..<6).map { ExtentMember(drive: $0, slot: 1) }
        let content = bytes(20_000, &random)
        let stripe = StripeBuffer(dataShards: 4, parityShards: 2, shardBlocks: 2)
        content.withUnsafeBytes { _ = stripe.append($0) }
        stripe.encode(with: code)
        stripe.stamp(
            pool: pool, extent: ExtentID(9), members: members, block: 3, stripe: 1, epoch: Epoch(1),
            object: 0)
        for lost in 0..<64 as Range<UInt32> {
            let image = StripeImage(
                address: StripeAddress(
                    pool: pool, extent: ExtentID(9), members: members, block: 3, shardBlocks: 2))
            image.buffer.mutableBytes.copyMemory(from: stripe.buffer.bytes)
            for shard in 0..<6 where lost & (1 << UInt32(shard)) != 0 {
                image.buffer.mutableBytes[shard * 8192 + random.below(8192)] ^= 0x40
            }
            let assembly = image.assemble(read: 63, with: code)
            #expect((assembly != nil) == (lost.nonzeroBitCount <= 2))
            guard assembly != nil else { continue }
            #expect(assembly?.intact == 63 & ~lost)
            #expect(image.payload(0..<content.count) == content)
        }
    }
}
