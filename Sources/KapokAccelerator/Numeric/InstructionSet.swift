internal import CKernels

/// Which of the host's instructions compute values. All give the same bits.
public enum InstructionSet: UInt8, CaseIterable, Sendable {
    /// Plain C: runs everywhere, and slowly where FMA is not in the processor.
    case portable = 0
    /// AVX2 and FMA.
    case avx2 = 1
    /// AVX-512 F, BW, DQ and VL.
    case avx512 = 2

    /// The name in reports.
    public var name: String { "\(self)" }

    /// Whether this processor has it.
    public var isSupported: Bool { kapok_fp32_supports(implementation) != 0 }

    /// The fastest that this processor has.
    public static let fastest =
        InstructionSet(rawValue: UInt8(kapok_fp32_chosen().rawValue)) ?? .portable

    /// Its name in C, or the portable one's where this processor does not have it.
    var implementation: kapok_fp32_implementation {
        let own = kapok_fp32_implementation(rawValue: UInt32(rawValue))
        return kapok_fp32_supports(own) != 0 ? own : KAPOK_FP32_PORTABLE
    }

    var rows: kapok_fp32_rows { kapok_fp32_rows_of(implementation).pointee }
}
