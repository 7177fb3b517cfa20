/// Real over predicted durations of steps, as distributions that depend on the duration: short
/// steps are disturbed differently from long ones, and a curve that errs somewhere is put right
/// there.
public struct StepResiduals: Codable, Sendable {
    /// A predicted and a real duration, in seconds.
    typealias Pair = (predicted: Double, real: Double)

    /// The fewest steps of a class, and the most classes.
    private static let fewest = 60
    private static let mostClasses = 24

    /// The predicted seconds at which the next class begins; one fewer than there are classes.
    public private(set) var bounds: [Double] = []
    /// The ratios of each class; none when nothing was measured.
    public private(set) var classes: [EvenParts] = []

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
                EvenParts(sorted[start..<end].map { $0.real / max($0.predicted, 1e-9) }))
            start = end
        }
    }

    /// The ratio at share `point` for a step that is predicted to take `predicted` seconds; 1 when
    /// nothing was measured.
    func draw(_ predicted: Double, _ point: Double) -> Double {
        ratios(predicted)?.value(at: point) ?? 1
    }

    /// Where `real` lies among what such steps take, 0 to 1: what `draw` would need for it.
    func point(_ predicted: Double, _ real: Double) -> Double {
        ratios(predicted)?.point(of: real / max(predicted, 1e-9)) ?? 0.5
    }

    private func ratios(_ predicted: Double) -> EvenParts? {
        guard !classes.isEmpty else { return nil }
        return classes[bounds.firstIndex { predicted < $0 } ?? classes.count - 1]
    }
}

/// A distribution as the means of its equally probable parts. Its mean is that of what was
/// measured, however far the longest were from the others.
public struct EvenParts: Codable, Sendable {
    /// The most parts that are kept.
    private static let most = 200

    /// The means of the parts, in increasing order.
    public private(set) var means: [Double]

    /// The distribution of `values`.
    init(_ values: [Double]) {
        let sorted = values.sorted()
        let count = min(Self.most, sorted.count)
        means = (0..<count).map { part in
            let values = sorted[
                (sorted.count * part / count)..<(sorted.count * (part + 1) / count)]
            return values.reduce(0, +) / Double(values.count)
        }
    }

    /// The value at share `point`, 0 to 1; nil when nothing was measured.
    func value(at point: Double) -> Double? {
        means.isEmpty ? nil : means[min(Int(point * Double(means.count)), means.count - 1)]
    }

    /// The share of the distribution below `value`, half of its own part included.
    func point(of value: Double) -> Double {
        guard let last = means.last, last > value else { return 1 - 0.5 / Double(means.count) }
        let upper = means.firstIndex { $0 >= value } ?? 0
        return (Double(upper) + 0.5) / Double(means.count)
    }
}
