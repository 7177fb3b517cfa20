/// Which switch and which server stands where: switches that share trunks in one rack, edge
/// switches among their servers, aggregation switches and cores in racks of their own.
struct WiringPlacement: Sendable {
    /// What a rack holds mainly.
    enum Kind: UInt8, Sendable, CaseIterable {
        case edge, aggregation, core, server, panel, mixed

        var name: StaticString {
            switch self {
            case .edge: "edge"
            case .aggregation: "aggregation"
            case .core: "core"
            case .server: "server"
            case .panel: "panel"
            case .mixed: "switch"
            }
        }
    }

    struct Rack: Sendable {
        var kind: Kind
        var switches = 0
        var servers = 0
        /// Units of patch panel, at the top.
        var panelUnits = 0
        /// Racks behind this one that hold its further panels.
        var panelRacks = 0
    }

    let options: HallOptions
    private(set) var racks: [Rack] = []
    private(set) var racksPerRow = 1
    /// For each switch its rack, and its unit counted from 1 at the floor.
    private(set) var switchRacks: [UInt32]
    private(set) var switchUnits: [UInt8]
    /// For each server its rack, and its lowest unit.
    private(set) var serverRacks: [UInt32]
    private(set) var serverUnits: [UInt8]

    init(
        _ groups: SwitchGroups, switchCount: Int, serverCount: Int, trunkEnds: [Int32],
        options: HallOptions
    ) {
        self.options = options
        switchRacks = Array(repeating: 0, count: switchCount)
        switchUnits = Array(repeating: 0, count: switchCount)
        serverRacks = Array(repeating: 0, count: serverCount)
        serverUnits = Array(repeating: 0, count: serverCount)
        for zone in groups.zones { place(zone, groups, trunkEnds) }
        racksPerRow = options.racksPerRow ?? Self.squareRow(racks.count, options)
    }

    /// Racks of a row so that the hall is about as long as wide.
    private static func squareRow(_ racks: Int, _ options: HallOptions) -> Int {
        var row = 10
        while row * options.rackPitch * row < racks * options.rowPitch { row += 1 }
        return row
    }

    // MARK: Packing

    private func panelUnits(_ ends: Int) -> Int {
        (ends + options.trunksPerPanelUnit - 1) / options.trunksPerPanelUnit
    }

    /// A run of groups that go into one rack.
    private struct Load {
        var groups: [Int] = []
        var switches = 0
        var ends = 0
    }

    private func loads(_ zone: SwitchGroups.Zone, _ groups: SwitchGroups, _ trunkEnds: [Int32])
        -> [Load]
    {
        var loads: [Load] = []
        var load = Load()
        for group in zone.groups {
            let switches = load.switches + groups.members(of: group).count
            let ends = load.ends + Int(trunkEnds[group])
            let units = switches * options.switchUnits + panelUnits(ends)
            if units > options.rackUnits, !load.groups.isEmpty {
                loads.append(load)
                load = Load()
            }
            load.groups.append(group)
            load.switches += groups.members(of: group).count
            load.ends += Int(trunkEnds[group])
        }
        if !load.groups.isEmpty { loads.append(load) }
        return loads
    }

    private mutating func place(
        _ zone: SwitchGroups.Zone, _ groups: SwitchGroups, _ trunkEnds: [Int32]
    ) {
        let loads = loads(zone, groups, trunkEnds)
        let free = loads.map { load in
            max(
                0,
                options.rackUnits - load.switches * options.switchUnits - panelUnits(load.ends))
                / options.serverUnits
        }
        let perRack = options.rackUnits / options.serverUnits
        let others = max(0, zone.servers.count - free.reduce(0, +))
        let serverRackCount = (others + perRack - 1) / perRack
        var servers = zone.servers
        for _ in 0..<serverRackCount / 2 { placeServers(&servers, atMost: perRack, kind: .server) }
        for (load, free) in zip(loads, free) {
            place(load, zone.kind, groups)
            placeServers(&servers, atMost: free, kind: nil)
            placePanelRacks(load)
        }
        while !servers.isEmpty { placeServers(&servers, atMost: perRack, kind: .server) }
    }

    /// Switches below the panels, from the top down.
    private mutating func place(_ load: Load, _ kind: Kind, _ groups: SwitchGroups) {
        var rack = Rack(kind: kind)
        let room = options.rackUnits - load.switches * options.switchUnits
        rack.panelUnits = min(room, panelUnits(load.ends))
        rack.switches = load.switches
        var top = options.rackUnits - rack.panelUnits
        for group in load.groups {
            for id in groups.members(of: group) {
                switchRacks[Int(id)] = UInt32(racks.count)
                top -= options.switchUnits
                switchUnits[Int(id)] = UInt8(top + 1)
            }
        }
        racks.append(rack)
    }

    /// Racks for the panels that found no room beside their switches.
    private mutating func placePanelRacks(_ load: Load) {
        let home = racks.count - 1
        let missing = panelUnits(load.ends) - racks[home].panelUnits
        let count = (missing + options.rackUnits - 1) / options.rackUnits
        racks[home].panelRacks = count
        for index in 0..<count {
            var rack = Rack(kind: .panel)
            rack.panelUnits = min(options.rackUnits, missing - index * options.rackUnits)
            racks.append(rack)
        }
    }

    /// Servers from the floor up: in a new rack of `kind`, or in the rack placed last.
    private mutating func placeServers(_ servers: inout Range<Int>, atMost count: Int, kind: Kind?)
    {
        if let kind { racks.append(Rack(kind: kind)) }
        let here = servers.prefix(count)
        for (index, server) in here.enumerated() {
            serverRacks[server] = UInt32(racks.count - 1)
            serverUnits[server] = UInt8(index * options.serverUnits + 1)
        }
        racks[racks.count - 1].servers += here.count
        servers = here.endIndex..<servers.upperBound
    }

    // MARK: Places

    /// The row and the place in it, both counted from 0.
    func position(of rack: Int) -> (row: Int, column: Int) {
        (rack / racksPerRow, rack % racksPerRow)
    }

    /// Where the `slot`-th trunk that ends in a rack ends: the rack (itself or one of its panel
    /// racks), the unit, and the cassette in it, counted from 0.
    func panelPlace(rack: Int, slot: Int) -> (rack: Int, unit: Int, cassette: Int) {
        let panel = slot / options.trunksPerPanelUnit
        let cassette = slot % options.trunksPerPanelUnit
        let own = racks[rack].panelUnits
        if panel < own { return (rack, options.rackUnits - panel, cassette) }
        let (further, unit) = (panel - own).quotientAndRemainder(dividingBy: options.rackUnits)
        return (rack + 1 + further, options.rackUnits - unit, cassette)
    }

    /// How far a cable runs from one unit to another, in millimetres: inside a rack straight with
    /// 300 mm at each side; else up to the tray, along rows and across them, down, and slack.
    func route(_ rackA: Int, _ unitA: Int, _ rackB: Int, _ unitB: Int) -> Int {
        if rackA == rackB {
            return Int(Double(abs(unitA - unitB)) * HallOptions.unit) + 600
        }
        let (rowA, columnA) = position(of: rackA)
        let (rowB, columnB) = position(of: rackB)
        let climb =
            Int(Double(2 * options.rackUnits - unitA - unitB) * HallOptions.unit)
            + 2 * options.trayHeight
        return climb + abs(columnA - columnB) * options.rackPitch
            + abs(rowA - rowB) * options.rowPitch + 2 * options.slack
    }
}
