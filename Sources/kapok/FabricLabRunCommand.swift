public import ArgumentParser
import Dispatch
import Foundation
public import KapokFabric
import KapokWorld
import Synchronization

extension LabLinkClass: ExpressibleByArgument {}

extension FabricLabCommand {
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cut links again and again under probes and say what was lost.",
            discussion: """
                Builds labs of its own, one at a time, and takes them away. Repeats are \
                interleaved: in each round every protocol gets a fresh lab and the same cuts. \
                The link that is cut is one that carries probes; where it carried none in a \
                direction, that row is discarded and counted.
                """)

        @OptionGroup var lab: FabricLabOptions
        @OptionGroup var which: FabricOptions
        @Option(help: ArgumentHelp("How often each cell is measured.", valueName: "n"))
        var repeats = 20
        @Option(help: ArgumentHelp("Repeats of a cell in one lab.", valueName: "n"))
        var perLab = 5
        @Option(
            help: ArgumentHelp(
                "What is measured, with commas: KIND, or KIND/CLASS with the classes agg-edge and "
                    + "core-agg.", valueName: "cells"))
        var cells = "down,silent"
        @Option(help: ArgumentHelp("Which protocols, with commas.", valueName: "names"))
        var protocols = "sidr,bird,frr"
        @Option(help: ArgumentHelp("Between two packets of a flow.", valueName: "us"))
        var interval = 1000
        @Option(help: ArgumentHelp("Flows in each direction.", valueName: "n"))
        var flows = 12
        @Option(
            help: ArgumentHelp("How long probes run; the cut comes after 1.5 s.", valueName: "s"))
        var duration = 3.5
        @OptionGroup var setup: FabricLabSetup
        @Flag(help: "Print one JSON object.")
        var json = false

        func validate() throws {
            guard (1...10_000).contains(repeats), (1...10_000).contains(perLab) else {
                throw ValidationError("--repeats and --per-lab are at least 1")
            }
            guard (50...1_000_000).contains(interval), (1...64).contains(flows) else {
                throw ValidationError("--interval is 50 us to 1 s, --flows 1 to 64")
            }
            guard (2...600).contains(duration) else {
                throw ValidationError("--duration is 2 to 600 seconds")
            }
        }

        func run() async throws {
            let plan = try cellList()
            let routings = try protocolList()
            var options = LabMeasurementOptions()
            options.probe.interval = .microseconds(UInt64(interval))
            options.probe.flows = flows
            options.probe.duration = .milliseconds(UInt64(duration * 1000))
            options.patience = setup.patience
            let guardian = LabGuardian(id: lab.id, root: lab.state)
            var rows: [LabRow] = []
            var failures: [FailureDocument] = []
            try labFailures { try Lab.requireRoot() }
            for first in stride(from: 0, to: repeats, by: perLab) {
                let repetitions = first..<min(first + perLab, repeats)
                for routing in routings {
                    let result = try measure(routing, plan, repetitions, options, guardian)
                    rows += result.rows
                    failures += result.failures
                }
            }
            TerminalLine.clear()
            try show(rows, failures)
        }

        private func measure(
            _ routing: LabProtocol, _ plan: [Cell], _ repetitions: Range<Int>,
            _ options: LabMeasurementOptions, _ guardian: LabGuardian
        ) throws -> (rows: [LabRow], failures: [FailureDocument]) {
            var rows: [LabRow] = []
            var failures: [FailureDocument] = []
            var standing: Lab?
            defer { guardian.end(standing) }
            for repetition in repetitions {
                for cell in plan {
                    TerminalLine.show(
                        "\(routing.rawValue): repeat \(repetition + 1) of \(repeats), "
                            + "\(cell.kind.rawValue) \(cell.linkClass.rawValue)")
                    do {
                        let lab =
                            try standing
                            ?? guardian.build(
                                try which.labOptions(self.lab, routing, setup))
                        standing = lab
                        let measurement = LabMeasurement(lab, options)
                        rows += try measurement.cut(
                            cell.kind, cell.linkClass, repetition: repetition)
                        try measurement.heal()
                    } catch let failure as LabFailure {
                        failures.append(
                            FailureDocument(
                                failure: failure.description, kind: cell.kind,
                                linkClass: cell.linkClass, repetition: repetition,
                                routing: routing))
                        // A network that does not heal gets no second cut.
                        let hadLab = standing != nil
                        guardian.end(standing)
                        standing = nil
                        if !hadLab { throw CommandFailure(description: failure.description) }
                    }
                }
            }
            return (rows, failures)
        }

        private func show(_ rows: [LabRow], _ failures: [FailureDocument]) throws {
            let document = RunDocument(
                failures: failures, flows: flows, intervalMicroseconds: interval, rows: rows,
                summary: LabSummary.all(of: rows), topology: which.topology ?? which.graph ?? "k4")
            if json { return try ChipOutput.printJSON(document) }
            var table = [
                [
                    "cut", "link", "direction", "protocol", "n", "discarded", "median ms",
                    "p99 ms", "worst ms",
                ]
            ]
            for cell in document.summary {
                table.append([
                    cell.kind.rawValue, cell.linkClass.rawValue, cell.direction,
                    cell.routing.rawValue, "\(cell.count)", "\(cell.discarded)",
                    Self.text(cell.median), Self.text(cell.p99), Self.text(cell.worst),
                ])
            }
            print(TextTable(rows: table).text)
            for failure in failures {
                print(
                    "failed: \(failure.routing.rawValue) \(failure.kind.rawValue) "
                        + "\(failure.linkClass.rawValue): \(failure.failure)")
            }
        }

        private static func text(_ milliseconds: Double) -> String {
            milliseconds == milliseconds.rounded()
                ? "\(Int(milliseconds))" : String(format: "%.1f", milliseconds)
        }

        // MARK: What is asked for

        struct Cell {
            var kind: LabCutKind
            var linkClass: LabLinkClass
        }

        private func cellList() throws -> [Cell] {
            try cells.split(separator: ",").flatMap { text -> [Cell] in
                let words = text.split(separator: "/")
                guard let kind = LabCutKind(rawValue: String(words.first ?? "")), words.count <= 2
                else { throw unknown(text) }
                guard words.count == 2 else {
                    return LabLinkClass.allCases.map { Cell(kind: kind, linkClass: $0) }
                }
                guard let linkClass = LabLinkClass(rawValue: String(words[1])) else {
                    throw unknown(text)
                }
                return [Cell(kind: kind, linkClass: linkClass)]
            }
        }

        private func unknown(_ text: Substring) -> CommandFailure {
            CommandFailure(
                description: "unknown cell \"\(text)\": write down, silent or one-way, alone or "
                    + "with /agg-edge or /core-agg behind it")
        }

        private func protocolList() throws -> [LabProtocol] {
            try protocols.split(separator: ",").map { text in
                guard let routing = LabProtocol(rawValue: String(text)) else {
                    throw CommandFailure(
                        description: "unknown protocol \"\(text)\": sidr, bird, frr")
                }
                return routing
            }
        }
    }

    struct RunDocument: Encodable {
        var failures: [FailureDocument]
        var flows: Int
        var intervalMicroseconds: Int
        var rows: [LabRow]
        var summary: [LabSummary]
        var topology: String
    }

    struct FailureDocument: Encodable {
        var failure: String
        var kind: LabCutKind
        var linkClass: LabLinkClass
        var repetition: Int
        var routing: LabProtocol
    }
}

/// Takes the lab of a long command away also when the command is interrupted.
final class LabGuardian: @unchecked Sendable {
    private let id: String
    private let root: String
    private let isBuilding = Mutex(false)
    // Written once, in init.
    private let sources: [any DispatchSourceSignal]

    init(id: String, root: String) {
        self.id = id
        self.root = root
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            return source
        }
        for source in sources {
            source.setEventHandler { [weak self] in self?.interrupt() }
            source.resume()
        }
    }

    private func interrupt() {
        TerminalLine.clear()
        if isBuilding.withLock({ $0 }) { _ = try? Lab.down(id: id, root: root) }
        exit(130)
    }

    /// Builds a lab that an interruption takes away.
    func build(_ options: Lab.Options) throws -> Lab {
        isBuilding.withLock { $0 = true }
        do { return try Lab.up(options) } catch {
            isBuilding.withLock { $0 = false }
            throw error
        }
    }

    /// Takes the lab away.
    func end(_ lab: Lab?) {
        guard let lab else { return }
        do { try lab.down() } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
        }
        isBuilding.withLock { $0 = false }
    }
}
