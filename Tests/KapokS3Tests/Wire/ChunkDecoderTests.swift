import Testing

@testable import KapokS3

@Suite struct ChunkDecoderTests {
    /// What came out of a body: bytes and trailers.
    struct Decoded: Equatable {
        var bytes: [UInt8]
        var trailers: [String]
    }

    static let key = SigningKey(
        secret: AuthVectors.key.secret,
        scope: CredentialScope(date: "20130524", region: "us-east-1"))

    static func signer(seed: String) -> ChunkSigner {
        ChunkSigner(
            key: key, timestamp: "20130524T000000Z",
            scope: CredentialScope(date: "20130524", region: "us-east-1"), seed: Array(seed.utf8))
    }

    static func decode(
        _ pieces: [[UInt8]], with decoder: ChunkDecoder
    ) throws(S3Error) -> Decoded {
        var decoder = decoder
        var bytes: [UInt8] = []
        for piece in pieces {
            let result = piece.withUnsafeBytes { input -> Result<Void, S3Error> in
                var position = 0
                do throws(S3Error) {
                    while let range = try decoder.next(input, from: &position) {
                        bytes.append(contentsOf: input[range])
                    }
                    return .success(())
                } catch {
                    return .failure(error)
                }
            }
            try result.get()
        }
        return Decoded(
            bytes: bytes, trailers: try decoder.finish().map { "\($0.name):\($0.value)" })
    }

    /// Amazon S3 API Reference, "Transferring Payload in Multiple Chunks", example: 66,560 times
    /// "a".
    static let documented = body(
        sizes: [65_536, 1024],
        signatures: [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ])

    static let documentedSigner = signer(
        seed: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")

    /// The same with trailers: "Including Trailing Headers (Chunked Upload)", example.
    static let documentedTrailers = body(
        sizes: [65_536, 1024],
        signatures: [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        trailers: "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
            + "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n")

    static let documentedTrailersSigner = signer(
        seed: "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")

    static func body(sizes: [Int], signatures: [String], trailers: String = "") -> [UInt8] {
        var out: [UInt8] = []
        for (size, signature) in zip(sizes + [0], signatures) {
            out += Array("\(String(size, radix: 16));chunk-signature=\(signature)\r\n".utf8)
            out += [UInt8](repeating: UInt8(ascii: "a"), count: size)
            if size > 0 { out += Array("\r\n".utf8) }
        }
        return out + Array((trailers + "\r\n").utf8)
    }

    @Test("the signed chunks of Amazon's example verify and decode")
    func documentedChunks() throws {
        #expect(Self.documented.count == 66_824)
        let decoder = ChunkDecoder(
            signer: Self.documentedSigner, hasTrailers: false, decodedLength: 66_560)
        let decoded = try Self.decode([Self.documented], with: decoder)
        #expect(decoded.bytes == [UInt8](repeating: UInt8(ascii: "a"), count: 66_560))
    }

    @Test("the signed trailers of Amazon's example verify and decode")
    func documentedTrailerChunks() throws {
        let decoder = ChunkDecoder(
            signer: Self.documentedTrailersSigner, hasTrailers: true, decodedLength: 66_560)
        let decoded = try Self.decode([Self.documentedTrailers], with: decoder)
        #expect(decoded.trailers == ["x-amz-checksum-crc32c:sOO8/Q=="])
        #expect(decoded.bytes.count == 66_560)
    }

    @Test("an empty line before the trailers' signature changes nothing")
    func emptyLineBeforeSignature() throws {
        let text = String(decoding: Self.documentedTrailers, as: UTF8.self)
            .replacing("sOO8/Q==\r\n", with: "sOO8/Q==\n\r\n")
        let decoder = ChunkDecoder(
            signer: Self.documentedTrailersSigner, hasTrailers: true, decodedLength: 66_560)
        #expect(try Self.decode([Array(text.utf8)], with: decoder).bytes.count == 66_560)
    }

    static let unsigned = Array(
        "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n".utf8)
    static let unsignedDecoder = ChunkDecoder(signer: nil, hasTrailers: true, decodedLength: 11)
    static let unsignedDecoded = Decoded(
        bytes: Array("hello world".utf8), trailers: ["x-amz-checksum-crc32:DUoRhQ=="])

    /// Two small signed chunks and signed trailers, as `ChunkSigner` makes them.
    static let signed: [UInt8] = {
        var signer = Self.signer(seed: String(repeating: "0", count: 64))
        var out: [UInt8] = []
        for data in ["hello", " world", ""] {
            let signature = String(
                decoding: signer.signChunk(Array(data.utf8)), as: UTF8.self)
            out += Array("\(data.utf8.count);chunk-signature=\(signature)\r\n\(data)".utf8)
            if !data.isEmpty { out += Array("\r\n".utf8) }
        }
        let line = "x-amz-checksum-crc32:DUoRhQ=="
        let signature = String(
            decoding: signer.signTrailers(Array((line + "\n").utf8)), as: UTF8.self)
        return out + Array("\(line)\r\nx-amz-trailer-signature:\(signature)\r\n\r\n".utf8)
    }()
    static let signedDecoder = ChunkDecoder(
        signer: signer(seed: String(repeating: "0", count: 64)), hasTrailers: true,
        decodedLength: 11)

    @Test("a body decodes to the same wherever it is split")
    func splits() throws {
        for (body, decoder) in [
            (Self.unsigned, Self.unsignedDecoder), (Self.signed, Self.signedDecoder),
        ] {
            for cut in 0...body.count {
                let pieces = [Array(body[..<cut]), Array(body[cut...])]
                #expect(try Self.decode(pieces, with: decoder) == Self.unsignedDecoded)
            }
            #expect(try Self.decode(body.map { [$0] }, with: decoder) == Self.unsignedDecoded)
        }
    }

    @Test("a body cut short anywhere is refused")
    func truncated() {
        for (body, decoder) in [
            (Self.unsigned, Self.unsignedDecoder), (Self.signed, Self.signedDecoder),
        ] {
            for cut in 0..<body.count {
                #expect(throws: S3Error.self) {
                    try Self.decode([Array(body[..<cut])], with: decoder)
                }
            }
        }
    }

    @Test("bytes behind the end are refused")
    func trailing() {
        for (body, decoder) in [
            (Self.unsigned, Self.unsignedDecoder), (Self.signed, Self.signedDecoder),
        ] {
            #expect(throws: S3Error.self) { try Self.decode([body + [10]], with: decoder) }
        }
    }

    @Test("no changed byte of a signed body is accepted as other data")
    func flips() {
        for i in Self.signed.indices {
            for bit in 0..<8 {
                var body = Self.signed
                body[i] ^= 1 << UInt8(bit)
                guard let decoded = try? Self.decode([body], with: Self.signedDecoder) else {
                    continue
                }
                // The case of a hexadecimal size or of a trailer's name may change, nothing else.
                #expect(decoded == Self.unsignedDecoded)
            }
        }
    }

    @Test("random changes never crash, and never change what a signed body says")
    func fuzz() {
        var random = SplitMix(seed: 0xC4_0ECD)
        for _ in 0..<SplitMix.rounds(5000) {
            let body = random.mutate(Self.signed)
            if let decoded = try? Self.decode([body], with: Self.signedDecoder) {
                #expect(decoded == Self.unsignedDecoded)
            }
            let other = random.mutate(Self.unsigned)
            if let decoded = try? Self.decode([other], with: Self.unsignedDecoder) {
                #expect(decoded.bytes.count == 11)
            }
        }
    }

    @Test("what is not aws-chunked, or not as long as announced, is refused")
    func refused() {
        let bodies = [
            "", "\r\n", "g\r\n", "-1\r\n", " 5\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n",
            "5\r\nhelloX\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n",
            "ffffffffffffffff\r\n", "10000000000000000\r\n", "c\r\nhello world!\r\n0\r\n\r\n",
            "b\r\nhello world\r\n0\r\nno colon\r\n\r\n",
            "b\r\nhello world\r\n0\r\nx-amz-trailer-signature:00\r\n\r\n",
            "b;" + String(repeating: "x", count: 300) + "\r\nhello world\r\n0\r\n\r\n",
            "b\r\nhello world\r\n0\r\na:" + String(repeating: "x", count: 5000) + "\r\n\r\n",
        ]
        for body in bodies {
            #expect(throws: S3Error.self, "\(body.prefix(40))") {
                try Self.decode([Array(body.utf8)], with: Self.unsignedDecoder)
            }
        }
    }

    @Test("signed chunks without a signature are refused")
    func missingSignature() {
        let body = Array("b\r\nhello world\r\n0\r\n\r\n".utf8)
        #expect(throws: S3Error.self) { try Self.decode([body], with: Self.signedDecoder) }
    }
}
