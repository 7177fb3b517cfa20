internal import CKernels

/// What the host's multiply-add units can do at most: the base that multiplications are measured
/// against.
public enum HostPeak {
    /// Does FP32 multiply-adds in registers alone, for the caller to time.
    ///
    /// - Parameter rounds: how long: in each round, 12 vectors are multiplied and added
    /// - Returns: how many FP32 operations that were, a multiply-add counting as two
    public static func run(_ instructionSet: InstructionSet = .fastest, rounds: Int) -> Double {
        let implementation = instructionSet.implementation
        let result = kapok_sgemm_peak(implementation, UInt64(max(rounds, 0)))
        // The chains converge to 1 each: reading the result keeps them from being left out.
        precondition(result > 0)
        return Double(max(rounds, 0)) * 24 * Double(kapok_sgemm_peak_lanes(implementation))
    }
}
