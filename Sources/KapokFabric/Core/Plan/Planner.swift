/// Makes the signed plans of a fabric's switches.
///
/// All that depends on the fabric as a whole is done once: one body, one signature. What is a
/// switch's own is its place in the hash tree, which stays the same from plan to plan. So a plan
/// for thousands of switches and its successor cost little more than copying bytes, and every
/// switch gets every epoch: one whose forwarding does not change sees that nothing differs.
public struct Planner: Sendable {
    /// The key that signs.
    public let signer: PlannerSigner
    /// What the switches' tables hold.
    public let profile: SwitchProfile

    public init(signer: PlannerSigner, profile: SwitchProfile = SwitchProfile()) {
        self.signer = signer
        self.profile = profile
    }

    /// Compiles a plan from nothing. Throws what makes it unfit.
    public func compile(_ plan: FabricPlan) throws(PlanProblem) -> CompiledPlan {
        let none: [UInt8] = []
        let tree = SwitchTree(
            (0..<plan.fabric.switchCount).map { plan.identities[SwitchID($0)] ?? none })
        return try compile(plan, tree)
    }

    /// Compiles a plan that follows another; the same bytes as `compile(_:)` gives, in less time.
    /// Throws also when it cannot follow that plan. `PlanRelation` says whether it needs a proof.
    public func compile(
        _ plan: FabricPlan, replacing old: CompiledPlan
    ) throws(PlanProblem) -> CompiledPlan {
        if case .refused(let why) = try PlanRelation(of: plan, to: old.plan) {
            throw .cannotReplace(why)
        }
        let isSameTree =
            plan.identities == old.plan.identities
            && plan.fabric.switchCount == old.plan.fabric.switchCount
        return isSameTree ? try compile(plan, old.tree) : try compile(plan)
    }

    private func compile(
        _ plan: FabricPlan, _ tree: SwitchTree
    ) throws(PlanProblem) -> CompiledPlan {
        try plan.validate()
        let tables = TableReport(of: plan, against: profile)
        guard tables.overruns.isEmpty else { throw .tablesFull(tables.overruns) }
        let body = PlanBody.encoded(plan.switchPlan(for: SwitchID(0)))
        let compiled = CompiledPlan(plan, body: body, tree: tree, signer: signer, tables: tables)
        guard compiled.largestBytes <= SignedPlan.maximumBytes else {
            throw .tooLarge(bytes: compiled.largestBytes)
        }
        return compiled
    }
}

/// A plan, ready to be sent.
public struct CompiledPlan: Sendable {
    /// What was compiled.
    public let plan: FabricPlan
    /// What it takes of the switches' tables.
    public let tables: TableReport
    /// The SHA-256 of what all switches have in common.
    public let bodyHash: [UInt8]
    /// What switches must trust.
    public let publicKey: PlannerKey
    let tree: SwitchTree
    private let body: [UInt8]
    private let signature: [UInt8]

    init(
        _ plan: FabricPlan, body: [UInt8], tree: SwitchTree, signer: PlannerSigner,
        tables: TableReport
    ) {
        self.plan = plan
        self.body = body
        self.tree = tree
        self.tables = tables
        publicKey = signer.publicKey
        bodyHash = PlanDigest.of(body)
        signature = signer.signature(
            over: SignedPlan.signedStatement(
                bodyHash: bodyHash, root: tree.root, count: plan.fabric.switchCount))
    }

    /// How many switches have a plan each.
    public var switchCount: Int { plan.fabric.switchCount }
    /// The bytes that all plans share.
    public var sharedBytes: Int { body.count }
    /// The bytes of the largest plan.
    public var largestBytes: Int {
        let longestIdentity = plan.identities.values.map(\.count).max() ?? 0
        return body.count + SignedPlan.fixedBytes + longestIdentity
            + tree.longestPath * PlanDigest.byteCount
    }

    /// The plan of a switch.
    public func signedPlan(for id: SwitchID) -> SignedPlan {
        SignedPlan(
            body: body, tree: tree, count: switchCount, id: id,
            identity: plan.identities[id] ?? [], signature: signature)
    }
}
