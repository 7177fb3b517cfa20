/// What a simulation keeps, and under which conditions it runs.
public struct SimulationOptions: Hashable, Sendable {
    /// What to keep of a run. Less is faster.
    public enum Recording: UInt8, CaseIterable, Sendable {
        /// The length of the program alone.
        case makespan = 0
        /// The times of instructions and transfers, without the segments of DMA engines.
        case instructions = 1
        /// Also what each DMA engine did, and what held each instruction: what profiles need.
        case everything = 2
    }

    /// What to keep.
    public var recording: Recording
    /// When power management holds the tensor engine back: in order of time, without overlap.
    public var throttle: [ThrottleInterval]
    /// Active cores that share one stack of HBM, this one included. Transfers to and from HBM run
    /// at the smaller of the DMA engines' own bandwidth and an equal share of the stack's.
    public var coresSharingHBM: Int
    /// Causes of waiting that are taken away: "how long would it take without ...?".
    public var removed: [RemovedCause]

    public init(
        recording: Recording = .instructions, throttle: [ThrottleInterval] = [],
        coresSharingHBM: Int = 1, removed: [RemovedCause] = []
    ) {
        self.recording = recording
        self.throttle = throttle
        self.coresSharingHBM = coresSharingHBM
        self.removed = removed
    }
}

/// A cause of waiting that a simulation leaves out.
public enum RemovedCause: Hashable, Sendable {
    /// Everything behind one reason of the closed list:
    ///
    /// - `data`, `antiDependence`, `outputDependence`, `psumBank`: semaphore waits of that kind
    ///   (`data`: flow and unknown) do not hold; `psumBank` also lets units share a bank.
    /// - `dmaTransfer`: DMA engines are infinitely fast. `dmaQueue`: each transfer finds them free.
    /// - `descriptor`, `dmaLatency`, `resultLatency`, `semaphoreLatency`: that time is 0.
    /// - `issueInterval`: instructions have no shortest interval.
    /// - `queueOrder`: the tensor engine's two units have queues of their own.
    /// - `sharedBus`: engines do not share paths to memory.
    /// - `memoryContention`: no other core is active. `throttle`: nothing is held back.
    /// - `programEnd`: no effect.
    case reason(StallReason)
    /// Nothing waits for this instruction, and a transfer takes no time; its throttle is off.
    case culprit(UInt32)
    /// `victim` does not wait for `culprit`. For a transfer that is its own culprit: it takes no
    /// time.
    case edge(culprit: UInt32, victim: UInt32)
}
