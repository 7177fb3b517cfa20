/// What a check of a whole program found.
public struct CheckReport: Hashable, Sendable {
    /// Everything that is wrong or could be better, the worst first.
    public var diagnostics: [Diagnostic]
    /// Whether it was proved that every two accesses of the same bytes, one of them a write, happen
    /// in the program's order, however long instructions take. False also when that could not be
    /// looked at, because of other errors or of the program's size; a diagnostic says so.
    public var isProvedRaceFree = false
    /// Pairs of instructions that memory demands an order of, at most one for each instruction and
    /// stream.
    public var orderedPairs = 0
    /// Waits in all, and those that are implied by others, and those that wait for too much.
    public var waits = 0
    public var superfluousWaits = 0
    public var falseDependencies = 0
    /// Pairs of accesses that nothing orders.
    public var races = 0

    /// Whether no diagnostic is an error.
    public var isSound: Bool { !diagnostics.contains { $0.severity == .error } }
}

/// Checks a program as a whole: its instructions by the rules of the machine, its semaphores, and
/// by a proof that shares nothing with the compiler, that no two accesses of the same bytes can
/// race.
///
/// The proof uses the order of queues, units and rings, and semaphores; neither times nor the
/// reasons that the compiler notes for its waits.
public enum ProgramChecker {
    /// Checks `program` for `machine`. Takes seconds for a million instructions, and memory of some
    /// hundred bytes for each.
    public static func check(_ program: Program, _ machine: Machine) -> CheckReport {
        var collector = DiagnosticCollector(program)
        var report = CheckReport(diagnostics: [])
        if ProgramValidator.validate(program, machine, into: &collector) {
            do {
                try check(program, machine, &report, &collector)
            } catch {
                add(error, &collector)
            }
        }
        report.diagnostics = collector.sorted()
        return report
    }

    private static func check(
        _ program: Program, _ machine: Machine, _ report: inout CheckReport,
        _ collector: inout DiagnosticCollector
    ) throws(CheckLimit) {
        let hasBadPlaces = collector.all.contains {
            $0.severity == .error && ($0.rule == .capacity || $0.rule == .partitions)
        }
        let streams = Streams(program)
        let semaphores = SemaphoreTable(program, streams)
        let execution = AbstractExecution(program)
        let synchronisation = SynchronisationCheck(program, streams, semaphores)
        synchronisation.check(execution, &collector)
        report.waits = synchronisation.waitCount
        guard execution.stuck.isEmpty, !hasBadPlaces else {
            collector.addWhole(
                .note, .limit, "races and uninitialised reads were not looked for",
                why: "they depend on places in memory and on waits that are wrong themselves",
                remedy: "mend the errors above and check again")
            return
        }
        let order = try CompletionOrder(program, streams, semaphores, order: execution.order)
        synchronisation.checkRings(order, &collector)
        let map = try CellMap(program, machine)
        let trace = MemoryTrace(program, order, map)
        let findings = MemoryFindings(program, order, map, trace)
        findings.report(&collector)
        report.races = trace.races.count
        report.orderedPairs = trace.needs.reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
        report.isProvedRaceFree = trace.races.isEmpty && synchronisation.isOrdered(order)
        // Following effects through the program needs an order in which it can be run.
        let isInOrder = !collector.all.contains { $0.severity == .error && $0.rule == .semaphore }
        guard report.isProvedRaceFree, isInOrder else { return }
        var waits = WaitAnalysis(program, order, needs: trace.needs)
        waits.run()
        waits.report(&collector)
        report.superfluousWaits = waits.superfluous.count
        report.falseDependencies = waits.falseDependencies.count
    }

    private static func add(_ limit: CheckLimit, _ collector: inout DiagnosticCollector) {
        let (problem, remedy) =
            switch limit.kind {
            case .runs:
                (
                    "access patterns consist of too many pieces",
                    "make strided accesses shorter, or lay the data out side by side"
                )
            case .cells:
                (
                    "access patterns cut memory into too many pieces",
                    "use fewer different strided accesses of the same tensors"
                )
            case .visits:
                (
                    "instructions touch too many separate pieces of memory",
                    "use fewer strided accesses, or check a smaller case of the kernel"
                )
            case .instructions:
                ("there are too many instructions", "check a smaller case of the kernel")
            }
        collector.addWhole(
            .warning, .limit, "races and uninitialised reads were not looked for: \(problem)",
            why: "the check looks at every byte, and is bounded in time and memory", remedy: remedy)
    }
}
