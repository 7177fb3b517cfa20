public import ArgumentParser
public import KapokInference
import KapokInferenceSimulation

extension TransferDefect: ExpressibleByArgument {}

extension SimulateCommand {
    /// `kapok simulate transfer`: seeds of the transfer of KV pages.
    struct Transfer: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "transfer",
            abstract:
                "Run the transfer of KV pages between roles through the faults of many seeds.",
            discussion: """
                Each seed runs two prefill and two decode hosts: connections that are cut or fall \
                silent, messages that come late or twice, corrupt pages, peers that do not read, \
                engines that give up or are stuck, processes that are lost and come back. An \
                oracle models the contents of pages: tokens that are called good must be good, \
                every pull must end once and in time, and no page may stay pinned. Equal seeds \
                give equal trace hashes on any machine, in debug and release. The exit code is 1 \
                when the oracle found a violation.
                """)

        @OptionGroup var options: SeedOptions
        @Option(
            help: "Make the transfer do something wrong on purpose, to see the oracle notice.")
        var defect: TransferDefect?

        func run() async throws {
            let defect = defect
            try await options.run(scenario: "transfer", defect: defect?.rawValue) { seed in
                TransferSweep.run(seed: seed, defect: defect)
            }
        }
    }
}

extension TransferSweepResult: SeedResult {
    var named: [(name: String, count: Int)] {
        let ends = counts.ends
        return [
            ("pulls", ends.values.reduce(0, +)), ("complete", ends[.complete] ?? 0),
            ("wanted", counts.wantedTokens), ("pulled", counts.pulledTokens),
            ("corrupted", counts.corrupted), ("cuts", counts.cuts),
            ("silent", counts.blackHoles), ("crashes", counts.crashes),
            ("duplicates", counts.duplicates), ("expired", Int(counts.expired)),
        ]
    }
}
