import KapokModel
import KapokWorld
import Testing

@testable import KapokInference

@Suite struct SamplerTests {
    /// How often each token is drawn from `logits` in `rounds` draws.
    private func shares(
        _ logits: [Float], rounds: Int = 20_000, _ change: (inout SamplingOptions) -> Void
    ) -> [Double] {
        var options = SamplingOptions()
        options.temperature = 1
        options.seed = 17
        change(&options)
        var sampler = Sampler(options: options, prompt: [], entropy: 0)
        var counts = [Double](repeating: 0, count: logits.count)
        logits.withUnsafeBufferPointer { logits in
            for index in 0..<rounds {
                counts[Int(sampler.choose(from: logits, mask: nil, index: index))] += 1
            }
        }
        return counts.map { $0 / Double(rounds) }
    }

    private func isNear(_ a: [Double], _ b: [Double]) -> Bool {
        zip(a, b).allSatisfy { abs($0 - $1) < 0.015 }
    }

    /// Probabilities 0.5, 0.3, 0.15, 0.05.
    private let logits: [Float] = [-0.6931, -1.2040, -1.8971, -2.9957]

    @Test("draws follow the distribution, and temperature sharpens or flattens it")
    func temperature() {
        #expect(isNear(shares(logits) { _ in }, [0.5, 0.3, 0.15, 0.05]))
        let squares = [0.25, 0.09, 0.0225, 0.0025].map { $0 / 0.365 }
        #expect(isNear(shares(logits) { $0.temperature = 0.5 }, squares))
        #expect(shares(logits, rounds: 50) { $0.temperature = 0 } == [1, 0, 0, 0])
    }

    @Test("top-k, top-p and min-p keep what they say, renormalised")
    func filters() {
        #expect(isNear(shares(logits) { $0.topK = 2 }, [0.625, 0.375, 0, 0]))
        #expect(isNear(shares(logits) { $0.topP = 0.75 }, [0.625, 0.375, 0, 0]))
        #expect(isNear(shares(logits) { $0.minP = 0.2 }, [0.5263, 0.3158, 0.1579, 0]))
        // Of the three that top-k leaves, 0.5 of 0.95 is already more than a half.
        let both = shares(logits) {
            $0.topK = 3
            $0.topP = 0.5
        }
        #expect(both == [1, 0, 0, 0])
        #expect(shares(logits, rounds: 50) { $0.topP = 0 } == [1, 0, 0, 0])
    }

    @Test("top-p over a large vocabulary keeps the same tokens as a plain sort")
    func nucleus() {
        var random = RandomStream(seed: 3)
        let logits = (0..<3000).map { _ in Float(random.unit() * 12) }
        let total = logits.reduce(0.0) { $0 + Double(exponential($1)) }
        var sum = 0.0
        var kept: Set<Int> = []
        for i in logits.indices.sorted(by: { logits[$0] > logits[$1] }) {
            kept.insert(i)
            sum += Double(exponential(logits[i]))
            if sum >= 0.6 * total { break }
        }
        let drawn = shares(logits) { $0.topP = 0.6 }
        #expect(drawn.indices.allSatisfy { drawn[$0] == 0 || kept.contains($0) })
        #expect(drawn.count { $0 > 0 } > kept.count / 2)
    }

    private func exponential(_ x: Float) -> Float {
        var value = [x]
        value.withUnsafeMutableBufferPointer {
            LogitArithmetic.exponentials($0, minus: 0, dividedBy: 1)
        }
        return value[0]
    }

    @Test("biases and penalties move the choice")
    func penalties() {
        var options = SamplingOptions()
        options.logitBias = [3: 5, 900: 100]
        #expect(chosen(options) == 3)
        options.logitBias = [:]
        options.presencePenalty = 1
        #expect(chosen(options, after: [0]) == 1)
        options.presencePenalty = 0
        options.frequencyPenalty = 0.3
        #expect(chosen(options, after: [0]) == 0)
        #expect(chosen(options, after: [0, 0]) == 1)
        options.frequencyPenalty = 0
        options.repetitionPenalty = 2
        #expect(chosen(options, prompt: [0]) == 1)
        #expect(chosen(options, prompt: [0], after: [1]) == 0)
    }

    private func chosen(
        _ options: SamplingOptions, prompt: [TokenID] = [], after: [TokenID] = []
    ) -> TokenID {
        var sampler = Sampler(options: options, prompt: prompt, entropy: 1)
        for token in after { sampler.record(token) }
        return logits.withUnsafeBufferPointer {
            sampler.choose(from: $0, mask: nil, index: after.count)
        }
    }

    @Test("a token's draw depends on its number, not on how many were drawn before")
    func numbered() {
        var options = SamplingOptions()
        options.temperature = 1.5
        options.seed = 4
        let flat = [Float](repeating: 0, count: 1000)
        flat.withUnsafeBufferPointer { flat in
            var first = Sampler(options: options, prompt: [], entropy: 0)
            let forwards = (0..<20).map { first.choose(from: flat, mask: nil, index: $0) }
            var second = Sampler(options: options, prompt: [], entropy: 99)
            let backwards = (0..<20).reversed().map {
                second.choose(from: flat, mask: nil, index: $0)
            }
            #expect(forwards == backwards.reversed())
            #expect(Set(forwards).count > 10)
        }
    }
}
