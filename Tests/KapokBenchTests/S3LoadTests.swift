import Testing

@testable import KapokBench

@Suite("The load generator against servers good and bad", .serialized)
struct S3LoadTests {
    /// A moment of load on a server that misbehaves.
    private func report(
        _ misbehaviour: Misbehaviour, _ change: (inout S3LoadOptions) -> Void = { _ in }
    ) async throws -> S3LoadReport {
        let server = try await MisbehavingServer(misbehaviour)
        var options = S3LoadOptions(endpoint: server.endpoint, accessKey: "a", secretKey: "s")
        options.seconds = 0.2
        options.connections = 4
        options.objects = 8
        options.size = ByteSize(bytes: 10_000)
        change(&options)
        let result: Result<S3LoadReport, any Error>
        do { result = .success(try await S3Load(options).run()) } catch { result = .failure(error) }
        try await server.stop()
        return try result.get()
    }

    @Test("right answers are counted, and nothing else", arguments: S3LoadOperation.allCases)
    func honest(operation: S3LoadOperation) async throws {
        let report = try await report(.none) {
            $0.operation = operation
            $0.connections = 5
            $0.threads = 2
        }
        #expect(report.errors == 0)
        #expect(report.firstError == nil)
        #expect(report.operations == report.gets + report.puts)
        #expect((report.gets > 0) == (operation != .put))
        #expect((report.puts > 0) == (operation != .get))
        #expect((report.readBack > 0) == (operation != .get))
        #expect(report.elapsedSeconds > 0)
        #expect(report.opsPerSecond > 0)
        #expect(report.p50Milliseconds > 0)
        #expect(report.p50Milliseconds <= report.p99Milliseconds)
        #expect(report.p99Milliseconds <= report.maxMilliseconds)
    }

    @Test("chunked bodies are checked like others")
    func chunked() async throws {
        let report = try await report(.sendsChunks)
        #expect(report.gets > 0)
        #expect(report.errors == 0)
    }

    @Test("a server that closes after each answer is no error")
    func closing() async throws {
        let report = try await report(.closesAfterEach)
        #expect(report.gets > 0)
        #expect(report.errors == 0)
    }

    @Test("bodies larger than all buffers stream through", arguments: [false, true])
    func large(signsPayload: Bool) async throws {
        let report = try await report(.none) {
            $0.operation = .put
            // Long enough that other tests beside this one do not keep it from any request.
            $0.seconds = 3
            $0.size = ByteSize(bytes: 20_000_001)
            $0.signsPayload = signsPayload
            $0.readBack = 0
            $0.connections = 2
            $0.objects = 2
        }
        #expect(report.puts > 0)
        #expect(report.errors == 0)
    }

    @Test("a PUT acknowledged before its body was sent is an error")
    func early() async throws {
        await #expect(throws: BenchError.self) {
            try await report(.answersEarly) {
                $0.operation = .put
                $0.size = ByteSize(bytes: 40_000_000)
            }
        }
    }

    /// With mixed load the PUTs succeed, so that there is a report; every GET fails.
    @Test(
        "every kind of wrong answer is an error of its kind, never an operation",
        arguments: [
            (Misbehaviour.flipsBit, \LoadErrors.wrongBytes),
            (.cutsBody, \.wrongLength), (.lengthensBody, \.wrongLength),
            (.answers500, \.badStatus), (.closesWithinBody, \.connection),
            (.answersGarbage, \.connection), (.staysSilent, \.connection),
        ] as [(Misbehaviour, any KeyPath<LoadErrors, Int> & Sendable)])
    func wrong(
        misbehaviour: Misbehaviour, kind: any KeyPath<LoadErrors, Int> & Sendable
    ) async throws {
        let report = try await report(misbehaviour) {
            $0.operation = .mixed
            $0.connections = misbehaviour == .staysSilent ? 32 : 4
            $0.stallSeconds = misbehaviour == .staysSilent ? 1 : 30
        }
        #expect(report.gets == 0)
        #expect(report.puts > 0)
        #expect(report.readBack == 0)
        #expect(report.errors > 0)
        #expect(report.errorsByKind[keyPath: kind] == report.errors)
        #expect(report.firstError != nil)
    }

    @Test("objects that were acknowledged and are gone show when they are read back")
    func forgotten() async throws {
        let report = try await report(.forgetsPuts) { $0.operation = .put }
        #expect(report.puts > 0)
        #expect(report.readBack == 0)
        #expect(report.errorsByKind.badStatus > 0)
    }

    @Test("nothing is measured when the endpoint refuses")
    func refused() async throws {
        await #expect(throws: BenchError.self) { try await report(.refuses) }
    }

    @Test("nothing is measured when every answer is wrong")
    func allWrong() async throws {
        await #expect(throws: BenchError.self) { try await report(.flipsBit) }
    }

    @Test("nothing is measured when nobody listens")
    func unreachable() async throws {
        let server = try await MisbehavingServer(.none)
        try await server.stop()
        let options = S3LoadOptions(endpoint: server.endpoint, accessKey: "a", secretKey: "s")
        let error = await #expect(throws: BenchError.self) { try await S3Load(options).run() }
        guard case .unreachable = error else {
            Issue.record("not unreachable: \(String(describing: error))")
            return
        }
    }
}
