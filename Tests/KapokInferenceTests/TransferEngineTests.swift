import KapokInference
import KapokModel
import Testing

/// Engines in the roles of prefill and decode, over loopback, with a tiny model.
@Suite("KV transfer: engines")
struct TransferEngineTests {
    private static func engine(
        seed: UInt64 = 1, _ change: (inout EngineOptions) -> Void = { _ in }
    ) throws -> Engine {
        var options = EngineOptions(threads: 1)
        options.cacheBytes = 4 << 20
        options.pullThreshold = 20
        options.transferKey = Array("a key for the tests of it".utf8)
        change(&options)
        return try Engine.start(file: TinyModel.make(seed: seed), options: options)
    }

    private static func prefill(seed: UInt64 = 1) throws -> Engine {
        try engine(seed: seed) {
            $0.role = .prefill
            $0.transferListen = TransferEndpoint(host: "127.0.0.1", port: 0)
            $0.prefillTokensPerStep = 32
        }
    }

    private static func decode(_ prefills: Engine...) throws -> Engine {
        let ports = prefills.compactMap(\.transferPort)
        return try engine {
            $0.role = .decode
            $0.prefillHosts = ports.map { TransferEndpoint(host: "127.0.0.1", port: $0) }
        }
    }

    /// The text, and how many tokens of the prompt were pulled.
    private static func answer(
        _ engine: Engine, _ text: String
    ) async throws -> (text: String, pulled: Int) {
        var request = GenerationRequest(prompt: text.utf8.map { TokenID($0) })
        request.maximumNewTokens = 20
        var answer = ""
        var pulled = 0
        for try await event in engine.generate(request) {
            if case .text(let more, _) = event { answer += more }
            if case .finished(let summary) = event { pulled = summary.account.pulledTokens }
        }
        return (answer, pulled)
    }

    private static let prompts = (0..<6).map { number in
        "\(number): " + String(repeating: "buttress roots of kapok trees ", count: 2 + number)
    }

    private static func series(_ engine: Engine, _ start: String) -> Double {
        engine.metricsText().split(separator: "\n").filter { $0.hasPrefix(start) }
            .compactMap { Double($0.split(separator: " ").last ?? "") }.reduce(0, +)
    }

    @Test("texts are the same whether a prompt is computed here or pulled, and nothing stays held")
    func sameTexts() async throws {
        let plain = try Self.engine()
        var expected: [String] = []
        for prompt in Self.prompts { expected.append(try await Self.answer(plain, prompt).text) }
        let prefill = try Self.prefill()
        let decode = try Self.decode(prefill)
        for (prompt, text) in zip(Self.prompts, expected) {
            let answer = try await Self.answer(decode, prompt)
            #expect(answer.text == text)
            #expect(answer.pulled == prompt.utf8.count - 1)
        }
        // Several at once, with prompts that the prefill role knows in part.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for round in 0..<12 {
                group.addTask {
                    let number = round % Self.prompts.count
                    let more = Self.prompts[number] + String(repeating: "!", count: 30 + round)
                    let text = try await Self.answer(decode, more).text
                    let alone = try await Self.answer(plain, more).text
                    #expect(text == alone)
                }
            }
            try await group.waitForAll()
        }
        #expect(Self.series(decode, "kapok_kv_pulls_total{end=\"complete\"}") >= 6)
        decode.stop()
        prefill.stop()
    }

    @Test("a prefill role with another model is refused, and the prompt is computed here")
    func otherModel() async throws {
        let expected = try await Self.answer(try Self.engine(), Self.prompts[3]).text
        let other = try Self.prefill(seed: 2)
        let decode = try Self.decode(other)
        let answer = try await Self.answer(decode, Self.prompts[3])
        #expect(answer.text == expected)
        #expect(answer.pulled == 0)
        decode.stop()
        other.stop()
    }

    @Test("clients that leave while their prompt is prefilled elsewhere spoil nothing for others")
    func leaving() async throws {
        let plain = try Self.engine()
        let prefill = try Self.prefill()
        let decode = try Self.decode(prefill)
        let prompt = String(repeating: "the giant of the forest ", count: 15)
        let expected = try await Self.answer(plain, prompt).text
        for round in 0..<30 {
            let leaving = Task { try await Self.answer(decode, "\(round % 7)" + prompt) }
            for _ in 0..<(round * 13) % 60 { await Task.yield() }
            leaving.cancel()
            _ = try? await leaving.value
            // What was left of the prompts in the caches of both sides must be right.
            if round % 6 == 5 {
                let text = try await Self.answer(decode, "\(round % 7)" + prompt).text
                let alone = try await Self.answer(plain, "\(round % 7)" + prompt).text
                #expect(text == alone)
            }
        }
        let text = try await Self.answer(decode, prompt).text
        #expect(text == expected)
        decode.stop()
        prefill.stop()
    }
}
