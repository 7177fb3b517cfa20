/// Which piece of data stands in a register: the step of a fold.
public struct SystolicToken: Hashable, Sendable {
    /// The fold.
    public var fold: Int32
    /// The step in the fold; negative in ``none``.
    public var step: Int32

    /// An empty register.
    public static let none = SystolicToken(fold: 0, step: -1)

    /// Whether the register holds anything.
    public var isPresent: Bool { step >= 0 }
}

/// What the last cycles put in front of an edge of the array. Row `r` takes it in `r` cycles after
/// row 0, as if through `r` registers: the skew that lets values meet their partners.
struct SkewLine: Hashable, Sendable {
    private var tokens: [SystolicToken]

    init(length: Int) { tokens = Array(repeating: .none, count: length) }

    /// Puts what enters in this cycle in front of lane 0.
    mutating func enter(_ token: SystolicToken, cycle: Int) { tokens[cycle % tokens.count] = token }

    /// What lane `lane` takes in: what entered `lane` cycles ago.
    func token(lane: Int, cycle: Int) -> SystolicToken {
        lane > cycle ? .none : tokens[(cycle - lane) % tokens.count]
    }
}
