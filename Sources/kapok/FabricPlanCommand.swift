import ArgumentParser
import Foundation
import KapokFabric
import KapokWorld

/// `kapok fabric plan`: the signed plan of every switch.
struct FabricPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Make the signed plan of every switch of a fabric.",
        discussion: """
            A plan names the structure and what is different from it; switches work out the rest. \
            The folder of --output gets one file a switch, plan.json for people and scripts, and \
            planner.pub, the key that switches must trust.

              kapok fabric plan --new-key planner.key
              kapok fabric plan --topology fattree:64 --key planner.key --output plan-1
              kapok fabric plan --replaces plan-1 --drain pod:3 --key planner.key --output plan-2
              kapok fabric diff plan-1 plan-2

            What is drained or missing is named as a switch (edge-3-1), a link by one port \
            (edge-3-1:swp2) or by its number (link:17), trunk:N, pod:N or plane:N.
            """)

    @OptionGroup var options: FabricOptions
    @Option(
        help: ArgumentHelp("Carry packets there only where nothing else does.", valueName: "what"))
    var drain: [String] = []
    @Option(help: ArgumentHelp("Links that are planned and do not exist.", valueName: "what"))
    var missing: [String] = []
    @Option(
        help: ArgumentHelp(
            "A further prefix of an edge switch, as in edge-3-0=192.0.2.0/24.",
            valueName: "switch=prefix"))
    var prefix: [String] = []
    @Option(
        help: ArgumentHelp(
            "Edge switches that the default route leads to, separated by commas; several share it "
                + "in equal parts.", valueName: "switches"))
    var border: String?
    @Option(help: ArgumentHelp("The planner's private key.", valueName: "file"))
    var key: String?
    @Option(help: "The plan's number; by default 1, or one more than that of --replaces.")
    var epoch: UInt64?
    @Option(
        help: ArgumentHelp(
            "The plan in force: this one must be able to follow it. Without --topology and --graph "
                + "its fabric is planned again; what was drained or missing is not kept.",
            valueName: "folder"))
    var replaces: String?
    @Option(help: ArgumentHelp("Where the plans go.", valueName: "folder"))
    var output: String?
    @Flag(help: "Prove the plan before it is written: every link, switch and trunk failure.")
    var check = false
    @Option(help: "Microseconds between two hellos.")
    var hello: UInt64 = 1_000
    @Option(help: "Hellos that may be missing.")
    var multiplier = 3
    @Option(help: "Groups that a switch holds.")
    var maxGroups = SwitchProfile().groups
    @Option(help: "Group members that a switch holds.")
    var maxMembers = SwitchProfile().members
    @Option(help: "Routes that a switch holds.")
    var maxRoutes = SwitchProfile().routes
    @Option(
        help: "Lost uplinks for which groups are kept ready, 0 to 4; fewer where there is no room.")
    var reserve = SwitchProfile().reserve
    @Option(
        help: ArgumentHelp(
            "Make a planner's key, and sign with it what is planned: FILE is private, FILE.pub is "
                + "for the switches.",
            valueName: "file"))
    var newKey: String?
    @Option(
        help: ArgumentHelp(
            "Make a fabric's secret, which its switches share.", valueName: "file"))
    var newSecret: String?
    @Flag(help: "Print JSON.")
    var json = false

    mutating func run() async throws {
        try makeKeys()
        let isAboutKeys = newKey != nil || newSecret != nil
        if isAboutKeys, options.topology == nil, options.graph == nil, replaces == nil { return }
        let old = try replaces.map { try FabricPlanFiles.load($0) }
        let (name, plan) = try plan(after: old)
        let planner = Planner(
            signer: try (key ?? newKey).map { try FabricKeyFiles.signer($0) } ?? PlannerSigner(),
            profile: SwitchProfile(
                groups: maxGroups, members: maxMembers, routes: maxRoutes, reserve: reserve))
        var relation = PlanRelation.safe
        let compiled: CompiledPlan
        let start = ContinuousClock.now
        do {
            if let old {
                relation = try PlanRelation(of: plan, to: old.plan)
                if case .refused(let why) = relation { throw PlanProblem.cannotReplace(why) }
            }
            compiled = try planner.compile(plan)
            // Each plan is put together when it is asked for: that belongs to the making.
            for index in 0..<compiled.switchCount {
                precondition(
                    compiled.signedPlan(for: SwitchID(index)).bytes.count
                        <= compiled.largestBytes)
            }
        } catch { throw CommandFailure(description: "\(error)") }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let proof = try prove(plan, after: old?.plan, relation)
        var report = FabricPlanReport(compiled, name: name, seconds: seconds)
        report.proof = proof
        report.isKeyTemporary = key == nil && newKey == nil
        if let old {
            report.changedSwitches =
                PlanImpact(from: old.plan, to: plan, isBrief: true).changes.count
            if case .needsProof(let why) = relation { report.mixture = "needs a proof: \(why)" }
        }
        if let output {
            let written = try FabricPlanFiles.write(compiled, name: name, to: output)
            report.folder = output
            report.totalBytes = written.bytes
        }
        if json { try ChipOutput.printJSON(report) } else { print(report.text) }
    }

    private func makeKeys() throws {
        guard key == nil || newKey == nil else {
            throw CommandFailure(description: "either --key or --new-key")
        }
        // What is printed on standard output may be JSON.
        func say(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
        if let newKey {
            let key = try FabricKeyFiles.makePlannerKey(newKey)
            say("wrote \(newKey), which is private, and \(newKey).pub: \(key)")
        }
        if let newSecret {
            try FabricKeyFiles.writeSecret(FabricKeys.newSecret(), newSecret)
            say("wrote \(newSecret), which the switches of one fabric share")
        }
    }

    private func plan(after old: FabricPlanFiles.Loaded?) throws -> (String, FabricPlan) {
        let name: String
        let fabric: Fabric
        if let old, options.topology == nil, options.graph == nil {
            (name, fabric) = (old.name, old.plan.fabric)
        } else {
            (name, fabric) = try options.fabric()
        }
        guard (0...4).contains(reserve) else {
            throw CommandFailure(description: "--reserve is 0 to 4")
        }
        // Only a name that the switches can read goes into the plan; a wiring goes in full.
        let isNamed = options.graph == nil && !(old?.plan.topologyName.isEmpty ?? false)
        var plan = FabricPlan(
            epoch: epoch ?? (old?.plan.epoch ?? 0) + 1, fabric: fabric,
            topologyName: isNamed || options.topology != nil ? name : "")
        plan.timers.hello = .microseconds(hello)
        plan.timers.multiplier = multiplier
        for text in missing {
            let links = try FabricArguments.target(text, in: fabric).links(of: fabric)
            plan.missing = plan.missing.union(LinkSet(links))
        }
        plan.extraTrees = fabric.extraTrees(missing: plan.missing)
        for text in drain { plan.drain(try FabricArguments.target(text, in: fabric)) }
        for text in prefix {
            let (owner, prefix) = try FabricArguments.ownedPrefix(text, in: fabric)
            plan.extraPrefixes[owner, default: []].append(prefix)
        }
        if let border {
            let leaves = try border.split(separator: ",").map {
                try FabricArguments.edge(String($0), in: fabric)
            }
            do {
                for (owner, list) in try BorderDesign.defaultRoutes(at: leaves, of: fabric) {
                    plan.extraPrefixes[owner, default: []] += list
                }
            } catch { throw CommandFailure(description: "\(error)") }
        }
        return (name, plan)
    }

    private func prove(
        _ plan: FabricPlan, after old: FabricPlan?, _ relation: PlanRelation
    ) throws -> String? {
        guard check else { return nil }
        TerminalLine.show("proving plan \(plan.epoch)")
        defer { TerminalLine.clear() }
        switch FailureProof().check(plan, replacing: old) {
        case .passed(let cases, let scope): return "\(cases) cases, \(scope)"
        case .failed(let example):
            throw CommandFailure(description: "the plan is refused: \(example)")
        case .undecided(let why):
            throw CommandFailure(description: "the plan is not proven: \(why)")
        }
    }
}

/// Reads what arguments name.
enum FabricArguments {
    static func target(_ text: String, in fabric: Fabric) throws -> FabricTarget {
        do { return try FabricTarget(text, in: fabric) } catch {
            throw CommandFailure(description: error.description)
        }
    }

    static func node(_ text: String, in fabric: Fabric) throws -> SwitchID {
        do { return try FabricTarget.named(text, in: fabric) } catch {
            throw CommandFailure(description: error.description)
        }
    }

    /// A switch that packets are sent to.
    static func edge(_ text: String, in fabric: Fabric) throws -> SwitchID {
        let id = try node(text, in: fabric)
        guard fabric.destination(of: id) != nil else {
            throw CommandFailure(
                description: "\(text) is no edge switch: no packets are sent to it")
        }
        return id
    }

    /// Reads `edge-3-0=192.0.2.0/24`.
    static func ownedPrefix(
        _ text: String, in fabric: Fabric
    ) throws -> (DestinationID, IPv4Prefix) {
        let halves = text.split(separator: "=", omittingEmptySubsequences: false)
        guard halves.count == 2, let prefix = IPv4Prefix(String(halves[1])) else {
            throw CommandFailure(
                description: "'\(text)' is no prefix of a switch; write edge-3-0=192.0.2.0/24, "
                    + "with no bit set behind the length")
        }
        let id = try edge(String(halves[0]), in: fabric)
        guard let owner = fabric.destination(of: id) else {
            preconditionFailure("an edge switch owns a destination")
        }
        return (owner, prefix)
    }
}
