import CKernels
import Testing

@Suite("Linear layers")
struct LinearTests {
    static let implementations = [
        KAPOK_LINEAR_PORTABLE, KAPOK_LINEAR_AVX2, KAPOK_LINEAR_AVX512,
    ].filter { kapok_linear_supports($0) != 0 }

    @Test(
        "every format gives the product of what its blocks stand for",
        arguments: LinearFileFormat.all)
    func agreesWithReference(format: LinearFileFormat) {
        for (rows, tokens) in [(17, 5), (32, 1), (100, 2)] {
            let product = LinearProduct(
                format, rows: rows, columns: 256, tokens: tokens, seed: UInt64(rows))
            let reference = product.reference()
            for implementation in Self.implementations {
                let result = product.result(implementation)
                let wrong = zip(result, reference).enumerated().first { _, pair in
                    !((Double(pair.0) - pair.1.value).magnitude <= pair.1.bound)
                }
                #expect(
                    wrong == nil, "\(format.name), \(implementation): \(String(describing: wrong))")
            }
        }
    }

    @Test("all implementations give the same bits", arguments: LinearFileFormat.all)
    func implementationsAgree(format: LinearFileFormat) {
        for (rows, tokens) in [(17, 33), (48, 7), (100, 16)] {
            let product = LinearProduct(
                format, rows: rows, columns: 512, tokens: tokens, seed: UInt64(tokens))
            let expected = product.result(KAPOK_LINEAR_PORTABLE).map(\.bitPattern)
            for implementation in Self.implementations {
                #expect(product.result(implementation).map(\.bitPattern) == expected)
            }
        }
    }
}
