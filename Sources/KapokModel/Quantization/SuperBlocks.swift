/// Blocks of 256: parts with scales of their own, which are quantised in turn (ggml-common.h,
/// `block_q4_K` and so on). The scales are searched: for each part the one with the least weighted
/// squared error, and once more among the neighbours that the bits of a scale can say.
enum SuperBlocks {
    static func q4K(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { levels in
            let (scale, minimum) = affine(x, greatest: 15, scales: to + 4, levels: levels)
            to.storeHalf(scale, at: 0)
            to.storeHalf(minimum, at: 2)
            for pair in 0..<4 {
                for l in 0..<32 {
                    let byte = levels[64 * pair + l] | levels[64 * pair + 32 + l] << 4
                    to.store(byte, at: 16 + 32 * pair + l)
                }
            }
        }
    }

    static func q5K(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { levels in
            let (scale, minimum) = affine(x, greatest: 31, scales: to + 4, levels: levels)
            to.storeHalf(scale, at: 0)
            to.storeHalf(minimum, at: 2)
            for l in 0..<32 {
                var fifths: UInt8 = 0
                for part in 0..<8 { fifths |= (levels[32 * part + l] >> 4) << UInt8(part) }
                to.store(fifths, at: 16 + l)
                for pair in 0..<4 {
                    let low = levels[64 * pair + l] & 15
                    let high = levels[64 * pair + 32 + l] & 15
                    to.store(low | high << 4, at: 48 + 32 * pair + l)
                }
            }
        }
    }

    static func q6K(_ x: UnsafePointer<Float>, _ to: UnsafeMutableRawPointer) {
        let found = (0..<16).map { SymmetricPart(x + 16 * $0).search() }
        // The scale of the largest magnitude becomes -128, as that is the longer side.
        let extreme = found.max { $0.magnitude < $1.magnitude } ?? 0
        let scale = to.storeHalf(extreme / -128, at: 208)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { levels in
            for index in 0..<16 {
                let part = SymmetricPart(x + 16 * index)
                let s0 = scale != 0 ? Level.nearest(found[index] / scale, -128, 127) : 0
                var best = (scale: s0, error: Float.infinity)
                for s in [s0, s0 - 1, s0 + 1] where s >= -128 && s <= 127 {
                    let error = part.error(scale: scale * s)
                    if error < best.error { best = (s, error) }
                }
                to.store(Int8(best.scale), at: 192 + index)
                part.levels(scale: scale * best.scale, into: levels.baseAddress, at: 16 * index)
            }
            for half in 0..<2 {
                for l in 0..<32 {
                    let (a, b) = (levels[128 * half + l], levels[128 * half + 32 + l])
                    let (c, d) = (levels[128 * half + 64 + l], levels[128 * half + 96 + l])
                    to.store(a & 15 | (c & 15) << 4, at: 64 * half + l)
                    to.store(b & 15 | (d & 15) << 4, at: 64 * half + 32 + l)
                    let upper = a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (d >> 4) << 6
                    to.store(upper, at: 128 + 32 * half + l)
                }
            }
        }
    }

    /// The levels of eight parts, and what multiplies their six-bit scales and minima, which are
    /// written to `scales`.
    private static func affine(
        _ x: UnsafePointer<Float>, greatest: Float, scales: UnsafeMutableRawPointer,
        levels: UnsafeMutableBufferPointer<UInt8>
    ) -> (scale: Float, minimum: Float) {
        let parts = (0..<8).map { AffinePart(x + 32 * $0, greatest: greatest) }
        let found = parts.map { $0.search() }
        let scale = Float(Float16((found.map(\.scale).max() ?? 0) / 63))
        let minimum = Float(Float16((found.map(\.minimum).max() ?? 0) / 63))
        var sixBits: [(UInt8, UInt8)] = []
        for (index, part) in parts.enumerated() {
            let (s, m) = part.refine(scale: scale, minimum: minimum, near: found[index])
            sixBits.append((UInt8(s), UInt8(m)))
            part.levels(
                scale: scale * s, minimum: minimum * m, into: levels.baseAddress, at: 32 * index)
        }
        for j in 0..<4 {
            let (scale, minimum) = sixBits[j]
            let (upperScale, upperMinimum) = sixBits[j + 4]
            scales.store(scale | (upperScale >> 4) << 6, at: j)
            scales.store(minimum | (upperMinimum >> 4) << 6, at: j + 4)
            scales.store(upperScale & 15 | (upperMinimum & 15) << 4, at: j + 8)
        }
        return (scale, minimum)
    }
}

private enum Level {
    /// In a range; what is no number becomes the least.
    @inline(__always)
    static func clamped(_ number: Float, _ least: Float, _ greatest: Float) -> Float {
        number > least ? (number < greatest ? number : greatest) : least
    }

    /// The whole number in a range that is nearest, ties to even, for ranges within 2^22: what is
    /// added leaves no bits for fractions.
    @inline(__always)
    static func nearest(_ number: Float, _ least: Float, _ greatest: Float) -> Float {
        (clamped(number, least, greatest) + 12_582_912) - 12_582_912
    }
}

/// 32 elements that are `scale * level - minimum`.
private struct AffinePart {
    let x: UnsafePointer<Float>
    let greatest: Float
    /// What an element's weight is beside its magnitude: large elements count more, as they do in
    /// the products of a matrix.
    let mean: Float

    init(_ x: UnsafePointer<Float>, greatest: Float) {
        self.x = x
        self.greatest = greatest
        var sum: Float = 0
        for j in 0..<32 { sum += x[j] * x[j] }
        mean = (sum / 32).squareRoot()
    }

    /// Scale and minimum (how far below zero the part begins, not negative) with the least error
    /// that is found from several first guesses, each followed by a least-squares fit.
    func search() -> (scale: Float, minimum: Float) {
        var least: Float = 0
        var most = x[0]
        for j in 0..<32 {
            if x[j] < least { least = x[j] }
            if x[j] > most { most = x[j] }
        }
        let span = most - least
        guard span > 0, span.isFinite else { return (0, -least) }
        var best: (scale: Float, minimum: Float) = (span / greatest, -least)
        var bestError = error(scale: best.scale, minimum: best.minimum)
        for step in -10...10 {
            let guess = span / (greatest + Float(step) * 0.1)
            guard let fit = fit(scale: guess, minimum: -least) else { continue }
            let error = error(scale: fit.scale, minimum: fit.minimum)
            if error < bestError {
                bestError = error
                best = fit
            }
        }
        return best
    }

    /// The least-squares scale and minimum for the levels that a guess gives.
    private func fit(scale: Float, minimum: Float) -> (scale: Float, minimum: Float)? {
        var sums = SIMD8<Float>(repeating: 0)
        let inverse = 1 / scale
        for j in 0..<32 {
            let level = Level.nearest((x[j] + minimum) * inverse, 0, greatest)
            let weight = mean + x[j].magnitude
            let weighted = weight * level
            sums[0] += weight
            sums[1] += weight * x[j]
            sums[2] += weighted
            sums[3] += weighted * level
            sums[4] += weighted * x[j]
        }
        let (weight, sumX, sumL, sumLL, sumXL) = (sums[0], sums[1], sums[2], sums[3], sums[4])
        let determinant = weight * sumLL - sumL * sumL
        guard determinant > 0, sumLL > 0 else { return nil }
        var scale = (weight * sumXL - sumX * sumL) / determinant
        var offset = (sumLL * sumX - sumL * sumXL) / determinant
        if offset > 0 {
            offset = 0
            scale = sumXL / sumLL
        }
        return scale > 0 ? (scale, -offset) : nil
    }

    /// The six-bit scale and minimum near what was found that fit best with each other.
    func refine(
        scale: Float, minimum: Float, near found: (scale: Float, minimum: Float)
    ) -> (Float, Float) {
        let s0 = scale > 0 ? Level.nearest(found.scale / scale, 0, 63) : 0
        let m0 = minimum > 0 ? Level.nearest(found.minimum / minimum, 0, 63) : 0
        var best = (s0, m0)
        var bestError = Float.infinity
        for s in [s0, s0 - 1, s0 + 1] where s >= 0 && s <= 63 {
            for m in [m0, m0 - 1, m0 + 1] where m >= 0 && m <= 63 {
                let error = error(scale: scale * s, minimum: minimum * m)
                if error < bestError {
                    bestError = error
                    best = (s, m)
                }
            }
        }
        return best
    }

    private func error(scale: Float, minimum: Float) -> Float {
        let inverse = scale > 0 ? 1 / scale : 0
        // Four sums: one would wait for itself at each element.
        var sums = SIMD4<Float>(repeating: 0)
        for j in 0..<8 {
            for lane in 0..<4 {
                let element = x[4 * j + lane]
                let level = Level.nearest((element + minimum) * inverse, 0, greatest)
                let difference = level * scale - minimum - element
                sums[lane] += (mean + element.magnitude) * difference * difference
            }
        }
        return sums.sum()
    }

    func levels(
        scale: Float, minimum: Float, into levels: UnsafeMutablePointer<UInt8>?, at offset: Int
    ) {
        let inverse = scale > 0 ? 1 / scale : 0
        for j in 0..<32 {
            levels?[offset + j] = UInt8(
                Level.nearest((x[j] + minimum) * inverse, 0, greatest))
        }
    }
}

/// 16 elements that are `scale * level`, for levels -32 to 31; weighted by their squares.
private struct SymmetricPart {
    let x: UnsafePointer<Float>

    init(_ x: UnsafePointer<Float>) { self.x = x }

    /// The scale with the least error that is found.
    func search() -> Float {
        var extreme: Float = 0
        for j in 0..<16 where x[j].magnitude > extreme.magnitude { extreme = x[j] }
        guard extreme != 0, extreme.isFinite else { return 0 }
        var best = (scale: extreme / -32, error: Float.infinity)
        best.error = error(scale: best.scale)
        for step in -9...9 {
            let inverse = -(32 + 0.1 * Float(step)) / extreme
            var sumLL: Float = 0
            var sumXL: Float = 0
            for j in 0..<16 {
                let level = Level.nearest(x[j] * inverse, -32, 31)
                let weighted = x[j] * x[j] * level
                sumLL += weighted * level
                sumXL += weighted * x[j]
            }
            guard sumLL > 0 else { continue }
            let scale = sumXL / sumLL
            let error = error(scale: scale)
            if error < best.error { best = (scale, error) }
        }
        return best.scale
    }

    func error(scale: Float) -> Float {
        let inverse = scale != 0 ? 1 / scale : 0
        var sums = SIMD4<Float>(repeating: 0)
        for j in 0..<4 {
            for lane in 0..<4 {
                let element = x[4 * j + lane]
                let difference = Level.nearest(element * inverse, -32, 31) * scale - element
                sums[lane] += element * element * difference * difference
            }
        }
        return sums.sum()
    }

    /// The levels plus 32.
    func levels(scale: Float, into levels: UnsafeMutablePointer<UInt8>?, at offset: Int) {
        let inverse = scale != 0 ? 1 / scale : 0
        for j in 0..<16 {
            levels?[offset + j] = UInt8(Level.nearest(x[j] * inverse, -32, 31) + 32)
        }
    }
}
