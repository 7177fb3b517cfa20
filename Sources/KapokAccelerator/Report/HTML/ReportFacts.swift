/// Everything in the HTML report that is no column: names, totals, tables and the source text, as
/// JSON.
struct ReportFacts {
    private let profile: Profile
    private let sources: [String: String]

    init(_ profile: Profile, sources: [String: String]) {
        self.profile = profile
        self.sources = sources
    }

    /// The JSON text, safe inside of a `script` element.
    func text(columns: [PackedColumns.Entry]) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            run(&writer)
            names(&writer)
            engines(&writer)
            places(&writer)
            writer.key("tables")
            writer.array { writer in
                for table in ReportTables(profile).all { table.write(&writer) }
            }
            writer.key("columns")
            writer.array { writer in
                for column in columns { Self.write(column, &writer) }
            }
        }
        // "</script>" in a name or a source file must not end the element.
        return writer.text.split(separator: "<", omittingEmptySubsequences: false)
            .joined(separator: "\\u003c")
    }

    private func run(_ writer: inout JSONWriter) {
        let program = profile.program
        let machine = profile.machine
        writer.member("kernel", program.name)
        writer.member("machine", machine.description.name)
        writer.member("machineTitle", machine.description.title)
        writer.member(
            "parameters",
            program.parameters.map { "\($0.name) = \($0.value)" }
                .joined(separator: ", "))
        writer.member("makespan", profile.timeline.makespan)
        writer.member("ticksPerNanosecond", machine.ticksPerSecond / 1e9)
        writer.member(
            "semaphoreLatency", machine.ticks(nanoseconds: machine.value(.semaphoreLatency)))
        writer.member("dmaEngines", max(0, profile.timeline.segmentStart.count - 1))
        writer.member("sbufCapacity", machine.sbufBytesPerPartition * machine.partitions)
        writer.member("psumCapacity", machine.psumBytesPerPartition * machine.partitions)
        writer.member(
            "movedPartTicks",
            TransferRate.ticksPerPart(profile, parts: ReportColumns.throughputParts))
        writer.key("headlines")
        writer.array { writer in
            for (title, text) in headlines {
                writer.object { writer in
                    writer.member("title", title)
                    writer.member("text", text)
                }
            }
        }
    }

    /// The figures at the top of the page.
    private var headlines: [(String, String)] {
        let makespan = profile.timeline.makespan
        var lines = [
            ("total", NumberText.time(nanoseconds: profile.machine.nanoseconds(ticks: makespan)))
        ]
        let busiest = EngineSummary.all(of: profile).filter { $0.unit?.dmaIndex == nil }
            .max { $0.active < $1.active }
        if let busiest {
            lines.append(
                ("busiest: \(busiest.name)", NumberText.percent(busiest.active, of: makespan)))
        }
        if let bound = BoundSummary.all(of: profile).first, bound.ticks > 0 {
            lines.append(
                ("of bound (\(bound.name))", NumberText.percent(bound.ticks, of: makespan)))
        }
        for metric in MetricSummary.all(of: profile) where ["mfu", "mbu"].contains(metric.name) {
            lines.append((metric.title, metric.text))
        }
        lines.append(("instructions", NumberText.grouped(profile.program.instructions.count)))
        return lines
    }

    // MARK: Names

    private func names(_ writer: inout JSONWriter) {
        Self.write("opcodes", Opcode.allCases.map { (Int($0.rawValue), $0.name) }, &writer)
        Self.write("activations", Activation.allCases.map { (Int($0.rawValue), $0.name) }, &writer)
        Self.write(
            "operations", ALUOperation.allCases.map { (Int($0.rawValue), $0.name) }, &writer)
        Self.write("types", ElementType.allCases.map { (Int($0.rawValue), $0.name) }, &writer)
        Self.write("spaces", MemorySpace.allCases.map { (Int($0.rawValue), $0.name) }, &writer)
        Self.write(
            "waitKinds", DependenceKind.allCases.map { (Int($0.rawValue), $0.name) }, &writer)
        Self.write(
            "stepKinds", CriticalStep.Kind.allCases.map { (Int($0.rawValue), $0.name) }, &writer)
        Self.write("reasons", StallReason.allCases.map { (Int($0.rawValue), $0.name) }, &writer)
        Self.write(
            "reasonMeanings", StallReason.allCases.map { (Int($0.rawValue), $0.meaning) }, &writer)
    }

    /// An object from numbers, as text, to names.
    private static func write(
        _ name: String, _ entries: [(Int, String)], _ writer: inout JSONWriter
    ) {
        writer.key(name)
        writer.object { writer in
            for (number, text) in entries { writer.member("\(number)", text) }
        }
    }

    private static func write(_ column: PackedColumns.Entry, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", column.name)
            writer.member("offset", column.offset)
            writer.member("count", column.count)
            writer.member("isDelta", column.isDelta)
            writer.member("isWide", column.isWide)
        }
    }

    private func engines(_ writer: inout JSONWriter) {
        writer.key("engines")
        writer.array { writer in
            for engine in EngineSummary.all(of: profile) {
                writer.object { writer in
                    writer.member("name", engine.name)
                    writer.member("unit", Int(engine.unit?.rawValue ?? UInt8.max))
                    writer.member("count", engine.count)
                    writer.member("active", engine.active)
                    writer.key("stalled")
                    writer.compact(engine.stalled)
                }
            }
        }
    }

    // MARK: Places

    private func places(_ writer: inout JSONWriter) {
        let program = profile.program
        writer.key("lines")
        writer.array { writer in
            for line in program.lines {
                writer.object { writer in
                    writer.member("file", line.file)
                    writer.member("line", line.line)
                }
            }
        }
        writer.key("lineCosts")
        writer.array { writer in
            for line in profile.lineUsage() {
                writer.object { writer in
                    writer.member("line", line.line)
                    writer.member("count", line.usage.count)
                    writer.member("busy", line.usage.engineBusy + line.usage.moving)
                    writer.member("caused", line.usage.engineStallsCaused)
                    writer.member("critical", line.usage.criticalTicks)
                }
            }
        }
        Self.write("tiles", program.tiles.map(\.name), &writer)
        Self.write("tensors", program.tensors.map(\.name), &writer)
        Self.write("loops", program.loops.map(\.name), &writer)
        writer.key("sources")
        writer.object { writer in
            for file in Set(program.lines.map(\.file)).sorted() {
                if let text = sources[file] { writer.member(file, text) }
            }
        }
    }

    private static func write(_ name: String, _ texts: [String], _ writer: inout JSONWriter) {
        writer.key(name)
        writer.array { writer in for text in texts { writer.value(text) } }
    }
}
