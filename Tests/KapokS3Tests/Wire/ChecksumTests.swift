import KapokS3
import Testing

/// The check values of the CRC catalogue (reveng.sourceforge.io) for "123456789", those of RFC
/// 1321, FIPS 180-4 for the hashes of nothing, and, for a thousand bytes, of Python's zlib and
/// hashlib and of a bitwise CRC.
@Suite struct ChecksumTests {
    static let thousand = (0..<1000).map { UInt8($0 * 7 % 251) }

    static let vectors: [(ChecksumAlgorithm, [UInt8], String)] = [
        (.crc32, Array("123456789".utf8), "cbf43926"),
        (.crc32c, Array("123456789".utf8), "e3069283"),
        (.crc64nvme, Array("123456789".utf8), "ae8b14860a799888"),
        (.crc32, [], "00000000"),
        (.crc32c, [], "00000000"),
        (.crc64nvme, [], "0000000000000000"),
        (.sha1, [], "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (.sha256, [], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (.sha1, Array("abc".utf8), "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            .sha256, Array("abc".utf8),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        ),
        (.crc32, thousand, "04da8651"),
        (.crc32c, thousand, "a345377a"),
        (.crc64nvme, thousand, "f799e2cc12c2138b"),
        (.sha1, thousand, "33f233c97a803d84a0db9f3dbc05b63ff2045d92"),
        (
            .sha256, thousand,
            "59425e4412e296fc74736673ce067027f384203f59c0d2c3e6be7b13347b3ffc"
        ),
    ]

    private func checksum(_ algorithm: ChecksumAlgorithm, _ bytes: [UInt8]) -> Checksum {
        bytes.withUnsafeBytes { ChecksumHasher.checksum(algorithm, of: $0) }
    }

    @Test("each algorithm gives its published check value")
    func knownAnswers() {
        for (algorithm, bytes, expected) in Self.vectors {
            let value = checksum(algorithm, bytes)
            #expect(Hexadecimal.encode(value.bytes) == expected, "\(algorithm)")
        }
    }

    @Test("a checksum does not depend on where the bytes are split")
    func splits() {
        for algorithm in ChecksumAlgorithm.allCases {
            let whole = checksum(algorithm, Self.thousand)
            for cut in [0, 1, 63, 64, 500, 999, 1000] {
                var hasher = ChecksumHasher(algorithm)
                Self.thousand.withUnsafeBytes { bytes in
                    hasher.update(UnsafeRawBufferPointer(rebasing: bytes[..<cut]))
                    hasher.update(UnsafeRawBufferPointer(rebasing: bytes[cut...]))
                }
                #expect(hasher.finish() == whole)
            }
        }
    }

    @Test("a copy of a hasher goes its own way")
    func copies() {
        for algorithm in ChecksumAlgorithm.allCases {
            var first = ChecksumHasher(algorithm)
            Self.thousand.withUnsafeBytes { first.update($0) }
            var second = first
            [1, 2, 3].withUnsafeBytes { second.update($0) }
            #expect(first.finish() == checksum(algorithm, Self.thousand))
            #expect(second.finish() != first.finish())
        }
    }

    @Test("the CRCs of parts combine into the CRC of the whole, SHA does not combine")
    func fullObject() {
        for algorithm in ChecksumAlgorithm.allCases {
            for cuts in [
                [0, 1000], [0, 1, 1000], [0, 300, 600, 900, 1000], [0, 0, 512, 512, 1000],
            ] {
                let parts = zip(cuts, cuts.dropFirst()).map { from, to in
                    let part = Array(Self.thousand[from..<to])
                    return (checksum: checksum(algorithm, part), length: UInt64(part.count))
                }
                let expected = algorithm.isLinear ? checksum(algorithm, Self.thousand) : nil
                #expect(ChecksumCombination.fullObject(parts) == expected)
            }
        }
        #expect(ChecksumCombination.fullObject([]) == nil)
    }

    @Test("lengths beyond 32 bits combine: 2^40 zero bytes behind a prefix, by squaring")
    func hugeLengths() {
        // crc(A || zeros(2n)) must equal the two-step combination with zeros(n) twice.
        for algorithm in ChecksumAlgorithm.allCases where algorithm.isLinear {
            let a = checksum(algorithm, Self.thousand)
            var zeros = checksum(algorithm, [0])
            var length: UInt64 = 1
            while length < 1 << 40 {
                let doubled = ChecksumCombination.fullObject([(zeros, length), (zeros, length)])
                guard let doubled else { return #expect(Bool(false), "no combination") }
                let once = ChecksumCombination.fullObject([(a, 1000), (doubled, 2 * length)])
                let twice = ChecksumCombination.fullObject([
                    (a, 1000), (zeros, length), (zeros, length),
                ])
                #expect(once == twice)
                zeros = doubled
                length *= 2
            }
            // Anchored in plain computation at 2^12 zeros.
            var anchor = checksum(algorithm, [0])
            for power in 0..<12 {
                let half = UInt64(1) << power
                anchor = ChecksumCombination.fullObject([(anchor, half), (anchor, half)]) ?? anchor
            }
            #expect(anchor == checksum(algorithm, [UInt8](repeating: 0, count: 4096)))
        }
    }

    @Test("a composite checksum is the checksum of the checksums, with the number of parts")
    func composite() throws {
        for algorithm in ChecksumAlgorithm.allCases {
            let parts = [checksum(algorithm, [1, 2]), checksum(algorithm, [3])]
            let value = try #require(ChecksumCombination.composite(parts))
            #expect(value.bytes == checksum(algorithm, parts[0].bytes + parts[1].bytes).bytes)
            #expect(value.base64.hasSuffix("-2"))
            #expect(value.type == .composite)
            #expect(Checksum(algorithm: algorithm, base64: value.base64) == value)
        }
        let mixed = [checksum(.crc32, []), checksum(.sha1, [])]
        #expect(ChecksumCombination.composite(mixed) == nil)
    }

    @Test("base 64 follows RFC 4648 section 10 and refuses what is not canonical")
    func base64() {
        let vectors = [
            "": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==",
            "fooba": "Zm9vYmE=", "foobar": "Zm9vYmFy",
        ]
        for (plain, encoded) in vectors {
            #expect(Base64.encode(Array(plain.utf8)) == encoded)
            #expect(Base64.decode(encoded) == Array(plain.utf8))
        }
        for bad in ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zm 9", "====", "Zg==Zg==", "Z===", "Zm-_"] {
            #expect(Base64.decode(bad) == nil, "\(bad)")
        }
    }

    @Test("checksum text of the wrong length or with a bad part count is refused")
    func refusedText() {
        #expect(Checksum(algorithm: .crc32, base64: "AAAAAA==")?.bytes == [0, 0, 0, 0])
        for bad in ["AAAAAAA=", "", "AAAAAA==-0", "AAAAAA==-", "AAAAAA==-x", "AAAAAA==-10001"] {
            #expect(Checksum(algorithm: .crc32, base64: bad) == nil, "\(bad)")
        }
    }

    @Test("one pass gives MD5, SHA-256 and the checksum, whatever the pieces")
    func bodyDigest() {
        let body = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for algorithm in [nil] + ChecksumAlgorithm.allCases.map({ $0 }) {
            for step in [1000, 4096, 16384, 16385, 100_000] {
                var digest = BodyDigest(contentSHA256: true, checksum: algorithm)
                body.withUnsafeBytes { bytes in
                    for start in stride(from: 0, to: bytes.count, by: step) {
                        let end = min(start + step, bytes.count)
                        digest.update(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                    }
                }
                let result = digest.finish()
                #expect(result.length == 100_000)
                #expect(result.sha256 == checksum(.sha256, body).bytes)
                #expect(result.checksum == algorithm.map { checksum($0, body) })
            }
        }
        let empty = BodyDigest().finish()
        #expect(Hexadecimal.encode(empty.md5) == "d41d8cd98f00b204e9800998ecf8427e")
        #expect(empty.sha256 == nil && empty.checksum == nil && empty.length == 0)
    }
}
