/// Real over predicted durations of steps, as distributions that depend on the duration: short
/// steps are disturbed differently from long ones, and a curve that errs somewhere is put right
/// there.
public struct StepResiduals: Codable, Sendable {
    /// A predicted and a real duration, in seconds.
    typealias Pair = (predicted: Double, real: Double)

    /// Quantiles that are kept of a distribution.
    private static let kept = 101
    /// The fewest steps of a class, and the most classes.
    private static let fewest = 60
    private static let mostClasses = 12

    /// The predicted seconds at which the next class begins; one fewer than there are classes.
    public private(set) var bounds: [Double] = []
    /// For each class the quantiles, evenly spaced from 0 to 1; none when nothing was measured.
    public private(set) var classes: [[Double]] = []

    /// Classes of about equally many of `pairs`. Durations that are equal stay together.
    init(_ pairs: [Pair]) {
        guard !pairs.isEmpty else { return }
        let sorted = pairs.sorted { $0.predicted < $1.predicted }
        let count = max(1, min(Self.mostClasses, sorted.count / Self.fewest))
        var start = 0
        for number in 1...count {
            var end = sorted.count * number / count
            while end < sorted.count, end > start,
                sorted[end].predicted == sorted[end - 1].predicted
            { end += 1 }
            guard end > start else { continue }
            if start > 0 { bounds.append(sorted[start].predicted) }
            classes.append(
                Self.quantiles(of: sorted[start..<end].map { $0.real / max($0.predicted, 1e-9) }))
            start = end
        }
    }

    /// The ratio at share `point` for a step that is predicted to take `predicted` seconds; 1 when
    /// nothing was measured.
    func draw(_ predicted: Double, _ point: Double) -> Double {
        guard !classes.isEmpty else { return 1 }
        let index = bounds.firstIndex { predicted < $0 } ?? classes.count - 1
        return StepCostModel.quantile(classes[index], point, empty: 1)
    }

    /// Where `real` lies among what such steps take, 0 to 1: what `draw` would need for it.
    func point(_ predicted: Double, _ real: Double) -> Double {
        guard !classes.isEmpty else { return 0.5 }
        let quantiles = classes[bounds.firstIndex { predicted < $0 } ?? classes.count - 1]
        let ratio = real / max(predicted, 1e-9)
        let upper = quantiles.firstIndex { $0 >= ratio } ?? quantiles.count - 1
        guard upper > 0, quantiles.count > 1 else { return 0 }
        let width = quantiles[upper] - quantiles[upper - 1]
        let share = width > 0 ? min(1, (ratio - quantiles[upper - 1]) / width) : 1
        return (Double(upper - 1) + share) / Double(quantiles.count - 1)
    }

    /// Evenly spaced quantiles of `values`; none of none.
    static func quantiles(of values: [Double]) -> [Double] {
        guard !values.isEmpty else { return [] }
        let sorted = values.sorted()
        return (0..<kept).map { part in
            StepCostModel.quantile(sorted, Double(part) / Double(kept - 1), empty: 0)
        }
    }
}
