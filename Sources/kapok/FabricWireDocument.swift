import Foundation
import KapokFabric

/// A wiring plan as JSON.
struct FabricWireDocument: Encodable {
    struct File: Encodable {
        var bytes: Int
        var path: String
    }

    struct Item: Encodable {
        var detail: String
        var installed: Int
        var item: String
        var spares: Int
    }

    var dividedRisks: Int
    var files: [File]
    var hostLinks: Int
    var items: [Item]
    var laidMetres: Int
    var largestRiskShare: Double
    var links: Int
    var longestLinkMetres: Double
    var media: [String: Int]
    var ownCables: Int
    var planSeconds: Double
    var racks: [String: Int]
    var racksPerRow: Int
    var rows: Int
    var servers: Int
    var switches: Int
    var topology: String
    var trunkFill: Double
    var trunks: Int
    var trunksUntilFirstPlane: Int?

    init(_ name: String, _ summary: WiringSummary, files: [File], seconds: Double) {
        topology = name
        dividedRisks = summary.dividedRisks
        self.files = files
        hostLinks = summary.hostLinks
        items = summary.items.map {
            Item(detail: $0.detail, installed: $0.count, item: $0.name, spares: $0.spares)
        }
        laidMetres = summary.laidMetres
        largestRiskShare = summary.largestRiskShare
        links = summary.links
        longestLinkMetres = Double(summary.longestLink) / 100
        media = Dictionary(
            uniqueKeysWithValues: summary.media.map { ($0.key.name, $0.value) })
        ownCables = summary.ownCables
        planSeconds = (seconds * 1_000).rounded() / 1_000
        racks = Dictionary(uniqueKeysWithValues: summary.racks.map { ($0.kind, $0.count) })
        racksPerRow = summary.racksPerRow
        rows = summary.rows
        servers = summary.servers
        switches = summary.switches
        trunkFill = summary.trunkFill
        trunks = summary.trunks
        trunksUntilFirstPlane = summary.trunksUntilFirstPlane
    }
}

/// A wiring plan for a person.
struct FabricWireText {
    var text: String

    init(
        _ name: String, _ plan: WiringPlan, _ summary: WiringSummary,
        _ files: [FabricWireDocument.File], _ seconds: Double
    ) {
        let racks = summary.racks.map { "\($0.count) \($0.kind)" }.joined(separator: ", ")
        let media = summary.media.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { "\($0.value) \($0.key.name)" }.joined(separator: ", ")
        var rows = [
            ["switches", "\(summary.switches)"], ["servers", "\(summary.servers)"],
            ["links", "\(summary.links) between switches, \(summary.hostLinks) to servers"],
            [
                "racks",
                "\(plan.rackCount) (\(racks)) in \(summary.rows) rows of up to "
                    + "\(summary.racksPerRow)",
            ],
            [
                "trunks",
                "\(summary.trunks), filled to \(ChipOutput.percent(summary.trunkFill)); "
                    + "\(summary.ownCables) links between switches have cables of their own",
            ],
            [
                "shared risk",
                "at most \(ChipOutput.percent(summary.largestRiskShare)) of a switch's uplinks "
                    + "in one",
            ],
            [
                "cable",
                "\(summary.laidMetres) m to lay; longest link "
                    + "\(Double(summary.longestLink) / 100) m",
            ],
            ["media", media],
        ]
        if summary.dividedRisks > 0 {
            rows.append(
                ["divided", "\(summary.dividedRisks) shared risks need more than one trunk"])
        }
        if let count = summary.trunksUntilFirstPlane {
            rows.append(["first plane", "joins all its edge switches after \(count) trunks"])
        }
        rows.append(["planned in", String(format: "%.2f s", seconds)])
        let items = summary.items.map { item in
            [item.name, item.detail, "\(item.count)", "\(item.spares)"]
        }
        var parts = [
            name, TextTable(rows: rows).text,
            TextTable(rows: [["ITEM", "WHICH", "INSTALLED", "SPARES"]] + items).text,
        ]
        if !files.isEmpty {
            let written = files.map { [$0.path, sizeText(UInt64($0.bytes))] }
            parts.append(TextTable(rows: written).text)
        }
        text = parts.joined(separator: "\n\n")
    }
}
