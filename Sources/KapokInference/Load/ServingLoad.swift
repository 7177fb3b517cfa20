import Foundation
import KapokWorld

/// Requests and when they come: what a load generator sends to a server, and what a simulated
/// fleet is given.
public struct ServingLoad: Sendable {
    /// A request.
    public struct Arrival: Hashable, Sendable {
        /// Seconds from the load's begin.
        public var seconds: Double
        /// Tokens of the prompt, the shared ones included.
        public var promptTokens: Int
        /// Tokens of the answer.
        public var newTokens: Int
        /// The group of requests whose prompts begin alike; nil for none.
        public var prefixGroup: Int?
        /// Tokens at the prompt's begin that are the same in its group.
        public var prefixTokens: Int
        /// The mode that is asked for.
        public var mode: LatencyMode

        /// A request from its parts.
        public init(
            seconds: Double, promptTokens: Int, newTokens: Int, prefixGroup: Int? = nil,
            prefixTokens: Int = 0, mode: LatencyMode = .standard
        ) {
            self.seconds = seconds
            self.promptTokens = promptTokens
            self.newTokens = newTokens
            self.prefixGroup = prefixGroup
            self.prefixTokens = prefixTokens
            self.mode = mode
        }
    }

    /// The requests, in order of time.
    public var arrivals: [Arrival]
    /// Tokens that all prompts begin with (a chat template's), before those of their groups.
    public var commonTokens = 0

    /// A load of requests, which are put in order of time.
    public init(arrivals: [Arrival]) {
        self.arrivals = arrivals.sorted { $0.seconds < $1.seconds }
    }

    /// What a synthetic load is like.
    public struct Shape: Sendable {
        /// Requests per second in the mean; 0 for all at once.
        public var requestsPerSecond: Double
        /// How many.
        public var requests: Int
        /// Whether the time between requests is exponentially distributed (Poisson) or constant.
        public var isPoisson = true
        public var promptLength: LengthDistribution
        public var answerLength: LengthDistribution
        /// Groups of prompts that begin alike, and with how many tokens; 0 groups for none.
        public var prefixGroups = 0
        public var prefixTokens = 0
        /// The share of latency-optimised requests, 0 to 1.
        public var optimizedShare = 0.0

        /// A shape with Poisson arrivals, without common prefixes, in standard mode.
        public init(
            requestsPerSecond: Double, requests: Int, promptLength: LengthDistribution,
            answerLength: LengthDistribution
        ) {
            self.requestsPerSecond = requestsPerSecond
            self.requests = requests
            self.promptLength = promptLength
            self.answerLength = answerLength
        }
    }

    /// A synthetic load: equal seeds make equal loads.
    public init(_ shape: Shape, seed: UInt64) {
        let root = RandomStream(seed: seed)
        var times = root.split("times")
        var lengths = root.split("lengths")
        var groups = root.split("groups")
        var modes = root.split("modes")
        var seconds = 0.0
        arrivals = (0..<max(0, shape.requests)).map { _ in
            if shape.requestsPerSecond > 0 {
                let gap = shape.isPoisson ? -log(1 - times.unit()) : 1
                seconds += gap / shape.requestsPerSecond
            }
            let prompt = shape.promptLength.draw(&lengths)
            let answer = shape.answerLength.draw(&lengths)
            let group = shape.prefixGroups > 0 ? groups.below(shape.prefixGroups) : nil
            return Arrival(
                seconds: seconds, promptTokens: prompt, newTokens: answer, prefixGroup: group,
                prefixTokens: group == nil ? 0 : min(shape.prefixTokens, prompt),
                mode: modes.unit() < shape.optimizedShare ? .optimized : .standard)
        }
    }
}
