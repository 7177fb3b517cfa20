import KapokWorld
import Testing

@testable import KapokFabric

@Suite("Links from dusty to in service")
struct WiringFireflyTests {
    typealias Machine = LinkCommissioning

    static let expectation = Machine.Expectation(
        lengths: WiringPlan.Ends(near: 2_000, far: 200), plugs: WiringPlan.Ends(near: 3, far: 3),
        peer: 77)

    static func reading(
        length: Int, identity: Int, errors: UInt64 = 0, hasLight: Bool = true
    ) -> Machine.Reading {
        Machine.Reading(
            hasLight: hasLight, bits: 100_000_000_000, errors: errors,
            roundTrip: UInt64(length * 98), identity: identity)
    }

    static let nearGood = reading(length: 2_000, identity: 3)
    static let farGood = reading(length: 200, identity: 3)
    static let peerGood = reading(length: 2_200, identity: 77)

    /// A machine that was told these events, and the effects of the last.
    static func after(_ events: [Machine.Event]) -> (Machine, [Machine.Effect]) {
        var machine = Machine(expectation)
        var effects = EffectBuffer<Machine.Effect>()
        for event in events {
            _ = effects.takeAll()
            machine.handle(event, at: .zero, into: &effects)
        }
        return (machine, effects.takeAll())
    }

    @Test("a sound link goes from dusty to in service, each stage after its test")
    func sound() {
        var events: [Machine.Event] = []
        #expect(Self.after(events).0.stage == .dusty)
        let course: [(Machine.Event, Machine.Stage, [Machine.Effect])] = [
            (.installed(.near), .plugged, [.reflect(.near)]),
            (.reflected(.near, Self.nearGood), .plugged, []),
            (.installed(.far), .plugged, [.reflect(.far)]),
            (.reflected(.far, Self.farGood), .verified, [.mate]),
            (.mated, .mated, [.meet]),
            (.met(Self.peerGood), .burnIn, [.burn(.seconds(3_600))]),
            (.burnt(Self.peerGood), .inService, [.enterService]),
        ]
        for (event, stage, wanted) in course {
            events.append(event)
            let (machine, effects) = Self.after(events)
            #expect(machine.stage == stage)
            #expect(effects == wanted)
        }
    }

    @Test(
        "what a reflector shows is told apart and has its remedy",
        arguments: [
            (
                reading(length: 0, identity: 0, hasLight: false), Machine.Fault.noLight,
                Machine.Remedy.replaceTransceiver
            ),
            (reading(length: 2_000, identity: 3, errors: 2_000_000), .highErrorRate, .clean),
            (reading(length: 2_000, identity: 4), .wrongPort, .correctPort),
            (reading(length: 2_500, identity: 3), .wrongLength, .correctPort),
            (reading(length: 1_900, identity: 3), .wrongLength, .correctPort),
        ])
    func faults(reading: Machine.Reading, fault: Machine.Fault, remedy: Machine.Remedy) {
        let (machine, effects) = Self.after([.installed(.near), .reflected(.near, reading)])
        #expect(machine.fault == fault)
        #expect(effects == [.remedy(.near, remedy, fault, .plugged)])
        // The test is repeated after the remedy, and a good reading ends the matter.
        let (again, retest) = Self.after([
            .installed(.near), .reflected(.near, reading), .remedied(.near),
        ])
        #expect(again.stage == .plugged && retest == [.reflect(.near)])
        let (cured, _) = Self.after([
            .installed(.near), .reflected(.near, reading), .remedied(.near),
            .reflected(.near, Self.nearGood), .installed(.far), .reflected(.far, Self.farGood),
        ])
        #expect(cured.stage == .verified && cured.fault == nil)
    }

    @Test("cables a little longer than they are sold pass; 2 % and 40 cm are the bound")
    func tolerance() {
        for length in [100, 700, 2_000, 50_000] {
            let most = length + length / 50 + 40
            #expect(Machine.isLength(length, UInt64(length * 98)))
            #expect(Machine.isLength(length, UInt64(most * 98)))
            #expect(!Machine.isLength(length, UInt64((most + 1) * 98)))
            #expect(!Machine.isLength(length, UInt64((length - 12) * 98)))
        }
    }

    @Test("a link that no remedy helps is given up after a bounded number")
    func givenUp() {
        var machine = Machine(Self.expectation)
        var effects = EffectBuffer<Machine.Effect>()
        machine.handle(.installed(.near), at: .zero, into: &effects)
        let dark = Self.reading(length: 0, identity: 0, hasLight: false)
        var count = 0
        while !machine.isGivenUp, count < 100 {
            machine.handle(.reflected(.near, dark), at: .zero, into: &effects)
            machine.handle(.remedied(.near), at: .zero, into: &effects)
            count += 1
        }
        #expect(machine.remedies == Machine.maximumRemedies)
        #expect(effects.takeAll().last == .giveUp(.noLight))
        machine.handle(.installed(.far), at: .zero, into: &effects)
        #expect(effects.isEmpty)
    }

    @Test("events in any order, early, late or twice, skip no stage")
    func disorder() {
        let readings = [Self.nearGood, Self.farGood, Self.peerGood]
        for seed in 0..<3_000 {
            var random = RandomStream(seed: UInt64(seed))
            var machine = Machine(Self.expectation)
            var effects = EffectBuffer<Machine.Effect>()
            var stage = Machine.Stage.dusty
            for _ in 0..<40 {
                let end: Machine.End = random.chance(1, in: 2) ? .near : .far
                var reading = readings[random.below(3)]
                if random.chance(1, in: 4) { reading.hasLight = false }
                let event: Machine.Event =
                    switch random.below(6) {
                    case 0: .installed(end)
                    case 1: .reflected(end, reading)
                    case 2: .mated
                    case 3: .met(reading)
                    case 4: .burnt(reading)
                    default: .remedied(end)
                    }
                machine.handle(event, at: .zero, into: &effects)
                #expect(machine.stage.rawValue <= stage.rawValue + 1)
                // Only a remedy after the burn-in leads back, and only to the test of the link.
                #expect(
                    machine.stage >= stage || (stage == .burnIn && machine.stage == .mated))
                stage = machine.stage
            }
            #expect(machine.remedies <= Machine.maximumRemedies)
        }
    }

    @Test("the simulated error rate is the code's limit at no margin and falls with each dB")
    func errorRates() {
        #expect(abs(SimulatedOptics.errorRate(margin: 0) - 2.4e-4) < 1e-5)
        var last = 1.0
        for step in -10...10 {
            let rate = SimulatedOptics.errorRate(margin: Double(step) / 2)
            #expect(rate < last)
            last = rate
        }
        #expect(SimulatedOptics.errorRate(margin: 3) < 1e-11)
    }

    @Test("without faults every link of every medium goes straight into service")
    func flawless() throws {
        for name in ["leafspine:4,3,2", "fattree:8", "ab:4"] {
            for pitch in [600, 10_000] {
                var hall = HallOptions()
                hall.rackPitch = pitch
                hall.rowPitch = 100_000
                hall.racksPerRow = 2
                let plan = try WiringPlan(
                    try TopologyName(name).fabric, topologyName: name, options: hall)
                let report = FireflyRun(plan, faults: .none, seed: 5).run()
                #expect(report.inService == report.links)
                #expect(report.found.isEmpty && report.faultyLinks == 0 && report.visits == 0)
            }
        }
    }

    @Test("seeds: all faults end in service or are given up, most before anybody must come again")
    func seeds() throws {
        let name = "fattree:8"
        let plan = try WiringPlan(try TopologyName(name).fabric, topologyName: name)
        var saved = 0
        var spot = 0
        var visits = 0
        var kinds: Set<Machine.Fault> = []
        for seed in 0..<30 {
            let run = FireflyRun(plan, seed: UInt64(seed))
            let with = run.run()
            let without = run.run(usesReflectors: false)
            #expect(with.inService + with.givenUp == plan.fabric.linkCount)
            #expect(without.inService + without.givenUp == plan.fabric.linkCount)
            #expect(with.givenUp <= 1)
            // The same faults, and the same run again.
            #expect(with.faultyLinks == without.faultyLinks)
            #expect(with == FireflyRun(plan, seed: UInt64(seed)).run())
            #expect(without.onTheSpot == 0)
            saved += without.visits - with.visits
            spot += with.onTheSpot
            visits += with.visits
            kinds.formUnion(with.found.map(\.fault))
        }
        #expect(kinds == Set(Machine.Fault.allCases))
        #expect(saved > 0 && spot > 3 * visits)
        #expect(
            FireflyRun(plan, seed: 1).run().digest != FireflyRun(plan, seed: 2).run().digest)
    }

    @Test("each kind of fault alone is found at the stage that can see it")
    func stages() throws {
        let name = "fattree:8"
        let plan = try WiringPlan(try TopologyName(name).fabric, topologyName: name)
        func report(_ set: (inout InstallationFaults) -> Void) -> FireflyReport {
            var faults = InstallationFaults.none
            set(&faults)
            return FireflyRun(plan, faults: faults, seed: 11).run()
        }
        let dead = report { $0.deadTransceiver = 100_000 }
        #expect(dead.found.map(\.stage) == [.plugged] && dead.found[0].fault == .noLight)
        #expect(dead.found[0].links == dead.faultyLinks && dead.visits == 0)
        #expect(dead.remedies == [.replaceTransceiver: dead.onTheSpot])
        let port = report { $0.wrongPort = 100_000 }
        #expect(port.found == [.init(fault: .wrongPort, stage: .plugged, links: port.faultyLinks)])
        let length = report { $0.wrongLength = 100_000 }
        #expect(length.found.map(\.fault) == [.wrongLength])
        let mating = report { $0.dirtyByMating = 100_000 }
        #expect(mating.found.allSatisfy { $0.stage == .mated && $0.fault == .highErrorRate })
        #expect(mating.visits > 0 && mating.onTheSpot == 0)
        let early = report { $0.earlyFailure = 50_000 }
        #expect(early.found.first?.stage == .mated || early.found.first?.stage == .burnIn)
        #expect(early.found.contains { $0.stage == .burnIn && $0.fault == .noLight })
        #expect(early.inService == plan.fabric.linkCount)
    }
}
