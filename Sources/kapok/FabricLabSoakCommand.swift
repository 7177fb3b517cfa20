import ArgumentParser
import Foundation
import KapokFabric

extension FabricLabCommand {
    struct Ping: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let every host ask every other one for an echo.",
            discussion: "The exit code is 1 when a pair is silent.")

        @OptionGroup var lab: FabricLabOptions
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let open = try lab.open()
            let silent = try labFailures { try open.silentPairs() }
            let hosts = open.layout.destinations.count
            if json {
                try ChipOutput.printJSON(PingDocument(hosts: hosts, id: lab.id, silent: silent))
            } else {
                print(
                    silent.isEmpty
                        ? "all \(hosts) hosts answer each other" : silent.joined(separator: "\n"))
            }
            if !silent.isEmpty { throw ExitCode.failure }
        }
    }

    struct PingDocument: Encodable {
        var hosts: Int
        var id: String
        var silent: [String]
    }

    struct Soak: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Count links declared dead on a busy machine while nothing is cut.",
            discussion: """
                Builds a lab of kapok's agents, starts processes that do nothing but compute, and \
                waits. The exit code is 1 when an agent took a link out of service.
                """)

        @OptionGroup var lab: FabricLabOptions
        @OptionGroup var which: FabricOptions
        @Option(help: ArgumentHelp("How long.", valueName: "m"))
        var minutes = 60.0
        @Option(help: ArgumentHelp("Processes that compute: the load average.", valueName: "n"))
        var load = 20
        @OptionGroup var setup: FabricLabSetup
        @Flag(help: "Print one JSON object.")
        var json = false

        func validate() throws {
            guard minutes > 0, minutes <= 7 * 24 * 60, (0...1000).contains(load) else {
                throw ValidationError("--minutes is above 0 and at most a week, --load 0 to 1000")
            }
        }

        func run() async throws {
            try labFailures { try Lab.requireRoot() }
            let guardian = LabGuardian(id: lab.id, root: lab.state)
            let result = try labFailures {
                TerminalLine.show("building the lab")
                let built = try guardian.build(
                    try which.labOptions(lab, .sidr, setup))
                defer { guardian.end(built) }
                defer { TerminalLine.clear() }
                return try LabSoak(built, seconds: minutes * 60, load: load).run {
                    TerminalLine.show($0)
                }
            }
            if json {
                try ChipOutput.printJSON(result)
            } else {
                print(
                    """
                    \(Int(result.seconds)) s at a load average of \(result.lowestLoad) to \
                    \(result.highestLoad) (second half's lowest, highest)
                    false detections: \(result.falseDetections)
                    probes: \(result.probesSent) sent, \(result.probesLost) lost; \
                    \(result.silentPairs) pairs of hosts silent at the end
                    """)
                let counters = result.counters.sorted { $0.key < $1.key }
                print(TextTable(rows: counters.map { [$0.key, "\($0.value)"] }).text)
            }
            if result.falseDetections > 0 || result.silentPairs > 0 { throw ExitCode.failure }
        }
    }
}
