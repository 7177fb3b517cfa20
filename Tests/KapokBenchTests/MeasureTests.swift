import Histogram
import NIOCore
import Testing

@testable import KapokBench

@Suite("Sizes, endpoints, options, content and counting")
struct MeasureTests {
    @Test(
        "sizes are read with their units",
        arguments: [
            ("4KiB", 4096), ("64 MiB", 64 << 20), ("5GiB", 5 << 30), ("1000", 1000), ("0", 0),
            ("3kB", 3000), ("2MB", 2_000_000), ("7b", 7),
        ])
    func size(text: String, bytes: Int) { #expect(ByteSize(parsing: text)?.bytes == bytes) }

    @Test(
        "what is not a size is refused", arguments: ["", "KiB", "-4", "4 XiB", "9999999999999GiB"])
    func badSize(text: String) { #expect(ByteSize(parsing: text) == nil) }

    @Test(
        "endpoints are read",
        arguments: [
            ("http://127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1:9000"),
            ("HTTP://storage.example/", "storage.example", 80, "storage.example"),
            ("http://[::1]:8333", "::1", 8333, "[::1]:8333"),
        ])
    func endpoint(text: String, host: String, port: Int, header: String) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(endpoint.host == host)
        #expect(endpoint.port == port)
        #expect(endpoint.hostHeader == header)
    }

    @Test(
        "other endpoints are refused",
        arguments: [
            "https://127.0.0.1:9000", "127.0.0.1:9000", "http://", "http://:80", "http://a:0",
            "http://a:70000", "http://a/b", "http://user@a", "http://[::1", "http://a b",
        ])
    func badEndpoint(text: String) {
        #expect(throws: BenchError.self) { try Endpoint(parsing: text) }
    }

    @Test("options out of bounds are refused")
    func options() throws {
        let good = S3LoadOptions(
            endpoint: try Endpoint(parsing: "http://a"), accessKey: "a", secretKey: "s")
        _ = try S3Load(good)
        let spoil: [(inout S3LoadOptions) -> Void] = [
            { $0.size = ByteSize(bytes: (5 << 30) + 1) }, { $0.connections = 0 },
            { $0.seconds = 0 }, { $0.objects = 0 }, { $0.bucket = "No" }, { $0.bucket = "a/../b" },
            { $0.accessKey = "" }, { $0.accessKey = "a\r\nb" }, { $0.secretKey = "" },
            { $0.threads = 65 }, { $0.getPercent = 101 }, { $0.region = "" },
        ]
        for change in spoil {
            var bad = good
            change(&bad)
            #expect(throws: BenchError.self) { try S3Load(bad) }
        }
    }

    @Test("as many objects as connections, however large they are")
    func objectCount() throws {
        var options = S3LoadOptions(
            endpoint: try Endpoint(parsing: "http://a"), accessKey: "a", secretKey: "s")
        #expect(options.objectCount == 10_000)
        options.size = .largestPut
        #expect(options.objectCount == 64)
        options.objects = 3
        #expect(options.objectCount == 3)
    }

    @Test("content is the same however it is cut, and differs between objects and places")
    func pattern() {
        let pattern = ObjectPattern(seed: 1)
        let size = 3 * ObjectPattern.period / 2
        var content: [UInt8] = []
        while content.count < size {
            let slice = pattern.slice(of: 5, at: content.count, count: size - content.count)
            content.append(contentsOf: slice.readableBytesView)
        }
        #expect(content.count == size)
        content.withUnsafeBytes { bytes in
            func piece(_ range: Range<Int>) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: bytes[range])
            }
            #expect(pattern.matches(bytes, of: 5, at: 0))
            for start in stride(from: 0, to: size - 70_001, by: 65_537) {
                #expect(pattern.matches(piece(start..<start + 70_001), of: 5, at: start))
            }
            #expect(!pattern.matches(bytes, of: 6, at: 0))
            #expect(!pattern.matches(piece(0..<4096), of: 5, at: 1 << 20), "misplaced by 1 MiB")
            #expect(!pattern.matches(piece(0..<4096), of: 5, at: 65_536), "misplaced by 64 KiB")
        }
        let other = ObjectPattern(seed: 2).slice(of: 5, at: 0, count: 64)
        #expect(other != pattern.slice(of: 5, at: 0, count: 64))
    }

    @Test("one wrong bit is seen wherever it is", arguments: [0, 1, 4095, 131_072, 1_048_572])
    func wrongBit(position: Int) {
        let pattern = ObjectPattern(seed: 1)
        var content: [UInt8] = []
        while content.count < 1_048_573 {
            let rest = 1_048_573 - content.count
            let slice = pattern.slice(of: 9, at: content.count, count: rest)
            content.append(contentsOf: slice.readableBytesView)
        }
        content[position] ^= 0x10
        content.withUnsafeBytes { #expect(!pattern.matches($0, of: 9, at: 0)) }
    }

    @Test("percentiles are right within a thousandth, from 1 µs to 100 s")
    func percentiles() throws {
        var tally = LoadTally()
        for step in 1...100_000 { tally.record(nanoseconds: UInt64(step) * 1_000_000) }
        let other = tally
        tally.add(other)
        let options = S3LoadOptions(
            endpoint: try Endpoint(parsing: "http://a"), accessKey: "a", secretKey: "s")
        let report = S3LoadReport(options: options, tally: tally, elapsedSeconds: 1)
        func isClose(_ value: Double, _ expected: Double) -> Bool {
            abs(value - expected) <= expected / 1000
        }
        #expect(isClose(report.p50Milliseconds, 50_000))
        #expect(isClose(report.p99Milliseconds, 99_000))
        #expect(isClose(report.p999Milliseconds, 99_900))
        #expect(isClose(report.maxMilliseconds, 100_000))
        #expect(tally.latencies.totalCount == 200_000)

        var short = LoadTally()
        short.record(nanoseconds: 250_000)
        let quick = S3LoadReport(options: options, tally: short, elapsedSeconds: 1)
        #expect(isClose(quick.p50Milliseconds, 0.25))
    }

    @Test("the JSON has the keys that scripts rely on")
    func json() throws {
        let options = S3LoadOptions(
            endpoint: try Endpoint(parsing: "http://a:1"), accessKey: "a", secretKey: "s")
        var tally = LoadTally()
        tally.gets = 10
        tally.bytes = 20_000_000
        tally.errors.wrongBytes = 2
        tally.errors.badStatus = 1
        tally.record(nanoseconds: 1_000_000)
        let json = try S3LoadReport(options: options, tally: tally, elapsedSeconds: 2).json()
        for part in [
            "\"opsPerSecond\":5", "\"megabytesPerSecond\":10", "\"p50Milliseconds\":1,",
            "\"p99Milliseconds\":1,", "\"p999Milliseconds\":1,", "\"errors\":3",
        ] {
            #expect(json.contains(part))
        }
        #expect(!json.contains("\n"))
    }
}
