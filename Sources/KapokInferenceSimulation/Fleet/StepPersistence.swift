import Foundation
import KapokWorld

/// How long what disturbs a machine lasts. Steps that follow on each other are slow together when
/// the rest of the machine is busy, and waits, which are sums of steps, vary more for it.
///
/// A step's place in the distribution of residuals comes from a normal variable with two parts:
/// one drawn anew for each step, and one that fades with time. The time is that of undisturbed
/// steps: if the lasting part faded while a slow step ran, there would be more fast steps than were
/// measured.
public struct StepPersistence: Codable, Sendable {
    /// The lasting part of the variance, 0 to 1.
    public var share = 0.0
    /// Seconds after which the lasting part's correlation is 1/e.
    public var seconds = 1.0

    /// Steps apart at which correlations are measured.
    private static let lags = [1, 2, 4, 8, 16, 32, 64, 128]
    /// Correlations below this are noise.
    private static let leastCorrelation = 0.02

    /// Nothing lasts.
    init() {}

    /// Fits a share and a time to steps in the order in which they ran.
    /// - Parameter steps: each one's place among the residuals, 0 to 1, and when it began, in
    ///   seconds of undisturbed steps.
    init(fitting steps: [(point: Double, seconds: Double)]) {
        // A straight line through the logarithms of correlations over mean distances in time,
        // weighted with the correlations, because small ones are uncertain.
        var sums = (weight: 0.0, x: 0.0, y: 0.0, xx: 0.0, xy: 0.0)
        for lag in Self.lags where steps.count > 10 * lag {
            let correlation = Self.correlation(steps.map(\.point), lag)
            // What a rank correlation says of the normal variables behind the ranks
            // (Pearson 1907).
            let r = 2 * sin(.pi / 6 * correlation)
            guard r > Self.leastCorrelation else { break }
            let pairs = zip(steps, steps.dropFirst(lag))
            let x =
                pairs.reduce(0) { $0 + $1.1.seconds - $1.0.seconds }
                / Double(steps.count - lag)
            let y = log(r)
            sums.weight += r
            sums.x += r * x
            sums.y += r * y
            sums.xx += r * x * x
            sums.xy += r * x * y
        }
        guard sums.weight > 0 else { return }
        let spread = sums.weight * sums.xx - sums.x * sums.x
        let slope = spread > 0 ? (sums.weight * sums.xy - sums.x * sums.y) / spread : 0
        guard slope < 0 else { return }
        seconds = -1 / slope
        share = min(1, exp((sums.y - slope * sums.x) / sums.weight))
    }

    private static func correlation(_ values: [Double], _ lag: Int) -> Double {
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        guard variance > 0 else { return 0 }
        let sum = zip(values, values.dropFirst(lag)).reduce(0) {
            $0 + ($1.0 - mean) * ($1.1 - mean)
        }
        return sum / Double(values.count - lag) / variance
    }
}

/// The state of what disturbs an executor.
struct StepDisturbance {
    private var lasting: Double?

    /// The place of a step among the residuals, 0 to 1.
    /// - Parameter elapsed: seconds since the step before began, had it not been disturbed.
    mutating func next(
        _ persistence: StepPersistence, after elapsed: Double, _ random: inout RandomStream
    ) -> Double {
        let kept = lasting == nil ? 0 : exp(-elapsed / persistence.seconds)
        let value = kept * (lasting ?? 0) + (1 - kept * kept).squareRoot() * Self.normal(&random)
        lasting = value
        let sum =
            persistence.share.squareRoot() * value
            + (1 - persistence.share).squareRoot() * Self.normal(&random)
        return erfc(-sum / 2.0.squareRoot()) / 2
    }

    /// A normally distributed number (Box and Muller 1958).
    private static func normal(_ random: inout RandomStream) -> Double {
        (-2 * log(1 - random.unit())).squareRoot() * cos(2 * .pi * random.unit())
    }
}
