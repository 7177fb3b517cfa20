import Glibc

/// How a model's rotary frequencies differ from `base ^ (-2i / width)`.
enum RotaryScaling: Hashable {
    case none
    /// All positions divided by a factor.
    case linear(factor: Double)
    /// Each frequency divided by a factor of its own: `rope_freqs.weight` in Llama 3's GGUF files.
    case divisors([Float], factor: Double)
    /// Llama 3.1: low frequencies are divided, high ones stay, those between are mixed
    /// (`_compute_llama3_parameters` in Hugging Face transformers, modeling_rope_utils.py).
    case llama3(factor: Double, lowFactor: Double, highFactor: Double, originalContext: Double)
    /// YaRN (Peng et al., arXiv 2309.00071), as llama.cpp's `rope_yarn` and transformers'
    /// `_compute_yarn_parameters` have it.
    case yarn(YaRN)

    struct YaRN: Hashable {
        var factor: Double
        var originalContext: Double
        var betaFast = 32.0
        var betaSlow = 1.0
        /// How much of the mixing applies: 1 is YaRN as published.
        var extrapolation = 1.0
        /// transformers rounds the bounds of the mixing unless told not to; llama.cpp always does.
        var truncates = true
    }

    /// Radians per position of each pair.
    func frequencies(base: Double, width: Int) -> [Float] {
        let plain = (0..<width / 2).map { pow(base, -2 * Double($0) / Double(width)) }
        return switch self {
        case .none: plain.map(Float.init)
        case .linear(let factor): plain.map { Float($0 / factor) }
        case .divisors(let divisors, let factor):
            zip(plain, divisors).map { Float($0 / Double($1) / factor) }
        case .llama3(let factor, let low, let high, let context):
            plain.map {
                Float(Self.llama3($0, factor: factor, low: low, high: high, context: context))
            }
        case .yarn(let yarn): Self.yarn(plain, yarn, base: base, width: width)
        }
    }

    private static func llama3(
        _ frequency: Double, factor: Double, low: Double, high: Double, context: Double
    ) -> Double {
        let wavelength = 2 * Double.pi / frequency
        if wavelength < context / high { return frequency }
        if wavelength > context / low { return frequency / factor }
        let smooth = (context / wavelength - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
    }

    private static func yarn(
        _ plain: [Double], _ yarn: YaRN, base: Double, width: Int
    ) -> [Float] {
        /// The pair that turns `rotations` times over the original context.
        func pair(_ rotations: Double) -> Double {
            Double(width) * log(yarn.originalContext / (rotations * 2 * .pi)) / (2 * log(base))
        }
        var low = pair(yarn.betaFast)
        var high = pair(yarn.betaSlow)
        if yarn.truncates {
            low = low.rounded(.down)
            high = high.rounded(.up)
        }
        low = max(0, low)
        high = min(Double(width - 1), high)
        return plain.enumerated().map { index, frequency in
            let ramp = (Double(index) - low) / max(0.001, high - low)
            let mix = (1 - min(1, max(0, ramp))) * yarn.extrapolation
            return Float(frequency / yarn.factor * (1 - mix) + frequency * mix)
        }
    }

    /// YaRN's factor of attention for `factor`: `0.1 m ln(factor) + 1`.
    static func yarnMagnitude(factor: Double, multiplier: Double = 1) -> Double {
        factor <= 1 ? 1 : 0.1 * multiplier * log(factor) + 1
    }
}
