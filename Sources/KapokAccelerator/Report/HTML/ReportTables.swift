/// A table of the HTML report.
struct ReportTable {
    /// A column's name, and whether its cells are numbers (aligned to the right).
    struct Column {
        var title: String
        var isNumber: Bool
    }

    /// Where a click on a row leads.
    enum Link {
        case instruction(UInt32)
        case line(UInt32)

    }

    /// A row: its cells, the share of its bar (0 to 1), and where it leads.
    struct Row {
        var cells: [String]
        var share: Double?
        var link: Link?
    }

    /// The name in the page's address.
    var name: String
    var title: String
    /// What it shows, in one sentence.
    var note: String
    var columns: [Column]
    var rows: [Row]

    func write(_ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writer.member("title", title)
            writer.member("note", note)
            writer.key("columns")
            writer.array { writer in
                for column in columns {
                    writer.object { writer in
                        writer.member("title", column.title)
                        writer.member("isNumber", column.isNumber)
                    }
                }
            }
            writer.key("rows")
            writer.array { writer in for row in rows { Self.write(row, &writer) } }
        }
    }

    private static func write(_ row: Row, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.key("cells")
            writer.array { writer in for cell in row.cells { writer.value(cell) } }
            if let share = row.share { writer.member("share", share) }
            switch row.link {
            case .instruction(let index): writer.member("instruction", Int(index))
            case .line(let index): writer.member("line", Int(index))
            case nil: break
            }
        }
    }
}

/// The tables of the HTML report.
struct ReportTables {
    private let profile: Profile
    private let makespan: Int64

    /// Rows of a table at most.
    private static let maximumRows = 200

    init(_ profile: Profile) {
        self.profile = profile
        makespan = profile.timeline.makespan
    }

    var all: [ReportTable] {
        [causes, lines, loops, criticalPath, metrics, bounds].filter { !$0.rows.isEmpty }
    }

    private func time(_ ticks: Int64) -> String {
        ticks == 0 ? "-" : NumberText.time(nanoseconds: profile.machine.nanoseconds(ticks: ticks))
    }

    private func share(_ ticks: Int64) -> Double {
        makespan > 0 ? Double(ticks) / Double(makespan) : 0
    }

    private func leftOut(_ count: Int) -> String {
        count > Self.maximumRows ? " The first \(Self.maximumRows) of \(count)." : ""
    }

    private func text(_ title: String) -> ReportTable.Column {
        ReportTable.Column(title: title, isNumber: false)
    }

    private func number(_ title: String) -> ReportTable.Column {
        ReportTable.Column(title: title, isNumber: true)
    }

    // MARK: Tables

    private var causes: ReportTable {
        let causes = CauseSummary.all(of: profile).filter { $0.unit < .sync }
        return ReportTable(
            name: "causes", title: "Who waited for what",
            note: "Idle time of compute engines by what they waited for." + leftOut(causes.count),
            columns: [
                number("time"), number("of run"), text("waiting"), text("reason"), text("for"),
                number("stalls"), text("at"),
            ],
            rows: causes.prefix(Self.maximumRows).map { cause in
                ReportTable.Row(
                    cells: [
                        time(cause.ticks), NumberText.percent(cause.ticks, of: makespan),
                        EngineSummary.name(of: cause.unit), cause.reason.name, cause.opcode.name,
                        NumberText.grouped(cause.count),
                        profile.place(ofLine: Int(cause.line)) ?? "",
                    ], share: share(cause.ticks), link: .instruction(cause.example))
            })
    }

    private var lines: ReportTable {
        let lines = profile.linesByCost()
        return ReportTable(
            name: "lines", title: "Source lines",
            note: "What each line cost: its share of the critical path, what its instructions kept"
                + " busy, how long they waited and made others wait." + leftOut(lines.count),
            columns: usageColumns + [text("line")],
            rows: lines.prefix(Self.maximumRows).map { line in
                ReportTable.Row(
                    cells: usageCells(line.usage) + [profile.place(ofLine: line.line) ?? ""],
                    share: share(line.usage.criticalTicks), link: .line(UInt32(line.line)))
            })
    }

    private var loops: ReportTable {
        let loops = profile.loopUsage()
        return ReportTable(
            name: "loops", title: "Loops",
            note: "What each loop cost, inner loops counted into outer ones."
                + leftOut(loops.count),
            columns: usageColumns + [number("iterations"), text("loop"), text("at")],
            rows: loops.prefix(Self.maximumRows).map { loop in
                let declaration = profile.program.loops[loop.loop]
                let indent = String(repeating: "\u{2003}", count: loop.depth)
                return ReportTable.Row(
                    cells: usageCells(loop.usage) + [
                        NumberText.grouped(loop.iterations), indent + declaration.name,
                        profile.place(ofLine: Int(declaration.line)) ?? "",
                    ], share: share(loop.usage.criticalTicks), link: .line(declaration.line))
            })
    }

    private var usageColumns: [ReportTable.Column] {
        [
            number("critical"), number("busy"), number("moving"), number("waited"),
            number("caused"), number("count"),
        ]
    }

    private func usageCells(_ usage: SourceUsage) -> [String] {
        [
            NumberText.percent(usage.criticalTicks, of: makespan), time(usage.engineBusy),
            time(usage.moving), time(usage.engineStallsSuffered), time(usage.engineStallsCaused),
            NumberText.grouped(usage.count),
        ]
    }

    private var criticalPath: ReportTable {
        let summary = CriticalPathSummary(profile)
        return ReportTable(
            name: "path", title: "Critical path",
            note: "The chain of work and waits that makes the run as long as it is, added up."
                + leftOut(summary.parts.count),
            columns: [
                number("time"), number("of run"), number("steps"), text("what"), text("unit"),
                text("opcode"), text("at"),
            ],
            rows: summary.parts.prefix(Self.maximumRows).map { part in
                ReportTable.Row(
                    cells: [
                        time(part.ticks), NumberText.percent(part.ticks, of: makespan),
                        NumberText.grouped(part.count), part.kind.name,
                        EngineSummary.name(of: part.unit), part.opcode.name,
                        profile.place(ofLine: Int(part.line)) ?? "",
                    ], share: share(part.ticks), link: part.line > 0 ? .line(part.line) : nil)
            })
    }

    private var metrics: ReportTable {
        ReportTable(
            name: "metrics", title: "Metrics", note: "Totals and rates, each with what it means.",
            columns: [text("metric"), number("value"), text("definition")],
            rows: MetricSummary.all(of: profile).map { metric in
                ReportTable.Row(
                    cells: [metric.title, metric.text, metric.definition],
                    share: metric.quantity == .fraction ? metric.value : nil)
            })
    }

    private var bounds: ReportTable {
        ReportTable(
            name: "bounds", title: "Bounds",
            note: "No order of the same work on this machine is shorter than the first of these.",
            columns: [text("bound"), number("time"), number("of run"), text("how it follows")],
            rows: BoundSummary.all(of: profile).map { bound in
                ReportTable.Row(
                    cells: [
                        bound.name, time(bound.ticks),
                        NumberText.percent(bound.ticks, of: makespan), bound.definition,
                    ], share: share(bound.ticks))
            })
    }
}
