/// A number for all partitions, or one for each: the scalar operand of an elementwise instruction.
///
/// ```swift
/// k.vector.multiply(into: y, x, by: 0.5)
/// k.vector.multiply(into: y, x, by: .column(scale))
/// ```
public struct ScalarOperand: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    enum Value {
        case immediate(Float)
        case column(TileRegion)
    }

    let value: Value

    public init(floatLiteral value: Float) { self.value = .immediate(value) }
    public init(integerLiteral value: Int) { self.value = .immediate(Float(value)) }
    private init(_ value: Value) { self.value = value }

    /// One number for all partitions.
    public static func value(_ number: Float) -> ScalarOperand {
        ScalarOperand(.immediate(number))
    }

    /// A tile of one element a partition: each partition uses its own.
    public static func column(
        _ tile: Tile<some TileSpace, some TileElement>
    ) -> ScalarOperand {
        ScalarOperand(.column(tile.region))
    }
}
