public import ArgumentParser
import Foundation
public import KapokFabric
import KapokWorld

/// `kapok fabric lab`: a real network of namespaces on this machine.
struct FabricLabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract:
            "Build a network of namespaces on this machine, cut its links, count what is lost.",
        discussion: """
            One network namespace a switch and one a host, joined by veth pairs. The ways through it
            are found by kapok's own agents, or by BIRD or FRR (Debian: bird2, frr), with the same
            topology, cuts and probes. Needs root, iproute2 and nftables. See docs/fabric-lab.md.
            """,
        subcommands: [
            Up.self, Fail.self, Heal.self, Ping.self, Status.self, Down.self, Run.self, Soak.self,
        ])
}

extension LabProtocol: ExpressibleByArgument {}
extension LabCutKind: ExpressibleByArgument {}

/// Which lab a command is about.
struct FabricLabOptions: ParsableArguments {
    @Option(help: "The lab's name: several can stand side by side.")
    var id = "lab"

    @Option(help: ArgumentHelp("Where labs write their state.", valueName: "directory"))
    var state = LabState.defaultFolder

    /// The lab, which another command has built.
    func open() throws -> Lab { try labFailures { try Lab.open(id: id, root: state) } }
}

/// How a lab is set up.
struct FabricLabSetup: ParsableArguments {
    @Option(help: ArgumentHelp("How long the network may take to converge.", valueName: "s"))
    var patience = 60.0
    @Option(
        help: ArgumentHelp("Between two hellos of kapok's agents, on every link.", valueName: "us"))
    var hello = 1000

    func validate() throws {
        guard patience > 0, patience <= 3600 else {
            throw ValidationError("--patience is above 0 and at most 3600 seconds")
        }
        guard (100...1_000_000).contains(hello) else {
            throw ValidationError("--hello is 100 us to 1 s")
        }
    }
}

/// Runs `body`; what the lab refuses is said in its own words.
func labFailures<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let failure as LabFailure {
        throw CommandFailure(description: failure.description)
    }
}

extension FabricLabCommand {
    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Build a lab and wait until all its hosts answer each other.")

        @OptionGroup var lab: FabricLabOptions
        @OptionGroup var which: FabricOptions
        @Option(name: .customLong("protocol"), help: "What finds the ways: sidr, bird or frr.")
        var routing = LabProtocol.sidr
        @OptionGroup var setup: FabricLabSetup
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let options = try which.labOptions(lab, routing, setup)
            let clock = ContinuousClock()
            let start = clock.now
            let built = try labFailures {
                defer { TerminalLine.clear() }
                return try Lab.up(options) { step in TerminalLine.show(step) }
            }
            let seconds = (clock.now - start) / .seconds(1)
            let document = UpDocument(
                hosts: built.layout.destinations.count, id: lab.id,
                links: built.layout.fabric.linkCount, routing: routing,
                seconds: (seconds * 1000).rounded() / 1000,
                switches: built.layout.fabric.switchCount)
            if json { return try ChipOutput.printJSON(document) }
            print(
                """
                \(document.switches) switches, \(document.links) links, \(document.hosts) hosts, \
                \(routing.rawValue): up after \(String(format: "%.1f", seconds)) s
                """)
        }
    }

    struct UpDocument: Encodable {
        var hosts: Int
        var id: String
        var links: Int
        var routing: LabProtocol
        var seconds: Double
        var switches: Int
    }

    struct Fail: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Cut a link.")

        @OptionGroup var lab: FabricLabOptions
        @Option(
            help: ArgumentHelp(
                "The link: switch:port (that end is set down or made deaf), or 'A -- B'.",
                valueName: "link"))
        var link: String
        @Option(
            help: """
                down: carrier goes at both ends. silent: packets vanish, carrier stays. one-way: \
                packets from the far end vanish.
                """)
        var kind = LabCutKind.down

        func run() async throws {
            let lab = try lab.open()
            try labFailures { try lab.fail(kind, at: try lab.layout.end(named: link)) }
        }
    }

    struct Heal: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a link whole again, however it was cut; without --link, all links.")

        @OptionGroup var lab: FabricLabOptions
        @Option(help: ArgumentHelp("switch:port, or 'A -- B'.", valueName: "link"))
        var link: String?
        @Option(
            help: ArgumentHelp(
                "Wait so long for the network to use all links again.", valueName: "s"))
        var wait: Double?

        func run() async throws {
            let lab = try lab.open()
            try labFailures {
                try lab.heal(try link.map { try lab.layout.link(named: $0) })
                if let wait { try lab.waitUntilConverged(seconds: wait) }
            }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what of a lab is not as it should be.",
            discussion: "The exit code is 1 when something is missing.")

        @OptionGroup var lab: FabricLabOptions
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let open = try lab.open()
            let gaps = try labFailures { try open.gaps() }
            if json {
                try ChipOutput.printJSON(
                    StatusDocument(
                        gaps: gaps, id: lab.id, isWhole: gaps.isEmpty, routing: open.routing))
            } else {
                print(
                    gaps.isEmpty
                        ? "all links and routes are in use, all hosts answer"
                        : gaps.joined(separator: "\n"))
            }
            if !gaps.isEmpty { throw ExitCode.failure }
        }
    }

    struct StatusDocument: Encodable {
        var gaps: [String]
        var id: String
        var isWhole: Bool
        var routing: LabProtocol
    }

    struct Down: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a lab away: processes, namespaces, files; also what a crash has left.")

        @OptionGroup var lab: FabricLabOptions
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let removed = try labFailures { try Lab.down(id: lab.id, root: lab.state) }
            if json {
                try ChipOutput.printJSON(
                    DownDocument(
                        id: lab.id, namespaces: removed.namespaces, processes: removed.processes))
            } else {
                print(
                    "ended \(removed.processes) processes, removed \(removed.namespaces) namespaces"
                )
            }
        }
    }

    struct DownDocument: Encodable {
        var id: String
        var namespaces: Int
        var processes: Int
    }
}

extension FabricOptions {
    /// What a lab of this fabric is built from; k = 4 where none is named.
    func labOptions(
        _ lab: FabricLabOptions, _ routing: LabProtocol, _ setup: FabricLabSetup
    ) throws -> Lab.Options {
        var which = self
        if topology == nil && graph == nil { which.topology = "k4" }
        let (name, fabric) = try which.fabric()
        var options = Lab.Options(topology: which.graph == nil ? name : "", fabric: fabric)
        if let graph = which.graph {
            guard let data = FileManager.default.contents(atPath: graph) else {
                throw CommandFailure(description: "cannot read \(graph)")
            }
            options.wiring = Array(data)
        }
        options.id = lab.id
        options.root = lab.state
        options.routing = routing
        options.patience = setup.patience
        options.timers.hello = .microseconds(UInt64(setup.hello))
        return options
    }
}
