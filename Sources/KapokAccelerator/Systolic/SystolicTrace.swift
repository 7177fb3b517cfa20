/// What a small array did, as a film needs it: the way of every value through the array, and what
/// each element held in every cycle. Read off the registers, not calculated.
struct SystolicTrace: Sendable {
    /// What travels.
    enum Kind: CaseIterable, Sendable {
        /// Enters from the left.
        case left
        /// Enters from above to meet what comes from the left (output-stationary arrays).
        case top
        /// A stationary value on its way to its element.
        case weight
        /// A partial sum on its way down.
        case sum
        /// A result that is shifted out.
        case result
    }

    /// The way of one value: one place and one text for each cycle from `start` on.
    struct Track: Sendable {
        var kind: Kind
        var fold: Int
        var start: Int
        var rows: [Int]
        var columns: [Int]
        var texts: [String]
    }

    /// Something that holds a text from one cycle to another.
    struct Span: Sendable {
        var row: Int
        var column: Int
        var cycles: Range<Int>
        var text: String
    }

    let problem: SystolicProblem
    /// Cycles in all.
    private(set) var cycles = 0
    /// The ways of all values, in the order in which they entered.
    private(set) var tracks: [Track] = []
    /// Stationary values (weight- and input-stationary) or running sums (output-stationary), while
    /// an element holds them.
    private(set) var held: [Span] = []
    /// Cycles in which an element multiplied and added.
    private(set) var worked: [Span] = []
    /// What is known of each result, row by row of C, from cycle to cycle.
    private(set) var results: [Span] = []
    /// What the array does, in words.
    private(set) var phases: [Span] = []

    private var trackOfKey: [Key: Int] = [:]
    private var heldIndex: [Int?]
    private var workedIndex: [Int?]
    private var resultIndex: [Int?]
    /// For each element, the fold whose value it multiplies by.
    private var activeFold: [Int32]

    private struct Key: Hashable {
        var kind: Kind
        var token: SystolicToken
        var lane: Int
    }

    /// Lets `array` run to its end.
    init(recording start: SystolicArray<Int32>) {
        problem = start.problem
        heldIndex = Array(repeating: nil, count: problem.rows * problem.columns)
        workedIndex = heldIndex
        resultIndex = Array(repeating: nil, count: problem.m * problem.n)
        activeFold = Array(repeating: -1, count: heldIndex.count)
        var array = start
        while !array.isFinished {
            array.step()
            record(array, cycle: cycles)
            cycles += 1
        }
    }

    private mutating func record(_ array: SystolicArray<Int32>, cycle: Int) {
        let known = tracks.count
        for row in 0..<problem.rows {
            for column in 0..<problem.columns {
                record(array.element(row: row, column: column), row, column, cycle)
            }
        }
        recordResults(array.results, cycle: cycle)
        var index: Int? = phases.isEmpty ? nil : phases.count - 1
        Self.extend(&phases, &index, 0, 0, cycle, phase(entered: tracks[known...]))
    }

    private mutating func recordResults(_ values: [Int32], cycle: Int) {
        for index in values.indices where values[index] != 0 || resultIndex[index] != nil {
            let (row, column) = index.quotientAndRemainder(dividingBy: problem.n)
            Self.extend(&results, &resultIndex[index], row, column, cycle, "\(values[index])")
        }
    }

    private mutating func record(
        _ element: SystolicElement<Int32>, _ row: Int, _ column: Int, _ cycle: Int
    ) {
        let isOutput = problem.dataflow == .outputStationary
        let index = row * problem.columns + column
        let token = element.token
        if token.isPresent {
            activeFold[index] = token.fold
            note(.left, token, lane: row, row, column, cycle, "\(element.left)")
            Self.extend(&worked, &workedIndex[index], row, column, cycle, "")
            if isOutput {
                note(.top, token, lane: column, row, column, cycle, "\(element.top)")
            } else {
                note(.sum, token, lane: column, row, column, cycle, "\(element.sum)")
            }
        }
        if activeFold[index] >= 0 {
            let text = isOutput ? "\(element.sum)" : "\(element.stationary)"
            Self.extend(&held, &heldIndex[index], row, column, cycle, text)
        }
        if isOutput, element.nextToken.isPresent {
            note(.result, element.nextToken, lane: column, row, column, cycle, "\(element.next)")
        }
        if !isOutput, element.nextToken.isPresent, element.nextToken.fold > activeFold[index] {
            note(.weight, element.nextToken, lane: column, row, column, cycle, "\(element.next)")
        }
    }

    /// What the array does in a cycle, by what has just come in.
    private func phase(entered: ArraySlice<Track>) -> String {
        let load = entered.first { $0.kind == .weight }
        let stream = entered.first { $0.kind == .left || $0.kind == .top }
        switch (load, stream) {
        case (let load?, nil): return "fold \(load.fold + 1): loading \(stationaryName)"
        case (_?, let stream?):
            return "fold \(stream.fold + 1): streaming \(movingName), loading the next "
                + stationaryName
        case (nil, let stream?): return "fold \(stream.fold + 1): streaming \(movingName)"
        case (nil, nil): return "results drain"
        }
    }

    private var stationaryName: String { problem.dataflow == .inputStationary ? "A" : "B" }

    private var movingName: String {
        switch problem.dataflow {
        case .weightStationary: "A"
        case .outputStationary: "A and B"
        case .inputStationary: "B"
        }
    }

    /// Adds a cycle to the way of a value. A value that stands in several registers (an old copy
    /// that was not overwritten yet) is where it got farthest.
    private mutating func note(
        _ kind: Kind, _ token: SystolicToken, lane: Int, _ row: Int, _ column: Int, _ cycle: Int,
        _ text: String
    ) {
        let key = Key(kind: kind, token: token, lane: lane)
        guard let index = trackOfKey[key] else {
            trackOfKey[key] = tracks.count
            tracks.append(
                Track(
                    kind: kind, fold: Int(token.fold), start: cycle, rows: [row],
                    columns: [column], texts: [text]))
            return
        }
        let last = tracks[index].start + tracks[index].rows.count - 1
        if last == cycle {
            tracks[index].rows[tracks[index].rows.count - 1] = row
            tracks[index].columns[tracks[index].columns.count - 1] = column
        } else if last == cycle - 1 {
            tracks[index].rows.append(row)
            tracks[index].columns.append(column)
            tracks[index].texts.append(text)
        }
    }

    private static func extend(
        _ spans: inout [Span], _ index: inout Int?, _ row: Int, _ column: Int, _ cycle: Int,
        _ text: String
    ) {
        if let last = index, spans[last].cycles.upperBound == cycle, spans[last].text == text {
            spans[last].cycles = spans[last].cycles.lowerBound..<cycle + 1
        } else {
            index = spans.count
            spans.append(Span(row: row, column: column, cycles: cycle..<cycle + 1, text: text))
        }
    }
}
