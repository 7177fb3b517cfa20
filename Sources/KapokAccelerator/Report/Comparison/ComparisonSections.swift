/// The parts of a comparison, each a list of lines.
struct ComparisonSections {
    private let before: Profile
    private let after: Profile
    private let comparison: ProfileComparison
    private let style: TerminalStyle
    private let rows: Int
    private let unit: (name: String, nanoseconds: Double)

    init(_ before: Profile, _ after: Profile, isColoured: Bool, rows: Int) {
        self.before = before
        self.after = after
        self.rows = rows
        comparison = ProfileComparison(before, after)
        style = TerminalStyle(isColoured: isColoured)
        let longest = max(comparison.makespan.before, comparison.makespan.after)
        let isShort = before.machine.nanoseconds(ticks: longest) < 1e6
        unit = isShort ? ("us", 1e3) : ("ms", 1e6)
    }

    var all: [[String]] { [header, units, reasons, lines, metrics].filter { !$0.isEmpty } }

    // MARK: Cells

    private func figure(_ ticks: Int64) -> String {
        ticks == 0
            ? "-"
            : NumberText.fixed(before.machine.nanoseconds(ticks: ticks) / unit.nanoseconds, 3)
    }

    private func signed(_ ticks: Int64) -> String { (ticks > 0 ? "+" : "") + figure(ticks) }

    private func cells(_ change: ProfileComparison.Change) -> [String] {
        [figure(change.before), figure(change.after), signed(change.delta)]
    }

    // MARK: Sections

    private var header: [String] {
        func name(_ title: String, _ profile: Profile) -> [String] {
            let parameters = profile.program.parameters.map { "\($0.name) = \($0.value)" }
            let name = "\(profile.program.name) on \(profile.machine.description.name)"
            return style.list(["\(title) \(name)"] + parameters).map(style.heading)
        }
        let total = comparison.makespan
        var text = "\(figure(total.before)) \(unit.name) to \(figure(total.after)) \(unit.name)"
        if total.before > 0, total.after > 0 {
            let ratio = Double(total.before) / Double(total.after)
            text +=
                ratio >= 1
                ? ": \(NumberText.fixed(ratio, 3)) times as fast"
                : ": \(NumberText.fixed(1 / ratio, 3)) times as long"
        }
        return name("before:", before) + name("after: ", after) + [text]
    }

    private var units: [String] {
        var table = TextTable(
            ["active, \(unit.name)", "before", "after", "change"], [.left, .right, .right, .right])
        for unit in comparison.units where unit.busy.before > 0 || unit.busy.after > 0 {
            table.append([EngineSummary.name(of: unit.unit)] + cells(unit.busy))
        }
        return table.isEmpty ? [] : [style.heading("Units")] + style.table(table)
    }

    private var reasons: [String] {
        var table = TextTable(
            ["reason", "before", "after", "change", "dma before", "after", "change"],
            [.left, .right, .right, .right, .right, .right, .right])
        for reason in StallReason.allCases {
            let engines = comparison.engineStalls[Int(reason.rawValue)]
            let dma = comparison.dmaStalls[Int(reason.rawValue)]
            if [engines.before, engines.after, dma.before, dma.after].contains(where: { $0 > 0 }) {
                table.append([reason.name] + cells(engines) + cells(dma))
            }
        }
        guard !table.isEmpty else { return [] }
        return [
            style.heading(
                "Idle time by reason, in \(unit.name), summed over compute units and DMA engines")
        ] + style.table(table)
    }

    private var lines: [String] {
        let changed = comparison.lines.filter {
            $0.critical.delta != 0 || $0.busy.delta != 0 || $0.stallsCaused.delta != 0
        }
        guard !changed.isEmpty else { return [] }
        var table = TextTable(
            ["critical", "change", "busy", "change", "caused", "change", "line"],
            [.right, .right, .right, .right, .right, .right, .left])
        for line in changed.prefix(rows) {
            let file = line.line.file.split(separator: "/").last.map(String.init) ?? ""
            table.append([
                figure(line.critical.after), signed(line.critical.delta),
                figure(line.busy.after), signed(line.busy.delta),
                figure(line.stallsCaused.after), signed(line.stallsCaused.delta),
                line.line.line > 0 ? "\(file):\(line.line.line)" : "(no source)",
            ])
        }
        let leftOut =
            changed.count > rows ? [style.note("and \(changed.count - rows) more")] : []
        return [style.heading("Source lines that changed, in \(unit.name)")] + style.table(table)
            + leftOut
    }

    private var metrics: [String] {
        var table = TextTable(["metric", "before", "after"], [.left, .right, .right])
        for (first, second) in zip(MetricSummary.all(of: before), MetricSummary.all(of: after))
        where first.value != second.value {
            table.append([first.title, first.text, second.text])
        }
        return table.isEmpty ? [] : [style.heading("Metrics that changed")] + style.table(table)
    }
}
