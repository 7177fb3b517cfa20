import ArgumentParser
import Foundation
import KapokFabric

/// `kapok fabric check`: proves that packets arrive, whatever fails.
struct FabricCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Prove that packets arrive: no loop, no black hole, whatever fails.",
        discussion: """
            All sets of one or two failures of a kind are covered, for every source, destination \
            and choice by hash, and for what switches may know: only their own dead links (local), \
            all of them (flooded), or any part of the news, each switch another (partial).

            Small fabrics are gone through set by set, large ones by classes of places that \
            symmetry makes alike. docs/fabric-check.md says what is counted and why it is sound.

            Examples:
              kapok fabric check --topology fattree:8 --failures 2
              kapok fabric check --topology fattree:64 --failures 2 --json
              kapok fabric check --graph wiring.dot --failures 1 --kind trunk
              kapok fabric check --topology fattree:4 --failures 1 --drain agg-1-0 --mixed

            The exit code is 1 when there is a loop or a black hole.
            """)

    @OptionGroup var fabricOptions: FabricOptions

    @Option(help: ArgumentHelp("How many things fail at once: 0, 1 or 2.", valueName: "n"))
    var failures = 1

    @Option(
        help: ArgumentHelp(
            "What fails: link, switch, trunk; mixed is any one of them, or with two failures a "
                + "switch or trunk and a link.", valueName: "kind"))
    var kind = "link"

    @Option(
        help: ArgumentHelp(
            "What switches know: local, flooded, partial, all three, or stale (partial, while "
                + "links come back).", valueName: "model"))
    var knowledge = "all"

    @Option(help: "Leave a switch, link, trunk, pod or plane alone where there is another way.")
    var drain: [String] = []

    @Option(help: "A switch, link, trunk, pod or plane that does not exist.")
    var missing: [String] = []

    @Flag(
        help: "Let every switch have either this plan or the one without --drain and --missing.")
    var mixed = false

    @Option(
        help: ArgumentHelp(
            "exhaustive or classes; by default what the size allows.", valueName: "method"))
    var method: String?

    @Flag(help: "Also check how the news of a dead link spreads.")
    var flood = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let (name, fabric) = try fabricOptions.fabric()
        let question = try Question(self, fabric)
        let start = ContinuousClock.now
        let reports = question.models.enumerated().map { index, model in
            question.checker.check(failures: failures, kind: question.kind, knowledge: model) {
                TerminalLine.show(
                    "\(model.rawValue): \(Int($0 * 100)) % "
                        + "(\(index + 1) of \(question.models.count))")
                return true
            }
        }
        let flooding = flood ? FloodChecker(fabric).check(withSecondFailure: failures > 1) : nil
        TerminalLine.clear()
        let spent = ContinuousClock.now - start
        let document = FabricCheckDocument(
            topology: name, fabric: fabric, failures: failures, kind: question.kind,
            reports: reports, flood: flooding, seconds: spent / .seconds(1))
        if json { try ChipOutput.printJSON(document) } else { print(document.text) }
        if !document.isClean { throw ExitCode.failure }
    }

    /// What was asked for, understood.
    private struct Question {
        var kind: FailureKind
        var models: [KnowledgeModel]
        var checker: FabricChecker

        init(_ command: FabricCheckCommand, _ fabric: Fabric) throws {
            guard (0...2).contains(command.failures) else {
                throw CommandFailure(
                    description: "--failures \(command.failures): say 0, 1 or 2; sets of three "
                        + "and more are not checked")
            }
            guard let kind = FailureKind(rawValue: command.kind) else {
                throw CommandFailure(
                    description: "--kind \(command.kind): say link, switch, trunk or mixed")
            }
            self.kind = kind
            if command.knowledge == "all" {
                models = [.local, .flooded, .partial]
            } else if let model = KnowledgeModel(rawValue: command.knowledge) {
                models = [model]
            } else {
                throw CommandFailure(
                    description: "--knowledge \(command.knowledge): say local, flooded, partial, "
                        + "stale or all")
            }
            let drained = try Self.links(command.drain, fabric)
            let missing = try Self.links(command.missing, fabric)
            if command.mixed && drained.isEmpty && missing.isEmpty {
                throw CommandFailure(
                    description: "--mixed: say with --drain or --missing what is to change")
            }
            checker = FabricChecker(
                Forwarding(
                    fabric, missing: missing, drained: drained,
                    extraTrees: fabric.extraTrees(missing: missing)),
                replacing: command.mixed
                    ? Forwarding(fabric, extraTrees: fabric.extraTrees()) : nil)
            if let method = command.method {
                guard let known = CheckReport.Method(rawValue: method) else {
                    throw CommandFailure(
                        description: "--method \(method): say exhaustive or classes")
                }
                checker.limits.method = known
            }
        }

        private static func links(_ names: [String], _ fabric: Fabric) throws -> LinkSet {
            var all = LinkSet()
            for name in names {
                do {
                    all = all.union(LinkSet(try FabricTarget(name, in: fabric).links(of: fabric)))
                } catch { throw CommandFailure(description: "\(error)") }
            }
            return all
        }
    }
}
