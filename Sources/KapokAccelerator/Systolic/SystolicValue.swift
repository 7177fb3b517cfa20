/// What flows through a systolic array.
public protocol SystolicValue: Hashable, Sendable {
    /// The start of every sum, and what fills elements that have nothing to do.
    static var zero: Self { get }
    /// `sum + a * b`, as the hardware computes it.
    static func multiplyAdd(_ sum: Self, _ a: Self, _ b: Self) -> Self
    /// `a + b`, as the accumulators behind the array compute it.
    static func add(_ a: Self, _ b: Self) -> Self
}

/// Integers of 8 bits in, sums of 32 bits that wrap around.
extension Int32: SystolicValue {
    public static func multiplyAdd(_ sum: Int32, _ a: Int32, _ b: Int32) -> Int32 {
        sum &+ a &* b
    }
    public static func add(_ a: Int32, _ b: Int32) -> Int32 { a &+ b }
}

/// FP32: the product is rounded, then the sum.
extension Float: SystolicValue {
    public static func multiplyAdd(_ sum: Float, _ a: Float, _ b: Float) -> Float { sum + a * b }
    public static func add(_ a: Float, _ b: Float) -> Float { a + b }
}

/// A matrix in an array of values, with any order of rows and columns; zero outside of its bounds.
struct SystolicMatrix: Hashable, Sendable {
    /// Elements in each direction.
    var rows: Int
    var columns: Int
    /// Values from one row and from one column to the next.
    var rowStride: Int
    var columnStride: Int

    /// Where element (`row`, `column`) stands; nil outside of the matrix.
    func index(_ row: Int, _ column: Int) -> Int? {
        row < rows && column < columns ? row * rowStride + column * columnStride : nil
    }

    /// The element; zero outside of the matrix.
    func value<Value: SystolicValue>(_ values: [Value], _ row: Int, _ column: Int) -> Value {
        index(row, column).map { values[$0] } ?? .zero
    }
}
