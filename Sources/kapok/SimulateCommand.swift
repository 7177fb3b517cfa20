public import ArgumentParser
public import KapokStore
import KapokStoreSimulation

extension StoreDefect: ExpressibleByArgument {}

/// `kapok simulate`: runs parts of Kapok in a simulated world.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Run a part of Kapok with simulated time, drives and faults, and judge it.",
        subcommands: [Store.self, Fabric.self, Serve.self, Transfer.self, Fleet.self])
}

extension SimulateCommand {
    /// `kapok simulate store`: seeds of the store.
    struct Store: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "store",
            abstract: "Run the store through the faults of many seeds.",
            discussion: """
                Each seed makes a store with its drives, clients and faults, and an oracle that \
                judges what the clients see. Equal seeds give equal trace hashes on any machine, \
                in debug and release. The exit code is 1 when the oracle found a violation.
                """)

        @OptionGroup var options: SeedOptions
        @Option(
            help: "Make the store do something wrong on purpose, to see the oracle notice.")
        var defect: StoreDefect?

        func run() async throws {
            let defect = defect
            try await options.run(scenario: "store", defect: defect?.rawValue) { seed in
                try StoreSimulation.run(seed: seed, defect: defect)
            }
        }
    }
}

extension StoreSimulationResult: SeedResult {
    var named: [(name: String, count: Int)] {
        [("operations", counts.operations)]
    }
}
