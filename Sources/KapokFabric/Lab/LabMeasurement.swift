import Foundation
public import KapokWorld

/// Which links a measurement cuts.
public enum LabLinkClass: String, Hashable, Sendable, CaseIterable, Codable {
    /// Between an edge and an aggregation switch: the news of it has the longest way.
    case edge = "agg-edge"
    /// Between an aggregation switch and a core.
    case core = "core-agg"
}

/// What a measurement does, and how often.
public struct LabMeasurementOptions: Sendable {
    /// How probes run.
    public var probe = LabProbeOptions()
    /// When the link is cut, from the first packet on.
    public var cutAfter: Interval = .milliseconds(1_500)
    /// How long the network may take until it is whole again, in seconds.
    public var patience = 60.0

    public init() {}
}

/// One direction of one cut.
public struct LabRow: Sendable, Codable {
    /// What found the ways.
    public var routing: LabProtocol
    /// How the link was cut.
    public var kind: LabCutKind
    /// Where the link was.
    public var linkClass: LabLinkClass
    /// The link, by its ends.
    public var link: String
    /// The end that was set down or made deaf (of both, for silent cuts, the one named first).
    public var cutEnd: String
    /// `local`: the last good switch before the cut owns the dead uplink. `remote`: the other way.
    public var direction: String
    /// The number of the repeat, from 0.
    public var repetition: Int
    /// Flows, as far as counters tell, that the link carried in this direction before the cut.
    public var flowsCarried: Double
    /// Flows of which at least one packet never came.
    public var flowsAffected: Int
    /// The longest outage of each flow, in milliseconds.
    public var lostMilliseconds: [Double]
    /// The longest of them.
    public var lostMillisecondsMax: Double
    /// The median over the flows that were affected; 0 where none was.
    public var lostMillisecondsMedian: Double
    /// Packets that never came, of all flows.
    public var lostPackets: Int
    /// Packets that came after a later one, and more than once.
    public var reordered: Int
    /// See `reordered`.
    public var duplicated: Int
    /// Times at which the probe itself came too late to send.
    public var lateSlots: Int
    /// Whether packets were still being lost when the probe ended: the outage is longer than this.
    public var isUnrepaired: Bool
    /// Whether the link carried nothing in this direction: the row says nothing and does not count.
    public var isDiscarded: Bool
}

/// Cuts one link while probes run.
public struct LabMeasurement: Sendable {
    private let lab: Lab
    private let options: LabMeasurementOptions

    public init(_ lab: Lab, _ options: LabMeasurementOptions = LabMeasurementOptions()) {
        self.lab = lab
        self.options = options
    }

    /// Runs probes for a while, cuts the link that carries most of them, and gives what each
    /// direction lost. `repetition` chooses the side (even: the first host's, odd: the last one's)
    /// and the end that is set down or made deaf (lower and upper, in turn). The link is cut
    /// afterwards; `heal` makes it whole.
    public func cut(
        _ kind: LabCutKind, _ linkClass: LabLinkClass, repetition: Int
    ) throws -> [LabRow] {
        let layout = lab.layout
        let candidates = links(linkClass, atFirst: repetition % 2 == 0)
        guard !candidates.isEmpty else {
            throw LabFailure(
                "this fabric has no \(linkClass.rawValue) link on the probes' way")
        }
        let idle = try rates(of: candidates, milliseconds: 300)
        let probe = try LabProbe(between: layout.probeEnds, of: layout, options.probe)
        let start = probe.start()
        let before = try rates(of: candidates, milliseconds: 400, after: .milliseconds(100))
        let carried = zip(before, idle).map { busy, quiet in
            let perFlow = 1e9 / Double(options.probe.interval.nanoseconds)
            return Carried(
                up: max(0, busy.up - quiet.up) / perFlow,
                down: max(0, busy.down - quiet.down) / perFlow)
        }
        guard let chosen = carried.indices.max(by: { carried[$0].least < carried[$1].least })
        else { preconditionFailure("there are candidates") }
        let link = candidates[chosen]
        let ends = layout.fabric.ends(of: link)
        let cutEnd = repetition / 2 % 2 == 0 ? ends.lower : ends.upper
        let cutter = try LabCutter(kind, at: cutEnd, of: layout)
        LabClock.sleep(until: start + options.cutAfter)
        try cutter.cut()
        let result = try probe.finish()

        let isAtFirst = repetition % 2 == 0
        let localFlows = isAtFirst ? result.forth : result.back
        let remoteFlows = isAtFirst ? result.back : result.forth
        return [
            ("local", localFlows, carried[chosen].up),
            ("remote", remoteFlows, carried[chosen].down),
        ]
        .map { direction, flows, carried in
            row(
                (kind, linkClass, link, cutEnd, repetition), direction, flows, carried,
                lateSlots: result.lateSlots)
        }
    }

    /// Makes all links whole and waits until the network uses them.
    public func heal() throws {
        try lab.heal()
        try lab.waitUntilConverged(seconds: options.patience)
    }

    /// Packets a second over a link, or flows, from its lower end to its upper one and back.
    private struct Carried {
        var up: Double
        var down: Double
        /// What chooses the link: it should carry something in both directions.
        var least: Double { min(up, down) * 1_000 + up + down }
    }

    private func links(_ linkClass: LabLinkClass, atFirst isFirst: Bool) -> [LinkID] {
        let fabric = lab.layout.fabric
        let ends = lab.layout.probeEnds
        let edge = fabric.owner(of: isFirst ? ends.0 : ends.1)
        let uplinks = uplinks(of: edge)
        switch linkClass {
        case .edge: return uplinks.map(\.link)
        case .core: return uplinks.flatMap { self.uplinks(of: $0.far.owner) }.map(\.link)
        }
    }

    /// Links of which a switch is the lower end.
    private func uplinks(of id: SwitchID) -> [Neighbor] {
        let fabric = lab.layout.fabric
        return (0..<fabric.fabricPortCount(of: id)).compactMap { port in
            fabric.neighbor(of: id, port: port).flatMap { next in
                fabric.ends(of: next.link).lower == PortID(id, port) ? next : nil
            }
        }
    }

    private func rates(
        of links: [LinkID], milliseconds: UInt64, after delay: Interval = .zero
    ) throws -> [Carried] {
        LabClock.sleep(until: LabClock.now() + delay)
        let start = LabClock.now()
        let first = try counts(of: links)
        LabClock.sleep(until: start + .milliseconds(milliseconds))
        let last = try counts(of: links)
        let seconds = Double((LabClock.now() - start).nanoseconds) / 1e9
        return zip(first, last).map { first, last in
            Carried(
                up: Double(last.sent - first.sent) / seconds,
                down: Double(last.received - first.received) / seconds)
        }
    }

    private func counts(of links: [LinkID]) throws -> [LabPacketCount] {
        let layout = lab.layout
        let lower = links.map { layout.fabric.ends(of: $0).lower }
        var byOwner: [SwitchID: [String: LabPacketCount]] = [:]
        for owner in Set(lower.map(\.owner)) {
            byOwner[owner] = try LabNamespace(name: layout.namespace(of: owner)).packetCounts()
        }
        return lower.map { end in
            byOwner[end.owner]?[layout.interface(of: end.port)]
                ?? LabPacketCount(received: 0, sent: 0)
        }
    }

    private func row(
        _ what: (
            kind: LabCutKind, linkClass: LabLinkClass, link: LinkID, end: PortID, repetition: Int
        ), _ direction: String, _ flows: [LabFlowResult], _ carried: Double, lateSlots: Int
    ) -> LabRow {
        let fabric = lab.layout.fabric
        let outages = flows.map(\.lostMilliseconds)
        let affected = outages.filter { $0 > 0 }
        return LabRow(
            routing: lab.routing, kind: what.kind, linkClass: what.linkClass,
            link: fabric.describe(what.link),
            cutEnd: "\(fabric.name(of: what.end.owner)):\(fabric.portName(what.end))",
            direction: direction, repetition: what.repetition,
            flowsCarried: (carried * 100).rounded() / 100,
            flowsAffected: affected.count, lostMilliseconds: outages,
            lostMillisecondsMax: outages.max() ?? 0,
            lostMillisecondsMedian: LabSummary.quantile(0.5, of: affected),
            lostPackets: flows.reduce(0) { $0 + $1.lost },
            reordered: flows.reduce(0) { $0 + $1.reordered },
            duplicated: flows.reduce(0) { $0 + $1.duplicated }, lateSlots: lateSlots,
            isUnrepaired: flows.contains(where: \.isLostAtEnd),
            isDiscarded: carried < 0.5)
    }
}

/// The rows of one cell: one protocol, one way to cut, one class of links, one direction.
public struct LabSummary: Sendable, Codable {
    /// What found the ways.
    public var routing: LabProtocol
    /// How links were cut.
    public var kind: LabCutKind
    /// Where the links were.
    public var linkClass: LabLinkClass
    /// `local` or `remote`.
    public var direction: String
    /// Rows that count.
    public var count: Int
    /// Rows in which the link carried nothing.
    public var discarded: Int
    /// Of the longest outage of each row, in milliseconds: the middle one.
    public var median: Double
    /// The one that 99 of 100 do not exceed (the worst, with fewer than 100 rows).
    public var p99: Double
    /// The worst.
    public var worst: Double

    /// Summaries of all cells that occur, in a fixed order.
    public static func all(of rows: [LabRow]) -> [LabSummary] {
        var summaries: [LabSummary] = []
        for kind in LabCutKind.allCases {
            for linkClass in LabLinkClass.allCases {
                for direction in ["local", "remote"] {
                    for routing in LabProtocol.allCases {
                        let cell = rows.filter {
                            $0.kind == kind && $0.linkClass == linkClass
                                && $0.direction == direction && $0.routing == routing
                        }
                        guard !cell.isEmpty else { continue }
                        let outages = cell.filter { !$0.isDiscarded }.map(\.lostMillisecondsMax)
                        summaries.append(
                            LabSummary(
                                routing: routing, kind: kind, linkClass: linkClass,
                                direction: direction, count: outages.count,
                                discarded: cell.count - outages.count,
                                median: quantile(0.5, of: outages),
                                p99: quantile(0.99, of: outages), worst: outages.max() ?? 0))
                    }
                }
            }
        }
        return summaries
    }

    /// The value that a share of all values does not exceed (nearest rank); 0 of none.
    static func quantile(_ share: Double, of values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        let rank = Int((share * Double(values.count)).rounded(.up))
        return values.sorted()[max(0, min(values.count, rank) - 1)]
    }
}
