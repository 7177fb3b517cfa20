/// What an instruction does. Raw values are part of the `.kir` format and never change.
///
/// Operands are named by their fields: `d` destination, `s0` to `s2` sources, `i0`, `i1`
/// immediates,
/// `op0`, `op1` operations. P is the number of partitions, N the elements a partition.
public enum Opcode: UInt8, CaseIterable, Codable, Sendable {
    /// Only waits and signals.
    case nop = 0

    // Tensor engine
    /// Loads the stationary matrix `s0` (K partitions x M columns) into the array.
    case loadStationary = 1
    /// `d` (PSUM, M x N) = or += stationary^T times `s0` (K x N). Flags: accumulate, transpose.
    case multiplyMoving = 2

    // Vector, scalar and gpsimd engines
    /// `d = s0 op0 s1`.
    case tensorTensor = 3
    /// `d = (s0 op0 a) op1 b`; `a` is `i0`, or `s1` (P x 1) with the flag scalar0; `b` is `i1`, or
    /// `s2` with the flag scalar1. `op1` may be `bypass`.
    case tensorScalar = 4
    /// `d = (s0 op0 a) op1 s1`; `a` is `i0`, or `s2` (P x 1) with the flag scalar0.
    case scalarTensorTensor = 5
    /// `d` = reduction of `s0` by `op0` along the free dimensions that `d` does not have (the
    /// innermost ones). Flag negate: `d = -reduction`.
    case tensorReduce = 6
    /// `d = s0`, with conversion.
    case tensorCopy = 7
    /// `d = i0`.
    case memset = 8
    /// `d = f(s0 * scale + bias)`, `f` an ``Activation`` in `op0`; scale is `i0`, or `s1` (P x 1)
    /// with the flag scalar0; bias is `i1`, or `s2` (P x 1) with the flag scalar1. With the flag
    /// reduces,
    /// `s1` is written instead: the sum of `d` along the free dimensions (P x 1), before rounding.
    case activation = 9
    /// `d[i] = (s0[i] op0 d[i-1]) op1 s1[i]`; `d[-1]` is `i0`, or `s2` (P x 1) with the flag
    /// scalar0.
    case tensorTensorScan = 10
    /// `d = s0` where `s1` is not zero.
    case copyPredicated = 11
    /// `d[p, i] = i0 + p * c1 + i * c2`; the integers c1 and c2 stand in the fields of `s1`, `s2`.
    case iota = 12
    /// `d[p, i] = (i1 + p * c1 + i * c2) op0 0 ? s0[p, i] : i0`; c1 and c2 as in `iota`.
    case affineSelect = 13
    /// `d` (P x 8) = the eight largest values of `s0`, in descending order.
    case max8 = 14
    /// `d` (P x 8, uint32) = where in `s1` (P x N) the values `s0` (P x 8) stand: for equal values,
    /// the next occurrence each.
    case findIndex8 = 15
    /// `d = s0` with the first occurrence of each value of `s1` (P x 8) replaced by `i0`.
    case matchReplace8 = 16
    /// `d` (P x 3, FP32) = count, mean and sum of squared deviations of `s0`.
    case bnStats = 17
    /// `d` (P x 2, FP32) = mean and variance over the groups of three in `s0` that `bnStats` wrote.
    case bnAggregate = 18
    /// `d` (1 x N) = reduction of `s0` by `op0` across partitions. GpSimd only.
    case partitionReduce = 19
    /// `d = 1 / s0`.
    case reciprocal = 20

    // DMA, triggered by the sync, scalar or gpsimd engine
    /// `d = s0` through the DMA engines, between HBM and SBUF in any direction. The ring executes
    /// its transfers in order.
    case dmaCopy = 32
    /// As `dmaCopy`, with rows and columns exchanged (2-byte and 4-byte types).
    case dmaTranspose = 33

    /// The name in text files and reports.
    public var name: String { "\(self)" }

    /// Whether DMA engines carry it out.
    public var isDMA: Bool { self == .dmaCopy || self == .dmaTranspose }

    /// The opcode of that name; nil when there is none.
    public init?(name: some StringProtocol) {
        guard let opcode = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = opcode
    }
}

/// Operations of elementwise instructions and reductions. Comparisons give 1 or 0.
public enum ALUOperation: UInt8, CaseIterable, Codable, Sendable {
    case bypass = 0
    case add = 1
    case subtract = 2
    case multiply = 3
    case divide = 4
    case max = 5
    case min = 6
    case power = 7
    case isEqual = 8
    case notEqual = 9
    case greaterEqual = 10
    case greater = 11
    case lessEqual = 12
    case less = 13
    /// The larger absolute value.
    case absMax = 14

    /// The name in text files.
    public var name: String { "\(self)" }
}

/// Functions of the scalar engine, in the field `op0` of ``Opcode/activation``.
public enum Activation: UInt8, CaseIterable, Codable, Sendable {
    case identity = 0
    case exp = 1
    case ln = 2
    case sqrt = 3
    case rsqrt = 4
    case square = 5
    case reciprocal = 6
    case sigmoid = 7
    case silu = 8
    /// x * Phi(x), with the error function.
    case gelu = 9
    case tanh = 10
    case relu = 11
    case softplus = 12
    case sin = 13
    case cos = 14
    case abs = 15
    case erf = 16

    /// The name in text files.
    public var name: String { "\(self)" }
}
