import ArgumentParser
import Foundation
import KapokFabric

/// `kapok fabric diff`: what changes from one plan to another.
struct FabricDiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Say what changes from one plan to another, and where.",
        discussion: """
            OLD and NEW are folders written by kapok fabric plan, or files in them. Both plans are \
            verified with the key in their manifest; with --key only that key will do.
            """)

    @Argument(help: "The plan in force.")
    var old: String
    @Argument(help: "The plan that takes its place.")
    var new: String
    @Option(help: ArgumentHelp("The planner's public key.", valueName: "file"))
    var key: String?
    @Option(help: "Switches that are listed one by one.")
    var show = 12
    @Flag(help: "Print JSON, with all switches.")
    var json = false

    mutating func run() async throws {
        let trusted = try key.map { try FabricKeyFiles.publicKey($0) }
        let before = try FabricPlanFiles.load(old, trusting: trusted)
        let after = try FabricPlanFiles.load(new, trusting: trusted)
        let report = try FabricDiffReport(before, after)
        if json { try ChipOutput.printJSON(report) } else { print(report.text(show: max(0, show))) }
    }
}

/// What `kapok fabric diff` tells.
struct FabricDiffReport: Encodable {
    struct Change: Encodable {
        /// Ports to the first of the destinations, before and after.
        var after: [String]
        var before: [String]
        var destinations: Int
        var first: String
        var name: String
    }

    struct Links: Encodable {
        var added: [String]
        var removed: [String]

        var isEmpty: Bool { added.isEmpty && removed.isEmpty }

        init(_ before: LinkSet, _ after: LinkSet, _ fabric: Fabric, _ old: Fabric) {
            added = after.filter { !before.contains($0) }.map { fabric.describe($0) }
            removed = before.filter { !after.contains($0) }.map { old.describe($0) }
        }
    }

    var content: String
    var drained: Links
    var missing: Links
    var newEpoch: UInt64
    var oldEpoch: UInt64
    var prefixesAdded: [String]
    var prefixesRemoved: [String]
    var refusal: String?
    var needsProof: String?
    var sameKey: Bool
    var switches: [Change]
    var switchesByTier: [String: Int]
    var timersChanged: Bool
    var totalSwitches: Int

    init(_ before: FabricPlanFiles.Loaded, _ after: FabricPlanFiles.Loaded) throws {
        let (old, new) = (before.plan, after.plan)
        drained = Links(old.drained, new.drained, new.fabric, old.fabric)
        missing = Links(old.missing, new.missing, new.fabric, old.fabric)
        newEpoch = new.epoch
        oldEpoch = old.epoch
        sameKey = before.key == after.key
        timersChanged = old.timers != new.timers
        totalSwitches = new.fabric.switchCount
        let prefixes = [old, new].map { plan in
            Set(
                plan.extraPrefixes.flatMap { owner, list in
                    list.map { "\($0) at \(plan.fabric.name(of: plan.fabric.owner(of: owner)))" }
                })
        }
        prefixesAdded = prefixes[1].subtracting(prefixes[0]).sorted()
        prefixesRemoved = prefixes[0].subtracting(prefixes[1]).sorted()
        switches = []
        switchesByTier = [:]
        let isComparable: Bool
        switch (old.fabric, new.fabric) {
        case (.clos, .clos): isComparable = old.fabric == new.fabric
        case (.graph(let a), .graph(let b)):
            isComparable = b.edges.starts(with: a.edges) && b.nodes.count >= a.nodes.count
        default: isComparable = false
        }
        do {
            switch try PlanRelation(of: new, to: old) {
            case .safe: break
            case .needsProof(let why): needsProof = why
            case .refused(let why): refusal = why
            }
        } catch { throw CommandFailure(description: "\(error)") }
        content =
            old.hasSameContent(as: new) ? "same" : isComparable ? "different" : "another fabric"
        guard isComparable else { return }
        for change in PlanImpact(from: old, to: new).changes {
            let name = { new.fabric.portName(PortID(change.id, $0)) }
            switches.append(
                Change(
                    after: change.after.map(name), before: change.before.map(name),
                    destinations: change.destinations.count,
                    first: new.fabric.name(of: new.fabric.owner(of: change.destinations[0])),
                    name: new.fabric.name(of: change.id)))
            let tier = new.fabric.tier(of: change.id).map { "\($0)" } ?? "other"
            switchesByTier[tier, default: 0] += 1
        }
    }

    func text(show: Int) -> String {
        var lines = ["plan \(oldEpoch) -> plan \(newEpoch): \(sentence)"]
        if !sameKey { lines.append("signed by another key") }
        if let refusal { lines.append("NEW cannot replace OLD: \(refusal)") }
        if let needsProof {
            lines.append("NEW may replace OLD only after a check of both together: \(needsProof)")
        }
        if timersChanged { lines.append("other timers") }
        for (what, links) in [("missing", missing), ("drained", drained)] where !links.isEmpty {
            lines += Self.list("now \(what)", links.added, show)
            lines += Self.list("no longer \(what)", links.removed, show)
        }
        for prefix in prefixesAdded { lines.append("new prefix \(prefix)") }
        for prefix in prefixesRemoved { lines.append("no longer \(prefix)") }
        if switches.isEmpty { return lines.joined(separator: "\n") }
        let tiers = switchesByTier.sorted { $0.key < $1.key }
            .map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        lines += [
            "", "\(switches.count) of \(totalSwitches) switches forward differently: \(tiers)",
        ]
        var rows = [["switch", "destinations", "first", "ports before", "ports after"]]
        for change in switches.prefix(show) {
            rows.append([
                change.name, "\(change.destinations)", change.first, Self.ports(change.before),
                Self.ports(change.after),
            ])
        }
        if show > 0 { lines.append(TextTable(rows: rows).text) }
        if switches.count > show {
            lines.append("and \(switches.count - show) more; --json has all")
        }
        return lines.joined(separator: "\n")
    }

    private var sentence: String {
        switch content {
        case "same": "the same content"
        case "another fabric": "plans of two fabrics"
        default: switches.isEmpty ? "no switch forwards differently" : "other content"
        }
    }

    private static func list(_ title: String, _ links: [String], _ show: Int) -> [String] {
        if links.isEmpty { return [] }
        let count = links.count == 1 ? "1 link" : "\(links.count) links"
        return ["\(title): \(count)"] + links.prefix(show).map { "  \($0)" }
            + (links.count > show ? ["  and \(links.count - show) more"] : [])
    }

    private static func ports(_ names: [String]) -> String {
        if names.isEmpty { return "none at rank 0" }
        return names.count <= 6
            ? names.joined(separator: " ")
            : "\(names.count): \(names[0]) … \(names[names.count - 1])"
    }
}
