import Foundation
public import KapokInference

/// Why no cost model could be fitted.
public struct CostFitError: Error, CustomStringConvertible {
    /// What is missing.
    public let description: String
}

extension StepCostModel {
    /// The fewest steps of an executor that a model is fitted to.
    public static let fewestSamples = 50
    /// Gaps longer than this are idleness.
    private static let longestGap = 0.003

    /// Fits a model to the steps of a log.
    public init(fitting samples: [StepSample]) throws(CostFitError) {
        let groups = Dictionary(grouping: samples.filter { $0.nanoseconds > 0 }, by: \.executor)
        guard !groups.isEmpty else {
            throw CostFitError(description: "the step log has no steps")
        }
        var executors: [String: Executor] = [:]
        for (name, steps) in groups {
            guard steps.count >= Self.fewestSamples else {
                throw CostFitError(
                    description: "the step log has \(steps.count) steps of the executor '\(name)': "
                        + "at least \(Self.fewestSamples) are needed; run a longer load")
            }
            executors[name] = Self.fit(steps)
        }
        self.init(executors: executors)
    }

    /// Tries slowdowns and keeps the one that explains most.
    private static func fit(_ steps: [StepSample]) -> Executor {
        let overlaps = steps.contains { $0.overlapNanoseconds > 0 }
        var best: Executor?
        for step in 0...(overlaps ? 30 : 0) {
            let fitted = fit(steps, slowdown: 1 + Double(step) * 0.05)
            if fitted.meanError < best?.meanError ?? .infinity { best = fitted }
        }
        // The loop runs at least once, and errors are finite.
        return best ?? fit(steps, slowdown: 1)
    }

    /// What the step would have taken alone, in seconds.
    private static func alone(_ step: StepSample, slowdown: Double) -> Double {
        let overlap = min(step.overlapNanoseconds, step.nanoseconds)
        return (Double(step.nanoseconds - overlap) + Double(overlap) / slowdown) / 1e9
    }

    private static func fit(_ steps: [StepSample], slowdown: Double) -> Executor {
        var equations = NormalEquations(unknowns: tokenKnots.count + rowKnots.count + 2)
        for step in steps {
            // Relative errors count: a step of 2 ms is as important as one of 200.
            equations.add(row(step), equals: alone(step, slowdown: slowdown))
        }
        let solution = equations.solve()
        let durations = steps.map { step in
            StepResiduals.Pair(
                predicted: row(step).reduce(0) { $0 + solution[$1.index] * $1.weight },
                real: alone(step, slowdown: slowdown))
        }
        let isPrefill = steps.map { $0.prefillTokens > 0 }
        func residuals(_ kind: Bool) -> StepResiduals {
            StepResiduals(zip(durations, isPrefill).filter { $0.1 == kind }.map(\.0))
        }
        let prefillResiduals = residuals(true)
        let decodeResiduals = residuals(false)
        let points = zip(durations, isPrefill).map { duration, isPrefill in
            (isPrefill ? prefillResiduals : decodeResiduals)
                .point(duration.predicted, duration.real)
        }
        let error = durations.reduce(0) { $0 + abs($1.predicted - $1.real) / $1.real }
        return Executor(
            tokenSeconds: Array(solution[..<tokenKnots.count]),
            rowSeconds: Array(solution[tokenKnots.count..<tokenKnots.count + rowKnots.count]),
            secondsPerPrefillKey: solution[solution.count - 2],
            secondsPerDecodeKey: solution[solution.count - 1], slowdown: slowdown,
            prefillResiduals: prefillResiduals, decodeResiduals: decodeResiduals,
            persistence: StepPersistence(fitting: Array(zip(points, starts(of: steps, durations)))),
            gapSeconds: EvenParts(
                steps.map { Double($0.gapNanoseconds) / 1e9 }
                    .filter { $0 > 0 && $0 < longestGap }),
            samples: steps.count, meanError: error / Double(steps.count))
    }

    /// When each step would have begun had none been disturbed, in seconds from the first one's
    /// begin.
    private static func starts(
        of steps: [StepSample], _ durations: [StepResiduals.Pair]
    ) -> [Double] {
        var end = 0.0
        return zip(steps, durations).map { step, duration in
            let start = end + Double(step.gapNanoseconds) / 1e9
            end = start + duration.predicted
            return start
        }
    }

    /// A step's coefficients: parts of token knots, parts of row knots, keys of both kinds.
    private static func row(_ step: StepSample) -> [(index: Int, weight: Double)] {
        weights(tokenKnots, Double(step.prefillTokens + step.decodeTokens))
            // Without rows there is nothing to add: the first knot stays at 0.
            + weights(rowKnots, Double(step.logitRows)).filter { $0.index > 0 }.map {
                ($0.index + tokenKnots.count, $0.weight)
            } + [
                (tokenKnots.count + rowKnots.count, Double(step.prefillKeys)),
                (tokenKnots.count + rowKnots.count + 1, Double(step.decodeKeys)),
            ]
    }
}

/// Least squares with unknowns that are not negative, solved coordinate by coordinate.
private struct NormalEquations {
    private let unknowns: Int
    private var matrix: [Double]
    private var right: [Double]

    init(unknowns: Int) {
        self.unknowns = unknowns
        matrix = Array(repeating: 0, count: unknowns * unknowns)
        right = Array(repeating: 0, count: unknowns)
    }

    /// Adds an equation, weighted so that its relative error counts.
    mutating func add(_ row: [(index: Int, weight: Double)], equals value: Double) {
        let scale = 1 / (value * value)
        for a in row {
            for b in row { matrix[a.index * unknowns + b.index] += a.weight * b.weight * scale }
            right[a.index] += a.weight * value * scale
        }
    }

    /// The best unknowns. Ones that nothing speaks of become 0; a pass that changes nothing more
    /// ends it, or the 20,000th.
    func solve() -> [Double] {
        var x = [Double](repeating: 0, count: unknowns)
        for _ in 0..<20_000 {
            var change = 0.0
            for i in 0..<unknowns {
                let diagonal = matrix[i * unknowns + i]
                guard diagonal > 0 else { continue }
                var rest = right[i]
                for j in 0..<unknowns { rest -= matrix[i * unknowns + j] * x[j] }
                let next = max(0, x[i] + rest / diagonal)
                if next != x[i] {
                    change = max(change, abs(next - x[i]) / max(next, x[i]))
                    x[i] = next
                }
            }
            if change < 1e-7 { break }
        }
        return x
    }
}
