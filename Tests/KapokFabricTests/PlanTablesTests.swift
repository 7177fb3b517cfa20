import KapokWorld
import Testing

@testable import KapokFabric

@Suite("What a plan takes of the switches' tables")
struct PlanTablesTests {
    private func report(
        _ name: String, profile: SwitchProfile = SwitchProfile(),
        _ change: (inout FabricPlan) -> Void = { _ in }
    ) -> TableReport {
        var plan = FabricPlan(epoch: 1, fabric: PlanSamples.fabric(name), topologyName: name)
        change(&plan)
        return TableReport(of: plan, against: profile)
    }

    @Test("an edge switch at k = 64 needs 1 + 32 + 496 = 529 groups and 15,904 members")
    func sixtyFour() throws {
        let report = report("fattree:64")
        let edge = try #require(report.rows.first { $0.tier == .edge })
        #expect(edge.switches == 2_048)
        #expect(edge.most.groups == 529)
        #expect(edge.most.members == 32 + 32 * 31 + 496 * 30)
        #expect(edge.most.routes == 2_048 * 9)
        let aggregation = try #require(report.rows.first { $0.tier == .aggregation })
        #expect(aggregation.most.groups == 529 + 32)
        let core = try #require(report.rows.first { $0.tier == .core })
        #expect(core.most.groups == 64)
        #expect(core.most.nextHops == 64 * 9)
        #expect(report.overruns.isEmpty)
    }

    @Test("a plan that needs more than the tables hold is refused, and says who needs how much")
    func overrun() {
        let planner = Planner(
            signer: PlanSamples.signer, profile: SwitchProfile(groups: 40, routes: 1_000))
        let plan = FabricPlan(
            epoch: 1, fabric: PlanSamples.fabric("fattree:64"), topologyName: "fattree:64")
        #expect {
            try planner.compile(plan)
        } throws: { error in
            guard case .tablesFull(let lines) = error as? PlanProblem else { return false }
            return lines.contains("core switches need 64 groups, and have 40 (switch 4096)")
                && !lines.contains { $0.contains("edge switches need 1 groups") }
                && lines.contains("core switches need 18432 routes, and have 1000 (switch 4096)")
        }
    }

    @Test("where groups for two lost uplinks have no room, they are kept for one")
    func reserve() throws {
        let report = report("fattree:128")
        #expect(report.overruns.isEmpty)
        #expect(report.reserve == 1)
        #expect(report.rows.first?.most.groups == 65)
    }

    /// The sets of ports in use at a switch, by asking for every destination.
    private func setsInUse(_ plan: FabricPlan, at id: SwitchID) -> Set<[Int]> {
        let forwarding = plan.forwarding()
        var sets: Set<[Int]> = []
        for index in 0..<plan.fabric.destinationCount {
            let choice = forwarding.decide(
                at: id, to: DestinationID(index), tag: .zero, dead: [])
            if case .forward(let ports, .zero) = choice { sets.insert(ports) }
        }
        return sets
    }

    /// What the counting by arithmetic must give for an edge or aggregation switch.
    private func expected(_ plan: FabricPlan, at id: SwitchID, reserve: Int) -> Int {
        let fabric = plan.fabric
        guard case .clos(let clos) = fabric else { return 0 }
        let at = clos.position(of: id)
        let up =
            at.tier == .edge
            ? 0..<clos.shape.aggregationsPerPod
            : clos.shape.edgesPerPod..<clos.shape.edgesPerPod + clos.shape.coresPerAggregation
        var sets = setsInUse(plan, at: id).filter { $0.allSatisfy { up.contains($0) } }
        func lose(_ ports: [Int], _ more: Int) {
            if ports.isEmpty { return }
            sets.insert(ports)
            if more > 0 {
                for port in ports { lose(ports.filter { $0 != port }, more - 1) }
            }
        }
        lose(Array(up), reserve)
        return sets.count + (at.tier == .edge ? 0 : clos.shape.edgesPerPod)
    }

    @Test("counting by arithmetic agrees with asking every switch for every destination")
    func bruteForce() {
        var random = RandomStream(seed: 21).split("tables")
        for round in 0..<40 {
            let name = ["fattree:4", "fattree:6", "planes:2,fattree:4", "leafspine:5,4,1"][
                round % 4]
            var plan = FabricPlan(epoch: 1, fabric: PlanSamples.fabric(name), topologyName: name)
            let links = plan.fabric.linkCount
            plan.missing = LinkSet((0..<random.below(8)).map { _ in LinkID(random.below(links)) })
            plan.drained = LinkSet((0..<random.below(8)).map { _ in LinkID(random.below(links)) })
            let reserve = random.below(3)
            guard case .clos(let clos) = plan.fabric else { continue }
            var tables = ClosTables(clos, plan, SwitchProfile(reserve: reserve))
            let needs = tables.count()
            for index in 0..<plan.fabric.switchCount {
                let id = SwitchID(index)
                if plan.fabric.tier(of: id) == .core { continue }
                if clos.shape.coresPerAggregation == 0 && plan.fabric.tier(of: id) != .edge {
                    continue
                }
                #expect(
                    needs[index].groups == expected(plan, at: id, reserve: reserve),
                    "\(name) round \(round) \(plan.fabric.name(of: id))"
                )
            }
        }
    }

    @Test("the groups of a wiring are counted from its shortest paths")
    func graphs() throws {
        // The AB fat tree differs from the plain one in its upper links only.
        let plain = report("fattree:4", profile: SwitchProfile(reserve: 0))
        var plan = FabricPlan(epoch: 1, fabric: PlanSamples.fabric("ab:4"), topologyName: "ab:4")
        let wired = TableReport(of: plan, against: SwitchProfile(reserve: 0))
        #expect(wired.isCounted)
        #expect(wired.rows.map(\.switches) == plain.rows.map(\.switches))
        #expect(wired.rows.first?.most.groups == 1)
        plan.missing = [LinkID(0)]
        plan.drained = [LinkID(9)]
        let less = TableReport(of: plan, against: SwitchProfile(reserve: 0))
        let sets = (0..<20).map { setsInUse(plan, at: SwitchID($0)).count }.max() ?? 0
        #expect((less.rows.map(\.most.groups).max() ?? 0) <= sets)
        #expect((less.rows.first?.most.groups ?? 0) >= 2)
    }
}

@Suite("What changes between two plans")
struct PlanImpactTests {
    @Test("the switches and destinations found by arithmetic are those that forward differently")
    func bruteForce() {
        var random = RandomStream(seed: 8).split("impact")
        for round in 0..<40 {
            let name = ["fattree:4", "fattree:6", "planes:2,fattree:4", "leafspine:5,4,1", "ab:4"][
                round % 5]
            var old = FabricPlan(epoch: 1, fabric: PlanSamples.fabric(name), topologyName: name)
            let links = old.fabric.linkCount
            func some() -> LinkSet {
                LinkSet((0..<random.below(6)).map { _ in LinkID(random.below(links)) })
            }
            old.missing = some()
            old.drained = some()
            var new = old
            if round % 2 == 0 { new.missing = some() }
            if round % 3 != 0 { new.drained = some() }
            let impact = PlanImpact(from: old, to: new)
            let brief = PlanImpact(from: old, to: new, isBrief: true)
            #expect(brief.changes.map(\.id) == impact.changes.map(\.id))
            let (before, after) = (old.forwarding(), new.forwarding())
            func ports(_ forwarding: Forwarding, _ id: SwitchID, _ to: DestinationID) -> [Int] {
                let choice = forwarding.decide(at: id, to: to, tag: .zero, dead: [])
                if case .forward(let ports, .zero) = choice { return ports }
                return []
            }
            for index in 0..<old.fabric.switchCount {
                let id = SwitchID(index)
                let wanted = (0..<old.fabric.destinationCount).map { DestinationID($0) }
                    .filter { ports(before, id, $0) != ports(after, id, $0) }
                let found = impact.changes.first { $0.id == id }
                #expect(found?.destinations ?? [] == wanted, "\(name) \(round) \(index)")
                if let found, let first = wanted.first {
                    #expect(found.before == ports(before, id, first))
                    #expect(found.after == ports(after, id, first))
                }
            }
        }
    }

    @Test("draining a rack of k = 64 changes the switches of its plane that send to it")
    func oneRack() {
        let name = "fattree:64"
        let old = FabricPlan(epoch: 1, fabric: PlanSamples.fabric(name), topologyName: name)
        var new = old
        // One link: the rack's edge switch, all other edge switches, and its plane of the tree.
        new.drained = [LinkID(0)]
        #expect(PlanImpact(from: old, to: new, isBrief: true).changes.count == 2_048)
        // All links: nothing is left that would be better, so nothing changes.
        new.drained = []
        new.drain(.node(SwitchID(0)))
        #expect(PlanImpact(from: old, to: new, isBrief: true).changes.isEmpty)
    }
}
