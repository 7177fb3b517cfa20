import Testing

@testable import KapokAccelerator

/// The named culprit of a stall is its cause: without it the stall is shorter, or has another name
/// where two causes held the victim for just as long.
@Suite("Profile: culprits")
struct ProfileCulpritTests {
    /// The stalls of one unit before one instruction.
    static func stalls(_ profile: Profile, _ unit: Unit, before victim: UInt32) -> [Stall] {
        profile.stalls.filter { $0.unit == unit && $0.victim == victim }
    }

    /// Checks one stall of a compute engine's unit.
    static func check(
        _ stall: Stall, of profile: Profile, with options: SimulationOptions
    ) throws -> Comment? {
        var options = options
        options.removed = [.edge(culprit: stall.culprit, victim: stall.victim)]
        let without = try Profiler(machine: profile.machine).profile(
            profile.program, options: options)
        let victim = Int(stall.victim)
        let (before, after) = (profile.timeline.start[victim], without.timeline.start[victim])
        let remaining = stalls(without, stall.unit, before: stall.victim)
        if stall.reason == .throttle {
            let length = profile.timeline.busyEnd[victim] - before
            let lengthWithout = without.timeline.busyEnd[victim] - after
            return lengthWithout < length ? nil : "the throttled instruction is as long as before"
        }
        if remaining.contains(where: { $0.culprit == stall.culprit && $0.reason == stall.reason }) {
            return "the culprit is still named"
        }
        if stall.isShared ? after > before : after >= before {
            return "the victim starts at \(after), before at \(before)"
        }
        return nil
    }

    @Test("1,000 programs: without the edge from culprit to victim the victim starts earlier")
    func edges() throws {
        var (checked, shared) = (0, 0)
        var reasons: Set<StallReason> = []
        for seed in 0..<1000 as Range<UInt64> {
            let options = ProfileFuzzTests.options(seed)
            let profile = try ProfileFuzzTests.profile(seed)
            let stalls = profile.stalls.filter {
                $0.unit < .firstDMA && $0.reason != .programEnd
            }
            guard !stalls.isEmpty else { continue }
            let stall = stalls[Int(seed &* 7919 % UInt64(stalls.count))]
            reasons.insert(stall.reason)
            checked += 1
            if stall.isShared { shared += 1 }
            if let problem = try Self.check(stall, of: profile, with: options) {
                Issue.record("seed \(seed): \(stall): \(problem)")
                return
            }
        }
        #expect(checked > 900)
        #expect(shared < checked / 4)
        #expect(reasons.count > 8)
    }

    @Test("DMA engines: without the culprit the stall has another length or name")
    func dmaEngines() throws {
        var reasons: Set<StallReason> = []
        for seed in 0..<300 as Range<UInt64> {
            var options = ProfileFuzzTests.options(seed)
            let profile = try ProfileFuzzTests.profile(seed)
            let stalls = profile.stalls.filter {
                $0.unit >= .firstDMA && $0.reason != .programEnd
            }
            guard !stalls.isEmpty else { continue }
            let stall = stalls[Int(seed &* 104_729 % UInt64(stalls.count))]
            reasons.insert(stall.reason)
            options.removed = [.culprit(stall.culprit)]
            let without = try Profiler(machine: profile.machine).profile(
                profile.program, options: options)
            let same = Self.stalls(without, stall.unit, before: stall.victim).filter {
                $0.culprit == stall.culprit && $0.reason == stall.reason
            }
            let before = Self.stalls(profile, stall.unit, before: stall.victim).filter {
                $0.culprit == stall.culprit && $0.reason == stall.reason
            }
            let (length, lengthBefore) = (
                same.reduce(0) { $0 + $1.duration }, before.reduce(0) { $0 + $1.duration }
            )
            #expect(length < lengthBefore, "seed \(seed): \(stall)")
        }
        #expect(reasons.count > 5)
    }
}
