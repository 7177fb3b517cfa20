/// What every protocol participant is: events in, effects out, time as an argument.
///
/// A state machine does no I/O, reads no clock, draws no system randomness and never suspends, so
/// that the same machine runs on Linux and in the simulator, where a seed replays any failure.
public protocol StateMachine {
    /// What can happen to it.
    associatedtype Event
    /// What it wants done.
    associatedtype Effect

    /// Takes in one event at `now` and appends what the driver must carry out to `effects`.
    mutating func handle(
        _ event: Event, at now: Instant, into effects: inout EffectBuffer<Effect>)
}

/// The effects of one or more events, in order. Drivers keep one buffer and drain it after each
/// event, so that steady state allocates nothing.
public struct EffectBuffer<Effect> {
    @usableFromInline var storage: [Effect] = []

    @inlinable
    public init(minimumCapacity: Int = 16) { storage.reserveCapacity(minimumCapacity) }

    /// Adds an effect behind the others.
    @inlinable
    public mutating func append(_ effect: Effect) { storage.append(effect) }

    /// Whether there is none.
    @inlinable
    public var isEmpty: Bool { storage.isEmpty }

    /// How many there are.
    @inlinable
    public var count: Int { storage.count }

    /// Hands each effect to `body` in order and empties the buffer, keeping its capacity.
    /// Effects appended while draining are not expected: a driver drains after `handle` returned.
    @inlinable
    public mutating func drain(_ body: (Effect) -> Void) {
        for effect in storage { body(effect) }
        storage.removeAll(keepingCapacity: true)
    }

    /// Takes all effects out, leaving the buffer empty.
    @inlinable
    public mutating func takeAll() -> [Effect] {
        var taken: [Effect] = []
        swap(&taken, &storage)
        return taken
    }
}
