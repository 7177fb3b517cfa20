/// What a wiring plan comes to: counts, fill, lengths, shares of risk, and what must be bought.
public struct WiringSummary: Hashable, Sendable {
    /// One line of the bill of materials.
    public struct Item: Hashable, Sendable {
        /// What it is: `rack`, `trunk`, `patch cord`, ...
        public var name: String
        /// Which: medium, length, how it is crossed.
        public var detail: String
        /// How many are installed.
        public var count: Int
        /// How many more to buy.
        public var spares: Int
    }

    /// Racks of one kind.
    public struct RackCount: Hashable, Sendable {
        /// What they mainly hold: `edge`, `aggregation`, `core`, `server`, `panel` or `switch`.
        public var kind: String
        /// How many there are.
        public var count: Int
    }

    /// Racks by what they mainly hold; kinds without racks are left out.
    public var racks: [RackCount] = []
    /// Rows, and racks of a full row.
    public var rows = 0
    /// Racks of a full row.
    public var racksPerRow = 0
    /// Switches.
    public var switches = 0
    /// Servers.
    public var servers = 0
    /// Links between switches.
    public var links = 0
    /// Links to servers.
    public var hostLinks = 0
    /// Trunks.
    public var trunks = 0
    /// Links between switches with cables of their own.
    public var ownCables = 0
    /// Links in trunks, of those that the trunks have room for, 0 to 1; 1 without trunks.
    public var trunkFill = 1.0
    /// The largest share of one switch's uplinks (of switches with two or more) in one shared risk.
    public var largestRiskShare = 0.0
    /// Shared risks whose links need more than one trunk.
    public var dividedRisks = 0
    /// Trunks, in their order, until the first plane joins all its destinations.
    public var trunksUntilFirstPlane: Int?
    /// The longest link between switches in centimetres.
    public var longestLink = 0
    /// Cable to be laid, in metres: trunks and cables of their own, without patch cords.
    public var laidMetres = 0
    /// Links (to servers too) of each medium.
    public var media: [CableMedium: Int] = [:]
    /// The bill of materials, in order of name and detail.
    public var items: [Item] = []
}

extension WiringPlan {
    /// Counts everything. Takes O(links).
    public func summary() -> WiringSummary {
        var summary = WiringSummary()
        summary.switches = fabric.switchCount
        summary.servers = servers.serverCount
        summary.links = fabric.linkCount
        summary.hostLinks = fabric.hostLinkCount
        summary.trunks = trunkCount
        summary.racksPerRow = placement.racksPerRow
        summary.rows = (rackCount + placement.racksPerRow - 1) / placement.racksPerRow
        summary.racks = WiringPlacement.Kind.allCases.compactMap { kind in
            let count = placement.racks.count { $0.kind == kind }
            return count > 0 ? .init(kind: "\(kind.name)", count: count) : nil
        }
        summary.trunksUntilFirstPlane = trunksUntilFirstPlane
        summary.largestRiskShare = largestRiskShare()
        var parts = PartCounter()
        countLinks(&summary, &parts)
        countTrunks(&summary, &parts)
        countEquipment(&parts)
        summary.items = parts.items(sparesPerThousand: options.sparesPerThousand)
        return summary
    }

    private func countLinks(_ summary: inout WiringSummary, _ parts: inout PartCounter) {
        var inTrunks = 0
        func count(_ cable: Cable) {
            summary.media[cable.medium, default: 0] += 1
            if cable.medium.needsTransceivers { parts.add(.transceiver, cable.medium, 0, 2) }
            guard let cords = cable.cords else {
                parts.add(.cable, cable.medium, cable.length, 1)
                summary.laidMetres += (cable.length + 99) / 100
                return
            }
            inTrunks += 1
            parts.add(.nearCord, cable.medium, cords.near, 1)
            parts.add(.farCord, cable.medium, cords.far, 1)
        }
        for index in 0..<fabric.linkCount {
            let cable = cable(of: LinkID(index))
            summary.longestLink = max(summary.longestLink, cable.length)
            count(cable)
        }
        summary.ownCables = fabric.linkCount - inTrunks
        if trunkCount > 0 {
            summary.trunkFill =
                Double(inTrunks) / Double(trunkCount * ClosTopology.fibresPerTrunk)
        }
        HostLinks(fabric).forEach { id, port in count(hostCable(at: id, hostPort: port)) }
    }

    private func countTrunks(_ summary: inout WiringSummary, _ parts: inout PartCounter) {
        var trunksOfRisk = [UInt8](repeating: 0, count: fabric.trunkCount)
        for turn in 0..<trunkCount {
            let trunk = trunk(turn: turn)
            parts.add(.trunk, trunk.medium, trunk.length, 1)
            summary.laidMetres += (trunk.length + 99) / 100
            trunksOfRisk[trunk.risk.index] = min(2, trunksOfRisk[trunk.risk.index] + 1)
        }
        summary.dividedRisks = trunksOfRisk.count { $0 > 1 }
        parts.add(.cassette, nil, 0, 2 * trunkCount)
        parts.add(.reflector, nil, 0, 2 * trunkCount)
    }

    private func countEquipment(_ parts: inout PartCounter) {
        parts.add(.rack, nil, 0, rackCount)
        parts.add(.fabricSwitch, nil, 0, fabric.switchCount)
        parts.add(.panelUnit, nil, 0, placement.racks.reduce(0) { $0 + $1.panelUnits })
        parts.isStraightFarCord = options.polarity.cords.far == .straight
        parts.polarity = options.polarity
    }

    /// The largest share of a switch's uplinks in one shared risk, over switches with two or more.
    private func largestRiskShare() -> Double {
        var worst = 0.0
        var risks: [Int] = []
        for index in 0..<fabric.switchCount {
            let id = SwitchID(index)
            risks.removeAll(keepingCapacity: true)
            for port in 0..<fabric.fabricPortCount(of: id) {
                guard let next = fabric.neighbor(of: id, port: port),
                    fabric.ends(of: next.link).lower.owner == id
                else { continue }
                risks.append(fabric.trunk(of: next.link).index)
            }
            guard risks.count > 1 else { continue }
            risks.sort()
            var run = 0
            var longest = 0
            for (at, risk) in risks.enumerated() {
                run = at > 0 && risks[at - 1] == risk ? run + 1 : 1
                longest = max(longest, run)
            }
            worst = max(worst, Double(longest) / Double(risks.count))
        }
        return worst
    }
}

/// Counts parts by kind, medium and length.
private struct PartCounter {
    enum Kind: Int, Comparable {
        case rack, fabricSwitch, panelUnit, cassette, trunk, cable, nearCord, farCord
        case transceiver, reflector

        static func < (a: Kind, b: Kind) -> Bool { a.rawValue < b.rawValue }
    }

    private struct Key: Hashable {
        var kind: Kind
        var medium: CableMedium?
        var length: Int
    }

    var isStraightFarCord = false
    var polarity = PolarityMethod.b
    private var counts: [Key: Int] = [:]
    // Most links in a row are alike.
    private var recent: [(key: Key, count: Int)] = []

    mutating func add(_ kind: Kind, _ medium: CableMedium?, _ length: Int, _ count: Int) {
        guard count > 0 else { return }
        let key = Key(kind: kind, medium: medium, length: length)
        if let at = recent.firstIndex(where: { $0.key == key }) {
            recent[at].count += count
            return
        }
        if recent.count == 8 {
            let old = recent.removeFirst()
            counts[old.key, default: 0] += old.count
        }
        recent.append((key, count))
    }

    mutating func items(sparesPerThousand: Int) -> [WiringSummary.Item] {
        for old in recent { counts[old.key, default: 0] += old.count }
        recent = []
        var merged: [Key: Int] = [:]
        for (key, count) in counts {
            // Cords of both ends are one part unless the far ones must be straight; fibre cords of
            // all single-mode reaches are one part as well.
            var key = key
            if key.kind == .farCord, !isStraightFarCord { key.kind = .nearCord }
            if key.kind == .nearCord || key.kind == .farCord || key.kind == .trunk,
                key.medium != .multimode
            {
                key.medium = .singleMode10km
            }
            merged[key, default: 0] += count
        }
        return merged.keys.sorted {
            ($0.kind, $0.medium?.rawValue ?? 0, $0.length)
                < ($1.kind, $1.medium?.rawValue ?? 0, $1.length)
        }.map { key in
            let count = merged[key] ?? 0
            let spares =
                key.kind == .rack ? 0 : (count * sparesPerThousand + 999) / 1_000
            return WiringSummary.Item(
                name: name(key.kind), detail: detail(key), count: count, spares: spares)
        }
    }

    private func name(_ kind: Kind) -> String {
        switch kind {
        case .rack: "rack"
        case .fabricSwitch: "switch"
        case .panelUnit: "panel unit"
        case .cassette: "cassette"
        case .trunk: "trunk"
        case .cable: "cable"
        case .nearCord, .farCord: "patch cord"
        case .transceiver: "transceiver"
        case .reflector: "reflector plug"
        }
    }

    private func detail(_ key: Key) -> String {
        let metres = "\(Double(key.length) / 100) m"
        let fibre = key.medium == .multimode ? "om4" : "os2"
        switch key.kind {
        case .rack, .fabricSwitch: return ""
        case .panelUnit: return "1U"
        case .cassette: return "16 duplex ports"
        case .trunk: return "\(fibre) 16 links polarity \(polarity.rawValue) \(metres)"
        case .cable: return "\(key.medium?.name ?? "") \(metres)"
        case .nearCord: return "\(fibre) duplex crossed \(metres)"
        case .farCord: return "\(fibre) duplex straight \(metres)"
        case .transceiver: return key.medium?.name ?? ""
        case .reflector: return "one a trunk end"
        }
    }
}
