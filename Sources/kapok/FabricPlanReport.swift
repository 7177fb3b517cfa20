import Foundation
import KapokFabric

/// What `kapok fabric plan` tells.
struct FabricPlanReport: Encodable {
    struct Tier: Encodable {
        var example: String
        var groups: Int
        var members: Int
        var nextHops: Int
        var routes: Int
        var switches: Int
        var tier: String
    }

    struct Limits: Encodable {
        var groups: Int
        var members: Int
        var nextHops: Int
        var reserve: Int
        var routes: Int
    }

    var areGroupsCounted: Bool
    var body: String
    var changedSwitches: Int?
    var drained: Int
    var epoch: UInt64
    var folder: String?
    var isKeyTemporary = false
    var key: String
    var largestBytes: Int
    var limits: Limits
    var links: Int
    var milliseconds: Double
    var missing: Int
    var mixture: String?
    var proof: String?
    var sharedBytes: Int
    var switches: Int
    var tables: [Tier]
    var topology: String
    var totalBytes: Int?

    init(_ compiled: CompiledPlan, name: String, seconds: Double) {
        let plan = compiled.plan
        let profile = compiled.tables.profile
        areGroupsCounted = compiled.tables.isCounted
        body = compiled.bodyHash.map { String(format: "%02x", $0) }.joined()
        drained = plan.drained.count
        epoch = plan.epoch
        key = compiled.publicKey.description
        largestBytes = compiled.largestBytes
        limits = Limits(
            groups: profile.groups, members: profile.members, nextHops: profile.nextHops,
            reserve: profile.reserve, routes: profile.routes)
        links = plan.fabric.linkCount
        milliseconds = (seconds * 1e5).rounded() / 100
        missing = plan.missing.count
        sharedBytes = compiled.sharedBytes
        switches = compiled.switchCount
        tables = compiled.tables.rows.map { row in
            Tier(
                example: plan.fabric.name(of: row.example), groups: row.most.groups,
                members: row.most.members, nextHops: row.most.nextHops, routes: row.most.routes,
                switches: row.switches, tier: row.tier.map { "\($0)" } ?? "other")
        }
        topology = name
    }

    var text: String {
        var lines = [
            "plan \(epoch) of \(topology): \(switches) switches, \(links) links, of which "
                + "\(missing) are missing and \(drained) drained",
            "made in \(milliseconds) ms; at most \(largestBytes) bytes a switch, "
                + "\(sharedBytes) of them the same for all",
            isKeyTemporary
                ? "signed by \(key), a key of this run only: give --key for one that lasts"
                : "signed by \(key)",
        ]
        if let changedSwitches {
            lines.append("\(changedSwitches) switches forward differently than before")
        }
        if let mixture { lines.append("while it comes into force: \(mixture)") }
        if let proof { lines.append("proven: \(proof)") }
        var rows = [["tier", "switches", "groups", "members", "next hops", "routes"]]
        rows += tables.map {
            [
                $0.tier, "\($0.switches)", areGroupsCounted ? "\($0.groups)" : "not counted",
                areGroupsCounted ? "\($0.members)" : "not counted", "\($0.nextHops)",
                "\($0.routes)",
            ]
        }
        rows.append([
            "at most", "", "\(limits.groups)", "\(limits.members)", "\(limits.nextHops)",
            "\(limits.routes)",
        ])
        lines += ["", TextTable(rows: rows).text]
        lines.append(
            limits.reserve == 1
                ? "groups are counted for every 1 lost uplink"
                : "groups are counted for every \(limits.reserve) lost uplinks")
        if let folder, let totalBytes {
            lines += ["", "\(switches) plans, \(totalBytes) bytes, in \(folder)"]
        }
        return lines.joined(separator: "\n")
    }
}
