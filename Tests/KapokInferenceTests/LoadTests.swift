import KapokInference
import KapokWorld
import Testing

@Suite struct LoadTests {
    @Test(
        "a distribution of lengths is read as it is written",
        arguments: ["512", "uniform:100-800", "lognormal:300,0.8,4000", "64x0.8+1500x0.2"])
    func lengthsRoundTrip(text: String) throws {
        let lengths = try #require(LengthDistribution(text))
        #expect(lengths.description == text)
    }

    @Test(
        "what is no distribution of lengths is refused",
        arguments: [
            "", "0", "-5", "abc", "uniform:800-100", "uniform:1", "lognormal:3,0.8", "64x",
            "64x0", "64x-1", "x1", "64x1+", "99999999999", "lognormal:300,nan,4000", "5xinf",
        ])
    func badLengths(text: String) { #expect(LengthDistribution(text) == nil) }

    @Test("lengths stay within their bounds and near their median")
    func draws() throws {
        var random = RandomStream(seed: 7)
        let uniform = try #require(LengthDistribution("uniform:100-103"))
        let seen = Set((0..<200).map { _ in uniform.draw(&random) })
        #expect(seen == [100, 101, 102, 103])
        let normal = try #require(LengthDistribution("lognormal:300,0.8,4000"))
        let drawn = (0..<4001).map { _ in normal.draw(&random) }.sorted()
        #expect(drawn[0] >= 1 && drawn[4000] <= 4000)
        #expect((270...330).contains(drawn[2000]))
        let choice = try #require(LengthDistribution("64x0.75+1500x0.25"))
        let short = (0..<4000).count { _ in choice.draw(&random) == 64 }
        #expect((2850...3150).contains(short))
    }

    @Test("equal seeds make equal loads; arrivals keep the rate")
    func poisson() {
        var shape = ServingLoad.Shape(
            requestsPerSecond: 5, requests: 2000, promptLength: .uniform(1...9),
            answerLength: .constant(3))
        shape.prefixGroups = 4
        shape.prefixTokens = 5
        shape.optimizedShare = 0.25
        let load = ServingLoad(shape, seed: 3)
        #expect(load.arrivals == ServingLoad(shape, seed: 3).arrivals)
        #expect(load.arrivals != ServingLoad(shape, seed: 4).arrivals)
        #expect((360.0...440.0).contains(load.arrivals[1999].seconds))
        #expect(load.arrivals.allSatisfy { $0.prefixTokens <= $0.promptTokens })
        let optimized = load.arrivals.count { $0.mode == .optimized }
        #expect((420...580).contains(optimized))
    }

    @Test("Mooncake's lines give times, lengths and common beginnings")
    func mooncake() throws {
        let load = try ServingLoad(
            trace: """
                {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46]}
                {"timestamp": 27982, "input_length": 300, "output_length": 26, "hash_ids": [46]}
                """, speed: 2)
        #expect(
            load.arrivals == [
                .init(
                    seconds: 0, promptTokens: 6955, newTokens: 52, prefixGroup: 46,
                    prefixTokens: 512),
                .init(
                    seconds: 0.25, promptTokens: 300, newTokens: 26, prefixGroup: 46,
                    prefixTokens: 300),
            ])
    }

    @Test("Azure's table gives times and lengths, also past midnight")
    func azure() throws {
        let load = try ServingLoad(
            trace: """
                TIMESTAMP,ContextTokens,GeneratedTokens
                2023-11-16 23:59:59.5000000,374,44
                2023-11-17 00:00:01.2500000,396,109
                """)
        #expect(load.arrivals.map(\.seconds) == [0, 1.75])
        #expect(load.arrivals.map(\.promptTokens) == [374, 396])
        #expect(load.arrivals.map(\.newTokens) == [44, 109])
    }

    @Test(
        "a trace that is none names the line",
        arguments: [
            ("", "empty"), ("{\"timestamp\": 1}", "line 1"), ("a,b,c\n1,2,3", "line 2"),
            ("TIMESTAMP,C,G\n1,2,3\n1,0,3", "line 3"), ("TIMESTAMP,C,G\nx,2,3", "line 2"),
        ])
    func badTraces(text: String, message: String) {
        #expect {
            try ServingLoad(trace: text)
        } throws: {
            "\($0)".contains(message)
        }
    }

    @Test("mutated traces are read or refused, never more")
    func fuzz() {
        let seeds = [
            "{\"timestamp\": 28, \"input_length\": 69, \"output_length\": 5, \"hash_ids\": [4]}\n",
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,374,44\n",
        ]
        var random = RandomStream(seed: 11)
        var read = 0
        for round in 0..<600 {
            var bytes = Array(seeds[round % 2].utf8)
            for _ in 0...random.below(3) {
                bytes[random.below(bytes.count)] = UInt8(32 + random.below(95))
            }
            let load = try? ServingLoad(trace: String(decoding: bytes, as: UTF8.self))
            if let load {
                read += 1
                #expect(load.arrivals.allSatisfy { $0.promptTokens > 0 && $0.seconds.isFinite })
            }
        }
        #expect(read > 0 && read < 600)
    }
}
