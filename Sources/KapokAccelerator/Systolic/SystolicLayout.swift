/// Where things stand in the picture of an array, in pixels.
struct SystolicLayout: Sendable {
    /// A point of the picture.
    struct Point: Hashable, Sendable {
        var x: Int
        var y: Int
    }

    /// The way of a value through the picture: a point for each cycle, on the edges too.
    struct Path: Sendable {
        var start: Int
        var points: [Point]
        /// The cycle after the last one in which it is seen.
        var end: Int { start + points.count }
    }

    let problem: SystolicProblem
    /// Side of an element, and the space between two.
    let cell = 84
    let gap = 28
    /// Cycles in which a value is seen before it enters, and after it has left.
    private let lead = 3
    private let leadStep = 38

    init(_ problem: SystolicProblem) { self.problem = problem }

    private var pitch: Int { cell + gap }
    private var gridLeft: Int { 60 + lead * leadStep }
    private var gridTop: Int { 90 + lead * leadStep }
    private var gridRight: Int { gridLeft + problem.columns * pitch - gap }
    /// The lower edge of the last row.
    var gridBottom: Int { gridTop + problem.rows * pitch - gap }
    /// The left edge of the matrices.
    var panelLeft: Int { max(gridRight + 70, 530) }
    /// The upper edge of the legend and of the first matrix.
    var legendTop: Int { 34 }
    var panelTop: Int { 120 }

    var width: Int {
        panelLeft + max(60 + 32 * max(problem.k, problem.n), 190)
    }

    var height: Int {
        let panels =
            panelTop + panelHeight(problem.m) * 2 + panelHeight(problem.k)
        return max(gridBottom + 150, panels)
    }

    /// The height of a matrix of `rows` rows, with space below.
    func panelHeight(_ rows: Int) -> Int { rows * 24 + 24 }

    /// The middle of an entry of a matrix.
    func panelPlace(_ row: Int, _ column: Int, top: Int) -> Point {
        Point(x: panelLeft + 44 + column * 32, y: top + 11 + row * 24)
    }

    /// The upper left corner of an element.
    func corner(_ row: Int, _ column: Int) -> Point {
        Point(x: gridLeft + column * pitch, y: gridTop + row * pitch)
    }

    /// Where a value stands in an element.
    func place(
        _ kind: SystolicTrace.Kind, _ row: Int, _ column: Int, isHeld: Bool = false
    ) -> Point {
        let corner = corner(row, column)
        let isOutput = problem.dataflow == .outputStationary
        switch kind {
        case .left: return Point(x: corner.x + 20, y: corner.y + 62)
        case .top: return Point(x: corner.x + 64, y: corner.y + 20)
        case .weight where isHeld: return Point(x: corner.x + 22, y: corner.y + 20)
        case .weight: return Point(x: corner.x + 64, y: corner.y + 20)
        case .sum where isOutput: return Point(x: corner.x + 22, y: corner.y + 20)
        case .sum, .result: return Point(x: corner.x + 60, y: corner.y + 64)
        }
    }

    /// The way of a value, with the steps that lead it to the array and away from it.
    func path(of track: SystolicTrace.Track) -> Path {
        var points = zip(track.rows, track.columns).map { place(track.kind, $0, $1) }
        guard let first = points.first, let last = points.last else {
            return Path(start: track.start, points: [])
        }
        var start = track.start
        if track.kind != .sum, track.kind != .result {
            // Nothing is seen before the film begins.
            let steps = min(lead, start)
            let approach = (0..<steps).map { step -> Point in
                let distance = (steps - step - 1) * leadStep
                return track.kind == .left
                    ? Point(x: gridLeft - 24 - distance, y: first.y)
                    : Point(x: first.x, y: gridTop - 22 - distance)
            }
            points.insert(contentsOf: approach, at: 0)
            start -= steps
        }
        switch track.kind {
        case .left where track.columns.last == problem.columns - 1:
            points.append(Point(x: gridRight + 24, y: last.y))
        case .top where track.rows.last == problem.rows - 1:
            points.append(Point(x: last.x, y: gridBottom + 22))
        case .sum, .result: points.append(Point(x: last.x, y: gridBottom + 26))
        default: break
        }
        return Path(start: start, points: points)
    }
}

/// The time of a film that runs in a loop: cycles, and a pause at the end.
struct FilmClock: Sendable {
    private let cycles: Int
    private let secondsPerCycle = 1.2
    private let pause = 3

    init(cycles: Int) { self.cycles = cycles }

    /// Cycles with the pause.
    var length: Int { cycles + pause }

    /// What all animations have in common: equal lengths keep them in step.
    var loop: String {
        "dur=\"\(decimal(Double(length) * secondsPerCycle))s\" repeatCount=\"indefinite\""
    }

    /// A time as a share of the film.
    func fraction(_ cycle: Double) -> String { decimal(cycle / Double(length)) }

    func fraction(_ cycle: Int) -> String { fraction(Double(cycle)) }

    /// Makes an element visible in some cycles only; it has opacity 0 by itself.
    func visible(_ range: Range<Int>) -> String {
        var values = ["1"]
        var times = ["0"]
        if range.lowerBound > 0 {
            values.insert("0", at: 0)
            times.append(fraction(range.lowerBound))
        }
        if range.upperBound < length {
            values.append("0")
            times.append(fraction(range.upperBound))
        }
        return "<animate attributeName=\"opacity\" calcMode=\"discrete\" values=\""
            + "\(values.joined(separator: ";"))\" keyTimes=\"\(times.joined(separator: ";"))\" "
            + "\(loop)/>"
    }

    /// Moves an element from point to point: it rests for most of a cycle, then goes on.
    func motion(_ points: [SystolicLayout.Point], from start: Int) -> String {
        guard let first = points.first, let last = points.last else { return "" }
        var values = ["\(first.x) \(first.y)"]
        var times = ["0"]
        for (index, (here, next)) in zip(points, points.dropFirst()).enumerated() where here != next
        {
            let cycle = start + index
            values += ["\(here.x) \(here.y)", "\(next.x) \(next.y)"]
            times += [fraction(Double(cycle) + 0.6), fraction(cycle + 1)]
        }
        values.append("\(last.x) \(last.y)")
        times.append("1")
        return "<animateTransform attributeName=\"transform\" type=\"translate\" values=\""
            + "\(values.joined(separator: ";"))\" keyTimes=\"\(times.joined(separator: ";"))\" "
            + "\(loop)/>"
    }

    private func decimal(_ value: Double) -> String {
        let rounded = (value * 100_000).rounded() / 100_000
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }
}
