/// Makes the rows of the CSV tables.
struct CSVRows {
    var writer = CSVWriter()

    private let profile: Profile
    private let waits: DependenceEdges

    init(_ profile: Profile) {
        self.profile = profile
        waits = DependenceEdges(profile.program)
    }

    /// The rows of a table, without its head.
    func count(of table: CSVReport.Table) -> Int {
        switch table {
        case .instructions: profile.program.instructions.count
        case .stalls: profile.stalls.count
        case .transfers: profile.timeline.transfers.count
        case .segments: profile.timeline.segments.count
        case .units: profile.units.count
        }
    }

    /// The comment and the names of the columns.
    mutating func head(of table: CSVReport.Table) {
        writer.comment(
            "kapok.profile.\(table.rawValue) version \(CSVReport.version); kernel"
                + " \(profile.program.name); machine \(profile.machine.description.name);"
                + " \(Int64(profile.machine.ticksPerSecond)) ticks per second; makespan"
                + " \(profile.timeline.makespan) ticks; an empty field stands for nothing")
        for column in Self.columns(of: table) { writer.text(column) }
        writer.endRow()
    }

    static func columns(of table: CSVReport.Table) -> [String] {
        switch table {
        case .instructions:
            [
                "index", "opcode", "engine", "unit", "issue_ticks", "start_ticks",
                "busy_end_ticks", "end_ticks", "issue_ns", "start_ns", "busy_end_ns", "end_ns",
                "file", "line", "ring", "waits_for",
            ]
        case .stalls:
            [
                "unit", "reason", "start_ticks", "end_ticks", "start_ns", "end_ns", "culprit",
                "victim", "is_shared",
            ]
        case .transfers:
            [
                "instruction", "ring", "triggered_ticks", "descriptor_start_ticks",
                "descriptor_end_ticks", "ready_ticks", "transfer_start_ticks",
                "transfer_end_ticks", "end_ticks", "bytes",
            ]
        case .segments:
            ["unit", "instruction", "start_ticks", "end_ticks", "start_ns", "end_ns"]
        case .units:
            ["unit", "count", "busy_ticks", "busy_ns"]
                + StallReason.allCases.map { "\($0.name)_ticks" }
        }
    }

    /// Row `index` of a table.
    mutating func append(_ index: Int, of table: CSVReport.Table) {
        switch table {
        case .instructions: instruction(index)
        case .stalls: stall(index)
        case .transfers: transfer(index)
        case .segments: segment(index)
        case .units: unit(index)
        }
        writer.endRow()
    }

    // MARK: Rows

    private mutating func nanoseconds(_ ticks: Int64) {
        writer.text(NumberText.fixed(profile.machine.nanoseconds(ticks: ticks), 4))
    }

    private mutating func instruction(_ index: Int) {
        let instruction = profile.program.instructions[index]
        let timeline = profile.timeline
        writer.number(index)
        writer.text(instruction.opcode.name)
        writer.text(instruction.engine.name)
        writer.text(instruction.unit.name)
        let times = (
            timeline.issue[index], timeline.start[index], timeline.busyEnd[index],
            timeline.end[index]
        )
        writer.number(times.0)
        writer.number(times.1)
        writer.number(times.2)
        writer.number(times.3)
        nanoseconds(times.0)
        nanoseconds(times.1)
        nanoseconds(times.2)
        nanoseconds(times.3)
        let line = Int(instruction.line)
        if line > 0, line < profile.program.lines.count {
            writer.text(profile.program.lines[line].file)
            writer.number(profile.program.lines[line].line)
        } else {
            writer.text("")
            writer.text("")
        }
        if instruction.opcode.isDMA {
            writer.number(Int(instruction.ring))
        } else {
            writer.text("")
        }
        // Producers with the kind of dependence: `12:flow 15:anti`.
        writer.text(
            waits.producers(of: index).map { "\($0.producer):\($0.kind.name)" }
                .joined(separator: " "))
    }

    private mutating func stall(_ index: Int) {
        let stall = profile.stalls[index]
        writer.text(stall.unit.name)
        writer.text(stall.reason.name)
        writer.number(stall.start)
        writer.number(stall.end)
        nanoseconds(stall.start)
        nanoseconds(stall.end)
        optional(stall.culprit)
        optional(stall.victim)
        writer.number(stall.isShared ? 1 : 0)
    }

    private mutating func optional(_ instruction: UInt32) {
        if instruction == Stall.none { writer.text("") } else { writer.number(Int(instruction)) }
    }

    private mutating func transfer(_ index: Int) {
        let transfer = profile.timeline.transfers[index]
        let instruction = Int(transfer.instruction)
        writer.number(instruction)
        writer.number(Int(transfer.ring))
        for ticks in [
            transfer.triggered, transfer.descriptorStart, transfer.descriptorEnd, transfer.ready,
            transfer.transferStart, transfer.transferEnd, profile.timeline.end[instruction],
        ] {
            writer.number(ticks)
        }
        writer.number(profile.program.transferBytes(of: instruction))
    }

    private mutating func segment(_ index: Int) {
        let segment = profile.timeline.segments[index]
        writer.text(Unit.dma(profile.timeline.engine(ofSegment: index)).name)
        writer.number(Int(segment.instruction))
        writer.number(segment.start)
        writer.number(segment.end)
        nanoseconds(segment.start)
        nanoseconds(segment.end)
    }

    private mutating func unit(_ index: Int) {
        let usage = profile.units[index]
        writer.text(usage.unit.name)
        writer.number(usage.count)
        writer.number(usage.busy)
        nanoseconds(usage.busy)
        for reason in StallReason.allCases { writer.number(usage.stalled[Int(reason.rawValue)]) }
    }
}

extension Timeline {
    /// The DMA engine that worked in segment `index`.
    func engine(ofSegment index: Int) -> Int {
        segmentStart.firstIndex(in: 0..<segmentStart.count) { $0 > index } - 1
    }
}

extension Program {
    /// Bytes that a transfer moves.
    func transferBytes(of instruction: Int) -> Int {
        let record = instructions[instruction]
        return max(totalBytes(record.source0), totalBytes(record.destination))
    }

    private func totalBytes(_ pattern: UInt32) -> Int {
        pattern < UInt32(patterns.count) ? patterns[Int(pattern)].totalBytes : 0
    }
}
