import Foundation
import KapokModel

/// Arithmetic over a row of logits, in vectors.
enum LogitArithmetic {
    private typealias Lanes = SIMD16<Float>

    /// The index of the largest number, the first of equals; 0 for an empty row. NaN is never
    /// the largest.
    static func indexOfMaximum(_ values: UnsafeBufferPointer<Float>) -> Int {
        let best = maximum(values)
        return values.firstIndex(of: best) ?? 0
    }

    /// The largest number; minus infinity for an empty row.
    static func maximum(_ values: UnsafeBufferPointer<Float>) -> Float {
        var best = Lanes(repeating: -.infinity)
        var i = 0
        while i + 16 <= values.count {
            let lanes = load(values, i)
            best.replace(with: lanes, where: lanes .> best)
            i += 16
        }
        var result = best.max()
        while i < values.count {
            if values[i] > result { result = values[i] }
            i += 1
        }
        return result
    }

    /// Replaces each number x by exp((x - offset) / divisor), within 2 units in the last place.
    static func exponentials(
        _ values: UnsafeMutableBufferPointer<Float>, minus offset: Float, dividedBy divisor: Float
    ) {
        let scale = 1 / divisor
        var i = 0
        while i + 16 <= values.count {
            let lanes = load(UnsafeBufferPointer(values), i)
            store(exponential((lanes - offset) * scale), values, i)
            i += 16
        }
        while i < values.count {
            values[i] = exponential(Lanes(repeating: (values[i] - offset) * scale))[0]
            i += 1
        }
    }

    /// The natural logarithm of the sum of exp(x).
    static func logSumExp(_ values: UnsafeBufferPointer<Float>) -> Float {
        let best = maximum(values)
        guard best > -.infinity else { return best }
        var sums = Lanes.zero
        var i = 0
        while i + 16 <= values.count {
            sums += exponential(load(values, i) - best)
            i += 16
        }
        var sum = Double(sums.sum())
        while i < values.count {
            sum += Double(exponential(Lanes(repeating: values[i] - best))[0])
            i += 1
        }
        return best + Float(log(sum))
    }

    /// The `count` largest numbers' indices, the largest first, of equals the first first.
    static func largest(_ count: Int, of values: UnsafeBufferPointer<Float>) -> [Int] {
        var best: [Int] = []
        guard count > 0 else { return best }
        best.reserveCapacity(count + 1)
        for i in values.indices {
            let value = values[i]
            guard best.count < count || value > values[best[best.count - 1]] else { continue }
            var place = best.count
            while place > 0, values[best[place - 1]] < value { place -= 1 }
            best.insert(i, at: place)
            if best.count > count { best.removeLast() }
        }
        return best
    }

    /// e to the x for x <= 88: 2 to the whole part of x / ln 2 by bits, the rest by a polynomial
    /// of degree 6 (Taylor's on +-ln 2 / 2, error below 1e-7). Below -87 the result is 0.
    private static func exponential(_ x: Lanes) -> Lanes {
        // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits: every
        // processor has instructions for that, and not every one for rounding.
        let shift: Float = 12_582_912
        let tooSmall = x .< -87
        let shifted = x.replacing(with: 0, where: tooSmall) * 1.442_695_04 + shift
        let whole = shifted - shift
        // ln 2 in two parts, so that the rest is exact (Cody and Waite).
        let rest = (x - whole * 0.693_359_375) + whole * 2.121_944_4e-4
        var sum = Lanes(repeating: 1.388_888_9e-3)
        sum = sum * rest + 8.333_333_3e-3
        sum = sum * rest + 4.166_666_7e-2
        sum = sum * rest + 1.666_666_7e-1
        sum = sum * rest + 0.5
        sum = sum * rest + 1
        sum = sum * rest + 1
        let exponent = unsafeBitCast(shifted, to: SIMD16<Int32>.self) &- 0x4B40_0000
        let power = unsafeBitCast((exponent &+ 127) &<< 23, to: Lanes.self)
        return (sum * power).replacing(with: 0, where: tooSmall)
    }

    private static func load(_ values: UnsafeBufferPointer<Float>, _ i: Int) -> Lanes {
        UnsafeRawPointer(values.baseAddress! + i).loadUnaligned(as: Lanes.self)
    }

    private static func store(
        _ lanes: Lanes, _ values: UnsafeMutableBufferPointer<Float>, _ i: Int
    ) {
        UnsafeMutableRawPointer(values.baseAddress! + i).storeBytes(of: lanes, as: Lanes.self)
    }
}
