extension CompilationReport {
    /// Rows of each table at most, so that the text fits a screen.
    private static let rows = 8

    /// The report as text for a terminal: at most 40 lines of at most 100 columns.
    public func text(machine: Machine) -> String {
        var lines = headline(machine)
        lines += boundLines(machine)
        lines += poolLines()
        lines += loopLines(machine)
        lines += candidateLines(machine)
        return lines.map { String($0.prefix(100)) }.joined(separator: "\n") + "\n"
    }

    private func headline(_ machine: Machine) -> [String] {
        var lines = [
            "\(Self.time(makespan, machine)) with schedule \(schedule), "
                + "\(Self.percent(bestBound, of: makespan)) of the best lower bound",
            "\(dependences) dependences, \(synchronisedDependences) across units, "
                + "\(waits) waits left, \(nops) nops",
        ]
        if spilledBytes > 0 || reloadedBytes > 0 {
            lines.append(
                "SBUF is too small: \(spilledBytes) bytes spilled, \(reloadedBytes) loaded again")
        }
        return lines
    }

    private func boundLines(_ machine: Machine) -> [String] {
        let sorted = bounds.filter { $0.ticks > 0 }.sorted { $0.ticks > $1.ticks }
        return ["", "Lower bounds"]
            + sorted.map { bound in
                Self.row(
                    bound.kind.rawValue, Self.time(bound.ticks, machine),
                    Self.percent(bound.ticks, of: makespan))
            }
    }

    private func poolLines() -> [String] {
        let sorted = pools.sorted { $0.bytes > $1.bytes }
        return ["", "Buffers (\(pools.count) pools)"]
            + sorted.prefix(Self.rows).map { pool in
                let place = pool.line.map { "  \($0.file):\($0.line)" } ?? ""
                return Self.row(
                    pool.name, "\(pool.buffers) x \(pool.bytesPerPartition) B",
                    "\(pool.space.name), \(pool.live) needed, \(pool.tiles) tiles\(place)")
            }
    }

    private func loopLines(_ machine: Machine) -> [String] {
        guard !loops.isEmpty else { return [] }
        return ["", "Modulo scheduled loops"]
            + loops.prefix(Self.rows).map { loop in
                Self.row(
                    loop.name, Self.time(loop.initiationInterval, machine),
                    "an iteration; resources \(Self.time(loop.resourceInterval, machine)), "
                        + "recurrences \(Self.time(loop.recurrenceInterval, machine)), "
                        + "\(loop.stages) at a time")
            }
    }

    private func candidateLines(_ machine: Machine) -> [String] {
        let sorted = candidates.sorted { $0.makespan < $1.makespan }
        return ["", "Schedules (\(candidates.count) tried)"]
            + sorted.prefix(Self.rows).map {
                Self.row("", Self.time($0.makespan, machine), $0.name)
            }
    }

    private static func row(_ name: String, _ value: String, _ note: String) -> String {
        let name = String(name.prefix(16))
        return "  " + name + String(repeating: " ", count: 17 - name.count)
            + String(repeating: " ", count: max(0, 14 - value.count)) + value + "  " + note
    }

    /// Ticks in microseconds, with three digits behind the point.
    private static func time(_ ticks: Int64, _ machine: Machine) -> String {
        let nanoseconds = Int64(machine.nanoseconds(ticks: ticks).rounded())
        let fraction = String(nanoseconds % 1000 + 1000).dropFirst()
        return "\(nanoseconds / 1000).\(fraction) us"
    }

    private static func percent(_ part: Int64, of whole: Int64) -> String {
        guard whole > 0 else { return "0.0 %" }
        let tenths = (Double(part) / Double(whole) * 1000).rounded()
        return "\(Int(tenths) / 10).\(Int(tenths) % 10) %"
    }
}

extension BufferPool {
    /// Bytes of all buffers.
    fileprivate var bytes: Int { buffers * bytesPerPartition }
}
