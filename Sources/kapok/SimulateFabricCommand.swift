public import ArgumentParser
public import KapokFabricSimulation

extension FabricDefect: ExpressibleByArgument {
    public init?(argument: String) { self.init(rawValue: argument) }
    public static var allValueStrings: [String] { allCases.map(\.rawValue) }
}

extension SimulateCommand {
    /// `kapok simulate fabric`: seeds of the switches' agents.
    struct Fabric: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fabric",
            abstract: "Run the agents of small fabrics through the faults of many seeds.",
            discussion: """
                Each seed makes a fabric of up to 20 switches with the agents that real switches \
                run, and its faults: cuts of every kind, loss, stalls, crashes, drains, plans, \
                forgeries. An oracle walks packets through the agents' tables and compares what \
                they know with the truth. Equal seeds give equal trace hashes on any machine, in \
                debug and release. The exit code is 1 when the oracle found a violation.
                """)

        @OptionGroup var options: SeedOptions
        @Option(
            help: "Make agents do something wrong on purpose, to see the oracle notice.")
        var defect: FabricDefect?

        func run() async throws {
            let defect = defect
            try await options.run(scenario: "fabric", defect: defect?.rawValue) { seed in
                try AgentSweep.run(seed: seed, defect: defect)
            }
        }
    }
}

extension AgentSweepResult: SeedResult {
    var named: [(name: String, count: Int)] {
        [
            ("faults", counts.faults), ("detections", counts.detections),
            ("forgeries", counts.forgeries), ("walks", counts.walks), ("pairs", counts.pairs),
        ]
    }
}
