/// A profile as JSON for scripts: schema `kapok.profile`, version 1, described in
/// `docs/profile-formats.md`.
public enum JSONReport {
    /// The version of the schema. Members may be added within a version; a change of meaning makes
    /// a new one.
    public static let version = 1

    /// How much of a profile is written.
    public struct Options: Hashable, Sendable {
        /// Steps of the critical path at most; `criticalPathSteps` says how many there are.
        public var maximumCriticalSteps = 10_000
        /// Causes of idle time at most.
        public var maximumCauses = 1000
        /// Whether the times of every instruction are written, as arrays under `spans`.
        public var includesSpans = false

        public init() {}
    }

    /// The document, ending in a line feed.
    public static func text(_ profile: Profile, options: Options = Options()) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("schema", "kapok.profile")
            writer.member("version", version)
            head(profile, &writer)
            engines(profile, &writer)
            criticalPath(profile, options, &writer)
            metrics(profile, &writer)
            bounds(profile, &writer)
            causes(profile, options, &writer)
            lines(profile, &writer)
            loops(profile, &writer)
            if options.includesSpans { spans(profile, &writer) }
        }
        return writer.text + "\n"
    }

    static func milliseconds(_ ticks: Int64, _ profile: Profile) -> Double {
        profile.machine.nanoseconds(ticks: ticks) / 1e6
    }

    // MARK: Parts

    static func head(_ profile: Profile, _ writer: inout JSONWriter) {
        let program = profile.program
        writer.member("kernel", program.name)
        writer.member("machine", profile.machine.description.name)
        writer.key("parameters")
        writer.object { writer in
            for parameter in program.parameters { writer.member(parameter.name, parameter.value) }
        }
        writer.member("ticksPerSecond", profile.machine.ticksPerSecond)
        writer.member("totalTicks", profile.timeline.makespan)
        writer.member("totalMilliseconds", milliseconds(profile.timeline.makespan, profile))
        writer.member("instructions", program.instructions.count)
        writer.member("transfers", profile.timeline.transfers.count)
    }

    private static func engines(_ profile: Profile, _ writer: inout JSONWriter) {
        writer.key("engines")
        writer.object { writer in
            for engine in EngineSummary.all(of: profile) {
                writer.key(engine.name)
                writer.object { writer in
                    writer.member("count", engine.count)
                    writer.member("activeTicks", engine.active)
                    writer.member("activeMilliseconds", milliseconds(engine.active, profile))
                    writer.member("activeShare", share(engine.active, profile))
                    let reasons = StallReason.allCases.filter {
                        engine.stalled[Int($0.rawValue)] > 0
                    }
                    writer.key("stalls")
                    writer.object { writer in
                        for reason in reasons {
                            let ticks = engine.stalled[Int(reason.rawValue)]
                            writer.member(reason.name, milliseconds(ticks, profile))
                        }
                    }
                    writer.key("stallTicks")
                    writer.object { writer in
                        for reason in reasons {
                            writer.member(reason.name, engine.stalled[Int(reason.rawValue)])
                        }
                    }
                }
            }
        }
    }

    private static func share(_ ticks: Int64, _ profile: Profile) -> Double {
        let makespan = profile.timeline.makespan
        return makespan > 0 ? Double(ticks) / Double(makespan) : 0
    }

    private static func criticalPath(
        _ profile: Profile, _ options: Options, _ writer: inout JSONWriter
    ) {
        let summary = CriticalPathSummary(profile)
        writer.key("criticalPathByKind")
        writer.object { writer in
            for kind in CriticalStep.Kind.allCases {
                let ticks = summary.ticksByKind[Int(kind.rawValue)]
                if ticks > 0 { writer.member(kind.name, milliseconds(ticks, profile)) }
            }
        }
        writer.member("criticalPathSteps", profile.criticalPath.count)
        writer.key("criticalPath")
        writer.array { writer in
            for step in profile.criticalPath.prefix(max(0, options.maximumCriticalSteps)) {
                writer.object { writer in
                    writer.member("kind", step.kind.name)
                    writer.member("startTicks", step.start)
                    writer.member("endTicks", step.end)
                    writer.member("milliseconds", milliseconds(step.end - step.start, profile))
                    place(ofInstruction: step.instruction, profile, &writer)
                }
            }
        }
    }

    /// An instruction by number, with its opcode, unit and source line.
    private static func place(
        ofInstruction index: UInt32, _ profile: Profile, _ writer: inout JSONWriter
    ) {
        guard index < profile.program.instructions.count else { return }
        let instruction = profile.program.instructions[Int(index)]
        writer.member("instruction", Int(index))
        writer.member("opcode", instruction.opcode.name)
        writer.member("unit", EngineSummary.name(of: instruction.unit))
        place(instruction.line, profile, &writer)
    }

    private static func place(_ line: UInt32, _ profile: Profile, _ writer: inout JSONWriter) {
        guard line > 0, line < profile.program.lines.count else { return }
        writer.member("file", profile.program.lines[Int(line)].file)
        writer.member("line", profile.program.lines[Int(line)].line)
    }

    private static func metrics(_ profile: Profile, _ writer: inout JSONWriter) {
        writer.key("metrics")
        writer.object { writer in
            for metric in MetricSummary.all(of: profile) {
                writer.key(metric.name)
                writer.object { writer in
                    writer.member("value", metric.value)
                    writer.member("quantity", metric.quantity.rawValue)
                    writer.member("definition", metric.definition)
                }
            }
        }
    }

    private static func bounds(_ profile: Profile, _ writer: inout JSONWriter) {
        writer.key("bounds")
        writer.array { writer in
            for bound in BoundSummary.all(of: profile) {
                writer.object { writer in
                    writer.member("name", bound.name)
                    writer.member("ticks", bound.ticks)
                    writer.member("milliseconds", milliseconds(bound.ticks, profile))
                    writer.member("definition", bound.definition)
                }
            }
        }
    }

    private static func causes(
        _ profile: Profile, _ options: Options, _ writer: inout JSONWriter
    ) {
        writer.key("causes")
        writer.array { writer in
            for cause in CauseSummary.all(of: profile).prefix(max(0, options.maximumCauses)) {
                writer.object { writer in
                    writer.member("engine", EngineSummary.name(of: cause.unit))
                    writer.member("reason", cause.reason.name)
                    writer.member("milliseconds", milliseconds(cause.ticks, profile))
                    writer.member("ticks", cause.ticks)
                    writer.member("stalls", cause.count)
                    writer.member("culpritOpcode", cause.opcode.name)
                    place(cause.line, profile, &writer)
                    writer.member("example", Int(cause.example))
                }
            }
        }
    }

    private static func lines(_ profile: Profile, _ writer: inout JSONWriter) {
        writer.key("lines")
        writer.array { writer in
            for line in profile.linesByCost() {
                writer.object { writer in
                    place(UInt32(line.line), profile, &writer)
                    usage(line.usage, profile, &writer)
                }
            }
        }
    }

    private static func loops(_ profile: Profile, _ writer: inout JSONWriter) {
        writer.key("loops")
        writer.array { writer in
            for loop in profile.loopUsage() {
                let declaration = profile.program.loops[loop.loop]
                writer.object { writer in
                    writer.member("name", declaration.name)
                    writer.member("depth", loop.depth)
                    writer.member("iterations", loop.iterations)
                    place(declaration.line, profile, &writer)
                    usage(loop.usage, profile, &writer)
                }
            }
        }
    }

    private static func usage(
        _ usage: SourceUsage, _ profile: Profile, _ writer: inout JSONWriter
    ) {
        writer.member("instructions", usage.count)
        for (name, ticks) in [
            ("busyMilliseconds", usage.engineBusy), ("movingMilliseconds", usage.moving),
            ("waitedMilliseconds", usage.engineStallsSuffered),
            ("causedMilliseconds", usage.engineStallsCaused),
            ("criticalMilliseconds", usage.criticalTicks),
        ] {
            writer.member(name, milliseconds(ticks, profile))
        }
    }

    private static func spans(_ profile: Profile, _ writer: inout JSONWriter) {
        let timeline = profile.timeline
        let instructions = profile.program.instructions
        writer.key("spans")
        writer.object { writer in
            writer.key("unit")
            writer.compact(instructions.lazy.map { Int64($0.unit.rawValue) })
            writer.key("opcode")
            writer.compact(instructions.lazy.map { Int64($0.opcode.rawValue) })
            for (name, ticks) in [
                ("issueTicks", timeline.issue), ("startTicks", timeline.start),
                ("busyEndTicks", timeline.busyEnd), ("endTicks", timeline.end),
            ] {
                writer.key(name)
                writer.compact(ticks)
            }
        }
    }
}
