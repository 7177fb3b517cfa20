/// Blocks of 256: parts with scales of their own, which are quantised in turn (ggml-common.h,
/// `block_q4_K` and so on). The scales are searched: for each part the one with the least weighted
/// squared error, and once more among the neighbours that six bits can say.
enum SuperBlocks {
    private typealias Part = SIMD32<Float>

    static func q4K(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        let (scale, minimum, levels) = affine(x, greatest: 15, scales: to + 4)
        to.storeHalf(scale, at: 0)
        to.storeHalf(minimum, at: 2)
        for pair in 0..<4 {
            for l in 0..<32 {
                let low = UInt8(levels[2 * pair][l])
                let high = UInt8(levels[2 * pair + 1][l])
                to.store(low | high << 4, at: 16 + 32 * pair + l)
            }
        }
    }

    static func q5K(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        let (scale, minimum, levels) = affine(x, greatest: 31, scales: to + 4)
        to.storeHalf(scale, at: 0)
        to.storeHalf(minimum, at: 2)
        for l in 0..<32 {
            var fifths: UInt8 = 0
            for part in 0..<8 { fifths |= (UInt8(levels[part][l]) >> 4) << UInt8(part) }
            to.store(fifths, at: 16 + l)
            for pair in 0..<4 {
                let low = UInt8(levels[2 * pair][l]) & 15
                let high = UInt8(levels[2 * pair + 1][l]) & 15
                to.store(low | high << 4, at: 48 + 32 * pair + l)
            }
        }
    }

    // MARK: Scale and minimum

    /// The levels of eight parts, and what multiplies their six-bit scales and minima, which are
    /// written to `scales`.
    private static func affine(
        _ x: UnsafePointer<Float>, greatest: Float, scales: UnsafeMutableRawPointer
    ) -> (scale: Float, minimum: Float, levels: [Part]) {
        let parts = (0..<8).map { part in
            UnsafeRawPointer(x + 32 * part).loadUnaligned(as: Part.self)
        }
        let weights = parts.map { part in
            // Large elements count more, as they do in the products of a matrix.
            Part(repeating: ((part * part).sum() / 32).squareRoot()) + magnitude(part)
        }
        var best: [(scale: Float, minimum: Float)] = []
        for (part, weight) in zip(parts, weights) {
            best.append(search(part, weight, greatest: greatest))
        }
        let scale = half((best.map(\.scale).max() ?? 0) / 63)
        let minimum = half((best.map(\.minimum).max() ?? 0) / 63)
        var sixBits: [(UInt8, UInt8)] = []
        var levels: [Part] = []
        for part in 0..<8 {
            let (s, m) = refine(
                parts[part], weights[part], greatest: greatest, scale: scale, minimum: minimum,
                near: best[part])
            sixBits.append((UInt8(s), UInt8(m)))
            levels.append(
                Self.levels(
                    parts[part], scale: scale * s, minimum: minimum * m, greatest: greatest))
        }
        pack(sixBits, scales)
        return (scale, minimum, levels)
    }

    /// Scale and minimum (how far below zero the part begins, not negative) with the least error
    /// that is found from several first guesses, each followed by a least-squares fit.
    private static func search(
        _ x: Part, _ weight: Part, greatest: Float
    ) -> (scale: Float, minimum: Float) {
        let least = min(0, x.min())
        let span = x.max() - least
        guard span > 0, span.isFinite else { return (0, -least) }
        var best: (scale: Float, minimum: Float) = (span / greatest, -least)
        var bestError = error(x, weight, scale: best.scale, minimum: best.minimum, greatest)
        let sumWeight = weight.sum()
        let sumX = (weight * x).sum()
        for step in -10...10 {
            let guess = span / (greatest + Float(step) * 0.1)
            let level = levels(x, scale: guess, minimum: -least, greatest: greatest)
            let weighted = weight * level
            let sumL = weighted.sum()
            let sumLL = (weighted * level).sum()
            let sumXL = (weighted * x).sum()
            let determinant = sumWeight * sumLL - sumL * sumL
            guard determinant > 0, sumLL > 0 else { continue }
            var scale = (sumWeight * sumXL - sumX * sumL) / determinant
            var offset = (sumLL * sumX - sumL * sumXL) / determinant
            if offset > 0 {
                offset = 0
                scale = sumXL / sumLL
            }
            guard scale > 0 else { continue }
            let error = error(x, weight, scale: scale, minimum: -offset, greatest)
            if error < bestError {
                bestError = error
                best = (scale, -offset)
            }
        }
        return best
    }

    /// The six-bit scale and minimum near what was found that fit best with each other.
    private static func refine(
        _ x: Part, _ weight: Part, greatest: Float, scale: Float, minimum: Float,
        near found: (scale: Float, minimum: Float)
    ) -> (Float, Float) {
        let s0 = scale > 0 ? nearest(found.scale / scale, 0, 63) : 0
        let m0 = minimum > 0 ? nearest(found.minimum / minimum, 0, 63) : 0
        var best = (s0, m0)
        var bestError = Float.infinity
        for s in [s0, s0 - 1, s0 + 1] where s >= 0 && s <= 63 {
            for m in [m0, m0 - 1, m0 + 1] where m >= 0 && m <= 63 {
                let error = error(x, weight, scale: scale * s, minimum: minimum * m, greatest)
                if error < bestError {
                    bestError = error
                    best = (s, m)
                }
            }
        }
        return best
    }

    private static func levels(
        _ x: Part, scale: Float, minimum: Float, greatest: Float
    ) -> Part {
        guard scale > 0 else { return Part(repeating: 0) }
        let level = (x + minimum) * (1 / scale)
        return rounded(clamp(level, 0, greatest))
    }

    private static func error(
        _ x: Part, _ weight: Part, scale: Float, minimum: Float, _ greatest: Float
    ) -> Float {
        let level = levels(x, scale: scale, minimum: minimum, greatest: greatest)
        let difference = level * scale - minimum - x
        return (weight * difference * difference).sum()
    }

    /// Eight scales and minima of six bits in twelve bytes.
    private static func pack(_ sixBits: [(UInt8, UInt8)], _ to: UnsafeMutableRawPointer) {
        for j in 0..<4 {
            let (scale, minimum) = sixBits[j]
            let (upperScale, upperMinimum) = sixBits[j + 4]
            to.store(scale | (upperScale >> 4) << 6, at: j)
            to.store(minimum | (upperMinimum >> 4) << 6, at: j + 4)
            to.store(upperScale & 15 | (upperMinimum & 15) << 4, at: j + 8)
        }
    }

    // MARK: Scale alone

    static func q6K(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        let parts = (0..<16).map { part in
            UnsafeRawPointer(x + 16 * part).loadUnaligned(as: SIMD16<Float>.self)
        }
        let found = parts.map(symmetric)
        // The scale of the largest magnitude becomes -128, as that is the longer side.
        let extreme = found.max { $0.magnitude < $1.magnitude } ?? 0
        let scale = to.storeHalf(extreme / -128, at: 208)
        var levels: [SIMD16<Float>] = []
        for part in 0..<16 {
            let s0 = scale != 0 ? nearest(found[part] / scale, -128, 127) : 0
            var best = (scale: s0, error: Float.infinity)
            for s in [s0, s0 - 1, s0 + 1] where s >= -128 && s <= 127 {
                let error = error(parts[part], scale: scale * s)
                if error < best.error { best = (s, error) }
            }
            to.store(Int8(best.scale), at: 192 + part)
            levels.append(symmetricLevels(parts[part], scale: scale * best.scale) + 32)
        }
        for half in 0..<2 {
            for l in 0..<32 {
                let four = (0..<4).map { quarter in
                    UInt8(levels[8 * half + 2 * quarter + l / 16][l % 16])
                }
                to.store(four[0] & 15 | (four[2] & 15) << 4, at: 64 * half + l)
                to.store(four[1] & 15 | (four[3] & 15) << 4, at: 64 * half + 32 + l)
                let upper = four[0] >> 4 | (four[1] >> 4) << 2 | (four[2] >> 4) << 4
                to.store(upper | (four[3] >> 4) << 6, at: 128 + 32 * half + l)
            }
        }
    }

    /// The scale with the least error for levels -32 to 31, weighted by the squares of elements.
    private static func symmetric(_ x: SIMD16<Float>) -> Float {
        let extreme = x.max() > -x.min() ? x.max() : x.min()
        guard extreme != 0, extreme.isFinite else { return 0 }
        var best = (scale: extreme / -32, error: Float.infinity)
        best.error = error(x, scale: best.scale)
        for step in -9...9 {
            let guess = -extreme / (32 + 0.1 * Float(step))
            let level = symmetricLevels(x, scale: guess)
            let weighted = x * x * level
            let sumLL = (weighted * level).sum()
            guard sumLL > 0 else { continue }
            let scale = (weighted * x).sum() / sumLL
            let error = error(x, scale: scale)
            if error < best.error { best = (scale, error) }
        }
        return best.scale
    }

    private static func symmetricLevels(_ x: SIMD16<Float>, scale: Float) -> SIMD16<Float> {
        guard scale != 0 else { return SIMD16(repeating: 0) }
        return rounded(clamp(x * (1 / scale), -32, 31))
    }

    private static func error(_ x: SIMD16<Float>, scale: Float) -> Float {
        let difference = symmetricLevels(x, scale: scale) * scale - x
        return (x * x * difference * difference).sum()
    }

    // MARK: Rounding

    private static func half(_ number: Float) -> Float { Float(Float16(number)) }

    /// The whole number in a range that is nearest; what is no number becomes the least.
    private static func nearest(_ number: Float, _ least: Float, _ greatest: Float) -> Float {
        (number > least ? (number < greatest ? number : greatest) : least)
            .rounded(.toNearestOrEven)
    }

    private static func magnitude(_ x: Part) -> Part { x.replacing(with: -x, where: x .< 0) }

    private static func clamp<V: SIMD<Float>>(_ x: V, _ least: Float, _ greatest: Float) -> V {
        let low = V(repeating: least)
        let high = V(repeating: greatest)
        // Comparisons with what is no number are false: it becomes the least.
        return low.replacing(with: x.replacing(with: high, where: x .> high), where: x .> low)
    }

    /// To the nearest whole number, ties to even, for magnitudes below 2^22: what is added leaves
    /// no bits for fractions.
    private static func rounded<V: SIMD<Float>>(_ x: V) -> V {
        let magic = V(repeating: 12_582_912)
        return (x + magic) - magic
    }
}
