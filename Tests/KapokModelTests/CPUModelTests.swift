import KapokModel
import KapokWorld
import Testing

@Suite("The CPU backend")
struct CPUModelTests {
    /// The root of the mean squared difference over that of the expected numbers.
    private func difference(_ actual: [[Float]], _ expected: [[Float]]) -> Double {
        var error = 0.0
        var size = 0.0
        for (a, e) in zip(actual.joined(), expected.joined()) {
            error += Double(a - e) * Double(a - e)
            size += Double(e) * Double(e)
        }
        return (error / size).squareRoot()
    }

    /// How far logits may be from those of plain double precision. Weights of whole blocks meet
    /// activations of 8 bits, the others activations as they are, or of 16 bits.
    private func bound(_ type: WeightType) -> Double {
        switch type {
        case .f32: 1e-4
        case .f16, .bf16: 1e-2
        default: 3e-2
        }
    }

    @Test("logits are those of the reference interpreter", arguments: WeightType.allCases)
    func types(type: WeightType) throws {
        var tiny = CPUSample.llama
        tiny.layers = 1
        let sample = try CPUSample(tiny, type)
        let tokens = sample.tokens(7, seed: 3)
        let expected = ReferenceModel(
            try CPUSample.file(tiny, type), keyValuePrecision: .half
        ).logits(tokens)
        let actual = try sample.whole(tokens)
        #expect(actual.count == 7)
        #expect(difference(actual, expected) < bound(type))
        // The bound would notice another token.
        var other = tokens
        other[0] = (other[0] + 1) % TokenID(sample.vocabulary)
        #expect(difference(try sample.whole(other), expected) > 2 * bound(type))
    }

    @Test("biases, head norms, other rotations and many pages of keys agree with it too")
    func families() throws {
        for tiny in [CPUSample.qwen, TinyModel(width: 32, heads: 3, headWidth: 32)] {
            let sample = try CPUSample(tiny, .f32)
            let tokens = sample.tokens(37, seed: 5)
            let expected = ReferenceModel(
                try CPUSample.file(tiny, .f32), keyValuePrecision: .half
            ).logits(tokens)
            #expect(difference(try sample.whole(tokens), expected) < 1e-4)
        }
    }

    /// Runs `prompts` in random pieces beside each other, on pages in random order; gives each
    /// one's logits.
    private func scattered(
        _ sample: CPUSample, _ prompts: [[TokenID]], seed: UInt64
    ) throws -> [[[Float]]] {
        var random = RandomStream(seed: seed)
        let executors = (1...3).map { sample.executor(threads: $0) }
        var free = (0..<PageID(sample.cache.pages)).map { $0 }
        for index in free.indices.reversed() { free.swapAt(index, random.below(index + 1)) }
        let pages = prompts.map { prompt in
            let count = (prompt.count + 15) / 16
            defer { free.removeFirst(count) }
            return Array(free.prefix(count))
        }
        var done = [Int](repeating: 0, count: prompts.count)
        var logits = [[[Float]]](repeating: [], count: prompts.count)
        while zip(done, prompts).contains(where: { $0 < $1.count }) {
            var spans: [StepBatch.Span] = []
            var owners: [Int] = []
            for index in prompts.indices where done[index] < prompts[index].count {
                guard random.chance(2, in: 3) else { continue }
                let rest = prompts[index].count - done[index]
                let count = random.chance(1, in: 2) ? 1 : 1 + random.below(min(rest, 20))
                spans.append(
                    .init(
                        tokens: Array(prompts[index][done[index]..<done[index] + count]),
                        start: done[index], pages: pages[index], logits: count))
                owners.append(index)
                done[index] += count
            }
            guard !spans.isEmpty else { continue }
            let executor = executors[random.below(executors.count)]
            var rows = try sample.rows(spans, on: executor)
            for (span, owner) in zip(spans, owners) {
                logits[owner] += rows.prefix(span.tokens.count)
                rows.removeFirst(span.tokens.count)
            }
        }
        return logits
    }

    @Test(
        "the same bits come out for all threads, pieces, neighbours and pages",
        arguments: [WeightType.f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .q4_K, .q6_K])
    func sameBits(type: WeightType) throws {
        var tiny = CPUSample.llama
        tiny.layers = 1
        let sample = try CPUSample(tiny, type)
        let prompts = [45, 17, 3, 30].map { sample.tokens($0, seed: UInt64($0)) }
        let alone = try prompts.map { try sample.whole($0) }
        for seed in 1...UInt64(3) {
            #expect(try scattered(sample, prompts, seed: seed) == alone)
        }
    }

    @Test("so they do with biases and head norms")
    func sameBitsOfFamilies() throws {
        let sample = try CPUSample(CPUSample.qwen, .f32)
        let prompts = [50, 33, 1].map { sample.tokens($0, seed: UInt64($0)) }
        let alone = try prompts.map { try sample.whole($0) }
        for seed in 4...UInt64(8) {
            #expect(try scattered(sample, prompts, seed: seed) == alone)
        }
    }

    @Test("pages of another sequence that begins alike are as good as own ones")
    func sharedPages() throws {
        let sample = try CPUSample(CPUSample.llama, .q4_1)
        let common = sample.tokens(32, seed: 1)
        let whole = common + sample.tokens(9, seed: 2)
        let expected = try sample.whole(whole).suffix(9)
        let executor = sample.executor(threads: 2)
        _ = try executor.run(
            StepBatch(spans: [.init(tokens: common, start: 0, pages: [9, 7], logits: 0)]))
        let actual = try sample.rows(
            [.init(tokens: Array(whole[32...]), start: 32, pages: [9, 7, 20], logits: 9)],
            on: executor)
        #expect(actual == Array(expected))
    }

    @Test("a page's bytes are all that another cache needs")
    func movedPages() throws {
        let sample = try CPUSample(CPUSample.qwen, .f32)
        let tokens = sample.tokens(20, seed: 7)
        let expected = try sample.whole(tokens)[19]
        let other = try CPUSample(CPUSample.qwen, .f32)
        other.cache.bytes(of: 5).copyMemory(from: .init(sample.cache.bytes(of: 0)))
        let rest = try other.rows([
            .init(tokens: Array(tokens[16...]), start: 16, pages: [5, 1], logits: 1)
        ])
        #expect(rest == [expected])
    }

    @Test("logits come for the last tokens of each span, as many as are wanted")
    func wantedRows() throws {
        let sample = try CPUSample(CPUSample.qwen, .f32)
        let a = sample.tokens(6, seed: 1)
        let b = sample.tokens(4, seed: 2)
        let expected = try sample.whole(a).suffix(2) + sample.whole(b).suffix(1)
        let actual = try sample.rows([
            .init(tokens: a, start: 0, pages: [0], logits: 2),
            .init(tokens: sample.tokens(5, seed: 3), start: 0, pages: [1], logits: 0),
            .init(tokens: b, start: 0, pages: [2], logits: 1),
        ])
        #expect(actual == Array(expected))
    }

    @Test("an embedding has length 1 and does not depend on how long a pass may be")
    func embedding() throws {
        let sample = try CPUSample(CPUSample.qwen, .f32)
        let tokens = sample.tokens(30, seed: 4)
        let short = try sample.executor(maximumTokens: 7).embed(tokens, pages: [0, 1])
        let long = try sample.executor(threads: 2).embed(tokens, pages: [3, 2])
        #expect(short == long)
        #expect(short.count == CPUSample.qwen.width)
        #expect(abs(short.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        let other = try sample.executor().embed(sample.tokens(30, seed: 5), pages: [0, 1])
        #expect(other != long)
    }

    @Test("batches that do not fit are refused with the reason")
    func invalidBatches() throws {
        let sample = try CPUSample(CPUSample.qwen, .f32, pages: 8)
        let executor = sample.executor(maximumTokens: 20)
        func refusal(_ spans: [StepBatch.Span]) -> String? {
            do throws(CPUModelError) {
                _ = try executor.run(StepBatch(spans: spans))
                return nil
            } catch { return "\(error)" }
        }
        func span(
            _ tokens: [TokenID] = [1], start: Int = 0, pages: [PageID] = [0], logits: Int = 1
        ) -> StepBatch.Span { .init(tokens: tokens, start: start, pages: pages, logits: logits) }
        #expect(refusal([span()]) == nil)
        let cases: [([StepBatch.Span], String)] = [
            ([], "no spans"), ([span([])], "without tokens"), ([span([33])], "token 33"),
            ([span([-1])], "token -1"), ([span(start: -1)], "context"),
            ([span(start: 64, pages: [0, 1, 2, 3, 4])], "context"),
            ([span(start: 16)], "2 are needed"), ([span(pages: [8])], "page 8"),
            ([span(logits: 2)], "logits of 2"),
            ([span(Array(repeating: 1, count: 21), pages: [0, 1])], "up to 20"),
        ]
        for (spans, reason) in cases { #expect(refusal(spans)?.contains(reason) == true) }
    }

    @Test("shapes that the kernels do not compute are refused when a model is packed")
    func unsupportedShapes() throws {
        let threads = ThreadPool(threads: 1)
        for tiny in [TinyModel(), TinyModel(heads: 2, headWidth: 36)] {
            let file = try tiny.file()
            #expect {
                _ = try CPUModel(file, threads: threads)
            } throws: { "\($0)".contains("heads of \(tiny.headWidth) elements") }
        }
        var file = try CPUSample.file(CPUSample.qwen, .f32)
        file.configuration.keyValueHeads = 3
        #expect(throws: CPUModelError.self) { _ = try CPUModel(file, threads: threads) }
        #expect(throws: CPUModelError.self) { _ = try KVCache(file.configuration, pages: 0) }
    }
}
