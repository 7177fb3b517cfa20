import KapokFabric

/// What `kapok fabric check` prints.
struct FabricCheckDocument: Encodable {
    /// One kind of knowledge.
    struct Model: Encodable {
        var knowledge: String
        var loops: Int
        var blackHoles: Int
        var unprotected: Int
        var disconnected: Int?
        var maxHops: Int
        var maxRank: Int
        var decisions: Int

        init(_ report: CheckReport) {
            knowledge = report.knowledge.map(\.rawValue).joined(separator: ",")
            loops = report.loops
            blackHoles = report.blackHoles
            unprotected = report.unprotected
            disconnected = report.disconnected
            maxHops = report.maxHops
            maxRank = report.maxRank
            decisions = report.decisions
        }
    }

    /// A walk that should not be.
    struct Example: Encodable {
        struct Step: Encodable {
            var at: String
            var rank: Int
            var knownDead: [String]
            var isOldPlan: Bool
            var port: String?
            var sentRank: Int?
        }
        var fault: String
        var destination: String
        var knowledge: String
        var deadLinks: [String]
        var aliveAgain: [String]
        var path: String
        var steps: [Step]

        init(_ example: CounterExample, _ fabric: Fabric) {
            switch example.fault {
            case .loop: fault = "loop"
            case .noWayOn: fault = "noWayOn"
            case .deadLink: fault = "deadLink"
            case .tooLong: fault = "tooLong"
            }
            destination = fabric.name(of: fabric.owner(of: example.destination))
            knowledge = example.knowledge.rawValue
            deadLinks = example.dead.map { fabric.describe($0) }
            aliveAgain = example.revived.map { fabric.describe($0) }
            path = example.path(in: fabric)
            steps = example.steps.map { step in
                Step(
                    at: fabric.name(of: step.at), rank: Int(step.tag.rank),
                    knownDead: step.known.map { fabric.describe($0) }, isOldPlan: step.isOldPlan,
                    port: step.sent.map { fabric.portName(PortID(step.at, $0.port)) },
                    sentRank: step.sent.map { Int($0.tag.rank) })
            }
        }
    }

    /// How news spreads.
    struct Flood: Encodable {
        var links: Int
        var sets: Int
        var copyGaps: Int
        var unheard: Int
        var isSample: Bool
        var example: String?
    }

    var topology: String
    var kind: String
    var failures: Int
    var method: String
    var cases: Int
    var loops: Int
    var blackHoles: Int
    var unprotected: Int
    var disconnected: Int?
    var maxHops: Int
    var maxRank: Int
    var destinations: Int
    var seconds: Double
    var models: [Model]
    var counterExamples: [Example]
    var flood: Flood?
    private var examplesText: String

    init(
        topology: String, fabric: Fabric, failures: Int, kind: FailureKind,
        reports: [CheckReport], flood: FloodReport?, seconds: Double
    ) {
        self.topology = topology
        self.kind = kind.rawValue
        self.failures = failures
        method = reports.first?.method.rawValue ?? ""
        cases = reports.first?.cases ?? 0
        loops = reports.reduce(0) { $0 + $1.loops }
        blackHoles = reports.reduce(0) { $0 + $1.blackHoles }
        unprotected = reports.reduce(0) { $0 + $1.unprotected }
        // Of one failure set it is the same, whatever switches know.
        disconnected = reports.first?.disconnected
        maxHops = reports.map(\.maxHops).max() ?? 0
        maxRank = reports.map(\.maxRank).max() ?? 0
        destinations = reports.first?.destinations ?? 0
        self.seconds = (seconds * 1000).rounded() / 1000
        models = reports.map(Model.init)
        let shown = reports.flatMap { $0.counterExamples.prefix(3) }
        counterExamples = shown.map { Example($0, fabric) }
        examplesText = shown.map { $0.text(in: fabric) }.joined(separator: "\n")
        self.flood = flood.map {
            Flood(
                links: $0.links, sets: $0.sets, copyGaps: $0.copyGaps, unheard: $0.unheard,
                isSample: $0.isSample, example: $0.example?.text(in: fabric))
        }
    }

    var isClean: Bool {
        loops == 0 && blackHoles == 0 && (failures > 1 || (flood?.unheard ?? 0) == 0)
    }

    private enum CodingKeys: String, CodingKey {
        case topology, kind, failures, method, cases, loops, blackHoles, unprotected
        case disconnected, maxHops, maxRank, destinations, seconds, models, counterExamples
        case flood
    }

    var text: String {
        let rows = models.map { model in
            [
                model.knowledge, "\(model.loops)", "\(model.blackHoles)",
                "\(model.unprotected)", model.disconnected.map { "\($0)" } ?? "-",
                "\(model.maxHops)", "\(model.maxRank)",
            ]
        }
        let head = [
            "knowledge", "loops", "black holes", "unprotected", "disconnected", "max hops",
            "max rank",
        ]
        var lines = [
            "\(topology): \(cases) sets of \(failures) failures (\(kind)), \(method), "
                + "\(destinations) destinations, \(seconds) s",
            TextTable(rows: [head] + rows).text,
        ]
        if !examplesText.isEmpty { lines.append(examplesText) }
        if let flood {
            lines.append(
                "news: \(flood.links) links\(flood.isSample ? " (a sample)" : ""), "
                    + "\(flood.sets) failure sets; \(flood.copyGaps) copies that miss a switch "
                    + "alone, \(flood.unheard) sets in which both copies do")
            if let example = flood.example { lines.append(example) }
        }
        return lines.joined(separator: "\n")
    }
}
