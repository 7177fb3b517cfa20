import KapokWorld
import Testing

@testable import KapokAccelerator

/// What must hold for the profile of every program, on random ones.
@Suite("Profile: random programs")
struct ProfileFuzzTests {
    /// A third of the programs runs with throttling and with other cores on the same HBM.
    static func options(_ seed: UInt64) -> SimulationOptions {
        guard seed % 3 == 0 else { return SimulationOptions() }
        return SimulationOptions(
            throttle: [
                ThrottleInterval(start: 50, end: 4000, allowed: 1, outOf: 2, culprit: 0),
                ThrottleInterval(start: 4000, end: 60_000, allowed: 3, outOf: 4, culprit: 1),
            ],
            coresSharingHBM: 4)
    }

    static func profile(_ seed: UInt64) throws -> Profile {
        let (machine, program) = try SimulatorFuzzTests.program(seed)
        return try Profiler(machine: machine).profile(program, options: options(seed))
    }

    @Test("1,000 programs: work and stalls of every unit add up to the makespan, to the tick")
    func closure() throws {
        for seed in 0..<1000 as Range<UInt64> {
            let profile = try Self.profile(seed)
            #expect(profile.units.count == 6 + 16)
            for usage in profile.units {
                let stalled = usage.stalled.reduce(0, +)
                #expect(usage.busy + stalled == profile.timeline.makespan, "\(seed) \(usage)")
            }
            // And the critical path leads from 0 to the makespan without a gap.
            let path = profile.criticalPath
            #expect(path.first?.start == 0)
            #expect(path.last?.end == profile.timeline.makespan)
            #expect(path.allSatisfy { $0.end > $0.start })
            #expect(zip(path, path.dropFirst()).allSatisfy { $0.end == $1.start }, "\(seed)")
        }
    }

    @Test("stalls of a unit do not overlap each other or its work, and each has a culprit")
    func stallsAreDisjoint() throws {
        for seed in 0..<150 as Range<UInt64> {
            let profile = try Self.profile(seed)
            var occupied = [[(start: Int64, end: Int64)]](repeating: [], count: 22)
            for stall in profile.stalls {
                #expect(stall.duration > 0)
                #expect(stall.culprit != Stall.none)
                occupied[Int(stall.unit.rawValue)].append((stall.start, stall.end))
            }
            for (index, instruction) in profile.program.instructions.enumerated() {
                let start = profile.timeline.start[index]
                if profile.work[index] > 0 {
                    occupied[Int(instruction.unit.rawValue)].append(
                        (start, start + profile.work[index]))
                }
            }
            for unit in 0..<6 {
                let times = occupied[unit].sorted { $0.start < $1.start }
                #expect(times.first?.start == 0)
                #expect(times.last?.end == profile.timeline.makespan)
                #expect(zip(times, times.dropFirst()).allSatisfy { $0.end == $1.start })
            }
        }
    }

    @Test("each step of the critical path is a time in which that instruction did just that")
    func criticalSteps() throws {
        for seed in 0..<200 as Range<UInt64> {
            let profile = try Self.profile(seed)
            let timeline = profile.timeline
            let latency = SimulationLatencies(profile.machine, removed: RemovedReasons([]))
            for step in profile.criticalPath {
                let index = Int(step.instruction)
                let transfer = timeline.transfers.first { $0.instruction == step.instruction }
                switch step.kind {
                case .busy:
                    #expect(step.start == timeline.start[index])
                    #expect(step.end <= timeline.busyEnd[index])
                case .throttle: #expect(step.end == timeline.busyEnd[index])
                case .resultLatency:
                    #expect(step.start == timeline.busyEnd[index])
                    #expect(step.end == timeline.end[index])
                case .semaphoreLatency:
                    #expect(step.start == timeline.end[index])
                    #expect(step.end - step.start == latency.semaphore)
                case .descriptor:
                    #expect(step.start == transfer?.descriptorStart)
                    #expect(step.end == transfer?.descriptorEnd)
                case .dmaLatency:
                    #expect(
                        step.start == transfer?.descriptorEnd || step.end == timeline.end[index])
                case .dmaTransfer:
                    let segments = timeline.segments.filter { $0.instruction == step.instruction }
                    #expect(segments.contains { $0.start == step.start && $0.end == step.end })
                case .dmaQueue: Issue.record("paths lead through the transfer that is in the way")
                }
            }
        }
    }

    @Test("line and loop tables hold all work and all stalls")
    func tables() throws {
        for seed in 0..<100 as Range<UInt64> {
            let profile = try Self.profile(seed)
            let lines = profile.lineUsage()
            let busy = profile.units.prefix(6).reduce(0) { $0 + $1.busy }
            #expect(lines.reduce(0) { $0 + $1.usage.engineBusy } == busy)
            #expect(lines.reduce(0) { $0 + $1.usage.count } == profile.program.instructions.count)
            let stalls = profile.stalls.filter { $0.reason != .programEnd && $0.unit < .firstDMA }
            let stalled = stalls.reduce(0) { $0 + $1.duration }
            #expect(lines.reduce(0) { $0 + $1.usage.engineStallsCaused } == stalled)
            #expect(lines.reduce(0) { $0 + $1.usage.engineStallsSuffered } == stalled)
            let critical = lines.reduce(0) { $0 + $1.usage.criticalTicks }
            #expect(critical == profile.timeline.makespan)
            let inLoops = profile.program.iterationOfInstruction.count { $0 != LoopIteration.none }
            let loops = profile.loopUsage()
            #expect(loops.filter { $0.depth == 0 }.reduce(0) { $0 + $1.usage.count } == inLoops)
        }
    }
}
