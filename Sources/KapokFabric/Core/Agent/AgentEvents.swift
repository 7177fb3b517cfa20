public import KapokWorld

/// What can happen to a switch's agent.
public enum AgentEvent: Sendable {
    /// One hello interval passed. `lateness` is how much later than due the driver's loop ran; all
    /// that had arrived by now was handed over before this event.
    case tick(lateness: Interval)
    /// A datagram from the neighbour at `port`; `arrival` is the kernel's timestamp.
    case received(bytes: [UInt8], port: Int, arrival: Instant)
    /// The kernel says that a port's carrier came or went.
    case carrier(port: Int, isUp: Bool)
    /// The neighbour's kernel answered an echo request: the way there and back works, whatever
    /// the neighbour's agent does.
    case echoReply(port: Int, arrival: Instant)
    /// This host's own kernel answered an echo request to itself: packets move at all.
    case selfEchoReply(arrival: Instant)
    /// What the port's hardware has counted since the agent started: frames that came, and frames
    /// that came damaged. Optional; it finds a grey link sooner than hellos alone can.
    case frameCounters(port: Int, arrived: UInt64, damaged: UInt64)
    /// A signed plan arrived.
    case plan(bytes: [UInt8])
    /// The planner says that every switch has the plan of this epoch: use it.
    case activate(epoch: UInt64)
    /// The operator drains a port, or ends the drain.
    case drain(port: Int, isDrained: Bool)
}

/// What a switch's agent wants done.
public enum AgentEffect: Sendable {
    /// Send a datagram to the neighbour at `port`.
    case send(port: Int, bytes: [UInt8])
    /// Ask the neighbour's kernel, and after it the own one, for an echo.
    case sendEchoes(port: Int)
    /// What is known of links changed: compute the tables again and program what differs. `cause`
    /// is the link that changed, where it was one; its groups come first.
    case forward(dead: LinkSet, avoided: LinkSet, cause: LinkID?)
    /// A plan came into force: start from new tables.
    case usePlan(SwitchPlan)
    /// Tell the planner that a plan is stored, in force, or refused (with why).
    case answer(epoch: UInt64, AgentAnswer)
    /// Something for the log; what is refused is counted under its name too.
    case log(AgentLog)
}

/// What an agent tells the planner about a plan.
public enum AgentAnswer: Hashable, Sendable {
    /// Verified and kept, not yet in force.
    case stored
    /// In force.
    case active
    /// Not accepted.
    case refused(String)
}

/// A line of the agent's log, with the counter it belongs to.
public struct AgentLog: Hashable, Sendable {
    /// How much it matters.
    public enum Level: Hashable, Sendable { case debug, info, warning }
    /// How much it matters.
    public var level: Level
    /// The counter that rises by one, in snake case: `hello_replayed`, `link_down`.
    public var counter: String
    /// What happened.
    public var text: String

    public init(_ level: Level, counter: String, _ text: String) {
        self.level = level
        self.counter = counter
        self.text = text
    }
}
