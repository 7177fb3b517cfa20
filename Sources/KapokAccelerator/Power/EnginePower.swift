/// What a chip draws, by what is busy. In amperes of the whole chip, whose cores run in step: the
/// worst that can happen to its supply.
public struct EnginePower: Hashable, Codable, Sendable {
    /// When nothing happens.
    public var idle: Double
    /// More when every core's tensor engine multiplies, or loads a stationary matrix.
    public var tensorMultiply: Double
    public var tensorLoad: Double
    /// More when every core's elementwise engine works.
    public var vector: Double
    public var scalar: Double
    public var gpsimd: Double
    /// More when one DMA engine of every core moves data.
    public var dmaEngine: Double

    public init(
        idle: Double, tensorMultiply: Double, tensorLoad: Double, vector: Double, scalar: Double,
        gpsimd: Double, dmaEngine: Double
    ) {
        self.idle = idle
        self.tensorMultiply = tensorMultiply
        self.tensorLoad = tensorLoad
        self.vector = vector
        self.scalar = scalar
        self.gpsimd = gpsimd
        self.dmaEngine = dmaEngine
    }

    /// Invented, see ``SupplyNetwork/illustrative``: 150 A idle, 550 A with everything busy.
    public static let illustrative = EnginePower(
        idle: 150, tensorMultiply: 290, tensorLoad: 20, vector: 28, scalar: 20, gpsimd: 10,
        dmaEngine: 2)

    /// What `unit` adds when it is busy.
    public func amperes(of unit: Unit) -> Double {
        switch unit {
        case .tensorLoad: tensorLoad
        case .tensorMultiply: tensorMultiply
        case .vector: vector
        case .scalar: scalar
        case .gpsimd: gpsimd
        case .sync: 0
        default: dmaEngine
        }
    }
}
