/// A matrix multiplication C (M x N) = A (M x K) times B (K x N) on a systolic array.
public struct SystolicProblem: Hashable, Sendable {
    /// Rows of A and C.
    public let m: Int
    /// Columns of A, rows of B.
    public let k: Int
    /// Columns of B and C.
    public let n: Int
    /// Rows of processing elements.
    public let rows: Int
    /// Columns of processing elements.
    public let columns: Int
    /// What stays in place.
    public let dataflow: SystolicDataflow
    /// What overlaps, and how cycles are counted.
    public let mode: SystolicMode

    /// M, K and N at most: keeps every count below 2^63.
    public static let largestDimension = 1 << 20
    /// Rows and columns of an array at most.
    public static let largestArraySide = 4096

    /// - Throws: ``SystolicError`` when a dimension is not within the limits.
    public init(
        m: Int, k: Int, n: Int, rows: Int, columns: Int, dataflow: SystolicDataflow,
        mode: SystolicMode = .scalesim
    ) throws(SystolicError) {
        for (name, value) in [("m", m), ("k", k), ("n", n)] {
            guard (1...Self.largestDimension).contains(value) else {
                throw .outOfRange(name, value, 1...Self.largestDimension)
            }
        }
        for (name, value) in [("rows", rows), ("columns", columns)] {
            guard (1...Self.largestArraySide).contains(value) else {
                throw .outOfRange(name, value, 1...Self.largestArraySide)
            }
        }
        self.m = m
        self.k = k
        self.n = n
        self.rows = rows
        self.columns = columns
        self.dataflow = dataflow
        self.mode = mode
    }
}

/// Which operand stays in the processing elements while the others move. Raw values are the names
/// on the command line and those of SCALE-Sim.
public enum SystolicDataflow: String, CaseIterable, Codable, Sendable {
    /// B stays (K along the rows, N along the columns); A moves right, partial sums move down.
    case weightStationary = "ws"
    /// C stays (M along the rows, N along the columns); A moves right, B moves down.
    case outputStationary = "os"
    /// A stays (K along the rows, M along the columns); B moves right, partial sums move down.
    case inputStationary = "is"
}

/// What overlaps from one fold to the next, and how cycles are counted. Raw values are the names on
/// the command line.
public enum SystolicMode: String, CaseIterable, Codable, Sendable {
    /// As SCALE-Sim counts: nothing overlaps, a result counts in the cycle in which it is computed,
    /// an output-stationary array hands its results out without shifting them.
    case scalesim
    /// As hardware without overlap: a result counts in the cycle after it is computed, when the
    /// register at the bottom holds it; output-stationary results are shifted out downwards.
    case serial
    /// As hardware with a second register in each element: the next stationary matrix is loaded (or
    /// the last results are shifted out) while the array computes.
    case background
}

/// Why a problem cannot be set.
public enum SystolicError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A dimension is not within its limits.
    case outOfRange(String, Int, ClosedRange<Int>)
    /// An operand does not have as many values as its shape says.
    case wrongCount(operand: String, values: Int, expected: Int)
    /// The problem is too large for what was asked: what, how large, and the limit.
    case tooLarge(String, Int, limit: Int)
    /// A stepped array gave something else than expected: what, and both values.
    case unequal(String, stepped: Int, expected: Int)

    public var description: String {
        switch self {
        case .outOfRange(let name, let value, let range):
            "\(name) = \(value) is not between \(range.lowerBound) and \(range.upperBound)"
        case .wrongCount(let operand, let values, let expected):
            "\(operand) has \(values) values, its shape needs \(expected)"
        case .tooLarge(let what, let value, let limit):
            "\(what): \(value), at most \(limit)"
        case .unequal(let what, let stepped, let expected):
            "\(what): the stepped array says \(stepped), expected \(expected)"
        }
    }
}
