import CKernels
import Testing

@Suite("CRC-64/NVME")
struct CRC64NVMETests {
    static let implementations = [
        KAPOK_CRC64_TABLE, KAPOK_CRC64_PCLMUL, KAPOK_CRC64_VPCLMUL,
    ].filter { kapok_crc64_nvme_supports($0) != 0 }

    /// Bytes without a pattern, the same in every run.
    static let bytes: [UInt8] = {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        return (0..<70_000).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }()

    /// The definition, bit by bit.
    static func reference(_ crc: UInt64, _ bytes: some Sequence<UInt8>) -> UInt64 {
        var state = ~crc
        for byte in bytes {
            state ^= UInt64(byte)
            for _ in 0..<8 { state = state >> 1 ^ (state & 1 == 1 ? 0x9A6C_9329_AC4B_C9B5 : 0) }
        }
        return ~state
    }

    @Test("known answers of the NVM Command Set specification", arguments: implementations)
    func knownAnswers(_ implementation: kapok_crc64_implementation) {
        func crc(_ bytes: [UInt8]) -> UInt64 {
            kapok_crc64_nvme_with(implementation, 0, bytes, bytes.count)
        }
        // NVM Command Set 1.0, figure "64b CRC Test Cases for 4KiB Logical Block with no Metadata".
        #expect(crc([UInt8](repeating: 0, count: 4096)) == 0x6482_D367_EB22_B64E)
        #expect(crc([UInt8](repeating: 0xFF, count: 4096)) == 0xC0DD_BA73_02EC_A3AC)
        #expect(crc((0..<4096).map { UInt8($0 & 0xFF) }) == 0x3E72_9F5F_6750_449C)
        #expect(crc((0..<4096).map { UInt8(0xFF - $0 & 0xFF) }) == 0x9A2D_F64B_8E9E_517E)
        // The check value of the catalogue of parametrised CRC algorithms, CRC-64/NVME.
        #expect(crc(Array("123456789".utf8)) == 0xAE8B_1486_0A79_9888)
        #expect(crc([]) == 0)
    }

    @Test("the table version agrees with the definition bit by bit")
    func tableAgreesWithDefinition() {
        for count in 0...200 {
            let piece = Array(Self.bytes[7..<7 + count])
            let crc = kapok_crc64_nvme_with(KAPOK_CRC64_TABLE, 0, piece, count)
            #expect(crc == Self.reference(0, piece), "\(count) bytes")
        }
    }

    @Test(
        "every version agrees with the table at all lengths and alignments",
        arguments: implementations)
    func agreesWithTable(_ implementation: kapok_crc64_implementation) {
        Self.bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            var differences: [String] = []
            for alignment in 0..<64 {
                // All alignments with all short lengths; long ones with a few.
                let longest = alignment % 9 == 0 ? 1100 : 320
                for count in 0...longest {
                    let start = UInt64(count) &* 0x1234_5678_9ABC_DEF1
                    let expected = kapok_crc64_nvme_with(
                        KAPOK_CRC64_TABLE, start, base + alignment, count)
                    let actual = kapok_crc64_nvme_with(
                        implementation, start, base + alignment, count)
                    if actual != expected { differences.append("\(count) at \(alignment)") }
                }
            }
            #expect(differences.isEmpty)
            for count in [4095, 4096, 4097, 65_535, 65_536, 69_999] {
                #expect(
                    kapok_crc64_nvme_with(implementation, 0, base, count)
                        == kapok_crc64_nvme_with(KAPOK_CRC64_TABLE, 0, base, count))
            }
        }
    }

    @Test("a checksum is continued at any cut", arguments: implementations)
    func continues(_ implementation: kapok_crc64_implementation) {
        Self.bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let whole = kapok_crc64_nvme_with(implementation, 0, base, 777)
            for cut in 0...777 {
                let first = kapok_crc64_nvme_with(implementation, 0, base, cut)
                #expect(
                    kapok_crc64_nvme_with(implementation, first, base + cut, 777 - cut) == whole)
            }
        }
    }

    @Test("what is chosen runs here and is what the plain call uses")
    func choice() {
        let chosen = kapok_crc64_nvme_chosen()
        #expect(Self.implementations.contains(chosen))
        #expect(chosen == Self.implementations.last)
        #expect(
            kapok_crc64_nvme(0, Self.bytes, 5000)
                == kapok_crc64_nvme_with(chosen, 0, Self.bytes, 5000))
    }
}
