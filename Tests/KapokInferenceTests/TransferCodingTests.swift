import KapokInference
import KapokWorld
import Testing

@Suite("KV transfer: messages")
struct TransferCodingTests {
    static let requests: [TransferRequest] = [
        .prefill(
            PrefillAsk(
                transfer: TransferID(7), tokens: [1, 2, 49151], mode: .optimized, tenant: 9,
                patienceMilliseconds: 1500)),
        .prefill(PrefillAsk(transfer: TransferID(.max), tokens: [])),
        .pull(TransferID(8), page: 31),
        .renew([]), .renew([TransferID(1), TransferID(2)]),
        .release(TransferID(3)),
        .fault("why"),
    ]
    static let replies: [TransferReply] = [
        .accepted(TransferID(1), leaseMilliseconds: 10_000),
        .progress(TransferID(2), tokens: 512),
        .page(
            PageHeader(
                transfer: TransferID(3), page: 4, tokens: 80,
                chain: TransferDigest(low: 5, high: 6), digest: TransferDigest(low: 7, high: 8))),
        .ended(TransferID(4), .expired),
        .renewed([TransferID(1)]),
        .fault("é"),
    ]

    @Test("every message is read as it was written", arguments: requests)
    func request(_ message: TransferRequest) throws {
        #expect(try TransferRequest(decoding: message.encoded[...]) == message)
    }

    @Test("every reply is read as it was written", arguments: replies)
    func reply(_ message: TransferReply) throws {
        #expect(try TransferReply(decoding: message.encoded[...]) == message)
    }

    @Test("a message with bytes behind it is not read")
    func trailing() {
        for message in Self.requests {
            #expect(throws: ByteCodingError.self) {
                try TransferRequest(decoding: message.encoded[...] + [0])
            }
        }
    }

    @Test("a count of tokens beyond the bytes that are there allocates nothing and is refused")
    func counts() {
        var writer = ByteWriter()
        writer.uint8(1)
        writer.uint64(1)
        writer.uint8(0)
        writer.uint32(0)
        writer.uint32(0)
        writer.varint(UInt64(TransferCoding.maximumTokens))
        #expect(throws: ByteCodingError.truncated) {
            try TransferRequest(decoding: writer.bytes[...])
        }
    }

    @Test("a fault's text is cut where a reader would refuse it")
    func longFault() throws {
        let message = TransferReply.fault(String(repeating: "ü", count: 2000))
        guard case .fault(let text) = try TransferReply(decoding: message.encoded[...]) else {
            Issue.record("not a fault")
            return
        }
        #expect(text.utf8.count == TransferCoding.maximumText)
    }

    @Test("broken bytes are refused or mean exactly what they say")
    func fuzz() {
        var random = RandomStream(seed: 17)
        let sources = Self.requests.map(\.encoded) + Self.replies.map(\.encoded)
        var refused = 0
        for _ in 0..<6000 {
            var bytes = sources[random.below(sources.count)]
            for _ in 0...random.below(3) { mutate(&bytes, &random) }
            if let message = try? TransferRequest(decoding: bytes[...]) {
                #expect(message.encoded == bytes || isPadded(bytes))
            } else if let message = try? TransferReply(decoding: bytes[...]) {
                #expect(message.encoded == bytes || isPadded(bytes))
            } else {
                refused += 1
            }
        }
        #expect(refused > 1000)
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout RandomStream) {
        switch random.below(4) {
        case 0 where !bytes.isEmpty: bytes.removeLast(1 + random.below(bytes.count))
        case 1: bytes.append(UInt8(random.below(256)))
        case _ where !bytes.isEmpty:
            bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
        default: bytes = [UInt8(random.below(256))]
        }
    }

    /// Varints may be written longer than they need be: the one freedom that the coding has.
    private func isPadded(_ bytes: [UInt8]) -> Bool {
        bytes.contains { $0 & 0x80 != 0 }
    }

    @Test("the token chain of a page depends on every token before its end and on none behind it")
    func chain() {
        let tokens = (0..<40).map { Int32($0) }
        let digests = TokenChain.digests(of: tokens)
        #expect(digests.count == 3)
        #expect(Set(digests).count == 3)
        var other = tokens
        other[20] += 1
        let changed = TokenChain.digests(of: other)
        #expect(changed[0] == digests[0])
        #expect(changed[1] != digests[1])
        #expect(changed[2] != digests[2])
        // A page in part has another digest than the page in full.
        #expect(TokenChain.digests(of: Array(tokens[..<36]))[2] != digests[2])
        #expect(TokenChain.digests(of: Array(tokens[..<32])) == Array(digests[..<2]))
        #expect(TokenChain.digests(of: []).isEmpty)
    }

    @Test("endpoints are read with names, IPv4 and bracketed IPv6 addresses")
    func endpoints() {
        #expect(TransferEndpoint("10.0.0.1:8001") == TransferEndpoint(host: "10.0.0.1", port: 8001))
        #expect(TransferEndpoint("[::1]:80")?.host == "::1")
        #expect(TransferEndpoint("[::1]:80")?.description == "[::1]:80")
        #expect(TransferEndpoint("prefill-0.local:1")?.host == "prefill-0.local")
        for text in ["", ":80", "host", "host:", "host:70000", "::1:80", "host:-1"] {
            #expect(TransferEndpoint(text) == nil, "\(text)")
        }
    }
}
