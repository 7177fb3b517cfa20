import Foundation
import KapokWorld
import Testing

@testable import KapokInference

@Suite struct LogitArithmeticTests {
    private func row(_ count: Int, seed: UInt64) -> [Float] {
        var random = RandomStream(seed: seed)
        return (0..<count).map { _ in Float(random.unit() * 40 - 20) }
    }

    @Test("the largest number is found wherever it stands", arguments: [1, 15, 16, 17, 100])
    func maximum(count: Int) {
        for place in 0..<count {
            var values = row(count, seed: UInt64(count))
            values[place] = 21
            values.withUnsafeBufferPointer {
                #expect(LogitArithmetic.indexOfMaximum($0) == place)
                #expect(LogitArithmetic.maximum($0) == 21)
            }
        }
    }

    @Test("of equals the first counts")
    func ties() {
        let values: [Float] = Array(repeating: 1, count: 40)
        values.withUnsafeBufferPointer { #expect(LogitArithmetic.indexOfMaximum($0) == 0) }
    }

    @Test("exponentials are within three units in the last place, down to nothing")
    func exponentials() {
        let values = row(999, seed: 3) + [-90, -1000, -.infinity, 0]
        var results = values
        results.withUnsafeMutableBufferPointer {
            LogitArithmetic.exponentials($0, minus: 2, dividedBy: 0.7)
        }
        for (value, result) in zip(values, results) {
            let x = Double(value - 2) * Double(1 / Float(0.7))
            guard x >= -87 else {
                #expect(result == 0)
                continue
            }
            let exact = exp(x)
            // The argument itself is rounded: half a unit of it moves the result by x half units.
            #expect(abs(Double(result) - exact) <= exact * (3 + abs(x)) * 1.2e-7)
        }
    }

    @Test("the logarithm of the sum of exponentials")
    func logSumExp() {
        let values = row(777, seed: 9)
        let exact = log(values.reduce(0.0) { $0 + exp(Double($1)) })
        values.withUnsafeBufferPointer {
            #expect(abs(Double(LogitArithmetic.logSumExp($0)) - exact) < 1e-5)
        }
    }

    @Test("the largest ones come in order, of equals the first first")
    func largest() {
        let values: [Float] = [3, 9, 9, -1, 5]
        values.withUnsafeBufferPointer {
            #expect(LogitArithmetic.largest(3, of: $0) == [1, 2, 4])
            #expect(LogitArithmetic.largest(9, of: $0) == [1, 2, 4, 0, 3])
            #expect(LogitArithmetic.largest(0, of: $0).isEmpty)
        }
    }
}
