/// Lets the fabric's own checker prove plans before they are activated: for every failure of the
/// given kinds, whatever part of the news has arrived, and in every mixture with the old plan.
public struct FailureProof: PlanChecking {
    /// How many things fail at once, 0 to 2.
    public var failures: Int
    /// What fails.
    public var kinds: [FailureKind]
    /// What switches may know.
    public var knowledge: [KnowledgeModel]

    /// The default proves every single link, switch and trunk.
    public init(
        failures: Int = 1, kinds: [FailureKind] = [.mixed],
        knowledge: [KnowledgeModel] = [.local, .flooded]
    ) {
        precondition((0...2).contains(failures) && !kinds.isEmpty && !knowledge.isEmpty)
        self.failures = failures
        self.kinds = kinds
        self.knowledge = knowledge
    }

    /// Runs the checker on the plan, and on mixtures with the old one.
    public func check(_ plan: FabricPlan, replacing old: FabricPlan?) -> PlanVerdict {
        if let old, old.fabric != plan.fabric {
            return .undecided(
                "the wiring has grown, and the checker mixes plans of one wiring only")
        }
        let checker = FabricChecker(plan.forwarding(), replacing: old?.forwarding())
        var cases = 0
        for kind in kinds {
            let report = checker.check(failures: failures, kind: kind, knowledge: knowledge)
            if let example = report.counterExamples.first {
                return .failed(Self.counterexample(example, plan.fabric))
            }
            guard report.isClean else { return .undecided("the check stopped half-way") }
            cases += report.cases
        }
        let names = kinds.map(\.rawValue).joined(separator: ", ")
        return .passed(
            cases: cases,
            scope: "up to \(failures) failures (\(names))"
                + (old == nil ? "" : ", mixed with the plan in force"))
    }

    private static func counterexample(
        _ example: CounterExample, _ fabric: Fabric
    ) -> PlanCounterexample {
        let fault: PlanCounterexample.Fault
        switch example.fault {
        case .loop: fault = .loop
        case .noWayOn, .deadLink: fault = .blackHole
        case .tooLong: fault = .tooLong
        }
        return PlanCounterexample(
            fault: fault, dead: example.dead,
            path: example.text(in: fabric).split(separator: "\n").map(String.init))
    }
}
