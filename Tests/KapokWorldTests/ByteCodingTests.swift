import KapokWorld
import Testing

@Suite("Byte coding")
struct ByteCodingTests {
    @Test("integers are little-endian")
    func integerLayout() {
        var writer = ByteWriter()
        writer.uint8(0x01)
        writer.uint16(0x0302)
        writer.uint32(0x0706_0504)
        writer.uint64(0x0F0E_0D0C_0B0A_0908)
        #expect(writer.bytes == Array(1...15))
        #expect(writer.count == 15)
    }

    @Test(
        "varints have the LEB128 form",
        arguments: [
            // 624485 is the example of the DWARF specification, section 7.6.
            (0, [0]), (1, [1]), (127, [0x7F]), (128, [0x80, 0x01]), (300, [0xAC, 0x02]),
            (624_485, [0xE5, 0x8E, 0x26]), (1 << 63, [UInt8](repeating: 0x80, count: 9) + [1]),
            (UInt64.max, [UInt8](repeating: 0xFF, count: 9) + [1]),
        ] as [(UInt64, [UInt8])])
    func varintVectors(value: UInt64, bytes: [UInt8]) throws {
        var writer = ByteWriter()
        writer.varint(value)
        #expect(writer.bytes == bytes)
        var reader = ByteReader(bytes)
        #expect(try reader.varint() == value)
        #expect(reader.remaining == 0)
    }

    @Test(
        "a varint above 64 bits or longer than ten bytes is malformed",
        arguments: [
            [UInt8](repeating: 0xFF, count: 9) + [2],
            [UInt8](repeating: 0x80, count: 9) + [0x81, 0],
            [UInt8](repeating: 0xFF, count: 20),
        ])
    func malformedVarint(bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        #expect(throws: ByteCodingError.malformedVarint) { try reader.varint() }
    }

    @Test("what was written is read back, field by field, for a thousand random records")
    func roundTrip() throws {
        var random = RandomStream(seed: 1)
        for _ in 0..<1000 {
            let number = random.next() >> random.below(64 as UInt64)
            let bytes = (0..<random.below(300)).map { _ in UInt8(random.below(256)) }
            let text = String(
                (0..<random.below(20)).map { _ in "aß水🌳".randomElement(using: &random)! })
            var writer = ByteWriter()
            writer.uint8(UInt8(truncatingIfNeeded: number))
            writer.varint(number)
            writer.string(text)
            writer.uint16(UInt16(truncatingIfNeeded: number))
            writer.lengthPrefixed(bytes)
            writer.uint64(number)
            writer.raw(bytes)
            writer.uint32(UInt32(truncatingIfNeeded: number))

            var reader = ByteReader(writer.bytes)
            #expect(try reader.uint8() == UInt8(truncatingIfNeeded: number))
            #expect(try reader.varint() == number)
            #expect(try reader.string(atMost: 1000) == text)
            #expect(try reader.uint16() == UInt16(truncatingIfNeeded: number))
            #expect(try reader.lengthPrefixed(atMost: 300) == bytes)
            #expect(try reader.uint64() == number)
            #expect(try reader.raw(bytes.count) == bytes)
            #expect(try reader.uint32() == UInt32(truncatingIfNeeded: number))
            #expect(reader.remaining == 0)
            #expect(reader.offset == writer.count)
        }
    }

    @Test("a record cut at any byte is truncated, never read")
    func everyTruncation() {
        var writer = ByteWriter()
        writer.uint64(1)
        writer.string("kapok")
        writer.varint(1 << 40)
        writer.uint32(2)
        for length in 0..<writer.count {
            var reader = ByteReader(Array(writer.bytes[..<length]))
            #expect(throws: ByteCodingError.truncated) { try readRecord(&reader) }
        }
    }

    @Test("a length above the bound is refused before anything is read or allocated")
    func bounds() {
        var writer = ByteWriter()
        writer.varint(UInt64.max)
        var reader = ByteReader(writer.bytes)
        #expect(throws: ByteCodingError.tooLong(length: .max, bound: 10)) {
            try reader.lengthPrefixed(atMost: 10)
        }
        reader = ByteReader(writer.bytes)
        #expect(throws: ByteCodingError.tooLong(length: .max, bound: 10)) {
            try reader.count(atMost: 10)
        }
        reader = ByteReader([10])
        #expect(throws: ByteCodingError.truncated) { try reader.lengthPrefixed(atMost: 10) }
        reader = ByteReader([1, 2, 3])
        #expect(throws: ByteCodingError.truncated) { try reader.raw(-1) }
    }

    @Test(
        "text that is not UTF-8 is refused",
        arguments: [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE6, 0xB0], [0xF4, 0x90, 0x80, 0x80],
        ] as [[UInt8]])
    func invalidText(bytes: [UInt8]) {
        var writer = ByteWriter()
        writer.lengthPrefixed(bytes)
        var reader = ByteReader(writer.bytes)
        #expect(throws: ByteCodingError.invalidUTF8) { try reader.string(atMost: 10) }
    }

    @Test("a reader of a slice stays inside of it")
    func slices() throws {
        var reader = ByteReader([9, 1, 2, 9][1..<3])
        #expect(try reader.uint16() == 0x0201)
        #expect(throws: ByteCodingError.truncated) { try reader.uint8() }
    }

    @Test("patches overwrite their field only")
    func patches() {
        var writer = ByteWriter(appendingTo: [7])
        writer.uint32(0)
        writer.uint64(0)
        writer.uint8(8)
        writer.patchUInt32(0x0403_0201, at: 1)
        writer.patchUInt64(0x0C0B_0A09_0807_0605, at: 5)
        #expect(writer.bytes == [7] + Array(1...12) + [8])
    }

    @Test("arbitrary bytes give values or typed errors, and the reader never runs past its end")
    func fuzz() {
        var random = RandomStream(seed: 2)
        for _ in 0..<20_000 {
            let bytes = (0..<random.below(40)).map { _ in
                // Continuation bits and small lengths often, so that the deeper paths are reached.
                UInt8(random.chance(1, in: 2) ? random.below(256) : random.below(12))
            }
            var reader = ByteReader(bytes)
            while reader.remaining > 0 {
                let before = reader.remaining
                do {
                    switch random.below(8) {
                    case 0: _ = try reader.uint8()
                    case 1: _ = try reader.uint16()
                    case 2: _ = try reader.uint32()
                    case 3: _ = try reader.uint64()
                    case 4: _ = try reader.varint()
                    case 5: #expect(try reader.lengthPrefixed(atMost: 20).count <= 20)
                    case 6: #expect(try reader.string(atMost: 20).utf8.count <= 20)
                    default: #expect(try reader.count(atMost: 9) <= 9)
                    }
                    #expect(reader.remaining < before)
                } catch {
                    #expect(reader.remaining >= 0 && reader.remaining <= before)
                    break
                }
            }
            #expect(reader.offset + reader.remaining == bytes.count)
        }
    }

    private func readRecord(_ reader: inout ByteReader) throws(ByteCodingError) {
        _ = try reader.uint64()
        _ = try reader.string(atMost: 100)
        _ = try reader.varint()
        _ = try reader.uint32()
    }
}
