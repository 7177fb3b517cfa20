extension Profile {
    /// What each source line cost, the largest share of the critical path first, then the busiest.
    func linesByCost() -> [LineUsage] {
        lineUsage().sorted { a, b in
            let (x, y) = (a.usage, b.usage)
            return (x.criticalTicks, x.engineBusy, b.line) > (y.criticalTicks, y.engineBusy, a.line)
        }
    }

    /// `File.swift:12` for an index of the table of lines; nil when the line is unknown.
    func place(ofLine line: Int) -> String? {
        guard line > 0, line < program.lines.count else { return nil }
        return "\(program.lines[line].file):\(program.lines[line].line)"
    }
}

extension SourceUsage {
    /// Ticks in which its transfers kept DMA engines busy, summed over engines.
    var moving: Int64 { busy.last ?? 0 }
}
