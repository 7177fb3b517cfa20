/// The instruction queues of a core. Each executes its instructions in order.
public enum Engine: UInt8, CaseIterable, Codable, Sendable {
    /// The systolic array.
    case tensor = 0
    /// Elementwise and reductions on 128 lanes.
    case vector = 1
    /// Activation functions on 128 lanes.
    case scalar = 2
    /// Eight general processors of 16 partitions each.
    case gpsimd = 3
    /// A sequencer without a data path: semaphores and DMA triggers.
    case sync = 4

    /// The name on the command line and in text files.
    public var name: String { "\(self)" }

    /// The engine of that name; nil when there is none.
    public init?(name: some StringProtocol) {
        guard let engine = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = engine
    }
}

/// What is busy or idle by itself: the rows of a timeline.
///
/// The tensor engine has two units that work at the same time: one loads the next stationary matrix
/// in the background while the other multiplies.
public struct Unit: RawRepresentable, Hashable, Comparable, Sendable {
    /// 0 to 5: units of the engines; 6 and up: DMA engines.
    public var rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Loads stationary matrices.
    public static let tensorLoad = Unit(rawValue: 0)
    /// Multiplies moving matrices.
    public static let tensorMultiply = Unit(rawValue: 1)
    /// The vector engine.
    public static let vector = Unit(rawValue: 2)
    /// The scalar engine.
    public static let scalar = Unit(rawValue: 3)
    /// The general processors.
    public static let gpsimd = Unit(rawValue: 4)
    /// The sequencer.
    public static let sync = Unit(rawValue: 5)
    /// The first of the DMA engines.
    public static let firstDMA = Unit(rawValue: 6)
    /// The number of units that are not DMA engines.
    public static let engineUnitCount = 6

    /// DMA engine `index`.
    public static func dma(_ index: Int) -> Unit {
        Unit(rawValue: firstDMA.rawValue + UInt8(index))
    }

    /// The number of a DMA engine; nil for the units of the compute engines.
    public var dmaIndex: Int? {
        self >= .firstDMA ? Int(rawValue - Unit.firstDMA.rawValue) : nil
    }

    /// The unit's name in reports: `tensorMultiply`, `vector`, `dma3`.
    public var name: String {
        switch self {
        case .tensorLoad: "tensorLoad"
        case .tensorMultiply: "tensorMultiply"
        case .vector: "vector"
        case .scalar: "scalar"
        case .gpsimd: "gpsimd"
        case .sync: "sync"
        default: "dma\(rawValue - Unit.firstDMA.rawValue)"
        }
    }

    public static func < (a: Unit, b: Unit) -> Bool { a.rawValue < b.rawValue }
}

/// Where data lies.
public enum MemorySpace: UInt8, CaseIterable, Codable, Sendable {
    /// The state buffer: on-chip memory in 128 partitions.
    case sbuf = 0
    /// Partial sums: the tensor engine's accumulators, in 128 partitions of 8 banks.
    case psum = 1
    /// High-bandwidth memory outside of the core.
    case hbm = 2

    /// The name in text files.
    public var name: String { "\(self)" }
}
