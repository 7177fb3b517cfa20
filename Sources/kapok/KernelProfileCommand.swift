public import ArgumentParser
import Foundation
public import KapokAccelerator

extension StallReason: ExpressibleByArgument {
    /// The reason of that name.
    public init?(argument: String) {
        guard let reason = Self.allCases.first(where: { $0.name == argument }) else { return nil }
        self = reason
    }

    /// For help and completions.
    public static var allValueStrings: [String] { allCases.map(\.name) }
}

extension KernelCommand {
    /// `kapok kernel profile`: where the time goes.
    struct ProfileKernel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "profile",
            abstract: "Simulate a kernel in time, and say for every idle tick what it waited for.",
            discussion: """
                Every idle tick of every engine has one reason and one culprit; busy time and \
                stalls add up to the total. Values are not computed (see `kapok kernel run`).
                """)

        @OptionGroup var selection: KernelSelection
        @Option(
            help: """
                Also simulate without this cause of waiting, and say how long that would take. \
                May be repeated.
                """)
        var without: [StallReason] = []
        @Option(help: "Cores that share one stack of HBM, this one included.")
        var cores = 1
        @Option(help: "Rows of the tables of causes and lines.")
        var top = 10
        @Flag(help: "Print one JSON object.")
        var json = false
        @OptionGroup(title: "Exports") var exports: KernelExports

        func validate() throws {
            guard (1...1024).contains(cores) else {
                throw ValidationError("--cores is between 1 and 1024")
            }
            guard (1...10_000).contains(top) else {
                throw ValidationError("--top is between 1 and 10000")
            }
        }

        func run() async throws {
            let loaded = try selection.load()
            TerminalLine.show("Simulating \(loaded.program.instructions.count) instructions")
            let profile = try loaded.profile(cores: cores)
            let experiments = try without.map { reason in
                try loaded.experiment(without: reason, cores: cores)
            }
            TerminalLine.clear()
            try exports.write(profile)
            if json {
                print(try text(profile, experiments), terminator: "")
            } else {
                print(TerminalReport.text(profile, rows: top), terminator: "")
                for experiment in experiments { print(experiment.line(profile)) }
            }
        }

        /// The profile's document, with the experiments as a member of their own.
        private func text(_ profile: Profile, _ experiments: [Experiment]) throws -> String {
            let document = JSONReport.text(profile)
            guard !experiments.isEmpty, let end = document.lastIndex(of: "}") else {
                return document
            }
            let members = experiments.map { experiment in
                "{\"without\":\"\(experiment.reason.name)\","
                    + "\"totalMilliseconds\":\(experiment.milliseconds(profile.machine))}"
            }
            return document[..<end] + ",\"whatIf\":[" + members.joined(separator: ",") + "]}\n"
        }
    }
}

/// A simulation without one cause of waiting.
struct Experiment {
    var reason: StallReason
    var makespan: Int64

    func milliseconds(_ machine: Machine) -> Double { machine.nanoseconds(ticks: makespan) / 1e6 }

    /// One line for a person.
    func line(_ profile: Profile) -> String {
        let before = profile.machine.nanoseconds(ticks: profile.timeline.makespan) / 1e6
        let after = milliseconds(profile.machine)
        let saved = before > 0 ? (before - after) / before * 100 : 0
        return String(
            format: "without %@: %.4f ms instead of %.4f ms (%.1f %% less)", reason.name, after,
            before, saved)
    }
}

extension LoadedKernel {
    /// Simulates it, and accounts for every tick.
    func profile(cores: Int = 1) throws -> Profile {
        let options = SimulationOptions(recording: .everything, coresSharingHBM: cores)
        return try Profiler(machine: machine).profile(program, options: options)
    }

    /// Simulates it without one cause of waiting.
    func experiment(without reason: StallReason, cores: Int) throws -> Experiment {
        let options = SimulationOptions(
            recording: .makespan, coresSharingHBM: cores, removed: [.reason(reason)])
        let result = try Simulator(machine: machine).run(program, options: options)
        return Experiment(reason: reason, makespan: result.makespan)
    }
}
