import ArgumentParser
import Foundation
import KapokFabric

/// `kapok fabric`: the network, from its wiring to its repair.
struct FabricCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fabric",
        abstract: "Wire, plan, prove, simulate and run a network that repairs itself.",
        subcommands: [
            FabricAgentCommand.self, FabricLabCommand.self, FabricWireCommand.self,
            FabricSimulateCommand.self, FabricPlanCommand.self, FabricDiffCommand.self,
            FabricExplainCommand.self, FabricBorderCommand.self, FabricCheckCommand.self,
        ])
}

/// Which fabric a command is about.
struct FabricOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A named topology: leafspine:LEAVES,SPINES,HOSTS, fattree:K (kK for short), ab:K, "
                + "rail:UNITS,RAILS,SPINES,HOSTS, dualtor:PAIRS,SPINES,HOSTS, planes:P,NAME.",
            valueName: "name"))
    var topology: String?

    @Option(
        help: ArgumentHelp(
            "A wiring that is no named topology: a PTM topology.dot.", valueName: "file.dot"),
        completion: .file(extensions: ["dot"]))
    var graph: String?

    /// What was asked for, and how it was written.
    func fabric() throws -> (name: String, fabric: Fabric) {
        switch (topology, graph) {
        case (let name?, nil):
            do { return (name.lowercased(), try TopologyName(name).fabric) } catch {
                throw CommandFailure(description: "\(error)")
            }
        case (nil, let path?):
            guard let data = FileManager.default.contents(atPath: path) else {
                throw CommandFailure(description: "cannot read \(path)")
            }
            do { return (path, .graph(try WiringDocument.graph(fromDOT: Array(data)))) } catch {
                throw CommandFailure(description: "\(path): \(error)")
            }
        default:
            throw CommandFailure(
                description: "say which fabric: either --topology NAME or --graph FILE.dot")
        }
    }
}
