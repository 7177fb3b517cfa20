/// A profile as text for a terminal of 100 columns.
public enum TerminalReport {
    /// The report: what ran, how long, which unit did what, what it waited for, what bounds it.
    ///
    /// - Parameters:
    ///   - isColoured: headings are bold and notes dim, by ANSI escape codes.
    ///   - rows: how many causes, critical parts and lines are shown; each table says what it
    ///     leaves out.
    public static func text(
        _ profile: Profile, isColoured: Bool = false, rows: Int = 10
    ) -> String {
        let sections = TerminalSections(profile, isColoured: isColoured, rows: max(1, rows))
        return sections.all.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
    }
}

/// The parts of the report, each a list of lines.
struct TerminalSections {
    private let profile: Profile
    private let engines: [EngineSummary]
    private let style: TerminalStyle
    private let rows: Int
    private let makespan: Int64
    /// The unit of times in tables: small kernels are read in microseconds.
    private let unit: (name: String, nanoseconds: Double)

    init(_ profile: Profile, isColoured: Bool, rows: Int) {
        self.profile = profile
        self.rows = rows
        engines = EngineSummary.all(of: profile)
        style = TerminalStyle(isColoured: isColoured)
        makespan = profile.timeline.makespan
        let isShort = profile.machine.nanoseconds(ticks: makespan) < 1e6
        unit = isShort ? ("us", 1e3) : ("ms", 1e6)
    }

    var all: [[String]] {
        [
            header, units, reasons, causes, criticalPath, lines, bounds, metrics,
        ].filter { !$0.isEmpty }
    }

    /// A time in the unit of the tables, without its name.
    private func figure(_ ticks: Int64) -> String {
        NumberText.fixed(profile.machine.nanoseconds(ticks: ticks) / unit.nanoseconds, 3)
    }

    private func time(_ ticks: Int64) -> String {
        NumberText.time(nanoseconds: profile.machine.nanoseconds(ticks: ticks))
    }

    private func percent(_ ticks: Int64) -> String { NumberText.percent(ticks, of: makespan) }

    // MARK: What ran

    private var header: [String] {
        let program = profile.program
        let parameters = program.parameters.map { "\($0.name) = \($0.value)" }
        var lines = [style.heading("\(program.name) on \(profile.machine.description.name)")]
        lines += style.list(parameters)
        lines.append(
            "\(time(makespan)) in all"
                + " (\(NumberText.grouped(makespan)) ticks),"
                + " \(NumberText.grouped(program.instructions.count)) instructions,"
                + " \(NumberText.grouped(profile.timeline.transfers.count)) transfers")
        return lines
    }

    // MARK: Units

    /// Compute engines and all DMA engines together.
    private var rowsOfUnits: [EngineSummary] { engines.filter { $0.unit?.dmaIndex == nil } }

    private var units: [String] {
        var table = TextTable(
            ["unit", "active \(unit.name)", "active", "", "count", "idle most for"],
            [.left, .right, .right, .left, .right, .left])
        for engine in rowsOfUnits {
            table.append([
                engine.name, figure(engine.active),
                percent(engine.active), style.bar(engine.active, of: makespan),
                NumberText.grouped(engine.count), mainReasons(engine),
            ])
        }
        var lines = [style.heading("Units")] + style.table(table)
        let moving = engines.filter { $0.unit?.dmaIndex != nil }.map(\.active)
        if let least = moving.min(), let most = moving.max() {
            let mean = moving.reduce(0, +) / Int64(moving.count)
            lines.append(
                style.note(
                    "dma is active when any of \(moving.count) engines moves data; one engine:"
                        + " \(percent(mean)) on average,"
                        + " \(percent(least)) to \(percent(most))"))
        }
        return lines
    }

    private func mainReasons(_ engine: EngineSummary) -> String {
        let reasons = StallReason.allCases.filter { engine.stalled[Int($0.rawValue)] > 0 }
            .sorted { engine.stalled[Int($0.rawValue)] > engine.stalled[Int($1.rawValue)] }
        return reasons.prefix(2).map { reason in
            "\(reason.name) \(percent(engine.stalled[Int(reason.rawValue)]))"
        }.joined(separator: ", ")
    }

    private var reasons: [String] {
        let columns = rowsOfUnits
        var table = TextTable(
            ["reason"] + columns.map(\.name), [.left] + columns.map { _ in .right })
        func append(_ name: String, _ ticks: [Int64]) {
            table.append(
                [name] + ticks.map { $0 == 0 ? "-" : figure($0) })
        }
        for reason in StallReason.allCases {
            let ticks = columns.map { $0.stalled[Int(reason.rawValue)] }
            if ticks.contains(where: { $0 > 0 }) { append(reason.name, ticks) }
        }
        append("(active)", columns.map(\.active))
        return [
            style.heading("Idle time by reason, in \(unit.name) (each column adds up to the total)")
        ]
            + style.table(table)
    }

    // MARK: Causes

    private func place(_ line: Int) -> String {
        guard let text = profile.place(ofLine: line) else { return "(no source)" }
        // The end of a path says more than its beginning.
        let name = text.split(separator: "/").last.map(String.init) ?? text
        return name.count <= 36 ? name : "..." + name.suffix(33)
    }

    private var causes: [String] {
        // The sequencer only triggers: its idle time costs nothing.
        let causes = CauseSummary.all(of: profile).filter { $0.unit < .sync }
        guard !causes.isEmpty else { return [] }
        var table = TextTable(
            [unit.name, "of time", "who waited", "why", "for", "e.g.", "at"],
            [.right, .right, .left, .left, .left, .right, .left])
        for cause in causes.prefix(rows) {
            table.append([
                figure(cause.ticks), percent(cause.ticks),
                EngineSummary.name(of: cause.unit), cause.reason.name, cause.opcode.name,
                "#\(cause.example)", place(Int(cause.line)),
            ])
        }
        return [style.heading("Who waited for what")] + style.table(table)
            + leftOut(causes.count, causes.dropFirst(rows).reduce(0) { $0 + $1.ticks })
    }

    private func leftOut(_ count: Int, _ ticks: Int64) -> [String] {
        guard count > rows else { return [] }
        return [style.note("and \(count - rows) more, \(time(ticks))")]
    }

    private var criticalPath: [String] {
        let summary = CriticalPathSummary(profile)
        guard !summary.parts.isEmpty else { return [] }
        let kinds = CriticalStep.Kind.allCases
            .filter { summary.ticksByKind[Int($0.rawValue)] > 0 }
            .sorted {
                summary.ticksByKind[Int($0.rawValue)] > summary.ticksByKind[Int($1.rawValue)]
            }
            .map { "\($0.name) \(percent(summary.ticksByKind[Int($0.rawValue)]))" }
        var table = TextTable(
            [unit.name, "of time", "steps", "what", "unit", "opcode", "at"],
            [.right, .right, .right, .left, .left, .left, .left])
        for part in summary.parts.prefix(rows) {
            table.append([
                figure(part.ticks), percent(part.ticks),
                NumberText.grouped(part.count), part.kind.name,
                EngineSummary.name(of: part.unit), part.opcode.name, place(Int(part.line)),
            ])
        }
        return [
            style.heading("Critical path: the chain that makes it this long")
        ] + style.list(kinds) + style.table(table)
            + leftOut(
                summary.parts.count,
                summary.parts.dropFirst(rows).reduce(0) { $0 + $1.ticks })
    }

    private var lines: [String] {
        let lines = profile.linesByCost()
        guard !lines.isEmpty else { return [] }
        var table = TextTable(
            ["critical", "busy \(unit.name)", "moving", "waited", "caused", "count", "line"],
            [.right, .right, .right, .right, .right, .right, .left])
        for line in lines.prefix(rows) {
            let usage = line.usage
            let figures = [
                usage.engineBusy, usage.moving, usage.engineStallsSuffered,
                usage.engineStallsCaused,
            ].map { $0 == 0 ? "-" : figure($0) }
            table.append(
                [percent(usage.criticalTicks)] + figures
                    + [NumberText.grouped(usage.count), place(line.line)])
        }
        return [style.heading("Source lines")] + style.table(table)
            + (lines.count > rows ? [style.note("and \(lines.count - rows) more")] : [])
    }

    // MARK: Limits and rates

    private var bounds: [String] {
        let bounds = BoundSummary.all(of: profile)
        guard let first = bounds.first else { return [] }
        var table = TextTable(
            ["bound", unit.name, "of time", "how it follows"], [.left, .right, .right, .left])
        for bound in bounds where bound.ticks > 0 {
            table.append([
                bound.name, figure(bound.ticks), percent(bound.ticks),
                bound.definition,
            ])
        }
        return [
            style.heading("What bounds it"),
            "No order of this work is shorter than \(time(first.ticks)) (\(first.name));"
                + " this one takes \(ratio(to: first.ticks)).",
        ] + style.table(table)
    }

    private func ratio(to bound: Int64) -> String {
        guard bound > 0 else { return "longer" }
        return NumberText.fixed(Double(makespan) / Double(bound), 2) + " times as long"
    }

    private var metrics: [String] {
        var table = TextTable(["metric", "value", "definition"], [.left, .right, .left])
        for metric in MetricSummary.all(of: profile) {
            table.append([metric.title, metric.text, metric.definition])
        }
        return [style.heading("Metrics")] + style.table(table)
    }
}

/// How headings, tables and notes look.
struct TerminalStyle {
    /// Whether ANSI escape codes are wanted.
    let isColoured: Bool

    func heading(_ text: String) -> String { isColoured ? "\u{1b}[1m\(text)\u{1b}[0m" : text }

    func note(_ text: String) -> String { isColoured ? "\u{1b}[2m\(text)\u{1b}[0m" : text }

    /// A table's lines, its header set off.
    func table(_ table: TextTable) -> [String] {
        let lines = table.lines(width: 98)
        return lines.prefix(1).map { "  " + note($0) } + lines.dropFirst().map { "  " + $0 }
    }

    /// Items with commas between them, on as many lines as they need.
    func list(_ items: [String], width: Int = 100) -> [String] {
        var lines: [String] = []
        for (index, item) in items.enumerated() {
            let text = index + 1 < items.count ? item + "," : item
            if let last = lines.last, last.count + 1 + text.count <= width {
                lines[lines.count - 1] += " " + text
            } else {
                lines.append(text)
            }
        }
        return lines
    }

    /// Ten characters, filled in proportion.
    func bar(_ part: Int64, of whole: Int64) -> String {
        let share = whole > 0 ? Double(part) / Double(whole) : 0
        let filled = Int((min(1, max(0, share)) * 10).rounded())
        return String(repeating: "#", count: filled) + String(repeating: ".", count: 10 - filled)
    }
}
