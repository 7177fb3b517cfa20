/// A machine with all figures resolved to ticks and bytes: what compiler and simulator work with.
public struct Machine: Hashable, Sendable {
    /// Where the figures come from.
    public let description: MachineDescription
    /// Ticks in a second.
    public let ticksPerSecond: Double
    /// Ticks in a cycle of each engine, by ``Engine/rawValue``.
    public let ticksPerCycle: [Int]
    /// Partitions of SBUF and PSUM (128).
    public let partitions: Int
    /// Bytes of SBUF in each partition.
    public let sbufBytesPerPartition: Int
    /// Bytes of PSUM in each partition.
    public let psumBytesPerPartition: Int
    /// Banks of PSUM.
    public let psumBanks: Int
    /// Columns of the stationary and of the moving matrix at most.
    public let stationaryColumns: Int
    public let movingColumns: Int
    /// Rows of the array (the contraction dimension of one multiplication).
    public let tensorRows: Int
    /// DMA engines and rings.
    public let dmaEngines: Int
    public let dmaRings: Int
    /// Semaphores of a core.
    public let semaphoreCount: Int
    /// Cores of a chip.
    public let coresPerChip: Int

    /// Bytes of one PSUM bank in a partition.
    public var psumBankBytes: Int { psumBytesPerPartition / psumBanks }

    /// - Throws: ``MachineError`` when a figure is missing or makes no sense.
    public init(_ description: MachineDescription) throws(MachineError) {
        var figures: [MachineParameter: Double] = [:]
        for parameter in MachineParameter.allCases {
            guard let fact = description[parameter] else {
                throw MachineError(machine: description.name, problem: "\(parameter) is missing")
            }
            guard fact.value.isFinite, fact.value >= 0, fact.value < 1e15 else {
                throw MachineError(
                    machine: description.name, problem: "\(parameter) = \(fact.value)")
            }
            figures[parameter] = fact.value
        }
        func figure(_ parameter: MachineParameter) -> Double { figures[parameter] ?? 0 }
        func whole(
            _ parameter: MachineParameter, _ range: ClosedRange<Int>
        ) throws(MachineError) -> Int {
            let value = figure(parameter)
            guard value == value.rounded(.towardZero), range.contains(Int(value)) else {
                throw MachineError(
                    machine: description.name,
                    problem: "\(parameter) = \(value) is not a whole number in \(range)")
            }
            return Int(value)
        }
        let tickRate = figure(.tickRate)
        let clocks: [MachineParameter] = [
            .tensorClock, .vectorClock, .scalarClock, .gpsimdClock, .syncClock,
        ]
        var cycles: [Int] = []
        for clock in clocks {
            let ticks = tickRate / figure(clock)
            guard ticks >= 1, ticks < 1e6, abs(ticks - ticks.rounded()) < 1e-9 * ticks else {
                throw MachineError(
                    machine: description.name,
                    problem: "a cycle of \(clock) is \(ticks) ticks, not a whole number")
            }
            cycles.append(Int(ticks.rounded()))
        }
        self.description = description
        ticksPerSecond = tickRate * 1e9
        ticksPerCycle = cycles
        partitions = try whole(.partitions, 1...128)
        sbufBytesPerPartition = try whole(.sbufBytesPerPartition, 1024...(1 << 24))
        psumBytesPerPartition = try whole(.psumBytesPerPartition, 1024...(1 << 24))
        psumBanks = try whole(.psumBanks, 1...64)
        stationaryColumns = try whole(.stationaryColumns, 1...128)
        movingColumns = try whole(.movingColumns, 1...4096)
        tensorRows = try whole(.tensorRows, 1...128)
        dmaEngines = try whole(.dmaEngines, 1...64)
        dmaRings = try whole(.dmaRings, 1...16)
        semaphoreCount = try whole(.semaphoreCount, 32...65_535)
        coresPerChip = try whole(.coresPerChip, 1...1024)
    }

    /// The value of a parameter, in its unit.
    public func value(_ parameter: MachineParameter) -> Double {
        description[parameter]?.value ?? 0
    }

    /// Ticks of `cycles` cycles of `engine`.
    public func ticks(cycles: Double, of engine: Engine) -> Int64 {
        Int64((cycles * Double(ticksPerCycle[Int(engine.rawValue)])).rounded(.up))
    }

    /// Ticks of a time in nanoseconds, rounded to the nearest.
    public func ticks(nanoseconds: Double) -> Int64 {
        Int64((nanoseconds * ticksPerSecond / 1e9).rounded())
    }

    /// Nanoseconds of a number of ticks.
    public func nanoseconds(ticks: Int64) -> Double { Double(ticks) * 1e9 / ticksPerSecond }
}

/// Why a machine description cannot be used.
public struct MachineError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The machine's name.
    public var machine: String
    /// What is wrong with it.
    public var problem: String

    public init(machine: String, problem: String) {
        self.machine = machine
        self.problem = problem
    }

    public var description: String { "machine \(machine): \(problem)" }
}
