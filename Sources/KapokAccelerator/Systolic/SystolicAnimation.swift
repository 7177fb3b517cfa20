internal import KapokWorld

/// A film of a small array for learners: a self-contained SVG whose values move from element to
/// element, cycle by cycle, for ever. What it shows was read off a ``SystolicArray``'s registers.
public struct SystolicAnimation: Sendable {
    /// The film, an SVG document.
    public let svg: String

    /// Rows and columns of the array, and M, K and N at most.
    public static let largestSide = 8
    public static let largestDimension = 12
    /// Cycles at most.
    public static let largestLength = 200

    /// - Parameter seed: of the small numbers that are multiplied.
    /// - Throws: ``SystolicError`` when the problem is too large to be watched.
    public init(_ problem: SystolicProblem, seed: UInt64 = 1) throws(SystolicError) {
        for (name, value) in [("rows", problem.rows), ("columns", problem.columns)]
        where value > Self.largestSide {
            throw .tooLarge("\(name) of an animated array", value, limit: Self.largestSide)
        }
        for (name, value) in [("m", problem.m), ("k", problem.k), ("n", problem.n)]
        where value > Self.largestDimension {
            throw .tooLarge("\(name) of an animated array", value, limit: Self.largestDimension)
        }
        guard problem.cycles <= Self.largestLength else {
            throw .tooLarge("cycles of an animation", problem.cycles, limit: Self.largestLength)
        }
        var random = RandomStream(seed: seed)
        let a = (0..<problem.m * problem.k).map { _ in Int32(1 + random.below(4)) }
        let b = (0..<problem.k * problem.n).map { _ in Int32(1 + random.below(4)) }
        let trace = SystolicTrace(recording: try SystolicArray(problem, a: a, b: b))
        svg = SystolicFilm(trace: trace, a: a, b: b).document()
    }
}

/// Draws a trace.
private struct SystolicFilm {
    let trace: SystolicTrace
    let a: [Int32]
    let b: [Int32]
    let layout: SystolicLayout
    let clock: FilmClock

    private var problem: SystolicProblem { trace.problem }

    init(trace: SystolicTrace, a: [Int32], b: [Int32]) {
        self.trace = trace
        self.a = a
        self.b = b
        layout = SystolicLayout(trace.problem)
        clock = FilmClock(cycles: trace.cycles)
    }

    func document() -> String {
        let width = layout.width
        let height = layout.height
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" \
            width="\(width)" height="\(height)" font-family="system-ui, sans-serif" \
            text-anchor="middle" role="img" aria-label="\(title)">
            <style>
            .cell{fill:#f8fafc;stroke:#94a3b8;stroke-width:1.5}
            .work{fill:#fef3c7;stroke:#d97706;stroke-width:2}
            .number{font-size:14px;font-weight:600;dominant-baseline:central}
            .small{font-size:13px;dominant-baseline:central}
            .label{font-size:14px;fill:#475569}
            .left{fill:#ea580c}.top,.weight{fill:#2563eb}.sum,.result{fill:#047857}
            .wire{stroke:#cbd5e1;stroke-width:2}
            </style>
            <rect width="\(width)" height="\(height)" fill="#ffffff"/>
            \(heading())
            \(elements())
            \(trace.tracks.map(token).joined(separator: "\n"))
            \(panels())
            \(progress())
            </svg>

            """
    }

    private var title: String {
        let name =
            switch problem.dataflow {
            case .weightStationary: "Weight-stationary"
            case .outputStationary: "Output-stationary"
            case .inputStationary: "Input-stationary"
            }
        return "\(name) systolic array, \(problem.rows) x \(problem.columns)"
    }

    // MARK: Words

    private func heading() -> String {
        let shape = "C (\(problem.m)x\(problem.n)) = A (\(problem.m)x\(problem.k)) x B "
        var parts = [
            "<text x=\"24\" y=\"34\" font-size=\"20\" font-weight=\"700\" text-anchor=\"start\" "
                + "fill=\"#0f172a\">\(title)</text>",
            "<text x=\"24\" y=\"58\" class=\"label\" text-anchor=\"start\">\(shape)"
                + "(\(problem.k)x\(problem.n)), \(trace.cycles) cycles, \(modeText)</text>",
        ]
        for (index, entry) in legend.enumerated() {
            let y = layout.legendTop + 24 * index
            parts.append(
                "<circle cx=\"\(layout.panelLeft + 8)\" cy=\"\(y)\" r=\"8\" class=\"\(entry.0)\"/>"
                    + "<text x=\"\(layout.panelLeft + 24)\" y=\"\(y + 5)\" class=\"label\" "
                    + "text-anchor=\"start\">\(entry.1)</text>")
        }
        return parts.joined(separator: "\n")
    }

    private var explanation: String {
        let folds = problem.foldCount
        let work = "each element, each cycle: sum + A x B"
        guard folds > 1 || problem.mappingEfficiency < 1 else { return work }
        let cut = folds > 1 ? "; \(folds) folds, one after the other" : ""
        return work + cut + (problem.mappingEfficiency < 1 ? "; zeros fill what is empty" : "")
    }

    private var modeText: String {
        switch problem.mode {
        case .scalesim: "counted as SCALE-Sim does"
        case .serial: "nothing overlaps"
        case .background: "loading is hidden"
        }
    }

    private var legend: [(String, String)] {
        switch problem.dataflow {
        case .weightStationary:
            [("left", "A moves right"), ("weight", "B stays"), ("sum", "sums move down")]
        case .outputStationary:
            [("left", "A moves right"), ("top", "B moves down"), ("sum", "sums stay")]
        case .inputStationary:
            [("left", "B moves right"), ("weight", "A stays"), ("sum", "sums move down")]
        }
    }

    private func progress() -> String {
        let y = layout.gridBottom + 96
        let width = layout.width - 48
        var parts = [
            "<rect x=\"24\" y=\"\(y)\" width=\"\(width)\" height=\"6\" rx=\"3\" fill=\"#e2e8f0\"/>",
            "<rect x=\"24\" y=\"\(y)\" width=\"0\" height=\"6\" rx=\"3\" fill=\"#475569\">"
                + "<animate attributeName=\"width\" values=\"0;\(width);\(width)\" "
                + "keyTimes=\"0;\(clock.fraction(trace.cycles));1\" \(clock.loop)/></rect>",
            "<text x=\"24\" y=\"\(y + 32)\" class=\"label\" text-anchor=\"start\">\(explanation)"
                + "</text>",
        ]
        for cycle in 0..<trace.cycles {
            let end = cycle == trace.cycles - 1 ? clock.length : cycle + 1
            parts.append(
                "<text x=\"24\" y=\"\(y - 14)\" font-size=\"18\" font-weight=\"700\" opacity=\"0\" "
                    + "text-anchor=\"start\" fill=\"#0f172a\">cycle \(cycle)"
                    + "\(clock.visible(cycle..<end))</text>")
        }
        for (index, phase) in trace.phases.enumerated() {
            let isLast = index == trace.phases.count - 1
            let cycles = isLast ? phase.cycles.lowerBound..<clock.length : phase.cycles
            parts.append(
                "<text x=\"128\" y=\"\(y - 14)\" font-size=\"16\" opacity=\"0\" fill=\"#475569\" "
                    + "text-anchor=\"start\">\(phase.text)\(clock.visible(cycles))</text>")
        }
        return parts.joined(separator: "\n")
    }

    // MARK: Elements

    private func elements() -> String {
        var parts: [String] = []
        for row in 0..<problem.rows {
            for column in 0..<problem.columns {
                parts.append(cell(row, column))
            }
        }
        let isOutput = problem.dataflow == .outputStationary
        for span in trace.worked {
            let corner = layout.corner(span.row, span.column)
            parts.append(
                "<rect x=\"\(corner.x)\" y=\"\(corner.y)\" width=\"\(layout.cell)\" "
                    + "height=\"\(layout.cell)\" rx=\"10\" class=\"work\" opacity=\"0\">"
                    + "\(clock.visible(span.cycles))</rect>")
        }
        for span in trace.held {
            let place = layout.place(isOutput ? .sum : .weight, span.row, span.column, isHeld: true)
            let style = isOutput ? "sum" : "weight"
            parts.append(
                "<g opacity=\"0\" transform=\"translate(\(place.x) \(place.y))\">"
                    + "<rect x=\"-14\" y=\"-12\" width=\"28\" height=\"24\" rx=\"5\" "
                    + "class=\"\(style)\"/><text class=\"number\" fill=\"#ffffff\">\(span.text)"
                    + "</text>\(clock.visible(span.cycles))</g>")
        }
        return parts.joined(separator: "\n")
    }

    /// An element and the wires that leave it.
    private func cell(_ row: Int, _ column: Int) -> String {
        let corner = layout.corner(row, column)
        let middle = layout.cell / 2
        let right = corner.x + layout.cell
        let bottom = corner.y + layout.cell
        return """
            <line x1="\(right)" y1="\(corner.y + middle)" x2="\(right + layout.gap)" \
            y2="\(corner.y + middle)" class="wire"/>\
            <line x1="\(corner.x + middle)" y1="\(bottom)" x2="\(corner.x + middle)" \
            y2="\(bottom + layout.gap)" class="wire"/>\
            <rect x="\(corner.x)" y="\(corner.y)" width="\(layout.cell)" height="\(layout.cell)" \
            rx="10" class="cell"/>
            """
    }

    // MARK: Values on their way

    private func token(_ track: SystolicTrace.Track) -> String {
        let path = layout.path(of: track)
        let shape: String
        switch track.kind {
        case .left, .top: shape = "<circle r=\"13\" class=\"\(track.kind.style)\"/>"
        case .weight:
            shape =
                "<rect x=\"-12\" y=\"-11\" width=\"24\" height=\"22\" rx=\"5\" fill=\"#ffffff\" "
                + "stroke=\"#2563eb\" stroke-width=\"2\"/>"
        case .sum, .result:
            shape = "<rect x=\"-17\" y=\"-11\" width=\"34\" height=\"22\" rx=\"11\" class=\"sum\"/>"
        }
        let color = track.kind == .weight ? "#2563eb" : "#ffffff"
        var texts = ""
        var index = 0
        while index < track.texts.count {
            var end = index + 1
            while end < track.texts.count, track.texts[end] == track.texts[index] { end += 1 }
            let isWhole = index == 0 && end == track.texts.count
            let from = index == 0 ? path.start : track.start + index
            let to = end == track.texts.count ? path.end : track.start + end
            texts +=
                "<text class=\"number\" fill=\"\(color)\"\(isWhole ? "" : " opacity=\"0\"")>"
                + "\(track.texts[index])\(isWhole ? "" : clock.visible(from..<to))</text>"
            index = end
        }
        return "<g opacity=\"0\">\(shape)\(texts)\(clock.motion(path.points, from: path.start))"
            + "\(clock.visible(path.start..<path.end))</g>"
    }

    // MARK: The matrices

    private func panels() -> String {
        let isInput = problem.dataflow == .inputStationary
        let top = layout.panelTop
        let nextTop = top + layout.panelHeight(problem.m)
        return [
            matrix(
                "A", problem.m, problem.k, a, top: top, style: isInput ? "weight" : "left"),
            matrix(
                "B", problem.k, problem.n, b, top: nextTop, style: isInput ? "left" : "weight"),
            result(top: nextTop + layout.panelHeight(problem.k)),
        ].joined(separator: "\n")
    }

    private func matrix(
        _ name: String, _ rows: Int, _ columns: Int, _ values: [Int32], top: Int, style: String
    ) -> String {
        var parts = [panelName(name, top: top)]
        for index in values.indices {
            let (row, column) = index.quotientAndRemainder(dividingBy: columns)
            let place = layout.panelPlace(row, column, top: top)
            parts.append(
                "<text x=\"\(place.x)\" y=\"\(place.y)\" class=\"small \(style)\">\(values[index])"
                    + "</text>")
        }
        return parts.joined()
    }

    private func result(top: Int) -> String {
        var parts = [panelName("C", top: top)]
        for row in 0..<problem.m {
            for column in 0..<problem.n {
                let place = layout.panelPlace(row, column, top: top)
                parts.append(
                    "<rect x=\"\(place.x - 15)\" y=\"\(place.y - 11)\" width=\"30\" height=\"22\" "
                        + "fill=\"none\" stroke=\"#e2e8f0\"/>")
            }
        }
        for span in trace.results {
            let place = layout.panelPlace(span.row, span.column, top: top)
            let isLast = span.cycles.upperBound == trace.cycles
            let cycles = isLast ? span.cycles.lowerBound..<clock.length : span.cycles
            parts.append(
                "<text x=\"\(place.x)\" y=\"\(place.y)\" class=\"small sum\" opacity=\"0\">"
                    + "\(span.text)\(clock.visible(cycles))</text>")
        }
        return parts.joined()
    }

    private func panelName(_ name: String, top: Int) -> String {
        "<text x=\"\(layout.panelLeft + 8)\" y=\"\(top + 11)\" class=\"label\" "
            + "font-weight=\"700\">\(name)</text>"
    }
}

extension SystolicTrace.Kind {
    fileprivate var style: String {
        switch self {
        case .left: "left"
        case .top: "top"
        case .weight: "weight"
        case .sum, .result: "sum"
        }
    }
}
