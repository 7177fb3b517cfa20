import KapokDrive
import KapokWorld
import Testing

@Suite("Superblock")
struct SuperblockTests {
    static let identity = DriveIdentity(
        id: UniqueID(high: 1, low: 2), region: UniqueID(high: 3, low: 4), position: 5,
        capacityBlocks: 1000, failureDomain: 6)

    static func parse(_ bytes: [UInt8]) throws(SuperblockError) -> Superblock {
        // The closure of withUnsafeBytes carries no typed error.
        let result = bytes.withUnsafeBytes { block -> Result<Superblock, SuperblockError> in
            do throws(SuperblockError) { return .success(try Superblock(block: block)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// `bytes` with the checksum made right again.
    static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        let body = Array(bytes.dropLast(8))
        let crc = body.withUnsafeBytes { CRC64NVME.checksum($0) }
        return body + withUnsafeBytes(of: crc.littleEndian) { Array($0) }
    }

    @Test("what is written is read again")
    func roundTrip() throws {
        let superblock = Superblock(identity: Self.identity, epoch: Epoch(77), generation: 9)
        let bytes = superblock.encoded()
        #expect(bytes.count == 4096)
        #expect(Array(bytes[0..<8]) == Array("KPKDRIVE".utf8))
        #expect(try Self.parse(bytes) == superblock)
    }

    @Test("the fields lie where the format says")
    func layout() throws {
        let bytes = Superblock(identity: Self.identity, epoch: Epoch(7), generation: 8).encoded()
        let expected: [(offset: Int, value: UInt8)] = [
            (8, 1), (16, 1), (24, 2), (32, 3), (40, 4), (48, 5), (52, 6), (56, 232), (57, 3),
            (64, 7), (72, 8),
        ]
        for (offset, value) in expected { #expect(bytes[offset] == value, "offset \(offset)") }
        #expect(bytes[80..<4088].allSatisfy { $0 == 0 })
    }

    @Test("no single flipped bit is accepted")
    func bitFlips() {
        let bytes = Superblock(identity: Self.identity, epoch: Epoch(1)).encoded()
        var flipped = bytes
        var surprises: [Int] = []
        for bit in 0..<bytes.count * 8 {
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            do throws(SuperblockError) {
                _ = try Self.parse(flipped)
                surprises.append(bit)
            } catch {
                if error != (bit < 64 ? .wrongMagic : .wrongChecksum) { surprises.append(bit) }
            }
            flipped[bit / 8] = bytes[bit / 8]
        }
        #expect(surprises.isEmpty)
    }

    @Test("random bytes, with and without the magic, are refused and never crash")
    func randomBytes() {
        var random = RandomStream(seed: 11)
        let magic = Superblock(identity: Self.identity).encoded()[0..<8]
        for round in 0..<300 {
            var bytes = (0..<Int.random(in: 0...4200, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if round % 2 == 0, bytes.count >= 8 { bytes.replaceSubrange(0..<8, with: magic) }
            #expect(throws: SuperblockError.self) { try Self.parse(bytes) }
        }
    }

    @Test("random fields under a right checksum are read within bounds or refused")
    func randomFields() throws {
        var random = RandomStream(seed: 12)
        let valid = Superblock(identity: Self.identity).encoded()
        for _ in 0..<2000 {
            var bytes = valid
            for _ in 0..<8 {
                bytes[Int.random(in: 8..<80, using: &random)] = UInt8(random.below(256))
            }
            guard let read = try? Self.parse(Self.sealed(bytes)) else { continue }
            #expect(read.identity.capacityBlocks > 0)
            #expect(read.identity.capacityBlocks <= MediaLayout.maximumCapacityBlocks)
            #expect(read.generation < 1 << 62)
        }
    }

    @Test("a torn write, new up to any sector and old behind it, is refused")
    func tornWrites() {
        let old = Superblock(identity: Self.identity, epoch: Epoch(1), generation: 1).encoded()
        let new = Superblock(identity: Self.identity, epoch: Epoch(2), generation: 2).encoded()
        for sector in 1..<8 {
            let torn = Array(new[..<(sector * 512)] + old[(sector * 512)...])
            #expect(throws: SuperblockError.wrongChecksum) { try Self.parse(torn) }
        }
    }

    @Test("what no drive writes is refused by name, though the checksum is right")
    func bounds() {
        var zero = Self.identity
        zero.capacityBlocks = 0
        #expect(throws: SuperblockError.impossibleCapacity(0)) {
            try Self.parse(Superblock(identity: zero).encoded())
        }
        var huge = Self.identity
        huge.capacityBlocks = .max
        #expect(throws: SuperblockError.impossibleCapacity(.max)) {
            try Self.parse(Superblock(identity: huge).encoded())
        }
        #expect(throws: SuperblockError.impossibleGeneration(.max)) {
            try Self.parse(Superblock(identity: Self.identity, generation: .max).encoded())
        }
        var later = Superblock(identity: Self.identity).encoded()
        later[8] = 2
        #expect(throws: SuperblockError.unknownVersion(2)) { try Self.parse(Self.sealed(later)) }
        #expect(throws: SuperblockError.truncated) { try Self.parse(Array(later.dropLast())) }
    }

    @Test("the valid copy with the higher generation counts")
    func choice() {
        let older = Superblock(identity: Self.identity, epoch: Epoch(1), generation: 1)
        let newer = Superblock(identity: Self.identity, epoch: Epoch(2), generation: 2)
        #expect(Superblock.choose(older, newer) == newer)
        #expect(Superblock.choose(newer, older) == newer)
        #expect(Superblock.choose(nil, older) == older)
        #expect(Superblock.choose(newer, nil) == newer)
        #expect(Superblock.choose(nil, nil) == nil)
    }

    @Test("the layout leaves room for both superblocks and overlaps nothing")
    func mediaLayout() throws {
        #expect(MediaLayout.capacityBlocks(ofMediaBytes: 9 * 4096) == nil)
        #expect(MediaLayout.capacityBlocks(ofMediaBytes: 0) == nil)
        for bytes in [10 * 4096, 10 * 4096 + 4095, 1 << 30, .max] as [UInt64] {
            let capacity = try #require(MediaLayout.capacityBlocks(ofMediaBytes: bytes))
            let second = MediaLayout.byteOffset(ofSuperblock: 1, capacityBlocks: capacity)
            #expect(MediaLayout.byteOffset(ofSuperblock: 0, capacityBlocks: capacity) == 0)
            #expect(MediaLayout.byteOffset(ofLBA: 0) >= 4096)
            #expect(MediaLayout.byteOffset(ofLBA: capacity - 1) + 4096 == second)
            #expect(MediaLayout.mediaBytes(forCapacityBlocks: capacity) == second + 4096)
            #expect(second + 4096 <= bytes)
        }
    }
}
