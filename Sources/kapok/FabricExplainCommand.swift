public import ArgumentParser
import Foundation
public import KapokFabric

/// `kapok fabric explain`: why a packet goes where it goes.
struct FabricExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say why a packet goes where it goes, hop by hop.",
        discussion: """
              kapok fabric explain --topology fattree:4 --from edge-0-0 --to edge-3-1
              kapok fabric explain --topology fattree:4 --from edge-0-0 --to edge-3-1 \\
                  --dead agg-3-0:swp2 --knowledge local

            With --knowledge local switches know their own dead links only, as in the moment of a \
            failure; with full, what the news tells them too. --plan reads what is missing and \
            drained from a plan's folder.
            """)

    @OptionGroup var options: FabricOptions
    @Option(help: ArgumentHelp("A folder of kapok fabric plan.", valueName: "folder"))
    var plan: String?
    @Option(help: ArgumentHelp("Where the packet starts.", valueName: "switch"))
    var from: String
    @Option(
        help: ArgumentHelp("Where it goes: an edge switch, or an address.", valueName: "switch"))
    var to: String
    @Option(help: ArgumentHelp("What is dead: a link, a switch, trunk:N.", valueName: "what"))
    var dead: [String] = []
    @Option(help: "What switches know of dead links elsewhere: local or full.")
    var knowledge = PathExplanation.Knowledge.full
    @Option(help: "The flow: another one may take other ports of equal ones.")
    var flow: UInt64 = 0
    @Flag(help: "Print JSON.")
    var json = false

    mutating func run() async throws {
        let (name, plan) = try source()
        let fabric = plan.fabric
        let start = try FabricArguments.node(from, in: fabric)
        let destination = try destination(plan)
        let owner = fabric.owner(of: destination)
        guard fabric.plane(of: start) == fabric.plane(of: owner) else {
            throw CommandFailure(
                description: "\(from) and \(fabric.name(of: owner)) are in different planes, "
                    + "which meet at the hosts only")
        }
        let links = try dead.flatMap {
            try FabricArguments.target($0, in: fabric).links(of: fabric)
        }
        let explanation = PathExplanation(
            plan.forwarding(), from: start, to: destination, dead: LinkSet(links),
            knowledge: knowledge, flow: flow)
        if json {
            try ChipOutput.printJSON(
                FabricExplainReport(
                    explanation, name, plan, start, destination, LinkSet(links), knowledge, flow))
        } else {
            print(explanation.lines().joined(separator: "\n"))
        }
        if explanation.outcome != .delivered { throw ExitCode(1) }
    }

    private func source() throws -> (String, FabricPlan) {
        if let plan {
            guard options.topology == nil, options.graph == nil else {
                throw CommandFailure(description: "a plan names its fabric: leave --topology out")
            }
            let loaded = try FabricPlanFiles.load(plan)
            return (loaded.name, loaded.plan)
        }
        let (name, fabric) = try options.fabric()
        return (
            name,
            FabricPlan(
                epoch: 0, fabric: fabric, topologyName: options.graph == nil ? name : "",
                extraTrees: fabric.extraTrees())
        )
    }

    private func destination(_ plan: FabricPlan) throws -> DestinationID {
        if let address = IPv4Prefix.address(to) {
            do {
                guard let owner = try PrefixOwners(plan).owner(of: address) else {
                    throw CommandFailure(description: "no edge switch owns \(to)")
                }
                return owner
            } catch let problem as PlanProblem {
                throw CommandFailure(description: "\(problem)")
            }
        }
        let id = try FabricArguments.edge(to, in: plan.fabric)
        guard let destination = plan.fabric.destination(of: id) else {
            preconditionFailure("an edge switch owns a destination")
        }
        return destination
    }
}

extension PathExplanation.Knowledge: ExpressibleByArgument {}

/// What `kapok fabric explain --json` tells.
struct FabricExplainReport: Encodable {
    struct Others: Encodable {
        var ports: [String]
        var reason: String
    }

    struct Hop: Encodable {
        var decision: String
        var equalPorts: [String]
        var known: [String]
        var name: String
        var next: String?
        var others: [Others]
        var port: String?
        var rank: Int
        var rankAfter: Int
        var skippedTrees: [Skipped]
        var tree: Int?
    }

    struct Skipped: Encodable {
        var obstacle: String?
        var port: String?
        var rank: Int
        var tree: Int
    }

    var dead: [String]
    var flow: UInt64
    var from: String
    var hops: [Hop]
    var knowledge: String
    var links: Int
    var outcome: String
    var prefix: String?
    var to: String
    var topology: String

    init(
        _ explanation: PathExplanation, _ name: String, _ plan: FabricPlan, _ start: SwitchID,
        _ destination: DestinationID, _ dead: LinkSet, _ knowledge: PathExplanation.Knowledge,
        _ flow: UInt64
    ) {
        let fabric = plan.fabric
        self.dead = dead.map { fabric.describe($0) }
        self.flow = flow
        from = fabric.name(of: start)
        to = fabric.name(of: fabric.owner(of: destination))
        prefix = fabric.prefix(of: destination)?.description
        topology = name
        self.knowledge = knowledge.rawValue
        outcome = explanation.outcome.rawValue
        links = explanation.steps.count { $0.next != nil }
        hops = explanation.steps.map { step in
            let port = { fabric.portName(PortID(step.id, $0)) }
            var equal: [Int] = []
            var after = step.rank
            let decision: String
            switch step.decision {
            case .deliver: decision = "deliver"
            case .drop: decision = "drop"
            case .forward(let ports, let tag):
                decision = "forward"
                equal = ports
                after = Int(tag.rank)
            }
            return Hop(
                decision: decision, equalPorts: equal.map(port),
                known: step.known.map { fabric.describe($0) }, name: fabric.name(of: step.id),
                next: step.next.map { fabric.name(of: $0.far.owner) },
                others: step.others.map {
                    Others(ports: $0.ports.map(port), reason: explanation.words($0.reason))
                },
                port: step.port.map(port), rank: step.rank, rankAfter: after,
                skippedTrees: step.skipped.map { skipped in
                    Skipped(
                        obstacle: skipped.obstacle.map { fabric.describe($0) },
                        port: skipped.port.map(port), rank: skipped.rank, tree: skipped.tree)
                }, tree: step.tree)
        }
    }
}
