public import ArgumentParser
import Foundation
import KapokBench
import KapokInference
public import KapokInferenceSimulation

/// The machines of a simulated fleet on the command line.
struct FleetOptions: ParsableArguments {
    @Option(help: "What `kapok simulate fleet fit` wrote.")
    var costs: String
    @Option(help: "Machines that prefill and decode.")
    var alone = 0
    @Option(help: "Machines that prefill for others.")
    var prefill = 0
    @Option(help: "Machines that serve clients and let others prefill.")
    var decode = 0
    @Option(help: "How requests are dealt: round-robin, least-loaded, prefix-affinity.")
    var routing = FleetConfiguration.Routing.leastLoaded
    @OptionGroup var link: FleetLinkOptions

    /// The fleet; one machine alone when none was named.
    func configuration(_ costs: FleetCosts) throws -> FleetConfiguration {
        let counts: [(EngineRole, Int)] = [
            (.alone, alone + prefill + decode == 0 ? 1 : alone), (.prefill, prefill),
            (.decode, decode),
        ]
        var fleet = FleetConfiguration(
            pools: counts.filter { $0.1 != 0 }.map { costs.pool($0.0, machines: $0.1) },
            pageBytes: costs.engine.pageBytes)
        fleet.routing = routing
        try link.apply(to: &fleet)
        return fleet
    }
}

extension FleetConfiguration.Routing: ExpressibleByArgument {}

/// The links between machines.
struct FleetLinkOptions: ParsableArguments {
    @Option(help: "Gigabits per second of each machine's link.")
    var linkGigabits = 10.0

    func apply(to fleet: inout FleetConfiguration) throws {
        guard linkGigabits > 0, linkGigabits.isFinite else {
            throw ValidationError("--link-gigabits must be above 0")
        }
        fleet.bandwidthBytesPerSecond = linkGigabits * 1e9 / 8
    }
}

/// Files that a fleet's simulation reads and writes.
enum FleetFiles {
    /// The steps of several servers that were started alike.
    static func readStepLogs(
        _ paths: [String]
    ) throws -> (engine: StepLogHeader, samples: [StepSample]) {
        guard let first = paths.first else {
            throw CommandFailure(description: "no step log was named")
        }
        var (engine, samples) = try readStepLog(first)
        for path in paths.dropFirst() {
            let next = try readStepLog(path)
            guard next.engine == engine else {
                throw CommandFailure(
                    description: "\(path) is of another server than \(first): the model, its "
                        + "threads and its cache must be the same in all step logs of a fit")
            }
            samples += next.samples
        }
        return (engine, samples)
    }

    private static func readStepLog(
        _ path: String
    ) throws -> (engine: StepLogHeader, samples: [StepSample]) {
        let lines = try read(path).split(separator: "\n")
        do {
            guard let first = lines.first else {
                throw CommandFailure(description: "\(path) is empty")
            }
            let decoder = JSONDecoder()
            let engine = try decoder.decode(StepLogHeader.self, from: Data(first.utf8))
            let samples = try lines.dropFirst().map {
                try decoder.decode(StepSample.self, from: Data($0.utf8))
            }
            return (engine, samples)
        } catch let error as DecodingError {
            throw CommandFailure(
                description: "\(path) is no step log of `kapok serve --step-log`: \(error)")
        }
    }

    /// The answered requests of a load generator's records in the order in which they were sent,
    /// and the load that they are.
    static func readLoad(_ path: String) throws -> (records: [ServeRecord], load: ServingLoad) {
        let answered = try readRecords(path).filter { $0.error == nil && $0.completionTokens > 0 }
            .sorted { $0.sent < $1.sent }
        guard !answered.isEmpty else {
            throw CommandFailure(description: "\(path) has no answered request to replay")
        }
        return (answered, ServingLoad(replaying: answered))
    }

    private static func readRecords(_ path: String) throws -> [ServeRecord] {
        do {
            return try read(path).split(separator: "\n").map {
                try JSONDecoder().decode(ServeRecord.self, from: Data($0.utf8))
            }
        } catch let error as DecodingError {
            throw CommandFailure(
                description: "\(path) has no records of `kapok bench serve --records`: \(error)")
        }
    }

    static func readCosts(_ path: String) throws -> FleetCosts {
        do {
            return try JSONDecoder().decode(FleetCosts.self, from: Data(read(path).utf8))
        } catch let error as DecodingError {
            throw CommandFailure(
                description: "\(path) has no costs of `kapok simulate fleet fit`: \(error)")
        }
    }

    static func write(_ document: some Encodable, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        try ChipOutput.write(
            String(decoding: try encoder.encode(document), as: UTF8.self) + "\n", to: path)
    }

    /// A step log.
    static func write(_ header: StepLogHeader, _ steps: [StepSample], to path: String) throws {
        let encoder = JSONEncoder()
        let lines = try [encoder.encode(header)] + steps.map { try encoder.encode($0) }
        try ChipOutput.write(
            lines.map { String(decoding: $0, as: UTF8.self) + "\n" }.joined(), to: path)
    }

    static func simulate(
        _ fleet: FleetConfiguration, _ load: ServingLoad, _ objectives: ServingObjectives,
        seed: UInt64, onStep: @escaping (Int, StepSample) -> Void = { _, _ in }
    ) throws -> (report: FleetReport, records: [FleetReport.Record]) {
        do {
            return try FleetSimulation(
                fleet, load: load, objectives: objectives, seed: seed, onStep: onStep
            ).run()
        } catch { throw CommandFailure(description: "\(error)") }
    }

    private static func read(_ path: String) throws -> String {
        do { return try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw CommandFailure(description: "cannot read \(path): \(error.localizedDescription)")
        }
    }
}
