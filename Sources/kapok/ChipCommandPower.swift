import ArgumentParser
import Foundation
import KapokAccelerator

extension ChipCommand {
    /// `kapok chip power`: what a load does to the voltage of the chip.
    struct Power: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "power",
            abstract: "Show how the supply takes a load step or a kernel, and what it costs.",
            discussion: """
                The same load meets two supply networks: regulators beside the package, as on \
                Trainium1, and under it, as on Trainium2. When the voltage droops too far, the \
                chip works only part of the time until it has recovered. With --kernel, the load \
                is a kernel that runs on all cores in step; the report names the burst behind \
                each droop. All constants are illustrative: none is published.
                """)

        @Option(help: "trn1 or trn2: its network alone, and the kernel's machine. (default: both)")
        var machine: String?
        @Option(help: "Only this network, whatever the machine is: trn1 or trn2.")
        var network: String?
        @Option(help: "Amperes before the step.")
        var idleAmperes = 150.0
        @Option(help: "By how many amperes the load rises.")
        var stepAmperes = 400.0
        @Option(help: "Nanoseconds in which it rises.")
        var rampNanoseconds = 50.0
        @Option(help: "Nanoseconds to look at after the step.")
        var lengthNanoseconds = 4000.0
        @OptionGroup(title: "A kernel instead of a load step") var kernel: PowerKernelOptions
        @Flag(help: "Let the activity rise part by part after a pause.")
        var ramping = false
        @Option(help: "Write the curves to this SVG file.")
        var svg: String?
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let networks = try ChipMachine.networks(network ?? machine)
            if let selection = try kernel.selection(machine: machine) {
                return try PowerKernelRun(
                    loaded: try selection.load(), networks: networks, isRamped: ramping
                ).show(svg: svg, json: json)
            }
            let load = LoadStep(
                idle: idleAmperes, step: stepAmperes, ramp: rampNanoseconds,
                after: lengthNanoseconds)
            let policy = ThrottlePolicy.illustrative.with(ramp: ramping ? .illustrative : nil)
            let responses = try networks.map { try load.response(of: $0, policy: policy) }
            if let svg { try ChipOutput.write(plot(load, policy, responses).svg, to: svg) }
            if json {
                try ChipOutput.printJSON(PowerDocument(load, policy, responses))
            } else {
                print(text(load, responses))
            }
        }

        private func plot(
            _ load: LoadStep, _ policy: ThrottlePolicy, _ responses: [LoadStepResponse]
        ) -> SupplyPlot {
            let voltage = responses.first?.network.voltage ?? 0
            return SupplyPlot(
                title: title(load),
                series: responses.map {
                    SupplyPlot.Series(name: $0.network.title, points: $0.curve)
                }, nominalVolts: voltage, triggerVolts: voltage * policy.trigger,
                duration: load.before + load.after)
        }

        private func title(_ load: LoadStep) -> String {
            String(
                format: "Load step from %.0f to %.0f A in %.0f ns", load.idle,
                load.idle + load.step, load.ramp)
        }

        private func text(_ load: LoadStep, _ responses: [LoadStepResponse]) -> String {
            let head = [
                "NETWORK", "LOWEST", "DROOP", "AT THE END", "THROTTLED", "WORK LOST", "REGULATORS",
            ]
            let rows = responses.map { response in
                [
                    response.network.name, String(format: "%.3f V", response.minimumVolts),
                    String(
                        format: "%.0f mV, %.1f %%", response.droop * 1000,
                        response.droop / response.network.voltage * 100),
                    String(format: "%.3f V", response.finalVolts),
                    response.detections == 0
                        ? "not" : String(format: "%.0f ns", response.throttledNanoseconds),
                    ChipOutput.percent(response.lostShare), response.network.title,
                ]
            }
            return [
                title(load) + " (modelled)", TextTable(rows: [head] + rows).text,
                SupplyNetwork.illustrative,
            ].joined(separator: "\n\n")
        }
    }
}

extension ChipMachine {
    /// The supply network of that machine, or all of them.
    static func networks(_ name: String?) throws -> [SupplyNetwork] {
        guard let name else { return SupplyNetwork.known }
        guard let network = SupplyNetwork.known.first(where: { $0.name == name }) else {
            let names = SupplyNetwork.known.map(\.name).joined(separator: " or ")
            throw CommandFailure(description: "'\(name)' has no supply network: take \(names)")
        }
        return [network]
    }
}

/// What `kapok chip power --json` prints for a load step.
private struct PowerDocument: Encodable {
    var modelled = true
    var illustrative = true
    var note = SupplyNetwork.illustrative
    var load: LoadStep
    var policy: ThrottlePolicy
    var networks: [Network]

    struct Network: Encodable {
        var name: String
        var title: String
        var nominalVolts: Double
        var minimumVolts: Double
        var finalVolts: Double
        var droopMillivolts: Double
        var detections: Int
        var throttledNanoseconds: Double
        var lostShare: Double
        var stages: [SupplyStage]
        var curve: [SupplyPoint]
    }

    init(_ load: LoadStep, _ policy: ThrottlePolicy, _ responses: [LoadStepResponse]) {
        self.load = load
        self.policy = policy
        networks = responses.map { response in
            Network(
                name: response.network.name, title: response.network.title,
                nominalVolts: response.network.voltage, minimumVolts: response.minimumVolts,
                finalVolts: response.finalVolts, droopMillivolts: response.droop * 1000,
                detections: response.detections,
                throttledNanoseconds: response.throttledNanoseconds,
                lostShare: response.lostShare, stages: response.network.stages,
                curve: response.curve)
        }
    }
}
