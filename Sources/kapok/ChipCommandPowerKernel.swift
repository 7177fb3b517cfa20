import ArgumentParser
import Foundation
import KapokAccelerator

/// Which kernel `kapok chip power` looks at.
struct PowerKernelOptions: ParsableArguments {
    @Option(help: "A kernel of the library, or a .kir file.")
    var kernel: String?
    @Option(help: "The kernel's step. (default: its best)")
    var step: String?
    @Option(help: "The kernel's element type. (default: its first)")
    var type: String?
    @OptionGroup(title: "Shape of the kernel") var shape: KernelShapeOptions

    /// The selection, as the `kapok kernel` commands have it; nil without a kernel.
    func selection(machine: String?) throws -> KernelSelection? {
        guard let kernel else { return nil }
        var selection = try KernelSelection.parse([kernel])
        selection.machine = machine
        selection.step = step
        selection.type = type
        selection.shape = shape
        return selection
    }
}

/// A kernel on supply networks: runs it, and prints what came of it.
struct PowerKernelRun {
    private let loaded: LoadedKernel
    private let policy: ThrottlePolicy
    private let reports: [PowerReport]

    init(loaded: LoadedKernel, networks: [SupplyNetwork], isRamped: Bool) throws {
        self.loaded = loaded
        let policy = ThrottlePolicy.illustrative.with(ramp: isRamped ? .illustrative : nil)
        self.policy = policy
        TerminalLine.show("Simulating \(loaded.program.name) and its supply")
        defer { TerminalLine.clear() }
        reports = try networks.map { network in
            try PowerLoop(network: network, policy: policy)
                .run(loaded.program, on: loaded.machine)
        }
    }

    func show(svg: String?, json: Bool) throws {
        if let svg { try ChipOutput.write(plot.svg, to: svg) }
        if json {
            try ChipOutput.printJSON(
                PowerKernelDocument(
                    kernel: loaded.program.name, machine: loaded.program.machine, policy: policy,
                    networks: reports.map {
                        PowerKernelDocument.Network($0, loaded.program, loaded.machine)
                    }))
        } else {
            print(text)
        }
    }

    private var plot: SupplyPlot {
        let voltage = reports.first?.network.voltage ?? 0
        let longest = reports.map(\.makespan).max() ?? 0
        return SupplyPlot(
            title: "Supply of \(loaded.program.name) on \(loaded.program.machine)",
            series: reports.map {
                SupplyPlot.Series(name: $0.network.title, points: $0.curve)
            }, nominalVolts: voltage, triggerVolts: voltage * policy.trigger,
            duration: loaded.machine.nanoseconds(ticks: longest))
    }

    private func milliseconds(_ ticks: Int64) -> String {
        String(format: "%.4f ms", loaded.machine.nanoseconds(ticks: ticks) / 1e6)
    }

    private var text: String {
        let head = [
            "NETWORK", "LOWEST", "DROOPS", "THROTTLED", "TIME", "ADDED", "REGULATORS",
        ]
        let rows = reports.map { report in
            [
                report.network.name, String(format: "%.3f V", report.minimumVolts),
                "\(report.droops.count)", ChipOutput.percent(report.throttledShare),
                milliseconds(report.makespan), milliseconds(report.makespan - report.freeMakespan),
                report.network.title,
            ]
        }
        var parts = [
            "\(loaded.program.name) on all cores of \(loaded.program.machine), in step (modelled)",
            TextTable(rows: [head] + rows).text,
        ]
        for report in reports {
            if !report.droops.isEmpty { parts.append(bursts(report)) }
            if !report.isSettled {
                parts.append(
                    "\(report.network.name): not settled after \(report.rounds) rounds; the later "
                        + "part of the run is not exact.")
            }
        }
        return (parts + [SupplyNetwork.illustrative]).joined(separator: "\n\n")
    }

    /// The bursts that caused most, and where they stand in the source.
    private func bursts(_ report: PowerReport) -> String {
        let shown = 10
        let head = ["DROOP AT", "LOWEST", "RISE", "BURST", "STARTED AT", "LINE"]
        let rows = report.droops.prefix(shown).map { droop in
            let burst = PowerKernelDocument.Droop(droop, loaded.program, loaded.machine)
            return [
                String(format: "%.0f ns", burst.timeNanoseconds),
                String(format: "%.3f V", droop.minimumVolts),
                String(format: "%.0f A", droop.rise),
                burst.instruction.map { "#\($0) \(burst.opcode ?? "")" } ?? "-",
                String(format: "%.0f ns", burst.burstStartNanoseconds),
                burst.file.map { "\($0):\(burst.line ?? 0)" } ?? "-",
            ]
        }
        let more = report.droops.count - rows.count
        return "Bursts behind the droops of \(report.network.name):\n"
            + TextTable(rows: [head] + rows).text + (more > 0 ? "\nand \(more) more" : "")
    }
}

/// What `kapok chip power --kernel --json` prints.
private struct PowerKernelDocument: Encodable {
    var modelled = true
    var illustrative = true
    var note = SupplyNetwork.illustrative
    var kernel: String
    var machine: String
    var policy: ThrottlePolicy
    var engines = EnginePower.illustrative
    var networks: [Network]

    struct Network: Encodable {
        var name: String
        var title: String
        var freeMilliseconds: Double
        var totalMilliseconds: Double
        var addedMilliseconds: Double
        var nominalVolts: Double
        var minimumVolts: Double
        var throttledShare: Double
        var rounds: Int
        var settled: Bool
        var droops: [Droop]
        var throttle: [Throttle]
        var curve: [SupplyPoint]

        init(_ report: PowerReport, _ program: Program, _ machine: Machine) {
            let free = machine.nanoseconds(ticks: report.freeMakespan) / 1e6
            name = report.network.name
            title = report.network.title
            freeMilliseconds = free
            totalMilliseconds = machine.nanoseconds(ticks: report.makespan) / 1e6
            addedMilliseconds = totalMilliseconds - free
            nominalVolts = report.network.voltage
            minimumVolts = report.minimumVolts
            throttledShare = report.throttledShare
            rounds = report.rounds
            settled = report.isSettled
            droops = report.droops.map { Droop($0, program, machine) }
            throttle = report.throttle.map { interval in
                Throttle(
                    startNanoseconds: machine.nanoseconds(ticks: interval.start),
                    endNanoseconds: machine.nanoseconds(ticks: interval.end),
                    allowed: interval.allowed, outOf: interval.outOf)
            }
            curve = report.curve
        }
    }

    struct Throttle: Encodable {
        var startNanoseconds: Double
        var endNanoseconds: Double
        var allowed: Int
        var outOf: Int
    }

    struct Droop: Encodable {
        var timeNanoseconds: Double
        var minimumVolts: Double
        var riseAmperes: Double
        var burstStartNanoseconds: Double
        var instruction: Int?
        var opcode: String?
        var engine: String?
        var file: String?
        var line: Int?

        init(_ droop: SupplyDroop, _ program: Program, _ machine: Machine) {
            timeNanoseconds = machine.nanoseconds(ticks: droop.time)
            minimumVolts = droop.minimumVolts
            riseAmperes = droop.rise
            burstStartNanoseconds = machine.nanoseconds(ticks: droop.burstStart)
            guard droop.culprit != ThrottleInterval.noCulprit else { return }
            let culprit = program.instructions[Int(droop.culprit)]
            instruction = Int(droop.culprit)
            opcode = culprit.opcode.name
            engine = culprit.engine.name
            let source = program.lines[Int(culprit.line)]
            guard source.line > 0 else { return }
            file = source.file
            line = source.line
        }
    }
}
