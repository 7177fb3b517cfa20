import Foundation
public import KapokWorld

/// How long prompts or answers are, in tokens.
public enum LengthDistribution: Hashable, Sendable, CustomStringConvertible {
    case constant(Int)
    case uniform(ClosedRange<Int>)
    /// Logarithms normally distributed, as lengths in traces nearly are: median, standard deviation
    /// of the natural logarithm, largest length.
    case logNormal(median: Int, sigma: Double, maximum: Int)
    /// One of several lengths, each with a weight.
    case choice([Choice])

    /// A length and how often it is drawn, relative to the others.
    public struct Choice: Hashable, Sendable {
        /// In tokens.
        public var length: Int
        /// Above zero.
        public var weight: Double

        /// A length with its weight.
        public init(length: Int, weight: Double) {
            self.length = length
            self.weight = weight
        }
    }

    /// The longest length that is taken for serious.
    public static let longest = 1 << 22

    /// Reads `512`, `uniform:100-800`, `lognormal:300,0.8,4000`, `64x0.8+1500x0.2`.
    /// - Returns: nil when `text` is none of these, or a length is not in 1 to `longest`.
    public init?(_ text: String) {
        func length(_ text: Substring) -> Int? {
            Int(text).flatMap { (1...Self.longest).contains($0) ? $0 : nil }
        }
        if let number = length(text[...]) {
            self = .constant(number)
            return
        }
        if text.hasPrefix("uniform:") {
            let ends = text.dropFirst(8).split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count == 2, let low = length(ends[0]), let high = length(ends[1]),
                low <= high
            else { return nil }
            self = .uniform(low...high)
            return
        }
        if text.hasPrefix("lognormal:") {
            let parts = text.dropFirst(10).split(separator: ",", omittingEmptySubsequences: false)
            guard parts.count == 3, let median = length(parts[0]), let sigma = Double(parts[1]),
                let maximum = length(parts[2]), (0...10).contains(sigma), median <= maximum
            else { return nil }
            self = .logNormal(median: median, sigma: sigma, maximum: maximum)
            return
        }
        var choices: [Choice] = []
        for part in text.split(separator: "+", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "x", omittingEmptySubsequences: false)
            guard pair.count == 2, let length = length(pair[0]), let weight = Double(pair[1]),
                weight > 0, weight.isFinite
            else { return nil }
            choices.append(Choice(length: length, weight: weight))
        }
        guard !choices.isEmpty else { return nil }
        self = .choice(choices)
    }

    /// As `init(_:)` reads it.
    public var description: String {
        switch self {
        case .constant(let length): "\(length)"
        case .uniform(let range): "uniform:\(range.lowerBound)-\(range.upperBound)"
        case .logNormal(let median, let sigma, let maximum):
            "lognormal:\(median),\(sigma),\(maximum)"
        case .choice(let choices):
            choices.map { "\($0.length)x\($0.weight)" }.joined(separator: "+")
        }
    }

    /// Draws a length, at least 1.
    public func draw(_ random: inout RandomStream) -> Int {
        switch self {
        case .constant(let length): return length
        case .uniform(let range): return range.lowerBound + random.below(range.count)
        case .logNormal(let median, let sigma, let maximum):
            let length = Double(median) * exp(sigma * Self.normal(&random))
            return Int(min(max(length.rounded(), 1), Double(maximum)))
        case .choice(let choices):
            var point = random.unit() * choices.reduce(0) { $0 + $1.weight }
            for choice in choices {
                point -= choice.weight
                if point < 0 { return choice.length }
            }
            return choices[choices.count - 1].length
        }
    }

    /// A normally distributed number (Box and Muller 1958).
    private static func normal(_ random: inout RandomStream) -> Double {
        let radius = (-2 * log(1 - random.unit())).squareRoot()
        return radius * cos(2 * Double.pi * random.unit())
    }
}
