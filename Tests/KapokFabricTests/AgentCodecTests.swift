import Crypto
import KapokFabric
import KapokWorld
import Testing

@Suite("Agents: datagrams")
struct AgentCodecTests {
    static let key = SipHashKey((0..<16).map { UInt8($0) })!
    static let newsKey = SymmetricKey(data: Array(repeating: UInt8(3), count: 32))

    static func bigEndian(_ bytes: [UInt8]) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    static func hash(_ count: Int) -> UInt64 {
        (0..<count).map { UInt8($0) }.withUnsafeBytes { SipHash.hash($0, key: key) }
    }

    @Test("SipHash-2-4 gives the value of the paper's appendix A")
    func sipHashPaper() {
        #expect(Self.hash(15) == 0xa129_ca61_49be_45e5)
    }

    @Test(
        "SipHash-2-4 gives the first values of the reference implementation's table",
        arguments: [
            (0, 0x310e_0edd_47db_6f72), (1, 0xfd67_dc93_c539_f874), (2, 0x5a4f_a9d9_0980_6c0d),
            (3, 0x2d7e_fbd7_9666_6785), (4, 0xb787_7127_e094_27cf),
            (5, 0x8da6_99cd_6455_7618), (6, 0xcee3_fe58_6e46_c9cb),
            (7, 0x37d1_018b_f500_02ab), (8, 0x6224_939a_79f5_f593),
        ] as [(Int, UInt64)])
    func sipHashTable(length: Int, printed: UInt64) {
        #expect(Self.hash(length) == printed.byteSwapped)
    }

    static func hello() -> HelloMessage {
        HelloMessage(
            state: .up, flags: [.grey, .wantsProbes], sender: PortID(SwitchID(70_000), 513),
            interval: .milliseconds(1), digest: 0xDEAD_BEEF, incarnation: 1 << 60,
            heardIncarnation: 3, sequence: 1 << 40, heardSequence: 7, lost: 9, epoch: 12)
    }

    static func piece(_ n: Int) -> LinkNews {
        LinkNews(
            link: LinkID(n), origin: SwitchID(n + 1),
            condition: LinkCondition.allCases[n % LinkCondition.allCases.count],
            sequence: 1 << 50 + UInt64(n), epoch: 4)
    }

    @Test("a hello is 64 bytes at the documented places and comes back as it was")
    func helloLayout() throws {
        let hello = Self.hello()
        let bytes = hello.encoded(key: Self.key)
        #expect(bytes.count == 64)
        #expect(bytes[0..<4] == [0x4B, 1, 1, 2 | 10 << 4])
        #expect(bytes[4..<12] == [0x70, 0x11, 1, 0, 1, 2, 100, 0])
        #expect(Self.bigEndian(bytes[12..<16].reversed()) == 0xDEAD_BEEF)
        #expect(Self.bigEndian(bytes[16..<24].reversed()) == 1 << 60)
        #expect(Self.bigEndian(bytes[32..<40].reversed()) == 1 << 40)
        #expect(Self.bigEndian(bytes[48..<56].reversed()) == 12)
        #expect(try HelloMessage(bytes, key: Self.key) == hello)
    }

    @Test("news is 28 bytes a piece between a header of 40 and a code of 16")
    func newsLayout() throws {
        let message = NewsMessage(
            isSummary: true, sender: PortID(SwitchID(5), 6), incarnation: 7,
            receiverIncarnation: 8, hopSequence: 9, news: (0..<3).map(Self.piece))
        let bytes = message.encoded(key: Self.newsKey)
        #expect(bytes.count == 40 + 3 * 28 + 16)
        #expect(bytes[0..<12] == [0x4B, 1, 3, 3, 5, 0, 0, 0, 6, 0, 0, 0])
        #expect(try NewsMessage(bytes, key: Self.newsKey) == message)
        let code = HMAC<SHA256>.authenticationCode(
            for: bytes.dropLast(16), using: Self.newsKey)
        #expect(Array(bytes.suffix(16)) == Array(code.prefix(16)))
    }

    @Test("every changed bit of a hello and of news is found")
    func everyBit() throws {
        let hello = Self.hello().encoded(key: Self.key)
        let news = NewsMessage(
            sender: PortID(SwitchID(5), 6), incarnation: 7, receiverIncarnation: 8,
            hopSequence: 9, news: [Self.piece(1)]
        ).encoded(key: Self.newsKey)
        for bit in 0..<hello.count * 8 {
            var changed = hello
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: DatagramRefusal.self) {
                try HelloMessage(changed, key: Self.key)
            }
        }
        for bit in 0..<news.count * 8 {
            var changed = news
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: DatagramRefusal.self) {
                try NewsMessage(changed, key: Self.newsKey)
            }
        }
    }

    @Test("decoders refuse or accept, and never trap, whatever they are given")
    func fuzz() {
        var random = RandomStream(seed: 77)
        let hello = Self.hello().encoded(key: Self.key)
        let news = NewsMessage(
            sender: PortID(SwitchID(5), 6), incarnation: 7, receiverIncarnation: 8,
            hopSequence: 9, news: (0..<5).map(Self.piece)
        ).encoded(key: Self.newsKey)
        var accepted = 0
        for _ in 0..<4_000 {
            var bytes = random.chance(1, in: 2) ? hello : news
            for _ in 0..<random.below(4) {
                switch random.below(3) {
                case 0 where !bytes.isEmpty:
                    bytes[random.below(bytes.count)] = UInt8(random.below(256))
                case 1: bytes.removeLast(random.below(bytes.count + 1))
                default: bytes.append(UInt8(random.below(256)))
                }
            }
            let isWhole = bytes == hello || bytes == news
            let isTaken =
                (try? HelloMessage(bytes, key: Self.key)) != nil
                || (try? NewsMessage(bytes, key: Self.newsKey)) != nil
            #expect(isTaken == isWhole)
            if isTaken { accepted += 1 }
        }
        #expect(accepted > 100)
    }

    @Test("well-authenticated nonsense is refused by its fields")
    func authenticNonsense() {
        func refuses(_ offset: Int, _ value: UInt8) -> Bool {
            var bytes = Self.hello().encoded(key: Self.key)
            bytes[offset] = value
            let code = bytes.withUnsafeBytes {
                SipHash.hash(UnsafeRawBufferPointer(rebasing: $0[..<56]), key: Self.key)
            }
            for i in 0..<8 { bytes[56 + i] = UInt8(truncatingIfNeeded: code >> UInt64(8 * i)) }
            do {
                _ = try HelloMessage(bytes, key: Self.key)
                return false
            } catch { return error.counter == "malformed" }
        }
        #expect(!refuses(3, 1))
        #expect(refuses(3, 3))
        #expect(refuses(3, 4))
        #expect(refuses(1, 2))
        #expect(refuses(2, 9))
        var zero = Self.hello()
        zero.intervalUnits = 0
        #expect(throws: DatagramRefusal.malformed("a hello interval of zero")) {
            try HelloMessage(zero.encoded(key: Self.key), key: Self.key)
        }
    }
}
