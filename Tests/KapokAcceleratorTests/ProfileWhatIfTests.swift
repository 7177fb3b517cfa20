import Testing

@testable import KapokAccelerator

/// Leaving causes out and attributing stalls are two views of the same rules: without a cause no
/// stall has its name.
@Suite("Profile: what-if on random programs")
struct ProfileWhatIfTests {
    /// Stalls that have the name of a reason although it was left out: none, except where a name
    /// also covers something that cannot be left out.
    static func remaining(_ profile: Profile, _ reason: StallReason) -> [Stall] {
        profile.stalls.filter { stall in
            guard stall.reason == reason else { return false }
            let isDMA = stall.unit >= .firstDMA
            switch reason {
            case .data:
                // The load of a stationary matrix is no semaphore.
                return profile.program.instructions[Int(stall.culprit)].opcode != .loadStationary
            case .queueOrder:
                // Of DMA engines it is the queue that triggers.
                return !isDMA
            case .dmaLatency:
                // As is the time of the trigger itself.
                return !isDMA
            default: return true
            }
        }
    }

    @Test("without a reason no stall bears its name, and work and stalls still add up")
    func reasons() throws {
        for seed in 0..<60 as Range<UInt64> {
            let (machine, program) = try SimulatorFuzzTests.program(seed)
            let profiler = Profiler(machine: machine)
            for reason in StallReason.allCases where reason != .programEnd {
                var options = ProfileFuzzTests.options(seed)
                options.removed = [.reason(reason)]
                let profile = try profiler.profile(program, options: options)
                #expect(Self.remaining(profile, reason).isEmpty, "seed \(seed), \(reason)")
                for usage in profile.units {
                    let total = usage.busy + usage.stalled.reduce(0, +)
                    #expect(total == profile.timeline.makespan, "seed \(seed), \(reason)")
                }
                let path = profile.criticalPath
                #expect(path.first?.start == 0)
                #expect(zip(path, path.dropFirst()).allSatisfy { $0.end == $1.start })
            }
        }
    }

    @Test("the reasons all occur before they are left out")
    func reasonsOccur() throws {
        var found: Set<StallReason> = []
        for seed in 0..<60 as Range<UInt64> {
            for stall in try ProfileFuzzTests.profile(seed).stalls { found.insert(stall.reason) }
        }
        #expect(found == Set(StallReason.allCases))
    }

    @Test("what-if's makespan is that of a full simulation without the cause")
    func makespans() throws {
        for seed in 0..<60 as Range<UInt64> {
            let (machine, program) = try SimulatorFuzzTests.program(seed)
            let options = ProfileFuzzTests.options(seed)
            let profiler = Profiler(machine: machine)
            let causes: [RemovedCause] = [
                .reason(.resultLatency), .reason(.queueOrder), .culprit(UInt32(seed % 40)),
                .edge(culprit: 0, victim: 1),
            ]
            let answers = try profiler.whatIf(program, without: causes, options: options)
            for (cause, answer) in zip(causes, answers) {
                var removing = options
                removing.removed = [cause]
                let profile = try profiler.profile(program, options: removing)
                #expect(answer.removed == cause)
                #expect(answer.makespanWithout == profile.timeline.makespan)
                #expect(answer.gain == answer.makespan - answer.makespanWithout)
            }
        }
    }
}
