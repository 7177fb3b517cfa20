/// What a simulation found out.
public struct SimulationResult: Sendable {
    /// When everything happened, as far as it was recorded; the makespan always.
    public var timeline: Timeline
    /// What let each instruction start no earlier; only when everything was recorded.
    public internal(set) var causes: [StartCause] = []
    /// For each instruction, the index of its costs; only when everything was recorded.
    var costIndex: [UInt32] = []
    var costs: [SimulatedCost] = []

    init(timeline: Timeline) { self.timeline = timeline }

    /// The length of the program in ticks.
    public var makespan: Int64 { timeline.makespan }
}

/// The constraint on an instruction's start that was released last. 8 bytes.
public struct StartCause: Hashable, Sendable, BitwiseCopyable {
    /// What kinds of constraints there are.
    public enum Kind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
        /// It started at time 0.
        case programStart = 0
        /// Its unit was busy with the culprit, the instruction before it.
        case unit = 1
        /// The culprit, before it in the same queue on the engine's other unit, had not started.
        case queue = 2
        /// The culprit was loading the stationary matrix that it multiplies with.
        case load = 3
        /// A semaphore that the culprit signals: of unknown or flow kind, ...
        case flow = 4
        /// ... an anti-dependence, ...
        case anti = 5
        /// ... an output dependence, ...
        case output = 6
        /// ... or the end of another use of a PSUM bank.
        case bank = 7
        /// The culprit was using the same PSUM bank: the hardware held it back.
        case bankConflict = 8
        /// The culprit was using the same path to memory.
        case busConflict = 9
    }

    /// The instruction that it waited for, or ``Stall/none``.
    public var culprit: UInt32
    /// The kind of constraint.
    public var kind: Kind
    /// Whether a constraint with another culprit was released at the same tick.
    public var isShared: Bool

    public init(culprit: UInt32 = Stall.none, kind: Kind = .programStart, isShared: Bool = false) {
        self.culprit = culprit
        self.kind = kind
        self.isShared = isShared
    }

    /// Whether it is a semaphore.
    public var isWait: Bool {
        switch kind {
        case .flow, .anti, .output, .bank: true
        default: false
        }
    }
}
