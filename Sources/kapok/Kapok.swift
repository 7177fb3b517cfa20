import ArgumentParser

/// The command line: one subcommand a file, no logic.
@main
struct Kapok: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kapok",
        abstract: "An AI cloud in one binary.",
        discussion: """
            Start with `kapok up`: it makes a region in ~/.kapok and prints how to reach it.
            """,
        version: "0.1.0",
        subcommands: [
            UpCommand.self, ServeCommand.self, ChatCommand.self, StoreCommand.self,
            FabricCommand.self,
            KernelCommand.self, ChipCommand.self, ModelCommand.self, BenchCommand.self,
            SimulateCommand.self,
        ])
}
