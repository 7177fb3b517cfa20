/// Who proves a plan before it is activated.
public protocol PlanChecking: Sendable {
    /// Proves a plan, and every mixture with the plan it replaces.
    func check(_ plan: FabricPlan, replacing old: FabricPlan?) -> PlanVerdict
}

/// What a check found.
public enum PlanVerdict: Hashable, Sendable {
    /// No fault in `cases` failure cases; `scope` says in words which.
    case passed(cases: Int, scope: String)
    /// A fault: the plan is not activated.
    case failed(PlanCounterexample)
    /// The check did not come to an end, or cannot look at this: the plan is not activated either.
    case undecided(String)
}

/// A state of the fabric in which a plan fails, and a packet that shows it.
public struct PlanCounterexample: Hashable, Sendable, CustomStringConvertible {
    /// What goes wrong.
    public enum Fault: String, Hashable, Sendable {
        /// The packet comes back to where it was.
        case loop
        /// The packet is dropped although a way is left.
        case blackHole
        /// The packet takes more steps than allowed.
        case tooLong
    }
    /// What goes wrong.
    public var fault: Fault
    /// The links that are dead.
    public var dead: LinkSet
    /// The packet's way in words, one step a line.
    public var path: [String]

    public init(fault: Fault, dead: LinkSet, path: [String]) {
        self.fault = fault
        self.dead = dead
        self.path = path
    }

    public var description: String {
        let name = fault == .blackHole ? "black hole" : fault == .tooLong ? "long way" : "loop"
        return "\(name) with \(dead.count) dead links:\n  " + path.joined(separator: "\n  ")
    }
}

/// Proves nothing and says so: for tests, and where the checker is run by hand.
public struct UncheckedPlans: PlanChecking {
    public init() {}
    /// Passes every plan, with no case looked at.
    public func check(_ plan: FabricPlan, replacing old: FabricPlan?) -> PlanVerdict {
        .passed(cases: 0, scope: "nothing was checked")
    }
}
