import Glibc
import KapokInference
import KapokModel
import KapokWorld
import Logging
import Synchronization
import Testing

/// Page memory of a test: every page in one allocation.
private final class TestMemory: KVPageMemory, @unchecked Sendable {
    let pageBytes: Int
    private let pages: Int
    private let bytes: UnsafeMutableRawBufferPointer

    init(pages: Int, pageBytes: Int) {
        self.pages = pages
        self.pageBytes = pageBytes
        bytes = .allocate(byteCount: pages * pageBytes, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { bytes.deallocate() }

    func memory(of page: PageID) -> UnsafeMutableRawBufferPointer {
        let start = Int(page) * pageBytes
        precondition(start + pageBytes <= bytes.count)
        return UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + pageBytes])
    }

    /// What a page of a prompt holds: a function of the tokens up to its end.
    static func content(_ chain: TransferDigest, byte: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: (chain.low >> UInt64(byte % 57)) &+ UInt64(byte / 57))
    }

    func fill(_ page: PageID, _ chain: TransferDigest) {
        let memory = memory(of: page)
        for byte in 0..<pageBytes { memory[byte] = Self.content(chain, byte: byte) }
    }

    func holds(_ page: PageID, _ chain: TransferDigest) -> Bool {
        let memory = memory(of: page)
        return (0..<pageBytes).allSatisfy { memory[$0] == Self.content(chain, byte: $0) }
    }
}

/// An engine of which only the pages matter: computes all that it is asked at once, but for prompts
/// that begin with `stuckToken`, of which it computes the first page only.
private final class TestHost: PrefillHost {
    static let stuckToken: TokenID = 99
    struct State {
        var jobs: [UInt64: [PageID]] = [:]
        var free: [PageID]
        var released = 0
    }
    let store: TestMemory
    let state: Mutex<State>
    var memory: any KVPageMemory { store }

    init(_ store: TestMemory, pages: Int) {
        self.store = store
        state = Mutex(State(free: (0..<PageID(pages)).map { $0 }))
    }

    var openJobs: Int { state.withLock { $0.jobs.count } }

    func prefill(_ job: PrefillJob, report: @escaping @Sendable (PrefillReport) -> Void) {
        let chains = TokenChain.digests(of: job.tokens)
        let pages = state.withLock { state -> [PageID]? in
            guard state.free.count >= chains.count else { return nil }
            let pages = Array(state.free.suffix(chains.count))
            state.free.removeLast(chains.count)
            state.jobs[job.number] = pages
            return pages
        }
        guard let pages else { return report(.ended("no pages")) }
        for (index, page) in pages.enumerated() {
            store.fill(page, chains[index])
            report(
                .progress(
                    tokens: min((index + 1) * KVPage.tokens, job.tokens.count), pages: pages))
            if job.tokens[0] == Self.stuckToken { return }
        }
    }

    func holds(_ number: UInt64, page: PageID) -> Bool {
        state.withLock { $0.jobs[number]?.contains(page) ?? false }
    }

    func release(_ number: UInt64) {
        state.withLock { state in
            state.free += state.jobs.removeValue(forKey: number) ?? []
            state.released += 1
        }
    }
}

/// The real drivers over loopback sockets.
@Suite("KV transfer: sockets")
struct TransferSocketTests {
    private static let pageBytes = 20_000
    private static let key = Array("a key for the tests of it".utf8)
    private static let model = [UInt8](repeating: 4, count: 32)

    private static func server(
        _ host: TestHost, key: [UInt8]? = key, model: [UInt8] = model, port: UInt16 = 0
    ) throws -> PrefillServer {
        try PrefillServer(
            listeningOn: TransferEndpoint(host: "127.0.0.1", port: port), host: host,
            leases: LeaseConfiguration(vocabularySize: 100, maximumTokens: 2000),
            options: TransferOptions(fingerprint: model, secret: key), logger: quiet)
    }

    private static func client(
        _ ports: [UInt16], key: [UInt8]? = key,
        _ change: (inout PullConfiguration) -> Void = { _ in }
    ) throws -> PrefillClient {
        var configuration = PullConfiguration(hosts: ports.count)
        configuration.firstBackoff = .milliseconds(5)
        configuration.longestBackoff = .milliseconds(20)
        change(&configuration)
        return try PrefillClient(
            hosts: ports.map { TransferEndpoint(host: "127.0.0.1", port: $0) },
            pageBytes: pageBytes, options: TransferOptions(fingerprint: model, secret: key),
            configuration: configuration, logger: quiet)
    }

    private static var quiet: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    private static func tokens(_ count: Int, first: TokenID) -> [TokenID] {
        [first] + (1..<count).map { TokenID($0 % 97) }
    }

    private static func pull(
        _ client: PrefillClient, _ request: UInt64, _ tokens: [TokenID], from: Int = 0,
        firstPage: PageID, into memory: TestMemory
    ) async -> Int {
        let count = PageID(TokenChain.pages(of: tokens.count - from))
        let order = PullOrder(
            request: RequestID(request), tokens: tokens, from: from,
            pages: (0..<count).map { firstPage + $0 })
        return await withCheckedContinuation { continuation in
            client.pull(order, into: memory) { continuation.resume(returning: $0) }
        }
    }

    private static func stop(_ client: PrefillClient, _ servers: PrefillServer...) async {
        await withCheckedContinuation { done in client.stop { done.resume() } }
        for server in servers {
            await withCheckedContinuation { done in server.stop { done.resume() } }
        }
    }

    /// Pulls until all tokens come from a host: a connection takes a moment to be made.
    private static func pullInFull(
        _ client: PrefillClient, _ tokens: [TokenID], into memory: TestMemory, firstPage: PageID = 0
    ) async -> Bool {
        for attempt in 0..<20_000 as Range<UInt64> {
            let good = await pull(
                client, 1_000_000 + attempt, tokens, firstPage: firstPage, into: memory)
            if good == tokens.count { return true }
            await Task.yield()
        }
        return false
    }

    @Test("pages arrive as they were computed, many pulls at a time, and are given up after it")
    func pages() async throws {
        let host = TestHost(TestMemory(pages: 400, pageBytes: Self.pageBytes), pages: 400)
        let server = try Self.server(host)
        let memory = TestMemory(pages: 400, pageBytes: Self.pageBytes)
        let client = try Self.client([server.port])
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let tokens = Self.tokens(300 + number, first: TokenID(number))
                    let from = number % 3 * 32
                    let first = PageID(number * 20)
                    let good = await Self.pull(
                        client, UInt64(number), tokens, from: from, firstPage: first, into: memory)
                    #expect(good == tokens.count)
                    for (index, chain) in TokenChain.digests(of: tokens).enumerated() {
                        guard index * KVPage.tokens >= from else { continue }
                        let page = first + PageID(index - from / KVPage.tokens)
                        #expect(memory.holds(page, chain), "page \(index) of pull \(number)")
                    }
                }
            }
        }
        #expect(client.metricsText().contains("kapok_kv_transfer_attested 0"))
        await Self.stop(client, server)
        #expect(host.openJobs == 0)
        #expect(host.state.withLock { $0.free.count } == 400)
        #expect(client.metricsText().contains("kapok_kv_pulls_total{end=\"complete\"} 8"))
        #expect(server.metricsText().contains("kapok_kv_lease_pages 0"))
        #expect(server.metricsText().contains("{outcome=\"accepted\"} 8"))
    }

    @Test("a host that stops and comes back as another run is used again")
    func restart() async throws {
        let store = TestMemory(pages: 40, pageBytes: Self.pageBytes)
        let memory = TestMemory(pages: 40, pageBytes: Self.pageBytes)
        let first = try Self.server(TestHost(store, pages: 40))
        let port = first.port
        let client = try Self.client([port])
        let tokens = Self.tokens(100, first: 1)
        #expect(await Self.pullInFull(client, tokens, into: memory))
        await withCheckedContinuation { done in first.stop { done.resume() } }
        let second = try Self.server(TestHost(store, pages: 40), port: port)
        #expect(await Self.pullInFull(client, tokens, into: memory))
        #expect(client.metricsText().contains("kapok_kv_pull_host_restarts_total 1"))
        await Self.stop(client, second)
    }

    @Test("a pull whose host stops in its midst ends with the pages that are good")
    func lostHost() async throws {
        let host = TestHost(TestMemory(pages: 40, pageBytes: Self.pageBytes), pages: 40)
        let server = try Self.server(host)
        let client = try Self.client([server.port]) { $0.progressTimeout = .milliseconds(300) }
        let memory = TestMemory(pages: 40, pageBytes: Self.pageBytes)
        #expect(await Self.pullInFull(client, Self.tokens(20, first: 1), into: memory))
        let tokens = Self.tokens(100, first: TestHost.stuckToken)
        let good = await Self.pull(client, 1, tokens, firstPage: 0, into: memory)
        #expect(good == 16)
        #expect(memory.holds(0, TokenChain.digests(of: tokens)[0]))
        await Self.stop(client, server)
        #expect(host.openJobs == 0)
    }

    @Test("an abandoned pull ends at once, and its host gives up the pages")
    func abandon() async throws {
        let host = TestHost(TestMemory(pages: 40, pageBytes: Self.pageBytes), pages: 40)
        let server = try Self.server(host)
        let client = try Self.client([server.port])
        let memory = TestMemory(pages: 40, pageBytes: Self.pageBytes)
        async let good = Self.pull(
            client, 7, Self.tokens(100, first: TestHost.stuckToken), firstPage: 0, into: memory)
        // The order is in the mailbox before or after this; asked for until it has ended.
        let asking = Task {
            while !Task.isCancelled {
                client.abandon(RequestID(7))
                await Task.yield()
            }
        }
        let tokens = await good
        asking.cancel()
        #expect(tokens == 0 || tokens == 16)
        await Self.stop(client, server)
        #expect(host.openJobs == 0)
    }

    @Test("without the key, or with another model, nothing is served")
    func strangers() async throws {
        let host = TestHost(TestMemory(pages: 40, pageBytes: Self.pageBytes), pages: 40)
        let server = try Self.server(host)
        let other = try Self.server(host, model: [UInt8](repeating: 5, count: 32))
        let memory = TestMemory(pages: 40, pageBytes: Self.pageBytes)
        for (port, key) in [
            (server.port, nil), (server.port, Array("a key for the tests of that".utf8)),
            (other.port, Self.key),
        ] {
            let client = try Self.client([port], key: key)
            let good = await Self.pull(
                client, 1, Self.tokens(40, first: 1), firstPage: 0, into: memory)
            #expect(good == 0)
            #expect(client.readyHosts == 0)
            await Self.stop(client)
        }
        await Self.stop(try Self.client([server.port]), server, other)
        #expect(host.state.withLock { $0.released } == 0)
    }

    /// Connects, says `bytes`, and hears whatever comes until the server closes or says nothing.
    private static func say(_ bytes: [UInt8], to port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { return false }
        _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        shutdown(descriptor, Int32(SHUT_WR))
        var heard = [UInt8](repeating: 0, count: 4096)
        while recv(descriptor, &heard, heard.count, 0) > 0 {}
        return true
    }

    @Test("strangers who talk nonsense are let go, and others are served as before")
    func nonsense() async throws {
        let host = TestHost(TestMemory(pages: 40, pageBytes: Self.pageBytes), pages: 40)
        let server = try Self.server(host)
        let client = try Self.client([server.port])
        let memory = TestMemory(pages: 40, pageBytes: Self.pageBytes)
        var random = RandomStream(seed: 23)
        for round in 0..<150 {
            var bytes = (0..<random.below(300)).map { _ in UInt8(random.below(256)) }
            // Half of them begin with lengths that could be right, and a kind of message.
            if round % 2 == 0 {
                bytes =
                    [UInt8(random.below(200)), 0, 0, 0, 0, 0, 0, 0, 129 + UInt8(round % 3)] + bytes
            }
            #expect(Self.say(bytes, to: server.port))
        }
        #expect(await Self.pullInFull(client, Self.tokens(100, first: 1), into: memory))
        #expect(server.metricsText().contains("kapok_kv_lease_connections 1"))
        await Self.stop(client, server)
    }

    @Test("a key that is too short does not start, and neither does a client without hosts")
    func setup() {
        #expect(throws: TransferSetupError.self) {
            try Self.client([1], key: Array("short".utf8))
        }
        #expect(throws: TransferSetupError.self) { try Self.client([]) }
    }
}
