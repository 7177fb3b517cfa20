import CKernels
import Glibc
import KapokModel

/// What the command line asks for.
struct Options {
    var threads = [1, 2]
    var rounds = 9
    /// Types of weights of the GEMV.
    var types: [WeightType] = [.f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .q4_K, .q6_K]
    /// Types of weights of the GEMM, besides the int8 kernel.
    var matrixTypes: [WeightType] = [.q8_0, .q4_0, .q4_1, .q4_K]
    var sets = VectorRate.sets.map { $0.0 }
    var implementation = kapok_linear_chosen()
    var asJSON = false

    static let usage = """
        usage: ModelBenchmark [--threads 1,2] [--rounds 9] [--types q4_1,q8_0,...]
            [--sets model,large] [--kernels avx512|avx2|portable] [--quick] [--json]
        """

    private static let kernels = [
        ("avx512", KAPOK_LINEAR_AVX512), ("avx2", KAPOK_LINEAR_AVX2),
        ("portable", KAPOK_LINEAR_PORTABLE),
    ]

    /// The name of the kernels measured.
    var kernelsName: String {
        Self.kernels.first { $0.1 == implementation }?.0 ?? "unknown"
    }

    /// nil when the arguments mean nothing.
    init?(_ arguments: ArraySlice<String>) {
        var rest = arguments
        while let flag = rest.popFirst() {
            switch flag {
            case "--json": asJSON = true
            case "--quick": rounds = 3
            default:
                guard let value = rest.popFirst(), set(flag, value) else { return nil }
            }
        }
    }

    private mutating func set(_ flag: String, _ value: String) -> Bool {
        let parts = value.split(separator: ",").map { String($0) }
        switch flag {
        case "--threads":
            threads = parts.compactMap { Int($0) }.filter { 1...256 ~= $0 }
            return threads.count == parts.count && !threads.isEmpty
        case "--rounds":
            rounds = Int(value) ?? 0
            return 1...1000 ~= rounds
        case "--types":
            types = parts.compactMap { WeightType(name: $0) }
            matrixTypes = types.filter { ![.f32, .f16, .bf16].contains($0) }
            return types.count == parts.count && !types.isEmpty
        case "--sets":
            sets = parts
            return parts.allSatisfy { name in VectorRate.sets.contains { $0.0 == name } }
        case "--kernels":
            guard let found = Self.kernels.first(where: { $0.0 == value }),
                kapok_linear_supports(found.1) != 0
            else { return false }
            implementation = found.1
            return true
        default: return false
        }
    }
}
