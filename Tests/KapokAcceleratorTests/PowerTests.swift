import Glibc
import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Supply network")
struct SupplyNetworkTests {
    /// One stage without a resistance at the capacitor: its step response has a closed form.
    private let single = SupplyNetwork(
        name: "single", title: "one stage", voltage: 1,
        stages: [
            SupplyStage(
                "only", resistance: 0.2e-3, inductance: 20e-12, capacitance: 10e-6,
                capacitorResistance: 0)
        ], source: "test")

    /// The die's voltage `time` seconds after a step from rest, from the textbook: a damped
    /// oscillation around the new rest.
    private func closedForm(step amperes: Double, time: Double) -> Double {
        let stage = single.stages[0]
        let damping = stage.resistance / (2 * stage.inductance)
        let omega = sqrt(1 / (stage.inductance * stage.capacitance) - damping * damping)
        let rest = single.voltage - stage.resistance * amperes
        let cosine = stage.resistance * amperes
        let sine = (-amperes / stage.capacitance + damping * cosine) / omega
        return rest
            + exp(-damping * time) * (cosine * cos(omega * time) + sine * sin(omega * time))
    }

    @Test("the step response of one stage is that of the closed form")
    func stepResponse() {
        var supply = SupplySimulation(single, step: 2.5, idleAmperes: 0)
        supply.jump(toAmperes: 100)
        var largest = 0.0
        for index in 1...2000 {
            supply.advance(toAmperes: 100)
            let expected = closedForm(step: 100, time: Double(index) * 2.5e-9)
            largest = max(largest, abs(supply.dieVoltage - expected))
        }
        // The bar is 0.1 % of the supply; a step that is exact but for rounding stays far below.
        #expect(largest < 1e-10)
    }

    @Test("many small steps and few large ones give the same voltage: the step is exact")
    func stepLength() {
        var coarse = SupplySimulation(.besidePackage, step: 10, idleAmperes: 150)
        var fine = SupplySimulation(.besidePackage, step: 0.5, idleAmperes: 150)
        for index in 0..<100 {
            let amperes = 150 + 300 * Double(index % 7) / 7
            let before = fine.amperes
            coarse.advance(toAmperes: amperes)
            for part in 1...20 {
                fine.advance(toAmperes: before + (amperes - before) * Double(part) / 20)
            }
            #expect(abs(coarse.dieVoltage - fine.dieVoltage) < 1e-9)
        }
    }

    @Test("no energy is lost: what comes from the regulator is used, lost as heat, or stored")
    func energyBalance() {
        for network in SupplyNetwork.known {
            var supply = SupplySimulation(network, step: 1, idleAmperes: 150, metersEnergy: true)
            let stored = supply.storedEnergy
            var random = RandomStream(seed: 3)
            for _ in 0..<5000 { supply.advance(toAmperes: 150 + 400 * random.unit()) }
            let energy = supply.energy
            let error = energy.source - energy.load - energy.loss - (supply.storedEnergy - stored)
            #expect(energy.source > 0 && energy.loss > 0)
            #expect(abs(error) < 1e-8 * energy.source)
        }
    }

    @Test("at rest nothing moves, and the die has its nominal voltage")
    func rest() {
        var supply = SupplySimulation(.underPackage, step: 1, idleAmperes: 200)
        for _ in 0..<1000 { supply.advance(toAmperes: 200) }
        #expect(abs(supply.dieVoltage - 0.75) < 1e-9)
    }

    @Test(
        "the same load step: regulators beside the package droop and throttle, under it they do not"
    )
    func keynoteCurves() throws {
        let load = LoadStep()
        let far = try load.response(of: .besidePackage)
        let near = try load.response(of: .underPackage)
        #expect(far.droop > 0.10 * 0.75 && far.detections > 0 && far.throttledNanoseconds > 0)
        #expect(near.droop < 0.08 * 0.75 && near.detections == 0 && near.lostShare == 0)
        #expect(far.droop > 2 * near.droop)
        // Work comes back: in the end both carry the whole load.
        #expect(far.curve.last?.share == 1 && near.curve.last?.share == 1)
    }

    @Test("a slower rise of the load droops less")
    func slowerRise() throws {
        for network in SupplyNetwork.known {
            let droops = try [1.0, 20, 100, 500].map {
                try LoadStep(ramp: $0).response(of: network, policy: Self.blind).droop
            }
            #expect(droops == droops.sorted(by: >))
        }
    }

    @Test("a load that rises part by part droops less than one that rises at once")
    func ramping() throws {
        let load = LoadStep(ramp: 1)
        let sudden = try load.response(of: .besidePackage)
        let ramped = try load.response(
            of: .besidePackage, policy: .illustrative.with(ramp: .illustrative))
        #expect(ramped.droop < sudden.droop / 2)
    }

    @Test("networks, policies and loads that make no sense are refused")
    func refusals() {
        var broken = SupplyNetwork.underPackage
        broken.stages[1].capacitance = 0
        #expect(throws: PowerError.self) { try LoadStep().response(of: broken) }
        var policy = ThrottlePolicy.illustrative
        policy.throttled = policy.parts
        #expect(throws: PowerError.self) {
            try LoadStep().response(of: .underPackage, policy: policy)
        }
        #expect(throws: PowerError.self) {
            try LoadStep(step: .nan).response(of: .underPackage)
        }
    }

    /// A policy that never reacts.
    static let blind = ThrottlePolicy(
        parts: 8, throttled: 4, trigger: 0.01, release: 0.02, response: 10, hold: 100,
        recovery: 100, lookback: 100)
}

@Suite("Throttling")
struct ThrottleTests {
    private let policy = ThrottlePolicy(
        parts: 8, throttled: 4, trigger: 0.9, release: 0.95, response: 2, hold: 3, recovery: 2,
        lookback: 10)

    @Test("a droop throttles after the response time, holds, and lets work return part by part")
    func sequence() {
        var controller = ThrottleController(policy, voltage: 1, windowNanoseconds: 1)
        let volts = [1.0, 0.85, 0.85, 0.97, 0.97, 0.97, 0.97, 0.97, 0.97, 0.97, 0.97, 0.97, 0.97]
        var allowed: [Int] = []
        var fired: [Int] = []
        for (window, value) in volts.enumerated() {
            let outcome = controller.note(window: window, volts: value, isWorking: true)
            if outcome.fired { fired.append(window) }
            allowed.append(controller.allowedParts(after: window))
        }
        #expect(fired == [1])
        #expect(allowed == [8, 8, 4, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7])
    }

    @Test("a droop that lasts is throttled harder, down to one part")
    func harder() {
        var controller = ThrottleController(policy, voltage: 1, windowNanoseconds: 1)
        var allowed: Set<Int> = []
        for window in 0..<40 {
            _ = controller.note(window: window, volts: 0.8, isWorking: true)
            allowed.insert(controller.allowedParts(after: window))
        }
        #expect(allowed == [8, 4, 2, 1])
    }

    @Test("after a pause a ramp allows one part more at a time")
    func ramp() {
        var controller = ThrottleController(
            policy.with(ramp: ActivityRamp(pause: 3, length: 8)), voltage: 1, windowNanoseconds: 1)
        #expect(controller.allowedParts(after: -1) == 1)
        var allowed: [Int] = []
        for window in 0..<12 {
            let outcome = controller.note(window: window, volts: 1, isWorking: window >= 2)
            #expect(outcome.rampBegan == (window == 2))
            allowed.append(controller.allowedParts(after: window))
        }
        #expect(allowed == [1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8])
    }
}

@Suite("Power of a run")
struct PowerLoopTests {
    private let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    /// The vector engine works for some microseconds; then the tensor engine bursts into
    /// multiplications, which wait for it.
    private func program(multiplications: Int, bursts: Int = 1) -> Program {
        var program = Program(name: "burst", machine: machine.description.name)
        program.lines.append(SourceLine(file: "Burst.swift", line: 7))
        let wide = [FreeDimension(count: 512, stride: 1)]
        program.patterns = [
            AccessPattern(.sbuf, .bf16, partitionCount: 128, dimensions: wide),
            AccessPattern(
                .sbuf, .bf16, partitionCount: 128, offset: 4096,
                dimensions: [FreeDimension(count: 128, stride: 1)]),
            AccessPattern(.psum, .fp32, partitionCount: 128, dimensions: wide),
            AccessPattern(
                .sbuf, .fp32, partitionCount: 128, offset: 8192,
                dimensions: [FreeDimension(count: 4096, stride: 1)]),
        ]
        for burst in 0..<bursts {
            var clear = Instruction(.memset, on: .vector)
            clear.destination = 3
            clear.signal = 2
            clear.signalAmount = 1
            if burst > 0 { clear.wait0 = SemaphoreWait(semaphore: 1, value: UInt32(burst)) }
            program.instructions.append(clear)
            for index in 0..<multiplications {
                var load = Instruction(.loadStationary, on: .tensor)
                load.source0 = 1
                if index == 0 { load.wait0 = SemaphoreWait(semaphore: 2, value: UInt32(burst + 1)) }
                var multiply = Instruction(.multiplyMoving, on: .tensor)
                multiply.source0 = 0
                multiply.destination = 2
                multiply.line = 1
                if index == multiplications - 1 {
                    multiply.signal = 1
                    multiply.signalAmount = 1
                }
                program.instructions += [load, multiply]
            }
        }
        return program
    }

    private func run(
        _ network: SupplyNetwork, _ program: Program, policy: ThrottlePolicy = .illustrative
    ) throws -> PowerReport {
        try PowerLoop(network: network, policy: policy).run(program, on: machine)
    }

    @Test("charge is conserved: the waveform holds what the engines drew")
    func charge() throws {
        let program = program(multiplications: 20)
        let options = SimulationOptions(recording: .everything)
        let timeline = try Simulator(machine: machine).run(program, options: options).timeline
        let power = EnginePower.illustrative
        let waveform = try ActivityWaveform(
            timeline, of: program, power: power, windowTicks: 24)
        var expected = 0.0
        for (index, instruction) in program.instructions.enumerated() {
            expected +=
                power.amperes(of: instruction.unit)
                * Double(timeline.busyEnd[index] - timeline.start[index])
        }
        let drawn = (0..<waveform.count).reduce(0) {
            $0 + (waveform.amperes($1, share: 1) - power.idle) * 24
        }
        #expect(abs(drawn - expected) < 1e-6 * expected)
    }

    @Test(
        "beside the package the burst droops, throttles and takes longer; under it nothing happens")
    func farAndNear() throws {
        let program = program(multiplications: 60)
        let far = try run(.besidePackage, program)
        #expect(far.isSettled && far.makespan > far.freeMakespan)
        #expect(far.throttledShare > 0 && far.minimumVolts < 0.9 * 0.75)
        let near = try run(.underPackage, program)
        #expect(near.isSettled && near.rounds == 1 && near.makespan == near.freeMakespan)
        #expect(near.throttle.isEmpty && near.droops.isEmpty)
    }

    @Test("the report names the burst: the first multiplication after the pause")
    func culprit() throws {
        let program = program(multiplications: 60)
        let report = try run(.besidePackage, program)
        let droop = try #require(report.droops.first)
        let first = program.instructions.firstIndex { $0.opcode == .multiplyMoving }
        #expect(Int(droop.culprit) == first)
        #expect(droop.burstStart < droop.time)
        #expect(droop.rise > 200 && droop.rise < 400)
        #expect(report.throttle.allSatisfy { $0.culprit == droop.culprit })
        #expect(program.instructions[Int(droop.culprit)].line == 1)
    }

    @Test("the result is a fixed point: run with the throttle that is reported, it takes that long")
    func fixedPoint() throws {
        let program = program(multiplications: 80, bursts: 4)
        let report = try run(.besidePackage, program)
        #expect(report.isSettled && report.rounds > 2)
        #expect(Set(report.droops.map(\.culprit)).count >= 4)
        let options = SimulationOptions(recording: .makespan, throttle: report.throttle)
        let again = try Simulator(machine: machine).run(program, options: options)
        #expect(again.makespan == report.makespan)
    }

    @Test("rounds that start from a checkpoint come to what one from the beginning comes to")
    func checkpoints() throws {
        let program = program(multiplications: 80, bursts: 6)
        let report = try run(.besidePackage, program)
        let options = SimulationOptions(recording: .everything, throttle: report.throttle)
        let timeline = try Simulator(machine: machine).run(program, options: options).timeline
        let waveform = try ActivityWaveform(
            timeline, of: program, power: .illustrative, windowTicks: 24)
        #expect(waveform.count > 4096)
        let policy = ThrottlePolicy.illustrative
        let search = BurstSearch(
            waveform, power: .illustrative, lookback: Int(policy.lookback / 5),
            response: Int(policy.response / 5))
        var observer = SupplyObserver(
            .besidePackage, .illustrative, policy, windowNanoseconds: 5)
        while observer.window < waveform.count { observer.advance(waveform, search) }
        #expect(observer.throttle == report.throttle && observer.droops == report.droops)
        #expect(observer.minimumVolts == report.minimumVolts)
        #expect(observer.curve.points == report.curve)
    }

    @Test("two throttles are the same until the first thing in which they differ")
    func commonTicks() {
        let a = ThrottleInterval(start: 10, end: 20, allowed: 1, outOf: 2, culprit: 0)
        var longer = a
        longer.end = 30
        var other = a
        other.culprit = 1
        #expect(PowerLoop.commonTicks([a], [a]) == .max)
        #expect(PowerLoop.commonTicks([a], [longer]) == 20)
        #expect(PowerLoop.commonTicks([a], [other]) == 10)
        #expect(PowerLoop.commonTicks([], [a]) == 10)
    }

    @Test("ramping the activity keeps the voltage up and fires no detector")
    func ramping() throws {
        let program = program(multiplications: 60)
        let sudden = try run(.besidePackage, program)
        let ramped = try run(
            .besidePackage, program, policy: .illustrative.with(ramp: .illustrative))
        #expect(ramped.isSettled && ramped.droops.isEmpty)
        #expect(ramped.minimumVolts > sudden.minimumVolts)
    }

    @Test("a run that is too long to be looked at is refused with the limit")
    func tooLong() {
        var timeline = Timeline()
        timeline.makespan = Int64(ActivityWaveform.largestCount) * 24
        #expect(
            throws: PowerError.tooLong(
                windows: ActivityWaveform.largestCount + 1, limit: ActivityWaveform.largestCount)
        ) {
            try ActivityWaveform(
                timeline, of: Program(name: "", machine: ""), power: .illustrative, windowTicks: 24)
        }
    }
}

@Suite("Voltage plot")
struct SupplyPlotTests {
    @Test("ticks are round numbers with as many digits as they need")
    func ticks() {
        let volts = PlotAxis(from: 0.587, to: 0.777, pixels: (360, 80), unit: "V")
        #expect(volts.ticks.map(volts.label) == ["0.60 V", "0.65 V", "0.70 V", "0.75 V"])
        let time = PlotAxis(from: 0, to: 4200, pixels: (0, 100), unit: "ns")
        #expect(time.ticks.map(time.label) == ["0 ns", "1000 ns", "2000 ns", "3000 ns", "4000 ns"])
        #expect(time.position(2100) == 50)
    }

    @Test("the document is a closed SVG that says what it is")
    func document() throws {
        let response = try LoadStep().response(of: .besidePackage)
        let svg = SupplyPlot(
            title: "a < b", series: [SupplyPlot.Series(name: "far", points: response.curve)],
            nominalVolts: 0.75, triggerVolts: 0.675, duration: 4200
        ).svg
        #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
        #expect(svg.contains("a &lt; b") && !svg.contains("a < b"))
        #expect(svg.contains("Illustrative") && svg.contains("<polyline"))
        #expect(!svg.contains("nan") && !svg.contains("inf,"))
    }

    @Test("a curve of any length keeps its lowest voltage and its mean current in few points")
    func curve() {
        var curve = SupplyCurve(windowNanoseconds: 1, limit: 64)
        for window in 0..<10_000 {
            curve.add(
                volts: window == 7777 ? 0.5 : 0.75, amperes: window < 5000 ? 100 : 300, share: 1)
        }
        #expect(curve.points.count <= 64)
        #expect(curve.points.map(\.volts).min() == 0.5)
        #expect(curve.points.first?.amperes == 100 && curve.points.last?.amperes == 300)
    }
}
