/// How much the simulation's loop keeps track of. A type, so that the compiler makes a loop for
/// each level and leaves out what it does not need.
protocol SimulationDetail {
    /// Whether the times of instructions and transfers are kept.
    static var keepsTimes: Bool { get }
    /// Whether causes and segments are kept and single constraints can be left out. The units of
    /// the tensor engine then have lists of their own, so that order between them can be left out
    /// too.
    static var isDetailed: Bool { get }
}

enum MakespanDetail: SimulationDetail {
    static var keepsTimes: Bool { false }
    static var isDetailed: Bool { false }
}

enum TimesDetail: SimulationDetail {
    static var keepsTimes: Bool { true }
    static var isDetailed: Bool { false }
}

enum FullDetail: SimulationDetail {
    static var keepsTimes: Bool { true }
    static var isDetailed: Bool { true }
}

/// A unit of a compute engine during simulation, in ticks.
struct UnitState: BitwiseCopyable {
    /// When its last instruction frees it, and when that one completes.
    var free: Int64 = 0
    var end: Int64 = 0
    /// The structural resources of its last instruction that has any, and until when.
    var held: UInt32 = 0
    var heldUntil: Int64 = 0
    /// For causes: that instruction, the one before it, the unit's last instruction, and when its
    /// work ended.
    var holder = SimulationPlan.none
    var heldBefore: UInt32 = 0
    var heldBeforeUntil: Int64 = 0
    var holderBefore = SimulationPlan.none
    var last = SimulationPlan.none
    var workEnd: Int64 = 0
}

/// An engine's queue during simulation.
struct QueueState: BitwiseCopyable {
    /// How many instructions are to come.
    var remaining = 0
    /// When the one before the next started; in detail, that instruction.
    var issue: Int64 = 0
    var last = SimulationPlan.none
}

/// A semaphore during simulation.
struct SemaphoreState: BitwiseCopyable {
    /// Where its signals begin in the list of all.
    var first = 0
    /// Its value.
    var reached: Int64 = 0
    /// Signals so far.
    var count: UInt32 = 0
    /// Whether each signal adds 1.
    var growsByOne = false
    /// The queues whose first instructions wait for it, as bits.
    var waiters: UInt32 = 0
}

/// A descriptor generator during simulation.
struct GeneratorState: BitwiseCopyable {
    /// When it is free.
    var free: Int64 = 0
    /// The same without the last transfer, and that transfer: for constraints that are left out.
    var freeBefore: Int64 = 0
    var last = SimulationPlan.none
    /// Transfers with descriptors that have not reached the DMA engines, oldest first.
    var head = SimulationPlan.none
    var tail = SimulationPlan.none
}

/// A transfer between trigger and DMA engines.
struct PendingTransfer: BitwiseCopyable {
    var step: PlannedStep
    /// The next one of the generator, or the next unused entry.
    var next = SimulationPlan.none
    /// Its number in order of triggering.
    var number: UInt32
    var ready: Int64
}

/// Fixed times of a machine, in ticks.
struct SimulationLatencies: Sendable {
    var semaphore: Int64
    var descriptor: Int64
    var dmaStart: Int64
    var dmaCompletion: Int64

    init(_ machine: Machine, removed: RemovedReasons) {
        func ticks(_ parameter: MachineParameter, _ reason: StallReason) -> Int64 {
            removed.contains(reason) ? 0 : machine.ticks(nanoseconds: machine.value(parameter))
        }
        semaphore = ticks(.semaphoreLatency, .semaphoreLatency)
        descriptor = ticks(.descriptorTime, .descriptor)
        dmaStart = ticks(.dmaStartLatency, .dmaLatency)
        dmaCompletion = ticks(.dmaCompletionLatency, .dmaLatency)
    }
}
