import Crypto
import NIOCore
import Testing

@testable import KapokS3

@Suite("MD5 of several bodies at once")
struct MD5PoolTests {
    /// Bytes without a pattern, the same in every run.
    private static let bytes: [UInt8] = {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        return (0..<3_000_000).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }()

    /// Gives `bytes` to a new stream in pieces that end at odd places.
    private static func digest(
        _ pool: MD5Pool, _ bytes: ArraySlice<UInt8>, piece: Int
    ) async -> [UInt8] {
        let stream = pool.makeStream()
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let end = min(start + piece, bytes.endIndex)
            // Bytes around the piece are not part of it.
            let buffer = ByteBuffer(bytes: [0xAA, 0xBB] + bytes[start..<end] + [0xCC])
            await stream.append(buffer, 2..<2 + end - start)
            await Task.yield()
            start = end
        }
        return await stream.finish()
    }

    private static func expected(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        Array(Insecure.MD5.hash(data: Array(bytes)))
    }

    @Test("a running state agrees with swift-crypto for all lengths around two blocks")
    func state() {
        var wrong: [Int] = []
        for length in 0...200 {
            for cut in [0, 1, 55, 63, 64, 65, 130] where cut <= length {
                var state = MD5State()
                Self.bytes[..<cut].withUnsafeBytes { state.update($0) }
                Self.bytes[cut..<length].withUnsafeBytes { state.update($0) }
                if state.finish() != Self.expected(Self.bytes[..<length]) { wrong.append(length) }
            }
        }
        #expect(wrong.isEmpty, "lengths \(wrong)")
    }

    @Test("a stream alone agrees with swift-crypto")
    func alone() async {
        let pool = MD5Pool()
        for (length, piece) in [(0, 1), (1, 1), (64, 64), (1000, 7), (300_000, 65_000)] {
            let bytes = Self.bytes[..<length]
            #expect(await Self.digest(pool, bytes, piece: piece) == Self.expected(bytes))
        }
        #expect(pool.count == 0)
    }

    @Test("many streams at once agree with swift-crypto", arguments: [2, 3, 4, 9, 40])
    func together(_ streams: Int) async {
        let pool = MD5Pool()
        let wrong = await withTaskGroup(of: Int?.self) { group in
            for stream in 0..<streams {
                group.addTask {
                    let length = 200_000 + 130_003 * (stream % 13)
                    let bytes = Self.bytes[stream * 1001..<stream * 1001 + length]
                    let piece = [65_536, 65_001, 8_191, 300_000][stream % 4]
                    let digest = await Self.digest(pool, bytes, piece: piece)
                    return digest == Self.expected(bytes) ? nil : stream
                }
            }
            return await group.reduce(into: [Int]()) { if let stream = $1 { $0.append(stream) } }
        }
        #expect(wrong.isEmpty, "streams \(wrong)")
        #expect(pool.count == 0)
    }

    @Test("a stream that stalls holds nobody up, and unhashed bytes are bounded")
    func stalled() async {
        let pool = MD5Pool()
        let stalled = pool.makeStream()
        await stalled.append(ByteBuffer(bytes: Self.bytes[..<1000]), 0..<1000)
        let going = pool.makeStream()
        var start = 0
        var most = 0
        while start < Self.bytes.count {
            let end = min(start + 65_536, Self.bytes.count)
            await going.append(ByteBuffer(bytes: Self.bytes[start..<end]), 0..<end - start)
            most = max(most, pool.unhashedBytes)
            start = end
        }
        #expect(most > 0)
        #expect(most <= MD5Pool.pendingBytes + 1000)
        #expect(await going.finish() == Self.expected(Self.bytes[...]))
        #expect(await stalled.finish() == Self.expected(Self.bytes[..<1000]))
    }

    @Test("streams that are given up leave the pool and the others' digests alone")
    func givenUp() async {
        let pool = MD5Pool()
        let wrong = await withTaskGroup(of: Int?.self) { group in
            for stream in 0..<12 {
                group.addTask {
                    let bytes = Self.bytes[stream..<stream + 1_500_000]
                    guard stream % 3 == 0 else {
                        let digest = await Self.digest(pool, bytes, piece: 60_001)
                        return digest == Self.expected(bytes) ? nil : stream
                    }
                    let abandoned = pool.makeStream()
                    for _ in 0..<5 + stream {
                        await abandoned.append(
                            ByteBuffer(bytes: bytes.prefix(100_000)), 0..<100_000)
                        await Task.yield()
                    }
                    return nil
                }
            }
            group.cancelAll()
            return await group.reduce(into: [Int]()) { if let stream = $1 { $0.append(stream) } }
        }
        #expect(wrong.isEmpty, "streams \(wrong)")
        #expect(pool.count == 0)
    }
}
