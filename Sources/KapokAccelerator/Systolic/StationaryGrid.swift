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

    /// The registers of all elements, row by row.
    private(set) var active: [Value]
    private(set) var shadow: [Value]
    /// Which row of which fold stands in each shadow register.
    private(set) var shadowToken: [SystolicToken]
    private(set) var movingRegister: [Value]
    private(set) var movingToken: [SystolicToken]
    private(set) var sum: [Value]
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
        let count = problem.rows * problem.columns
        active = Array(repeating: .zero, count: count)
        shadow = active
        shadowToken = Array(repeating: .none, count: count)
        movingRegister = active
        sum = active
        movingToken = Array(repeating: .none, count: count)
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
        for row in stride(from: problem.rows - 1, through: 0, by: -1) {
            for column in stride(from: columns - 1, through: 0, by: -1) {
                let index = row * columns + column
                let token: SystolicToken
                let value: Value
                if column == 0 {
                    token = stream.token(lane: row, cycle: cycle)
                    value = movingValue(token, row)
                } else {
                    token = movingToken[index - 1]
                    value = movingRegister[index - 1]
                }
                movingToken[index] = token
                movingRegister[index] = value
                if token.isPresent {
                    if token.step == 0 { active[index] = shadow[index] }
                    let above = row == 0 ? .zero : sum[index - columns]
                    sum[index] = .multiplyAdd(above, active[index], value)
                }
                load(row: row, column: column, cycle: cycle)
            }
        }
    }

    /// One clock of a shadow register: row r takes part from step r of its column's load on.
    private mutating func load(row: Int, column: Int, cycle: Int) {
        let load = loads.token(lane: column, cycle: cycle)
        guard load.isPresent, load.step >= row else { return }
        let index = row * problem.columns + column
        if row == 0 {
            let stationaryRow = problem.rows - 1 - Int(load.step)
            shadow[index] = stationaryValue(load, stationaryRow, column)
            shadowToken[index] = SystolicToken(fold: load.fold, step: Int32(stationaryRow))
        } else {
            shadow[index] = shadow[index - problem.columns]
            shadowToken[index] = shadowToken[index - problem.columns]
        }
    }

    private func movingValue(_ token: SystolicToken, _ row: Int) -> Value {
        guard token.isPresent else { return .zero }
        let fold = problem.fold(Int(token.fold))
        return moving.value(movingValues, Int(token.step), fold.rows.lowerBound + row)
    }

    private func stationaryValue(_ token: SystolicToken, _ row: Int, _ column: Int) -> Value {
        let fold = problem.fold(Int(token.fold))
        return stationary.value(
            stationaryValues, fold.rows.lowerBound + row, fold.columns.lowerBound + column)
    }

    /// Takes out what stands in the bottom row.
    private mutating func collect() {
        let first = (problem.rows - 1) * problem.columns
        for column in 0..<problem.columns {
            let token = movingToken[first + column]
            guard token.isPresent else { continue }
            let fold = problem.fold(Int(token.fold))
            if let index = result.index(Int(token.step), fold.columns.lowerBound + column) {
                sums[index] = .add(sums[index], sum[first + column])
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
