/// Trace hashes of the first seeds, printed by the release build:
///
///     kapok simulate store --seeds 20 --print-hashes
///
/// The tests run in debug and must find the same. A change to what the store or the simulator does
/// changes them; then they are printed anew.
enum GoldenTraces {
    private static let text = """
        1 2301a4be600e0e29
        2 505ec2b2756979ab
        3 58d5665fc073c66a
        4 ad626a364fda07af
        5 6e734212964edd80
        6 a5f619f7ef788ed2
        7 2b64ff91b8504995
        8 176659658f63a1bf
        9 23bd7dfd6864295e
        10 2d652f155de815e0
        11 6f8aa6dd2730869d
        12 f16cca2eb2eeeb56
        13 5569653dfc983a81
        14 4881eb42d265b265
        15 c75449c8509b9651
        16 c908fdb5e0690f7e
        17 f4bfda988c2be2f1
        18 9b302372f5cd8a9b
        19 26597570d47b9879
        20 812c4d72e8eea165
        """

    /// By seed, in order.
    static var hashes: [(seed: UInt64, hash: UInt64)] {
        get throws {
            try text.split(separator: "\n").map { line in
                let parts = line.split(separator: " ")
                guard parts.count == 2, let seed = UInt64(parts[0]),
                    let hash = UInt64(parts[1], radix: 16)
                else { throw BadLine(line: String(line)) }
                return (seed, hash)
            }
        }
    }

    /// A line that is not a seed and a hash.
    struct BadLine: Error {
        var line: String
    }
}
