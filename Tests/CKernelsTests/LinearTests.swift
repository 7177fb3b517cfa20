import CKernels
import Testing

@Suite("Linear layers")
struct LinearTests {
    static let implementations = [
        KAPOK_LINEAR_PORTABLE, KAPOK_LINEAR_AVX2, KAPOK_LINEAR_AVX512,
    ].filter { kapok_linear_supports($0) != 0 }

    @Test("the best supported implementation is chosen, and another one on demand")
    func choice() throws {
        let best = try #require(Self.implementations.last)
        #expect(kapok_linear_chosen() == best)
        let product = LinearProduct(.all[4], rows: 32, columns: 64, tokens: 2, seed: 1)
        for implementation in Self.implementations {
            kapok_linear_choose(implementation)
            defer { kapok_linear_choose(best) }
            #expect(kapok_linear_chosen() == implementation)
            let (weights, activations) = (
                product.packedWeights(), product.packedActivations(implementation)
            )
            var y = [Float](repeating: .nan, count: 64)
            kapok_linear(
                product.format.type, 64, weights.bytes, 0, 32, activations.bytes, 2, &y, 32)
            #expect(y == product.result(KAPOK_LINEAR_PORTABLE))
        }
    }

    @Test(
        "every format gives the product of what its blocks stand for",
        arguments: LinearFileFormat.all)
    func agreesWithReference(format: LinearFileFormat) {
        for (rows, columns, tokens) in [(17, 512, 5), (32, 256, 1), (100, 256, 2)] {
            let product = LinearProduct(
                format, rows: rows, columns: columns, tokens: tokens, seed: UInt64(rows))
            expectReference(product)
        }
    }

    @Test("a number of blocks that leaves the last run of scales short is right too")
    func shortRuns() {
        for format in LinearFileFormat.all where format.blockElements == 32 {
            for columns in [32, 96] {
                expectReference(
                    LinearProduct(format, rows: 20, columns: columns, tokens: 3, seed: 7))
            }
        }
    }

    @Test("plain floats may have any number of columns", arguments: LinearFileFormat.floats)
    func oddColumns(format: LinearFileFormat) {
        for columns in [1, 2, 33] {
            expectReference(LinearProduct(format, rows: 18, columns: columns, tokens: 2, seed: 3))
        }
    }

    private func expectReference(_ product: LinearProduct) {
        let reference = product.reference()
        for implementation in Self.implementations {
            let wrong = zip(product.result(implementation), reference).first { result, expected in
                !((Double(result) - expected.value).magnitude <= expected.bound)
            }
            #expect(wrong == nil, "\(product.format.name) by \(implementation.rawValue)")
        }
    }

    @Test("all implementations give the same bits", arguments: LinearFileFormat.all)
    func implementationsAgree(format: LinearFileFormat) {
        for (rows, tokens) in [(17, 33), (48, 7), (100, 16)] {
            let product = LinearProduct(
                format, rows: rows, columns: 256, tokens: tokens, seed: UInt64(tokens))
            let expected = product.result(KAPOK_LINEAR_PORTABLE).map(\.bitPattern)
            for implementation in Self.implementations {
                #expect(product.result(implementation).map(\.bitPattern) == expected)
            }
        }
    }

    @Test(
        "neither the number of tokens nor the range of rows changes a result",
        arguments: LinearFileFormat.all)
    func partsAreTheWhole(format: LinearFileFormat) {
        let (rows, tokens) = (52, 33)
        let product = LinearProduct(format, rows: rows, columns: 256, tokens: tokens, seed: 11)
        let stride = kapok_linear_activation_bytes(format.type, product.columns)
        for implementation in Self.implementations {
            let whole = product.result(implementation)
            let weights = product.packedWeights()
            let activations = product.packedActivations(implementation)
            for count in Array(1...13) + [16, 17, 25, 33] {
                let first = (tokens - count) / 2
                for range in [0..<16, 16..<48, 32..<rows] {
                    var y = [Float](repeating: -77, count: tokens * rows)
                    kapok_linear_with(
                        implementation, format.type, product.columns, weights.bytes,
                        range.lowerBound, range.upperBound, activations.bytes + first * stride,
                        count, &y, rows)
                    let isRight = y.indices.allSatisfy { index in
                        let (token, row) = (index / rows, index % rows)
                        return token < count && range.contains(row)
                            ? y[index] == whole[(first + token) * rows + row] : y[index] == -77
                    }
                    #expect(isRight, "\(count) tokens, rows \(range)")
                }
            }
        }
    }

    @Test("bytes times bytes without scales give whole sums")
    func integers() {
        let format = LinearFileFormat.quantised[4]
        let product = LinearProduct(format, rows: 40, columns: 96, tokens: 15, seed: 5)
        let quants = (0..<40).map { row in
            (0..<96).map { k in
                let block = (row * 3 + k / 32) * 34
                return Int32(Int8(bitPattern: product.file[block + 2 + k % 32]))
            }
        }
        for implementation in Self.implementations {
            let (weights, activations) = (
                product.packedWeights(), product.packedActivations(implementation)
            )
            let stride = kapok_linear_activation_bytes(format.type, 96)
            var y = [Int32](repeating: -1, count: 15 * 40)
            kapok_linear_integers(
                implementation, 96, weights.bytes, 0, 40, activations.bytes, 15, &y, 40)
            let expected = (0..<15).flatMap { token in
                quants.map { row in
                    (0..<96).reduce(Int32(0)) { sum, k in
                        let x = activations.bytes.load(
                            fromByteOffset: token * stride + k, as: Int8.self)
                        return sum + row[k] * Int32(x)
                    }
                }
            }
            #expect(y == expected)
        }
    }
}
