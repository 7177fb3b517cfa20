/// Trace hashes of the first seeds, printed by the release build:
///
///     kapok simulate store --seeds 20 --print-hashes
///
/// The tests run in debug and must find the same. A change to what the store or the simulator does
/// changes them; then they are printed anew.
enum GoldenTraces {
    private static let text = """
        1 566e9ad689e6e62f
        2 786773440bf60119
        3 a68ce38a371227be
        4 018672dca103c3d6
        5 45e6d2dc797e3afa
        6 79c57593dc997b30
        7 49ae33a7f8d9b8e1
        8 cd63e6b5dcd4ebb8
        9 182a9aaaeea89f7c
        10 1b7195f8daa8c038
        11 bb24a91dee403187
        12 1d507986293b5214
        13 985454a89d156c11
        14 fb44bb8afdb78a6f
        15 ee185fa567a87759
        16 13ff16612372d4f1
        17 23014e6a245bbcd2
        18 0b0ca4179982e465
        19 85533a93c73a97a8
        20 d16a931445ea54c0
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
