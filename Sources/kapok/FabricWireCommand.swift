import ArgumentParser
import Foundation
import KapokFabric

/// `kapok fabric wire`: from a fabric to racks, trunks and cables, and from what was seen back to
/// what must be replugged.
struct FabricWireCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wire",
        abstract: "Plan the wiring of a fabric, verify it, and take it into service.",
        discussion: """
            Without further options prints what the wiring comes to. With --output writes the \
            plan: cables, trunks, racks, devices, labels, bill of materials, install order.

              kapok fabric wire --topology fattree:32 --output wiring
              kapok fabric wire --import cables.csv > topology.dot
              kapok fabric wire --graph topology.dot --verify seen.csv
              kapok fabric wire --topology fattree:8 --firefly --seed 7
            """)

    @OptionGroup var selection: FabricOptions
    @OptionGroup var hall: HallArguments

    @Option(
        help: "Write the plan's files into this folder.", completion: .directory)
    var output: String?
    @Option(
        help: ArgumentHelp(
            "Files to write: cables, trunks, racks, devices, labels, bom, install, netbox, "
                + "batfish, dot, containerlab, or all. By default the first seven, and dot for "
                + "up to 262144 links.", valueName: "list"))
    var formats: String?
    @Option(
        name: .customLong("import"),
        help: ArgumentHelp(
            "Read a wiring (NetBox cables .csv, Batfish layer-1 .json, or .dot) and write it as "
                + "topology.dot, to --output or standard output.", valueName: "file"),
        completion: .file())
    var importPath: String?
    @Option(help: ArgumentHelp("As --import, whatever the file is called.", valueName: "file"))
    var importNetbox: String?
    @Option(help: ArgumentHelp("As --import, whatever the file is called.", valueName: "file"))
    var importBatfish: String?
    @Option(
        help: ArgumentHelp(
            "Compare what was seen with the plan and list the fewest replugs: a CSV with "
                + "switch,port,peer-switch,peer-port, or the output of lldpctl -f json of "
                + "several switches.", valueName: "file"),
        completion: .file())
    var verify: String?
    @Flag(help: "Take every link from dusty to in service, with simulated optics and faults.")
    var firefly = false
    @Option(help: "The seed of the faults of --firefly.")
    var seed: UInt64 = 1
    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        if importPath != nil || importNetbox != nil || importBatfish != nil {
            return try FabricWireImport(
                path: importPath, netBox: importNetbox, batfish: importBatfish, output: output
            ).run()
        }
        let (name, fabric) = try selection.fabric()
        let topologyName = selection.topology == nil ? "" : name
        if let verify {
            return try FabricWireVerify(
                fabric: fabric, topologyName: topologyName, path: verify, json: json
            ).run()
        }
        let start = ContinuousClock.now
        let plan = try plan(fabric, topologyName)
        if firefly {
            return try FabricWireFirefly(plan: plan, name: name, seed: seed, json: json).run()
        }
        let summary = plan.summary()
        let seconds = start.duration(to: .now) / .seconds(1)
        let files = try output.map { try write(plan, to: $0) } ?? []
        if json {
            try ChipOutput.printJSON(
                FabricWireDocument(name, summary, files: files, seconds: seconds))
        } else {
            print(FabricWireText(name, plan, summary, files, seconds).text)
        }
    }

    private func plan(_ fabric: Fabric, _ name: String) throws -> WiringPlan {
        do {
            return try WiringPlan(fabric, topologyName: name, options: try hall.options())
        } catch let error as WiringPlan.Refusal {
            throw CommandFailure(description: error.description)
        }
    }

    private func wantedFiles(_ plan: WiringPlan) throws -> [WiringPlanFile] {
        guard let formats else {
            var files: [WiringPlanFile] = [
                .cables, .trunks, .racks, .devices, .labels, .bom, .install,
            ]
            if plan.fabric.linkCount <= GraphTopology.maximumLinks,
                plan.fabric.switchCount <= GraphTopology.maximumSwitches
            {
                files.append(.dot)
            }
            return files
        }
        if formats == "all" { return WiringPlanFile.allCases }
        return try formats.split(separator: ",").map { word in
            guard let file = WiringPlanFile(rawValue: String(word)) else {
                let known = WiringPlanFile.allCases.map(\.rawValue).joined(separator: ", ")
                throw CommandFailure(
                    description: "unknown format \"\(word)\"; there are \(known), and all")
            }
            return file
        }
    }

    private func write(_ plan: WiringPlan, to folder: String) throws
        -> [FabricWireDocument.File]
    {
        let wanted = try wantedFiles(plan)
        try FabricWireFiles.makeFolder(folder)
        defer { TerminalLine.clear() }
        return try wanted.map { file in
            TerminalLine.show("writing \(file.fileName)")
            let path = "\(folder)/\(file.fileName)"
            let bytes = try FabricWireFiles.write(to: path) { plan.write(file, to: $0) }
            return FabricWireDocument.File(bytes: bytes, path: path)
        }
    }
}

/// The hall, as options of a command.
struct HallArguments: ParsableArguments {
    @Option(help: "Racks of a row (default: a hall about as long as wide).")
    var racksPerRow: Int?
    @Option(help: "Usable units of a rack.")
    var rackUnits = HallOptions().rackUnits
    @Option(help: "Height of a switch in units.")
    var switchUnits = HallOptions().switchUnits
    @Option(help: "Height of a server in units.")
    var serverUnits = HallOptions().serverUnits
    @Option(help: "How trunks cross: A, B or C (TIA-568.3).")
    var polarity = "B"

    func options() throws -> HallOptions {
        var options = HallOptions()
        options.racksPerRow = racksPerRow
        options.rackUnits = rackUnits
        options.switchUnits = switchUnits
        options.serverUnits = serverUnits
        guard let method = PolarityMethod(rawValue: polarity.uppercased()) else {
            throw CommandFailure(description: "polarity \"\(polarity)\"; write A, B or C")
        }
        options.polarity = method
        return options
    }
}

/// Files of the wiring commands.
enum FabricWireFiles {
    static func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure(
                description: "cannot make the folder \(path): \(error.localizedDescription)")
        }
    }

    /// Writes a file block by block; how many bytes it has.
    static func write(to path: String, _ body: (WiringWriter) -> Void) throws -> Int {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw CommandFailure(description: "cannot write \(path)") }
        do {
            let writer = WiringWriter { block in try handle.write(contentsOf: Data(block)) }
            body(writer)
            try writer.finish()
            try handle.close()
            return writer.total
        } catch {
            throw CommandFailure(
                description: "cannot write \(path): \(error.localizedDescription)")
        }
    }

    static func read(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure(description: "cannot read \(path)")
        }
        return Array(data)
    }
}
