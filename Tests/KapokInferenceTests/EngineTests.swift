import KapokInference
import KapokModel
import Testing

/// The engine as a whole, over a tiny model with random weights.
@Suite struct EngineTests {
    struct Answer: Equatable {
        var text = ""
        var reports: [TokenID] = []
        var reason: FinishReason?
        var generated = 0
        var mode: LatencyMode?
        var account = RequestAccount()
    }

    private func engine(_ change: (inout EngineOptions) -> Void = { _ in }) throws -> Engine {
        var options = EngineOptions(threads: 1)
        options.cacheBytes = 4 << 20
        change(&options)
        return try Engine.start(file: TinyModel.make(), options: options)
    }

    private func request(_ text: String, _ count: Int = 24) -> GenerationRequest {
        var request = GenerationRequest(prompt: text.utf8.map { TokenID($0) })
        request.maximumNewTokens = count
        request.logProbabilities = 0
        return request
    }

    private func answer(_ engine: Engine, _ request: GenerationRequest) async throws -> Answer {
        var answer = Answer()
        for try await event in engine.generate(request) {
            switch event {
            case .admitted(let mode): answer.mode = mode
            case .text(let text, let tokens):
                answer.text += text
                answer.reports += tokens.map(\.chosen.token)
            case .finished(let summary):
                answer.reason = summary.reason
                answer.generated = summary.account.generatedTokens
                answer.account = summary.account
            }
        }
        return answer
    }

    private static let prompts = [
        "The kapok is the giant of the forest", "a", "abcabcabcabcabcabcabcabc",
        String(repeating: "buttress roots ", count: 12),
    ]

    @Test("answers do not depend on threads, pools, company or speculation")
    func sameAnswers() async throws {
        let plain = try engine()
        var expected: [Answer] = []
        for prompt in Self.prompts { expected.append(try await answer(plain, request(prompt))) }
        #expect(expected.allSatisfy { $0.generated == 24 || $0.reason == .stop })
        let engines = [
            try engine { $0.threads = 2 },
            try engine {
                $0.threads = 2
                $0.splitsExecutors = true
            },
            try engine { $0.prefillTokensPerStep = 16 },
            try engine { $0.speculatesAlways = true },
        ]
        for engine in engines {
            try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
                for round in 0..<8 {
                    let index = round % Self.prompts.count
                    group.addTask {
                        (index, try await answer(engine, request(Self.prompts[index])))
                    }
                }
                for try await (index, answer) in group {
                    #expect(answer.text == expected[index].text)
                    #expect(answer.reports == expected[index].reports)
                    #expect(answer.reason == expected[index].reason)
                }
            }
            engine.stop()
        }
        plain.stop()
    }

    @Test("equal seeds draw equal texts, with and without speculation; others differ")
    func seeds() async throws {
        let engine = try engine()
        defer { engine.stop() }
        func drawn(_ seed: UInt64, speculates: Bool) async throws -> [TokenID] {
            var request = request("abcabcabc", 40)
            request.sampling.temperature = 1
            request.sampling.topP = 0.9
            request.sampling.seed = seed
            request.speculates = speculates
            return try await answer(engine, request).reports
        }
        let first = try await drawn(1, speculates: false)
        #expect(try await drawn(1, speculates: true) == first)
        #expect(try await drawn(2, speculates: false) != first)
    }

    @Test("a stop text ends an answer, and is not part of it")
    func stops() async throws {
        let engine = try engine()
        defer { engine.stop() }
        // With a schema of letters only the text is ASCII, so pieces of it can be found in it.
        var asked = request("kapok", 30)
        asked.constraint = .regularExpression("[a-z]{40}")
        let whole = try await answer(engine, asked)
        #expect(whole.text.count == 30)
        let stop = String(whole.text.dropFirst(10).prefix(3))
        asked.stop = [stop]
        let cut = try await answer(engine, asked)
        let end = try #require(whole.text.ranges(of: stop).first)
        #expect(cut.text == String(whole.text[..<end.lowerBound]))
        #expect(cut.reason == .stop)
    }

    @Test("a constrained answer conforms, and ends when it must")
    func constraint() async throws {
        let engine = try engine()
        defer { engine.stop() }
        var asked = request("choose: ", 60)
        asked.constraint = .choice(["yes", "no", "perhaps"])
        let answer = try await answer(engine, asked)
        #expect(["yes", "no", "perhaps"].contains(answer.text))
        #expect(answer.reason == .stop)
    }

    @Test("whoever stops reading cancels, and all pages come back")
    func cancellation() async throws {
        let engine = try engine()
        defer { engine.stop() }
        // Dropped at once, the streams end their requests long before 400 tokens each.
        for _ in 0..<20 { _ = engine.generate(request("forest", 400)) }
        // The next request runs after their last step; when it is over, all are.
        _ = try await answer(engine, request("forest", 2))
        let metrics = engine.metricsText()
        #expect(!metrics.contains("kapok_requests_finished_total{reason=\"cancelled\"} 0"))
        #expect(metrics.contains("kapok_kv_pages{state=\"held\"} 0\n"))
    }

    @Test("a prompt seen before is taken from the cache, with the same answer")
    func prefixCache() async throws {
        let engine = try engine()
        defer { engine.stop() }
        let prompt = Self.prompts[3]
        let first = try await answer(engine, request(prompt))
        let second = try await answer(engine, request(prompt))
        #expect(first.account.cachedTokens == 0)
        #expect(second.account.cachedTokens >= prompt.utf8.count - 32)
        #expect(second.text == first.text)
    }

    @Test("what cannot be served is refused with its reason")
    func refusals() async throws {
        let engine = try engine()
        defer { engine.stop() }
        await #expect(throws: GenerationError.self) {
            _ = try await answer(engine, GenerationRequest(prompt: []))
        }
        await #expect(throws: GenerationError.self) {
            _ = try await answer(engine, GenerationRequest(prompt: [5000]))
        }
        let long = request(String(repeating: "x", count: 600))
        await #expect {
            _ = try await answer(engine, long)
        } throws: {
            guard case GenerationError.refused(.tooLong(_, let limit)) = $0 else { return false }
            return limit == 512
        }
    }

    @Test("optimised requests over the quota are served as standard ones, and told so")
    func quota() async throws {
        let engine = try engine { $0.optimizedLimit = 1 }
        defer { engine.stop() }
        let modes = try await withThrowingTaskGroup(of: LatencyMode?.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    var asked = request("latency", 40)
                    asked.mode = .optimized
                    return try await answer(engine, asked).mode
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(modes.contains(.optimized))
        #expect(modes.allSatisfy { $0 != nil })
    }

    @Test("embeddings have length one and follow the prompt")
    func embeddings() async throws {
        let engine = try engine()
        defer { engine.stop() }
        let first = try await engine.embed(Array(1...40), tenant: 0)
        let again = try await engine.embed(Array(1...40), tenant: 0)
        let other = try await engine.embed(Array(2...41), tenant: 0)
        #expect(first.count == TinyModel.width)
        #expect(abs(first.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4)
        #expect(first == again && first != other)
    }
}
