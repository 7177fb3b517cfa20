/// How a chip reacts to a drooping supply, and how it may prevent the droop.
public struct ThrottlePolicy: Hashable, Codable, Sendable {
    /// Parts of the time into which a throttle divides: n of "k of n".
    public var parts: Int
    /// How many parts are worked in once the detector has fired; half as many each time it fires
    /// again before work is back to normal.
    public var throttled: Int
    /// Below this share of the nominal voltage the detector fires.
    public var trigger: Double
    /// At this share of the nominal voltage and above, work returns part by part.
    public var release: Double
    /// Nanoseconds from the droop to the throttle.
    public var response: Double
    /// Nanoseconds for which a throttle holds at least.
    public var hold: Double
    /// Nanoseconds from one part that returns to the next.
    public var recovery: Double
    /// How far back a burst may lie that caused a droop, in nanoseconds.
    public var lookback: Double
    /// Gives the activity time to rise after a pause; nil: it rises as it likes.
    public var ramp: ActivityRamp?

    public init(
        parts: Int, throttled: Int, trigger: Double, release: Double, response: Double,
        hold: Double, recovery: Double, lookback: Double, ramp: ActivityRamp? = nil
    ) {
        self.parts = parts
        self.throttled = throttled
        self.trigger = trigger
        self.release = release
        self.response = response
        self.hold = hold
        self.recovery = recovery
        self.lookback = lookback
        self.ramp = ramp
    }

    /// Invented, see ``SupplyNetwork/illustrative``: fires at a droop of 10 %, halves the activity.
    public static let illustrative = ThrottlePolicy(
        parts: 16, throttled: 8, trigger: 0.90, release: 0.93, response: 10, hold: 400,
        recovery: 100, lookback: 600)

    /// The same policy with another ramp, or none.
    public func with(ramp: ActivityRamp?) -> ThrottlePolicy {
        var copy = self
        copy.ramp = ramp
        return copy
    }

    /// What is wrong with it; nil when nothing is.
    public var problem: String? {
        guard (2...256).contains(parts), (1..<parts).contains(throttled) else {
            return "a throttle allows at least 1 and less than all of 2 to 256 parts"
        }
        guard trigger > 0, release >= trigger, release < 1 else {
            return "0 < trigger <= release < 1 does not hold"
        }
        guard [response, hold, recovery, lookback].allSatisfy({ $0 >= 0 && $0 < 1e9 }) else {
            return "a time is negative or longer than a second"
        }
        guard ramp.map({ $0.pause >= 0 && $0.length > 0 && $0.length < 1e9 }) ?? true else {
            return "the ramp's times make no sense"
        }
        return nil
    }
}

/// Activity that rises step by step: after a pause, the tensor engine works in 1, 2, ... of `parts`
/// parts of the time.
public struct ActivityRamp: Hashable, Codable, Sendable {
    /// Nanoseconds of doing nothing after which a ramp is needed.
    public var pause: Double
    /// Nanoseconds from the first to all parts.
    public var length: Double

    public init(pause: Double, length: Double) {
        self.pause = pause
        self.length = length
    }

    /// Invented, see ``SupplyNetwork/illustrative``.
    public static let illustrative = ActivityRamp(pause: 200, length: 1600)
}
