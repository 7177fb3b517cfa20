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

    /// The registers of all elements, row by row: `next` is the output register.
    private(set) var elements: [SystolicElement<Value>]
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
        elements = Array(repeating: SystolicElement(token: .none), count: count)
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
            let entering = stream.token(lane: row, cycle: cycle)
            let fromLeft = (token: entering, value: leftValue(entering, row))
            let fromTop = row == 0 ? topValues(cycle: cycle) : []
            elements.withUnsafeMutableBufferPointer { elements in
                for column in stride(from: columns - 1, through: 0, by: -1) {
                    let index = row * columns + column
                    let (token, x) =
                        column == 0
                        ? fromLeft : (elements[index - 1].token, elements[index - 1].left)
                    let y = row == 0 ? fromTop[column] : elements[index - columns].top
                    elements[index].token = token
                    elements[index].left = x
                    elements[index].top = y
                    guard token.isPresent else { continue }
                    let sum = token.step == 0 ? .zero : elements[index].sum
                    elements[index].sum = .multiplyAdd(sum, x, y)
                }
            }
            for column in 0..<columns { drain(row: row, column: column, cycle: cycle) }
        }
    }

    /// One clock of an output register: it shifts, and takes over a result that is complete.
    private mutating func drain(row: Int, column: Int, cycle: Int) {
        let index = row * problem.columns + column
        if isShifted, drainStart[column] != .min {
            let shiftStep = cycle - drainStart[column]
            if shiftStep >= 0, shiftStep < row {
                elements[index].next = elements[index - problem.columns].next
                elements[index].nextToken = elements[index - problem.columns].nextToken
            } else if shiftStep == row {
                elements[index].nextToken = .none
            }
        }
        let token = elements[index].token
        if token.isPresent, Int(token.step) == problem.steps - 1 {
            complete(index, row, column, fold: Int(token.fold), cycle: cycle)
        }
    }

    private func topValues(cycle: Int) -> [Value] {
        (0..<problem.columns).map { column in
            topValue(topStream.token(lane: column, cycle: cycle), column)
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
        guard isShifted else { return takeOut(elements[index].sum, row, column, fold: fold) }
        elements[index].next = elements[index].sum
        elements[index].nextToken = SystolicToken(fold: Int32(fold), step: Int32(row))
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
            takeOut(elements[first + column].next, row, column, fold: drainFold[column])
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
