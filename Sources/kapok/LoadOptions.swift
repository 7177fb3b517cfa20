import ArgumentParser
import Foundation
import KapokInference

/// The load that requests make: synthetic, or recorded.
struct LoadOptions: ParsableArguments {
    @Option(help: "Requests.")
    var requests = 100
    @Option(help: "Requests per second; 0 sends all at once.")
    var rate = 1.0
    @Flag(help: "Send at equal distances instead of Poisson arrivals.")
    var evenly = false
    @Option(help: "Words of a prompt.", transform: parseLengths)
    var prompt = LengthDistribution.constant(512)
    @Option(help: "Tokens of an answer.", transform: parseLengths)
    var generate = LengthDistribution.constant(128)
    @Option(help: "Groups of prompts that begin alike.")
    var prefixGroups = 0
    @Option(help: "With how many words they begin alike.")
    var prefixTokens = 0
    @Option(help: "The share of latency-optimised requests, 0 to 1.")
    var optimized = 0.0
    @Option(help: "A file with recorded arrivals and lengths.")
    var trace: String?
    @Option(help: "How many times faster than recorded the trace is played.")
    var speed = 1.0
    @Option(help: "Chooses arrivals, lengths and words.")
    var seed: UInt64 = 1

    func validate() throws {
        guard (1...1_000_000).contains(requests) else {
            throw ValidationError("--requests must be 1 to 1,000,000")
        }
        guard rate >= 0, rate.isFinite, speed > 0, speed.isFinite else {
            throw ValidationError("--rate must be at least 0 and --speed above 0")
        }
        guard (0...1).contains(optimized), prefixGroups >= 0, prefixTokens >= 0 else {
            throw ValidationError("--optimized must be 0 to 1, and prefixes not negative")
        }
    }

    /// The load.
    func make() throws -> ServingLoad {
        guard let trace else { return ServingLoad(shape(rate: rate), seed: seed) }
        do {
            let text = try String(contentsOfFile: trace, encoding: .utf8)
            return try ServingLoad(trace: text, speed: speed)
        } catch let error as LoadTraceError {
            throw CommandFailure(description: "\(trace): \(error)")
        } catch {
            throw CommandFailure(
                description: "cannot read \(trace): \(error.localizedDescription)")
        }
    }

    /// The synthetic load's shape at another rate.
    func shape(rate: Double) -> ServingLoad.Shape {
        var shape = ServingLoad.Shape(
            requestsPerSecond: rate, requests: requests, promptLength: prompt,
            answerLength: generate)
        shape.isPoisson = !evenly
        shape.prefixGroups = prefixGroups
        shape.prefixTokens = prefixTokens
        shape.optimizedShare = optimized
        return shape
    }
}

/// What a request must keep to count as good.
struct ObjectiveOptions: ParsableArguments {
    @Option(help: "Milliseconds to the first token that count as good.")
    var ttft = 2000.0
    @Option(help: "Milliseconds per further token that count as good.")
    var tpot = 100.0

    var objectives: ServingObjectives {
        ServingObjectives(
            timeToFirstTokenMilliseconds: ttft, timePerOutputTokenMilliseconds: tpot)
    }
}

/// Reads a distribution of lengths.
func parseLengths(_ text: String) throws -> LengthDistribution {
    guard let lengths = LengthDistribution(text) else {
        throw ValidationError(
            "'\(text)' is no distribution of lengths: write 512, uniform:100-800, "
                + "lognormal:300,0.8,4000 or 64x0.8+1500x0.2")
    }
    return lengths
}
