public import KapokWorld

/// A world to simulate: state machines, networks and disks, and how they react to each event.
public protocol Scenario: ~Copyable {
    /// What can happen: a small struct or enum, without closures and existentials.
    associatedtype Event

    /// Lets `event` happen at `agenda.now` and schedules what follows from it.
    mutating func handle(_ event: Event, in agenda: inout Agenda<Event>)

    /// Mixes into `trace` what tells `event` from others, before it is handled.
    static func mix(_ event: Event, into trace: inout TraceHash)
}

/// Virtual time and what is still to come, as the scenario sees it while it handles an event.
public struct Agenda<Event>: ~Copyable {
    @usableFromInline var queue: EventQueue<Event>
    @usableFromInline var clock: Instant
    /// The hash of the events up to now. The scenario may mix in results of its own.
    public var trace: TraceHash
    @usableFromInline var isStopped: Bool

    @inlinable
    init(minimumCapacity: Int) {
        queue = EventQueue(minimumCapacity: minimumCapacity)
        clock = .zero
        trace = TraceHash()
        isStopped = false
    }

    /// The instant of the event being handled; it only moves forward.
    @inlinable
    public var now: Instant { clock }

    /// How many events are pending.
    @inlinable
    public var count: Int { queue.count }

    /// Lets `event` happen at `instant`, which must not lie in the past. Events of one instant
    /// happen in the order in which they were scheduled.
    @inlinable
    public mutating func schedule(_ event: consuming Event, at instant: Instant) {
        precondition(instant >= now, "an event in the past")
        queue.push(event, at: instant)
    }

    /// Lets `event` happen `interval` from now.
    @inlinable
    public mutating func schedule(_ event: consuming Event, after interval: Interval) {
        schedule(event, at: now + interval)
    }

    /// Ends the run after the event being handled; what is pending stays pending.
    @inlinable
    public mutating func stop() { isStopped = true }
}

/// Why a run ended.
public enum SimulationEnd: Sendable, Equatable {
    /// Nothing was pending any more.
    case drained
    /// The scenario called `stop`.
    case stopped
    /// The next event lies after the deadline.
    case deadline
    /// The run took as many steps as it was allowed: a livelock, or a bound set too low.
    case stepLimit
}

/// Runs a scenario in virtual time: takes the earliest event, lets it happen, and so on.
///
/// One seed gives one trace: nothing here depends on the clock, on addresses or on the order of a
/// dictionary. The loop allocates nothing of its own per event.
public struct Simulation<World: Scenario & ~Copyable>: ~Copyable {
    /// The scenario, to set up before and to examine after a run.
    public var world: World
    /// The clock and the pending events, to schedule the first ones.
    public var agenda: Agenda<World.Event>
    @usableFromInline var stepsTaken: UInt64
    /// How many events may happen over the life of the simulation.
    public let stepLimit: UInt64

    /// A simulation of `world` at instant zero, with nothing pending.
    @inlinable
    public init(_ world: consuming World, stepLimit: UInt64, minimumCapacity: Int = 1024) {
        self.init(
            world: world, agenda: Agenda(minimumCapacity: minimumCapacity), stepLimit: stepLimit)
    }

    @usableFromInline
    init(world: consuming World, agenda: consuming Agenda<World.Event>, stepLimit: UInt64) {
        self.world = world
        self.agenda = agenda
        self.stepLimit = stepLimit
        stepsTaken = 0
    }

    /// How many events happened.
    @inlinable
    public var steps: UInt64 { stepsTaken }

    /// The hash of the run up to now.
    @inlinable
    public var traceHash: UInt64 { agenda.trace.value }

    /// Runs until one of the ends of `SimulationEnd` is reached. Events at `deadline` still happen.
    /// After `deadline` the clock stands at the deadline, and `run` may be called again.
    @inlinable
    public mutating func run(
        until deadline: Instant = Instant(nanoseconds: .max)
    ) -> SimulationEnd {
        agenda.isStopped = false
        while true {
            guard let next = agenda.queue.nextInstant else { return .drained }
            guard next <= deadline else {
                agenda.clock = max(agenda.now, deadline)
                return .deadline
            }
            guard steps < stepLimit else { return .stepLimit }
            guard let event = agenda.queue.pop() else { return .drained }
            stepsTaken += 1
            agenda.clock = event.instant
            agenda.trace.mix(event.instant)
            World.mix(event.payload, into: &agenda.trace)
            world.handle(event.payload, in: &agenda)
            if agenda.isStopped { return .stopped }
        }
    }
}
