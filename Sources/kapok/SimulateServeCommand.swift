public import ArgumentParser
public import KapokInference
import KapokInferenceSimulation

extension SchedulerDefect: ExpressibleByArgument {}

extension SimulateCommand {
    /// `kapok simulate serve`: seeds of the scheduler.
    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "serve",
            abstract: "Run the scheduler of a model server through the faults of many seeds.",
            discussion: """
                Each seed makes a scheduler as `kapok serve` has it, with virtual executors, a \
                virtual prefill role and clients: prompts that share beginnings, drafts, \
                deadlines, clients that go away at any moment, steps that fail or stall, pulls \
                that fail, come late or in part. An oracle simulates the KV cache position by \
                position, knows each text, and holds turns and gaps against the stated bounds. \
                Equal seeds give equal trace hashes on any machine, in debug and release. The \
                exit code is 1 when the oracle found a violation.
                """)

        @OptionGroup var options: SeedOptions
        @Option(
            help: "Make the scheduler do something wrong on purpose, to see the oracle notice.")
        var defect: SchedulerDefect?

        func run() async throws {
            let defect = defect
            try await options.run(scenario: "serve", defect: defect?.rawValue) { seed in
                SchedulerSweep.run(seed: seed, defect: defect)
            }
        }
    }
}

extension SchedulerSweepResult: SeedResult {
    var named: [(name: String, count: Int)] {
        [
            ("requests", counts.requests), ("completed", counts.completed),
            ("refused", counts.refused), ("unfinished", counts.others), ("passes", counts.passes),
            ("tokens", counts.tokens), ("shared", counts.sharedTokens),
            ("preemptions", counts.preemptions), ("pulls", counts.pulls),
            ("faults", counts.faults),
        ]
    }
}
