/// An output-stationary array, register by register.
///
/// A passes to the right and B downwards, one element a cycle; each element adds up its own result.
/// In SCALE-Sim's convention a result is gone the moment it is complete. Otherwise it moves to an
/// output register, and a column's output registers shift down and out once its last element is
/// complete; a next fold may compute meanwhile.
struct OutputGrid<Value: SystolicValue>: Sendable {
    private let problem: SystolicProblem
    private let left: SystolicMatrix
    private let top: SystolicMatrix
    private let result: SystolicMatrix
    private let a: [Value]
    private let b: [Value]
    private let isShifted: Bool

    /// The registers of all elements, row by row.
    private(set) var leftRegister: [Value]
    private(set) var topRegister: [Value]
    private(set) var token: [SystolicToken]
    private(set) var sum: [Value]
    private(set) var output: [Value]
    /// Which row of which fold stands in each output register.
    private(set) var outputToken: [SystolicToken]
    /// What has left the array.
    private(set) var sums: [Value]

    private var stream: SkewLine
    private var topStream: SkewLine
    private var streaming = 0
    private var streamStart = 0
    /// For each column, the fold that it shifts out and since when.
    private var drainFold: [Int]
    private var drainStart: [Int]
    private var outstanding: Int
    private var leaving = 0

    init(_ problem: SystolicProblem, a: [Value], b: [Value]) {
        self.problem = problem
        let (m, k, n) = (problem.m, problem.k, problem.n)
        left = SystolicMatrix(rows: m, columns: k, rowStride: k, columnStride: 1)
        top = SystolicMatrix(rows: k, columns: n, rowStride: n, columnStride: 1)
        result = SystolicMatrix(rows: m, columns: n, rowStride: n, columnStride: 1)
        self.a = a
        self.b = b
        isShifted = problem.mode != .scalesim
        let count = problem.rows * problem.columns
        leftRegister = Array(repeating: .zero, count: count)
        topRegister = leftRegister
        sum = leftRegister
        output = leftRegister
        token = Array(repeating: .none, count: count)
        outputToken = token
        sums = Array(repeating: .zero, count: m * n)
        stream = SkewLine(length: problem.rows)
        topStream = SkewLine(length: problem.columns)
        drainFold = Array(repeating: 0, count: problem.columns)
        drainStart = Array(repeating: .min, count: problem.columns)
        outstanding = count
    }

    var isFinished: Bool { leaving == problem.foldCount }

    mutating func step(cycle: Int) {
        let streamStep = cycle - streamStart
        let isStreaming =
            streaming < problem.foldCount && streamStep >= 0 && streamStep < problem.steps
        let entering =
            isStreaming ? SystolicToken(fold: Int32(streaming), step: Int32(streamStep)) : .none
        stream.enter(entering, cycle: cycle)
        topStream.enter(entering, cycle: cycle)
        if isShifted { takeOutBottomRow(cycle: cycle) }
        move(cycle: cycle)
        startNextFold(cycle: cycle)
    }

    /// One clock of every element, from the last to the first as in a ``StationaryGrid``.
    private mutating func move(cycle: Int) {
        let columns = problem.columns
        for row in stride(from: problem.rows - 1, through: 0, by: -1) {
            for column in stride(from: columns - 1, through: 0, by: -1) {
                let index = row * columns + column
                let arrived = column == 0 ? stream.token(lane: row, cycle: cycle) : token[index - 1]
                let fromAbove = topStream.token(lane: column, cycle: cycle)
                let x = column == 0 ? leftValue(arrived, row) : leftRegister[index - 1]
                let y = row == 0 ? topValue(fromAbove, column) : topRegister[index - columns]
                token[index] = arrived
                leftRegister[index] = x
                topRegister[index] = y
                let shiftStep = cycle &- drainStart[column]
                if isShifted, drainStart[column] != .min, shiftStep >= 0, shiftStep < row {
                    output[index] = output[index - columns]
                    outputToken[index] = outputToken[index - columns]
                } else if isShifted, shiftStep == row {
                    outputToken[index] = .none
                }
                guard arrived.isPresent else { continue }
                sum[index] = .multiplyAdd(arrived.step == 0 ? .zero : sum[index], x, y)
                if Int(arrived.step) == problem.steps - 1 {
                    complete(index, row, column, fold: Int(arrived.fold), cycle: cycle)
                }
            }
        }
    }

    private func leftValue(_ token: SystolicToken, _ row: Int) -> Value {
        guard token.isPresent else { return .zero }
        let fold = problem.fold(Int(token.fold))
        return left.value(a, fold.rows.lowerBound + row, Int(token.step))
    }

    private func topValue(_ token: SystolicToken, _ column: Int) -> Value {
        guard token.isPresent else { return .zero }
        let fold = problem.fold(Int(token.fold))
        return top.value(b, Int(token.step), fold.columns.lowerBound + column)
    }

    private mutating func complete(
        _ index: Int, _ row: Int, _ column: Int, fold: Int, cycle: Int
    ) {
        guard isShifted else { return takeOut(sum[index], row, column, fold: fold) }
        output[index] = sum[index]
        outputToken[index] = SystolicToken(fold: Int32(fold), step: Int32(row))
        if row == problem.rows - 1 {
            drainFold[column] = fold
            drainStart[column] = cycle + 1
        }
    }

    /// Takes out what stands in the bottom row's output registers.
    private mutating func takeOutBottomRow(cycle: Int) {
        let first = (problem.rows - 1) * problem.columns
        for column in 0..<problem.columns where drainStart[column] != .min {
            let shiftStep = cycle - drainStart[column]
            guard shiftStep < problem.rows else { continue }
            let row = problem.rows - 1 - shiftStep
            takeOut(output[first + column], row, column, fold: drainFold[column])
        }
    }

    private mutating func takeOut(_ value: Value, _ row: Int, _ column: Int, fold: Int) {
        let covered = problem.fold(fold)
        if let index = result.index(
            covered.rows.lowerBound + row, covered.columns.lowerBound + column)
        {
            sums[index] = value
        }
        outstanding -= 1
        if outstanding == 0 {
            leaving += 1
            outstanding = problem.rows * problem.columns
        }
    }

    /// With overlap, the next fold follows as soon as the operands of the last one are in, and its
    /// first results find the output registers free; without, when everything has left.
    private mutating func startNextFold(cycle: Int) {
        if problem.mode == .background {
            if cycle + 1 >= streamStart + max(problem.steps, problem.rows) {
                streaming += 1
                streamStart = cycle + 1
            }
        } else if leaving > streaming {
            streaming = leaving
            streamStart = cycle + 1
        }
    }
}
