import KapokWorld

/// Why a plan is refused. Whoever refuses one stays as it was, counts it under `counter`, and
/// goes on with the plan it has.
public enum PlanRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// More bytes than `SignedPlan.maximumBytes`.
    case tooLarge(bytes: Int)
    /// No plan at all, or one that no planner writes.
    case malformed(String)
    /// Not signed by the planner's key, or changed since.
    case badSignature
    /// Meant for another switch.
    case wrongSwitch(SwitchID)
    /// Not newer than the plan that is there.
    case oldEpoch(UInt64)
    /// A named topology that this version does not know.
    case unknownTopology(String)
    /// A number that the topology does not have, or a wiring that cannot be.
    case inconsistent(String)

    public var description: String {
        switch self {
        case .tooLarge(let bytes):
            "a plan of \(bytes) bytes; the most are \(SignedPlan.maximumBytes)"
        case .malformed(let what): "not a plan: \(what)"
        case .badSignature: "not signed by the planner that this switch trusts"
        case .wrongSwitch(let other): "a plan for \(other), not for this switch"
        case .oldEpoch(let epoch): "epoch \(epoch) is not newer than what is there"
        case .unknownTopology(let name): "unknown topology \"\(name)\""
        case .inconsistent(let what): "the plan contradicts its topology: \(what)"
        }
    }

    /// The counter that rises by one, in snake case.
    public var counter: String {
        switch self {
        case .tooLarge: "plan_too_large"
        case .malformed: "plan_malformed"
        case .badSignature: "plan_bad_signature"
        case .wrongSwitch: "plan_wrong_switch"
        case .oldEpoch: "plan_old_epoch"
        case .unknownTopology: "plan_unknown_topology"
        case .inconsistent: "plan_inconsistent"
        }
    }

    init(_ error: ByteCodingError) {
        switch error {
        case .truncated: self = .malformed("it ends inside a field")
        case .malformedVarint: self = .malformed("a number of more than 64 bits")
        case .tooLong(let length, let bound):
            self = .malformed("\(length) where at most \(bound) may be")
        case .invalidUTF8: self = .malformed("a name that is not UTF-8")
        case .unknownTag(let tag): self = .malformed("unknown tag \(tag)")
        }
    }
}
