import Foundation
import Testing

/// `kapok serve --explain` with the model that KAPOK_MODEL names.
@Suite("Interop: a real model on the simulated accelerator", .serialized)
struct ServeExplainTests {
    private struct Document: Decodable {
        struct Summary: Decodable {
            var device: String
            var fits: Bool
            var ttftMilliseconds: Double
            var ttftBoundMilliseconds: Double
            var tpotMilliseconds: Double
            var tpotBoundMilliseconds: Double
        }
        struct Agreement: Decodable {
            var equalChoices: Int
            var largestError: Double
        }

        var simulated: Bool
        var summary: [Summary]
        var agreement: Agreement?
    }

    private func explain(_ arguments: [String]) throws -> Document {
        let model = ProcessInfo.processInfo.environment["KAPOK_MODEL"] ?? ""
        let words = [Place.kapok.path, "serve", "--model", model, "--explain", "trn2", "--json"]
        let result = try Command(words + arguments, seconds: 300).run()
        try #require(result.status == 0, "\(result.output)")
        return try JSONDecoder().decode(Document.self, from: Data(result.output.utf8))
    }

    @Test(
        "TTFT and TPOT lie above their bounds, and a longer prompt takes longer",
        .enabled(if: ServedModelFile.isThere, ServedModelFile.reason))
    func prediction() throws {
        let short = try explain([])
        let long = try explain(["--prompt", "1024"])
        #expect(short.simulated && short.summary.map(\.device) == ["core", "chip", "copies"])
        for (once, twice) in zip(short.summary, long.summary) {
            #expect(once.fits)
            #expect(once.ttftMilliseconds > once.ttftBoundMilliseconds)
            #expect(once.tpotMilliseconds > once.tpotBoundMilliseconds)
            #expect((1.1...3).contains(twice.ttftMilliseconds / once.ttftMilliseconds))
            #expect((1...1.3).contains(twice.tpotMilliseconds / once.tpotMilliseconds))
        }
    }

    @Test(
        "the model's logits, value by value, are those of the model",
        .enabled(if: ServedModelFile.isThere, ServedModelFile.reason))
    func values() throws {
        let agreement = try #require(try explain(["--prompt", "16", "--verify"]).agreement)
        #expect(agreement.equalChoices >= 6 && agreement.largestError > 0)
    }
}
