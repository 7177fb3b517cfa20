/// The droop detector and what it does, window by window: how many parts of the time the tensor
/// engine may work in the next window.
struct ThrottleController: Sendable {
    private let policy: ThrottlePolicy
    private let triggerVolts: Double
    private let releaseVolts: Double
    private let response: Int
    private let hold: Int
    private let recovery: Int
    private let pause: Int
    private let rampLength: Int

    /// Parts of the time that the detector lets the engine work in.
    private var parts: Int
    /// The window in which a pending throttle takes effect.
    private var pending: Int?
    /// Whether the detector holds work back, or is about to.
    var isReacting: Bool { parts < policy.parts || pending != nil }
    /// Whether the detector holds work back.
    var isThrottling: Bool { parts < policy.parts }
    /// The first window in which the throttle may change again.
    private var settled = 0
    /// Windows since the tensor engine last worked, and since a ramp began.
    private var idle: Int
    private var rampStart: Int?

    /// - Parameter windowNanoseconds: of a window.
    init(_ policy: ThrottlePolicy, voltage: Double, windowNanoseconds: Double) {
        self.policy = policy
        triggerVolts = policy.trigger * voltage
        releaseVolts = policy.release * voltage
        func windows(_ nanoseconds: Double) -> Int {
            Int((nanoseconds / windowNanoseconds).rounded(.up))
        }
        response = max(1, windows(policy.response))
        hold = max(1, windows(policy.hold))
        recovery = max(1, windows(policy.recovery))
        parts = policy.parts
        pause = policy.ramp.map { max(1, windows($0.pause)) } ?? 0
        rampLength = policy.ramp.map { max(1, windows($0.length)) } ?? 0
        idle = pause
    }

    /// What has happened in a window.
    struct Outcome: Hashable {
        /// The detector fired for a new droop.
        var fired = false
        /// A ramp began.
        var rampBegan = false
    }

    /// Takes note of a window.
    ///
    /// - Parameters:
    ///   - volts: the lowest voltage of the die in it.
    ///   - isWorking: whether the tensor engine worked.
    mutating func note(window: Int, volts: Double, isWorking: Bool) -> Outcome {
        var outcome = Outcome()
        if let start = pending, window + 1 >= start {
            parts = parts == policy.parts ? policy.throttled : max(1, parts / 2)
            pending = nil
            settled = window + 1 + hold
        }
        if volts < triggerVolts {
            // Harder only when the throttle so far had time to work.
            let mayFire = parts == policy.parts || (window >= settled && parts > 1)
            if pending == nil, mayFire {
                outcome.fired = true
                pending = window + response
            }
        } else if parts < policy.parts, pending == nil, window >= settled, volts >= releaseVolts {
            parts += 1
            settled = window + 1 + recovery
        }
        outcome.rampBegan = noteActivity(window: window, isWorking: isWorking)
        return outcome
    }

    /// Begins a ramp when work follows a long pause, and ends it when it is over.
    private mutating func noteActivity(window: Int, isWorking: Bool) -> Bool {
        guard policy.ramp != nil else { return false }
        if let start = rampStart, window - start >= rampLength { rampStart = nil }
        defer { idle = isWorking ? 0 : idle + 1 }
        guard isWorking, idle >= pause, rampStart == nil else { return false }
        rampStart = window
        return true
    }

    /// Parts of the time that may be worked in, in the window after `window`. After a long pause
    /// the first part of a ramp already counts before work begins.
    func allowedParts(after window: Int) -> Int {
        guard policy.ramp != nil else { return parts }
        guard let start = rampStart else { return idle >= pause ? min(parts, 1) : parts }
        let step = (window + 1 - start) * policy.parts / rampLength
        return min(parts, max(1, min(policy.parts, step + 1)))
    }
}
