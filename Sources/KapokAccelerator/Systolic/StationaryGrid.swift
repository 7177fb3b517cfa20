/// Weight- and input-stationary arrays, register by register.
///
/// The stationary matrix is shifted in from the top through a chain of shadow registers, last row
/// first; each element takes its shadow over when the first moving value of the fold reaches it.
/// Moving values pass to the right, partial sums downwards, one element a cycle. Column c loads c
/// cycles after column 0, row r streams r cycles after row 0; so row r's shadow is free for the
/// next fold exactly when it is needed, and a load may run during the stream before it.
struct StationaryGrid<Value: SystolicValue>: Sendable {
    private let problem: SystolicProblem
    private let stationary: SystolicMatrix
    private let moving: SystolicMatrix
    private let result: SystolicMatrix
    private let stationaryValues: [Value]
    private let movingValues: [Value]
    private let isRegistered: Bool
    private let isOverlapped: Bool

    /// The registers of all elements, row by row: `stationary` is the active value, `next` its
    /// shadow.
    private(set) var elements: [SystolicElement<Value>]
    /// What has left the array, added up over the folds.
    private(set) var sums: [Value]

    private var loads: SkewLine
    private var stream: SkewLine
    /// The fold that is being loaded or was loaded last, and since when.
    private var loading = 0
    private var loadStart = 0
    /// The fold that streams or streamed last, and since when.
    private var streaming = -1
    private var streamStart = 0
    /// Results that still have to leave, of the fold that leaves first.
    private var outstanding: Int
    private var leaving = 0

    init(_ problem: SystolicProblem, a: [Value], b: [Value]) {
        self.problem = problem
        let (m, k, n) = (problem.m, problem.k, problem.n)
        let isTransposed = problem.dataflow == .inputStationary
        if isTransposed {
            stationary = SystolicMatrix(rows: k, columns: m, rowStride: 1, columnStride: k)
            moving = SystolicMatrix(rows: n, columns: k, rowStride: 1, columnStride: n)
            result = SystolicMatrix(rows: n, columns: m, rowStride: 1, columnStride: n)
        } else {
            stationary = SystolicMatrix(rows: k, columns: n, rowStride: n, columnStride: 1)
            moving = SystolicMatrix(rows: m, columns: k, rowStride: k, columnStride: 1)
            result = SystolicMatrix(rows: m, columns: n, rowStride: n, columnStride: 1)
        }
        stationaryValues = isTransposed ? a : b
        movingValues = isTransposed ? b : a
        isRegistered = problem.mode != .scalesim
        isOverlapped = problem.mode == .background
        elements = Array(
            repeating: SystolicElement(token: .none), count: problem.rows * problem.columns)
        sums = Array(repeating: .zero, count: m * n)
        loads = SkewLine(length: problem.columns)
        stream = SkewLine(length: problem.rows)
        outstanding = problem.steps * problem.columns
    }

    var isFinished: Bool { leaving == problem.foldCount }

    mutating func step(cycle: Int) {
        if isRegistered { collect() }
        feed(cycle: cycle)
        move(cycle: cycle)
        if !isRegistered { collect() }
        startNextFold(cycle: cycle)
    }

    /// Puts in front of the edges what enters in this cycle.
    private mutating func feed(cycle: Int) {
        if streaming < loading, cycle >= loadStart + problem.rows,
            streaming < 0 || cycle >= streamStart + problem.steps
        {
            streaming = loading
            streamStart = cycle
            if isOverlapped, loading + 1 < problem.foldCount {
                loading += 1
                loadStart = cycle
            }
        }
        let loadStep = cycle - loadStart
        let isLoading = loadStep >= 0 && loadStep < problem.rows
        loads.enter(
            isLoading ? SystolicToken(fold: Int32(loading), step: Int32(loadStep)) : .none,
            cycle: cycle)
        let streamStep = cycle - streamStart
        let isStreaming = streaming >= 0 && streamStep < problem.steps
        stream.enter(
            isStreaming ? SystolicToken(fold: Int32(streaming), step: Int32(streamStep)) : .none,
            cycle: cycle)
    }

    /// One clock of every element. From the last element to the first, so that each still sees what
    /// its left and upper neighbours held before the clock.
    private mutating func move(cycle: Int) {
        let columns = problem.columns
        let entering = (0..<problem.rows).map { row in
            let token = stream.token(lane: row, cycle: cycle)
            return (token: token, value: movingValue(token, row))
        }
        let loading = (0..<columns).map { column in
            let load = loads.token(lane: column, cycle: cycle)
            return (token: load, value: stationaryValue(load, column))
        }
        let lastRow = problem.rows - 1
        elements.withUnsafeMutableBufferPointer { elements in
            for row in stride(from: lastRow, through: 0, by: -1) {
                for column in stride(from: columns - 1, through: 0, by: -1) {
                    let index = row * columns + column
                    let (token, value) =
                        column == 0
                        ? entering[row] : (elements[index - 1].token, elements[index - 1].left)
                    elements[index].token = token
                    elements[index].left = value
                    if token.isPresent {
                        if token.step == 0 { elements[index].stationary = elements[index].next }
                        let above = row == 0 ? .zero : elements[index - columns].sum
                        elements[index].sum = .multiplyAdd(
                            above, elements[index].stationary, value)
                    }
                    // Row r takes part in a load from its column's step r on.
                    let load = loading[column]
                    guard load.token.isPresent, load.token.step >= row else { continue }
                    if row == 0 {
                        elements[index].next = load.value
                        elements[index].nextToken = SystolicToken(
                            fold: load.token.fold, step: Int32(lastRow) - load.token.step)
                    } else {
                        elements[index].next = elements[index - columns].next
                        elements[index].nextToken = elements[index - columns].nextToken
                    }
                }
            }
        }
    }

    private func movingValue(_ token: SystolicToken, _ row: Int) -> Value {
        guard token.isPresent else { return .zero }
        let fold = problem.fold(Int(token.fold))
        return moving.value(movingValues, Int(token.step), fold.rows.lowerBound + row)
    }

    /// What enters at the top of a column: rows from the last one up.
    private func stationaryValue(_ token: SystolicToken, _ column: Int) -> Value {
        guard token.isPresent else { return .zero }
        let fold = problem.fold(Int(token.fold))
        let row = fold.rows.lowerBound + problem.rows - 1 - Int(token.step)
        return stationary.value(stationaryValues, row, fold.columns.lowerBound + column)
    }

    /// Takes out what stands in the bottom row.
    private mutating func collect() {
        let first = (problem.rows - 1) * problem.columns
        for column in 0..<problem.columns {
            let token = elements[first + column].token
            guard token.isPresent else { continue }
            let fold = problem.fold(Int(token.fold))
            if let index = result.index(Int(token.step), fold.columns.lowerBound + column) {
                sums[index] = .add(sums[index], elements[first + column].sum)
            }
            outstanding -= 1
            if outstanding == 0 {
                leaving += 1
                outstanding = problem.steps * problem.columns
            }
        }
    }

    /// Without overlap, the next load starts when everything has left.
    private mutating func startNextFold(cycle: Int) {
        guard !isOverlapped, leaving > loading, leaving < problem.foldCount else { return }
        loading = leaving
        loadStart = cycle + 1
    }
}
