public import ArgumentParser
import Foundation
import KapokFabric
public import KapokFabricSimulation
import KapokWorld

extension FailureSchedule.Mode: ExpressibleByArgument {}
extension TrafficMatrix: ExpressibleByArgument {}
extension SizeDefect: ExpressibleByArgument {}

/// `kapok fabric simulate`: failures at any size, under any of the protocols.
struct FabricSimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Let links, trunks and switches fail in a simulated fabric of any size.",
        discussion: """
            The failures are drawn from the seed once, the same for every protocol. For the \
            fabric's own protocol (sidr) every message of every flood is simulated, and an oracle \
            follows packets through the network with what each switch knows at that instant; the \
            exit code is 1 when a packet fares worse than is promised. Equal seeds give equal \
            trace hashes. Times count from the failure itself.

            Example: kapok fabric simulate --topology planes:2,fattree:128 --failures 10000
            """)

    /// Whether there is a planner.
    enum Planner: String, ExpressibleByArgument, CaseIterable { case present, gone }

    @OptionGroup var fabricOptions: FabricOptions
    @Option(
        name: .customLong("protocol"),
        help: ArgumentHelp(
            "Who repairs: sidr, bgp, ospf or central; several with commas are compared.",
            valueName: "names"))
    var protocols = "sidr"
    @Option(help: "How many failures.")
    var failures = 1
    @Option(help: "What the failures are drawn from.")
    var seed: UInt64 = 1
    @Option(
        help: "One after the other, all at once, or with the rates seen in large fleets.")
    var mode = FailureSchedule.Mode.spread
    @Option(
        help: ArgumentHelp(
            "What fails, with commas: link, host, trunk, switch, flap, grey. (default: link; in "
                + "mode rates everything)",
            valueName: "kinds"))
    var kinds: String?
    @Option(help: "The share of failures that leave the light on, so that only hellos tell.")
    var silentShare = 0.3
    @Option(
        help: ArgumentHelp(
            "Time between hellos: 1000 for software, 100 for what hardware could do.",
            valueName: "microseconds"))
    var hello = 1000
    @Option(help: "Whether planner (sidr) or controller (central) are there during the failures.")
    var planner = Planner.present
    @Option(help: "Who sends to whom.")
    var traffic = TrafficMatrix.uniform
    @Option(help: "About how many packets the oracle follows.")
    var oracleWalks = 600
    @Option(help: "Make sidr do something wrong on purpose, to see the oracle notice.")
    var defect: SizeDefect?
    @Flag(help: "Print one JSON object; an array of them for several protocols.")
    var json = false
    @Option(
        help: ArgumentHelp("Draw the results as an SVG.", valueName: "file.svg"),
        completion: .file(extensions: ["svg"]))
    var plot: String?

    func validate() throws {
        _ = try parsedProtocols()
        _ = try parsedKinds()
        guard (0...FailureSchedule.maximumCount).contains(failures) else {
            throw ValidationError(
                "--failures is between 0 and \(FailureSchedule.maximumCount)")
        }
        guard (10...10_000_000).contains(hello) else {
            throw ValidationError("--hello is between 10 and 10000000 microseconds")
        }
        guard (0...1).contains(silentShare) else {
            throw ValidationError("--silent-share is between 0 and 1")
        }
        guard (0...1_000_000).contains(oracleWalks) else {
            throw ValidationError("--oracle-walks is between 0 and 1000000")
        }
    }

    func run() async throws {
        let (name, fabric) = try fabricOptions.fabric()
        let schedule: FailureSchedule
        do {
            schedule = try FailureSchedule(
                fabric: fabric, count: failures, seed: seed, mode: mode, kinds: parsedKinds(),
                silentShare: silentShare)
        } catch let refusal as FailureSchedule.Refusal {
            throw CommandFailure(description: refusal.description)
        }
        var reports: [FabricReport] = []
        for one in try parsedProtocols() {
            TerminalLine.show("\(one.rawValue): \(failures) failures of \(name) ...")
            reports.append(try simulate(one, name, fabric, schedule))
            TerminalLine.clear()
        }
        if let plot { try writePlot(FabricPlot.svg(reports), to: plot) }
        if json {
            try printJSON(reports)
        } else {
            print(FabricSimulateText(reports, hostLinks: fabric.hostLinkCount).text)
        }
        let wrong = reports.contains { $0.details["oracleFailures"] ?? 0 > 0 }
        if wrong { throw ExitCode(1) }
    }

    private func simulate(
        _ one: FabricProtocol, _ name: String, _ fabric: Fabric, _ schedule: FailureSchedule
    ) throws -> FabricReport {
        guard one == .sidr else {
            let began = ProcessUsage.cpuSeconds
            var simulation = BaselineSimulation(one)
            simulation.isControllerAlive = planner == .present
            do {
                var report = try simulation.report(
                    topology: name, fabric: fabric, schedule: schedule)
                report.runSeconds = ProcessUsage.cpuSeconds - began
                report.peakMemoryBytes = ProcessUsage.peakMemoryBytes
                return report
            } catch { throw CommandFailure(description: "\(error)") }
        }
        var options = SizeOptions()
        options.timers.hello = .microseconds(UInt64(hello))
        // A window of losses holds a thousand hellos, as in the agent.
        options.timers.greyWindow = .microseconds(UInt64(hello) * 1000)
        options.hasPlanner = planner == .present
        options.traffic = traffic
        options.oracleWalks = oracleWalks
        options.defect = defect
        do {
            return try SizeSimulation.run(
                fabric: fabric, topology: name, schedule: schedule, options: options)
        } catch { throw CommandFailure(description: "\(error)") }
    }

    private func parsedProtocols() throws -> [FabricProtocol] {
        let names = protocols.split(separator: ",", omittingEmptySubsequences: false)
        return try names.map { name in
            guard let one = FabricProtocol(rawValue: String(name)) else {
                throw ValidationError(
                    "--protocol is sidr, bgp, ospf or central, not \"\(name)\"")
            }
            return one
        }
    }

    private func parsedKinds() throws -> Set<FailureCause>? {
        guard let kinds else { return nil }
        let names = kinds.split(separator: ",", omittingEmptySubsequences: false)
        return Set(
            try names.map { name in
                guard let kind = FailureCause(rawValue: String(name)) else {
                    let all = FailureCause.allCases.map(\.rawValue).joined(separator: ", ")
                    throw ValidationError("--kinds are \(all), not \"\(name)\"")
                }
                return kind
            })
    }

    private func printJSON(_ reports: [FabricReport]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data =
            reports.count == 1 ? try encoder.encode(reports[0]) : try encoder.encode(reports)
        print(String(decoding: data, as: UTF8.self))
    }

    private func writePlot(_ text: String, to path: String) throws {
        do { try Data(text.utf8).write(to: URL(filePath: path)) } catch {
            throw CommandFailure(
                description: "cannot write \(path): \(error.localizedDescription)")
        }
    }
}
