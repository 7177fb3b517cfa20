/// Tells a kernel author what a ``MemoryTrace`` found: instructions, lines, tiles, bytes, and the
/// wait that is missing.
struct MemoryFindings {
    private let program: Program
    private let order: CompletionOrder
    private let map: CellMap
    private let trace: MemoryTrace

    init(_ program: Program, _ order: CompletionOrder, _ map: CellMap, _ trace: MemoryTrace) {
        self.program = program
        self.order = order
        self.map = map
        self.trace = trace
    }

    func report(_ collector: inout DiagnosticCollector) {
        for race in trace.races { report(race, &collector) }
        for read in trace.uninitialised { reportUninitialised(read, &collector) }
        for read in trace.clobbered { reportClobbered(read, &collector) }
        reportUnwritten(&collector)
    }

    // MARK: Races

    private func report(_ race: MemoryTrace.Race, _ collector: inout DiagnosticCollector) {
        let first = Int(race.first)
        let second = Int(race.second)
        let firstPattern = pattern(of: first, race)
        let place = place(race.pattern, firstPattern, race.cell)
        let other = collector.name(of: first)
        let (problem, role) =
            switch race.kind {
            case .anti: ("overwrites \(place), which \(other) may not have read yet", "reads it")
            case .output:
                ("overwrites \(place), which \(other) may not have written yet", "writes it")
            default: ("reads \(place), which \(other) may not have written yet", "writes it")
            }
        let owners = [firstPattern, race.pattern].map(owner)
        let sharing =
            owners[0] == owners[1] || owners.contains("")
            ? "" : "; the bytes belong to \(owners[0]) first, then to \(owners[1])"
        collector.add(
            .error, .race, at: second, kind: Int(race.kind.rawValue), related: [(first, role)],
            problem,
            why: "nothing makes it wait for the end of \(other): no chain of waits leads from "
                + "there to here (\(race.kind.name) dependence\(sharing))",
            remedy: missingWait(first, second))
    }

    /// The pattern through which the first instruction of a race touches the cell.
    private func pattern(of first: Int, _ race: MemoryTrace.Race) -> UInt32 {
        for use in OperandUses(program.instructions[first])
        where race.kind == .anti ? use.reads || use.keeps : use.writes {
            if map.covers(pattern: use.pattern, cell: race.cell) { return use.pattern }
        }
        return race.pattern
    }

    private func missingWait(_ first: Int, _ second: Int) -> String {
        let streams = order.streams
        let name = streams.names[Int(streams.of[first])]
        let signaller = streams.members[Int(streams.of[first])].dropFirst(
            Int(streams.ordinal[first]) - 1
        ).first { program.instructions[Int($0)].signal != SemaphoreWait.none }
        guard let signaller, Int(signaller) < second else {
            return
                "let #\(first) signal the semaphore of \(name), and #\(second) wait for it; in a "
                + "kernel that the compiler synchronised this is the compiler's fault"
        }
        let semaphore = program.instructions[Int(signaller)].signal
        let value = order.semaphores.value(after: signaller, of: semaphore) ?? 0
        return "let #\(second) wait for semaphore \(semaphore) (\(name)) to reach \(value); in a "
            + "kernel that the compiler synchronised this is the compiler's fault"
    }

    // MARK: Places

    /// `tile acc`, `tensor C`, or nothing for memory without a name.
    private func owner(_ index: UInt32) -> String {
        let pattern = program.patterns[Int(index)]
        if pattern.space == .hbm { return "tensor \(program.tensors[Int(pattern.tensor)].name)" }
        guard pattern.tile != AccessPattern.noTile else { return "" }
        let tile = program.tiles[Int(pattern.tile)]
        return "tile \(tile.name)"
    }

    /// What two patterns have in common around a cell, in words.
    private func place(_ one: UInt32, _ other: UInt32, _ cell: Int) -> String {
        let plane = map.place(ofCell: cell).plane
        let (rows, columns) = map.overlap(one, other, at: cell)
        let owner = owner(one)
        switch plane.memory {
        case .sbuf, .psum:
            let memory = plane.memory == .sbuf ? "SBUF" : "PSUM"
            return (owner.isEmpty ? "" : "\(owner): ")
                + "bytes \(columns.start)..<\(columns.end) of partitions "
                + "\(rows.start)..<\(rows.end) in \(memory)"
        case .tensor:
            let pitch = plane.geometry.columnCount
            guard plane.geometry.rowCount > 1 else {
                return "bytes \(columns.start)..<\(columns.end) of \(owner)"
            }
            return "bytes \(columns.start)..<\(columns.end) of rows \(rows.start)..<\(rows.end) "
                + "(of \(pitch) bytes) of \(owner)"
        }
    }

    // MARK: Bad reads

    private func reportUninitialised(
        _ read: MemoryTrace.BadRead, _ collector: inout DiagnosticCollector
    ) {
        let place = place(read.pattern, read.pattern, read.cell)
        let isSum =
            program.instructions[Int(read.instruction)].opcode == .multiplyMoving
            && program.instructions[Int(read.instruction)].destination == read.pattern
        collector.add(
            .error, .uninitialised, at: Int(read.instruction),
            (isSum ? "adds to " : "reads ") + place + ", to which nothing was written",
            why: "memory holds anything when a kernel begins"
                + (read.cells > 1 ? "; there are \(read.cells) such pieces" : ""),
            remedy: isSum
                ? "let the first multiplication of a sum overwrite (clear its flag accumulate)"
                : "load it or set it first (dmaCopy, memset), or read less")
    }

    private func reportClobbered(
        _ read: MemoryTrace.BadRead, _ collector: inout DiagnosticCollector
    ) {
        let place = place(read.pattern, read.pattern, read.cell)
        let writer = Int(read.writer)
        let tile = program.patterns[Int(program.instructions[writer].destination)].tile
        let name = tile == AccessPattern.noTile ? "another" : program.tiles[Int(tile)].name
        collector.add(
            .error, .clobbered, at: Int(read.instruction),
            related: [(writer, "overwrites it as tile \(name)")],
            "reads \(place), which was overwritten as part of tile \(name)",
            why: "two tiles share these bytes while the first is still in use",
            remedy: "give the tiles different addresses, or make the tile inside of the loop that "
                + "uses it")
    }

    private func reportUnwritten(_ collector: inout DiagnosticCollector) {
        for plane in map.planes {
            guard case .tensor(let tensor) = plane.memory,
                program.tensors[tensor].role == .output
            else { continue }
            var missing = 0
            for cell in plane.firstCell..<plane.firstCell + plane.cells
            where trace.lastWrite[cell] == 0 {
                let place = map.place(ofCell: cell)
                missing +=
                    (place.rows.end - place.rows.start)
                    * (place.columns.end - place.columns.start)
            }
            guard missing > 0 else { continue }
            let declaration = program.tensors[tensor]
            collector.addWhole(
                .warning, .unwritten,
                "\(missing) of \(declaration.byteCount) bytes of output \(declaration.name) are "
                    + "never written",
                why: "they hold anything when the kernel ends",
                remedy: "store to all of \(declaration.name), or declare it smaller")
        }
    }
}

extension CellMap {
    /// The smallest rows and columns that hold all cells that two patterns have in common; those of
    /// the cell when they have none.
    func overlap(_ one: UInt32, _ other: UInt32, at cell: Int) -> (
        rows: PlaneRun, columns: PlaneRun
    ) {
        let (plane, rows, columns) = place(ofCell: cell)
        func bounds(_ pattern: UInt32) -> (
            rows: ArraySlice<CellRange>, columns: ArraySlice<CellRange>
        ) {
            let cells = patterns[Int(pattern)]
            let first = Int(cells.firstRange)
            let middle = first + Int(cells.rowRanges)
            return (ranges[first..<middle], ranges[middle..<middle + Int(cells.columnRanges)])
        }
        guard patterns[Int(one)].plane == patterns[Int(other)].plane else { return (rows, columns) }
        let (a, b) = (bounds(one), bounds(other))
        return (
            Self.overlap(a.rows, b.rows, plane.rowBounds) ?? rows,
            Self.overlap(a.columns, b.columns, plane.columnBounds) ?? columns
        )
    }

    /// The hull of what two ascending lists of ranges have in common.
    private static func overlap(
        _ a: ArraySlice<CellRange>, _ b: ArraySlice<CellRange>, _ bounds: [Int]
    ) -> PlaneRun? {
        var i = a.startIndex
        var j = b.startIndex
        var hull: PlaneRun?
        while i < a.endIndex, j < b.endIndex {
            let start = max(a[i].start, b[j].start)
            let end = min(a[i].end, b[j].end)
            if start < end {
                hull = PlaneRun(
                    start: hull?.start ?? bounds[Int(start)], end: bounds[Int(end)])
            }
            if a[i].end < b[j].end { i += 1 } else { j += 1 }
        }
        return hull
    }
}
