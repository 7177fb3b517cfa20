/// What the simulation's loop needs of an instruction. 36 bytes.
struct PlannedStep: BitwiseCopyable {
    /// The instruction.
    var index: UInt32
    /// Index of its costs.
    var cost: UInt32
    /// See ``StructuralResources``.
    var resources: UInt32
    var signal: UInt16
    var signalAmount: UInt16
    /// Its waits. A missing one stands for a wait that holds from the start, so that all can be
    /// looked up without asking.
    var value0: UInt32
    var value1: UInt32
    var value2: UInt32
    var semaphore0: UInt16
    var semaphore1: UInt16
    var semaphore2: UInt16
    /// The unit in bits 0 to 2, the ring in bits 8 to 11, and flags.
    private var kind: UInt16

    private static let transferFlag: UInt16 = 8
    private static let multiplyFlag: UInt16 = 16
    private static let severalWaitsFlag: UInt16 = 32

    /// - Parameter always: the number of a semaphore that is always above 0.
    @inline(__always)
    init(
        _ instruction: Instruction, index: Int, cost: Int, resources: UInt32, always: UInt16
    ) {
        self.index = UInt32(truncatingIfNeeded: index)
        self.cost = UInt32(truncatingIfNeeded: cost)
        self.resources = resources
        signal = instruction.signal
        signalAmount = instruction.signalAmount
        (semaphore0, value0) = Self.wait(instruction.wait0, always)
        (semaphore1, value1) = Self.wait(instruction.wait1, always)
        (semaphore2, value2) = Self.wait(instruction.wait2, always)
        kind =
            UInt16(instruction.unitNumber) | UInt16(instruction.ring & 15) << 8
            | (instruction.isTransfer ? Self.transferFlag : 0)
            | (instruction.opcode == .multiplyMoving ? Self.multiplyFlag : 0)
            | (semaphore1 != always || semaphore2 != always ? Self.severalWaitsFlag : 0)
    }

    @inline(__always)
    private static func wait(_ wait: SemaphoreWait, _ always: UInt16) -> (UInt16, UInt32) {
        wait.isPresent && wait.value > 0 ? (wait.semaphore, wait.value) : (always, 1)
    }

    /// The unit, by ``Unit/rawValue``.
    @inline(__always)
    var unit: Int { Int(kind & 7) }
    /// The ring of a transfer.
    @inline(__always)
    var ring: Int { Int(kind >> 8) }
    /// Whether it triggers a transfer.
    @inline(__always)
    var isTransfer: Bool { kind & Self.transferFlag != 0 }
    /// Whether it has more waits than the first one.
    @inline(__always)
    var hasSeveralWaits: Bool { kind & Self.severalWaitsFlag != 0 }
    /// Whether it multiplies with the stationary matrix.
    @inline(__always)
    var isMultiplication: Bool { kind & Self.multiplyFlag != 0 }
}

extension Instruction {
    /// The raw value of ``unit``, without branches: in hot loops they are guessed wrong too often.
    @inline(__always)
    var unitNumber: UInt8 {
        let isLoad: UInt8 = opcode == .loadStationary ? 1 : 0
        return engine == .tensor ? 1 - isLoad : engine.rawValue + 1
    }

    /// Whether DMA engines carry it out; as ``Opcode/isDMA``, for hot loops.
    @inline(__always)
    var isTransfer: Bool { opcode == .dmaCopy || opcode == .dmaTranspose }

    /// The stream in which it completes: its unit, or for a transfer its ring, numbered after them.
    @inline(__always)
    var stream: UInt8 {
        isTransfer ? UInt8(Unit.engineUnitCount) &+ ring : unitNumber
    }

    /// Whether `source1` and `source2` hold integers instead of patterns.
    @inline(__always)
    var hasCoefficients: Bool { opcode == .iota || opcode == .affineSelect }

    /// Wait 0, 1 or 2.
    @inline(__always)
    func wait(_ slot: Int) -> SemaphoreWait { slot == 0 ? wait0 : slot == 1 ? wait1 : wait2 }

    /// Calls `body` with the index of each pattern that it reads or writes.
    @inline(__always)
    func forEachPattern(_ body: (Int) -> Void) {
        if destination != Self.noPattern { body(Int(destination)) }
        if source0 != Self.noPattern { body(Int(source0)) }
        if hasCoefficients { return }
        if source1 != Self.noPattern { body(Int(source1)) }
        if source2 != Self.noPattern { body(Int(source2)) }
    }
}
