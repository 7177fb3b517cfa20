import Foundation
public import KapokInference
public import KapokWorld

/// How long a step takes, fitted to steps of a real engine.
///
/// `seconds = curve(tokens) + logit curve(rows) + a * prefill keys + b * decode keys`, where both
/// curves are linear between knots: a pass over a few tokens costs what reading the weights costs,
/// one over many what computing costs, and the curve bends where the machine does. Keys of chunks
/// are read once for many tokens, those of single tokens for each. The residuals that remain are
/// kept as distributions and drawn from, because percentiles live on them.
public struct StepCostModel: Codable, Sendable {
    /// The cost of an executor's steps.
    public struct Executor: Codable, Sendable {
        /// Seconds at each of `tokenKnots`.
        public var tokenSeconds: [Double]
        /// Further seconds at each of `rowKnots`.
        public var rowSeconds: [Double]
        /// Seconds per key that a token of a prompt attends to.
        public var secondsPerPrefillKey: Double
        /// Seconds per key that a token of a sequence that decodes attends to.
        public var secondsPerDecodeKey: Double
        /// How much longer a step takes while another executor of the machine is busy too.
        public var slowdown: Double
        /// What steps that hold prompt tokens really took.
        public var prefillResiduals: StepResiduals
        /// What steps that only decode really took.
        public var decodeResiduals: StepResiduals
        /// How long disturbances last.
        public var persistence = StepPersistence()
        /// Seconds from one step's end to the next one's start, when there is work.
        public var gapSeconds: EvenParts
        /// Steps it was fitted to, and the mean relative error of single ones.
        public var samples: Int
        public var meanError: Double
    }

    /// Tokens at which a curve may bend.
    public static let tokenKnots: [Double] = [
        0, 1, 2, 4, 8, 12, 16, 24, 32, 64, 96, 128, 192, 256, 384, 512, 1024,
    ]
    /// Rows of logits at which a curve may bend.
    public static let rowKnots: [Double] = [0, 1, 8, 32, 64]

    /// By the executor's name: both, prefill, decode.
    public var executors: [String: Executor]
    /// What lies between a client and the engine, fitted by comparing both: seconds added to the
    /// first token, and per prompt token.
    public var requestSeconds = 0.0
    public var requestSecondsPerToken = 0.0
    /// The share of speculative tokens that was accepted.
    public var draftAcceptance = 0.0

    /// A model of these executors.
    public init(executors: [String: Executor]) { self.executors = executors }

    /// What a step takes alone, before residuals, in seconds.
    public func seconds(_ step: StepSample) -> Double {
        guard let executor = executors[step.executor] else { return 0 }
        let tokens = Double(step.prefillTokens + step.decodeTokens)
        return Self.interpolate(executor.tokenSeconds, Self.tokenKnots, tokens)
            + Self.interpolate(executor.rowSeconds, Self.rowKnots, Double(step.logitRows))
            + executor.secondsPerPrefillKey * Double(step.prefillKeys)
            + executor.secondsPerDecodeKey * Double(step.decodeKeys)
    }

    /// The duration of a step alone, in seconds, at share `point` of what such steps take.
    public func seconds(_ step: StepSample, at point: Double) -> Double {
        guard let executor = executors[step.executor] else { return 0 }
        let residuals =
            step.prefillTokens > 0 ? executor.prefillResiduals : executor.decodeResiduals
        let predicted = seconds(step)
        return predicted * residuals.draw(predicted, point)
    }

    /// A drawn time between a step's end and the next one's start, in seconds.
    public func drawGap(_ executor: String, _ random: inout RandomStream) -> Double {
        executors[executor]?.gapSeconds.value(at: random.unit()) ?? 0
    }

    /// The curve's value at `x`; beyond the last knot it goes on as it was.
    static func interpolate(_ values: [Double], _ knots: [Double], _ x: Double) -> Double {
        weights(knots, x).reduce(0) { $0 + values[$1.index] * $1.weight }
    }

    /// Which knots `x` lies between, and how much of each it is.
    static func weights(_ knots: [Double], _ x: Double) -> [(index: Int, weight: Double)] {
        let last = knots.count - 1
        let upper = knots.firstIndex { $0 >= x } ?? last
        if upper == 0 { return [(0, 1)] }
        let lower = upper - 1
        let share = (x - knots[lower]) / (knots[upper] - knots[lower])
        return [(lower, 1 - share), (upper, share)]
    }
}
