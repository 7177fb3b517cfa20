/// A systolic array that is stepped cycle by cycle: in every cycle each processing element takes
/// values from its neighbours' registers, multiplies, adds, and hands on. How long a problem takes
/// is seen here, not calculated; ``SystolicProblem/cycles`` says the same without the steps.
///
/// Time and memory grow with the number of elements and cycles: for small arrays.
public struct SystolicArray<Value: SystolicValue>: Sendable {
    /// What it works on.
    public let problem: SystolicProblem
    /// Cycles that have passed.
    public private(set) var cycle = 0

    // One of the two is there, depending on the dataflow.
    private var stationary: StationaryGrid<Value>?
    private var output: OutputGrid<Value>?

    /// Elements times cycles at most.
    public static var largestWork: Int { 4_000_000_000 }

    /// - Parameters:
    ///   - a: M x K values, row by row.
    ///   - b: K x N values, row by row.
    /// - Throws: ``SystolicError`` when an operand has the wrong size or the work is too much.
    public init(_ problem: SystolicProblem, a: [Value], b: [Value]) throws(SystolicError) {
        let limit = Self.largestWork / (problem.rows * problem.columns)
        guard problem.cycles <= limit else {
            throw .tooLarge("cycles to step through", problem.cycles, limit: limit)
        }
        guard a.count == problem.m * problem.k else {
            throw .wrongCount(operand: "A", values: a.count, expected: problem.m * problem.k)
        }
        guard b.count == problem.k * problem.n else {
            throw .wrongCount(operand: "B", values: b.count, expected: problem.k * problem.n)
        }
        self.problem = problem
        if problem.dataflow == .outputStationary {
            output = OutputGrid(problem, a: a, b: b)
        } else {
            stationary = StationaryGrid(problem, a: a, b: b)
        }
    }

    /// Whether all results have left the array.
    public var isFinished: Bool { stationary?.isFinished ?? output?.isFinished ?? true }

    /// M x N results, row by row: complete when the array is finished.
    public var results: [Value] { stationary?.sums ?? output?.sums ?? [] }

    /// Lets one cycle pass.
    public mutating func step() {
        stationary?.step(cycle: cycle)
        output?.step(cycle: cycle)
        cycle += 1
    }

    /// Steps until all results have left.
    public mutating func run() {
        while !isFinished { step() }
    }

    /// The registers of one element after the last cycle.
    public func element(row: Int, column: Int) -> SystolicElement<Value> {
        let index = row * problem.columns + column
        return (stationary?.elements ?? output?.elements ?? [])[index]
    }
}

/// The registers of a processing element.
public struct SystolicElement<Value: SystolicValue>: Hashable, Sendable {
    /// Which step of which fold it has just worked on; ``SystolicToken/none`` when it was idle.
    public var token: SystolicToken
    /// The value that stays (weight- and input-stationary arrays).
    public var stationary: Value = .zero
    /// The value that is on its way to become stationary, or the result that is shifted out.
    public var next: Value = .zero
    /// Which row of which fold `next` belongs to.
    public var nextToken: SystolicToken = .none
    /// What came from the left.
    public var left: Value = .zero
    /// What came from above (output-stationary arrays).
    public var top: Value = .zero
    /// The partial sum.
    public var sum: Value = .zero
}
