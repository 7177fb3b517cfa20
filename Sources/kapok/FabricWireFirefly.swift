import Foundation
import KapokFabric

/// `kapok fabric wire --firefly`: every link from dusty to in service, against reflectors, and the
/// same faults once more without them.
struct FabricWireFirefly {
    var plan: WiringPlan
    var name: String
    var seed: UInt64
    var json: Bool

    func run() throws {
        let run = FireflyRun(plan, seed: seed)
        TerminalLine.show("bringing \(plan.fabric.linkCount) links into service")
        let with = run.run()
        TerminalLine.show("once more without reflectors")
        let without = run.run(usesReflectors: false)
        TerminalLine.clear()
        if json {
            try ChipOutput.printJSON(FireflyDocument(name, seed, with, without))
        } else {
            print(text(with, without))
        }
    }

    private func text(_ with: FireflyReport, _ without: FireflyReport) -> String {
        func row(_ title: String, _ value: (FireflyReport) -> Int) -> [String] {
            [title, "\(value(with))", "\(value(without))"]
        }
        var rows = [
            ["", "WITH REFLECTORS", "WITHOUT"], row("links") { $0.links },
            row("links with faults") { $0.faultyLinks }, row("in service") { $0.inService },
            row("given up") { $0.givenUp }, row("remedies on the spot") { $0.onTheSpot },
            row("remedies that take a visit") { $0.visits },
        ]
        for fault in LinkCommissioning.Fault.allCases {
            for stage in LinkCommissioning.Stage.allCases {
                func links(_ report: FireflyReport) -> Int {
                    report.found.first { $0.fault == fault && $0.stage == stage }?.links ?? 0
                }
                if links(with) + links(without) > 0 {
                    rows.append(row("\(fault.rawValue) found when \(stage)", links))
                }
            }
        }
        return """
            \(name), seed \(seed); optics and faults are simulated

            \(TextTable(rows: rows).text)

            \(without.visits - with.visits) visits saved
            """
    }
}

/// The two runs as JSON.
private struct FireflyDocument: Encodable {
    struct Found: Encodable {
        var fault: String
        var links: Int
        var stage: String
    }

    struct Run: Encodable {
        var digest: String
        var faultyLinks: Int
        var found: [Found]
        var givenUp: Int
        var inService: Int
        var remedies: [String: Int]
        var remediesOnTheSpot: Int
        var visits: Int

        init(_ report: FireflyReport) {
            digest = String(report.digest, radix: 16)
            faultyLinks = report.faultyLinks
            found = report.found.map {
                Found(fault: $0.fault.rawValue, links: $0.links, stage: "\($0.stage)")
            }
            givenUp = report.givenUp
            inService = report.inService
            remedies = Dictionary(
                uniqueKeysWithValues: report.remedies.map { ($0.key.rawValue, $0.value) })
            remediesOnTheSpot = report.onTheSpot
            visits = report.visits
        }
    }

    var isSimulated = true
    var links: Int
    var seed: UInt64
    var topology: String
    var truckRollsSaved: Int
    var withReflectors: Run
    var withoutReflectors: Run

    init(_ name: String, _ seed: UInt64, _ with: FireflyReport, _ without: FireflyReport) {
        links = with.links
        self.seed = seed
        topology = name
        truckRollsSaved = without.visits - with.visits
        withReflectors = Run(with)
        withoutReflectors = Run(without)
    }
}
