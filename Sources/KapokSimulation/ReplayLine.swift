/// What to print when a run fails: everything that is needed to see the same run again.
public struct ReplayLine: Hashable, Sendable, CustomStringConvertible {
    /// The seed of the run.
    public var seed: UInt64
    /// The commit of the code that ran, as git names it; "unknown" when the build does not say.
    public var commit: String
    /// The scenario's name on the command line.
    public var scenario: String

    public init(seed: UInt64, commit: String?, scenario: String) {
        self.seed = seed
        self.commit = commit ?? "unknown"
        self.scenario = scenario
    }

    /// The arguments after `kapok` that run the seed again.
    public var arguments: [String] {
        ["simulate", scenario, "--seeds", "1", "--from", String(seed)]
    }

    /// One line: the facts, and the command to type at that commit.
    public var description: String {
        "replay: seed=\(seed) scenario=\(scenario) commit=\(commit)  kapok "
            + arguments.joined(separator: " ")
    }
}
