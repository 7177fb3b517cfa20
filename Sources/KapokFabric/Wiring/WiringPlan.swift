/// The low-level design of a fabric's wiring: where every switch and server stands, which trunk and
/// which patch panel carries every link, how long every cable is and of what. Flat arrays, for
/// millions of links; what can be computed is not stored.
public struct WiringPlan: Sendable {
    /// Why a plan cannot be made.
    public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        /// What is wrong, and what would be right.
        public var description: String
    }

    /// Where something stands: a rack, and a unit of it counted from 1 at the floor.
    public struct Place: Hashable, Sendable {
        /// The number of the rack.
        public var rack: Int
        /// The (lowest) unit.
        public var unit: Int
    }

    /// Something for each end of a cable; near is the lower tier's.
    public struct Ends<Value: Hashable & Sendable>: Hashable, Sendable {
        /// At the lower tier's end.
        public var near: Value
        /// At the other end.
        public var far: Value

        public init(near: Value, far: Value) {
            self.near = near
            self.far = far
        }
    }

    /// One end of a trunk in a panel.
    public struct Panel: Hashable, Sendable {
        /// The unit of panel.
        public var place: Place
        /// The cassette in the unit, from 0.
        public var cassette: Int
    }

    /// One connector's worth of fibre between two racks. All its links belong to one shared risk.
    public struct Trunk: Hashable, Sendable {
        /// The shared risk.
        public var risk: TrunkID
        /// The racks of the switches at both ends.
        public var racks: Ends<Int>
        /// The panels where it ends.
        public var panels: Ends<Panel>
        /// How many links it carries, up to `ClosTopology.fibresPerTrunk`.
        public var links: Int
        /// Its length as bought, in centimetres.
        public var length: Int
        /// Its fibre, with the transceivers that its longest link needs.
        public var medium: CableMedium
        /// The plane.
        public var plane: Int
        /// Its turn among the trunks, from 0.
        public var turn: Int
    }

    /// A port of a trunk.
    public struct Lane: Hashable, Sendable {
        /// The trunk, by its turn.
        public var trunk: Int
        /// The port at the near panel, from 0; `PolarityMethod.farLane` tells the far one.
        public var lane: Int
    }

    /// How one link is cabled: through a trunk with a patch cord at each end, or by a cable of its
    /// own.
    public struct Cable: Hashable, Sendable {
        /// The trunk and the lane in it; nil for a cable of its own.
        public var trunk: Lane?
        /// The patch cords in centimetres; nil without a trunk.
        public var cords: Ends<Int>?
        /// The whole length in centimetres, cords included.
        public var length: Int
        /// What it is made of.
        public var medium: CableMedium
    }

    /// The fabric.
    public let fabric: Fabric
    /// How it is written; "" for graphs.
    public let topologyName: String
    /// The hall.
    public let options: HallOptions
    /// The servers.
    public let servers: ServerLayout
    let placement: WiringPlacement
    let groups: SwitchGroups
    let bundles: LinkBundles
    /// For each bundle: its length as bought, the medium, and the turn.
    let bundleLengths: [Int32]
    let bundleMedia: [CableMedium]
    let bundleTurns: [UInt32]
    /// Which bundle has which turn.
    let bundlesByTurn: [UInt32]
    /// How many trunks, in turn, join all destinations of the first plane; nil when they never do.
    public let trunksUntilFirstPlane: Int?

    /// Plans the wiring of a fabric.
    ///
    /// Takes O(links). Throws when the options make no sense or a cable would be longer than 10 km.
    public init(
        _ fabric: Fabric, topologyName: String, options: HallOptions = HallOptions()
    ) throws(Refusal) {
        try options.check()
        self.fabric = fabric
        self.topologyName = topologyName
        self.options = options
        let servers = ServerLayout(fabric, topologyName: topologyName)
        self.servers = servers
        let groups = SwitchGroups(fabric, servers, options: options)
        var bundles = LinkBundles(fabric, groups)
        let placement = WiringPlacement(
            groups, switchCount: fabric.switchCount, serverCount: servers.serverCount,
            trunkEnds: bundles.trunkEnds(groupCount: groups.count), options: options)
        bundles.takeSlots(groups, placement)
        self.groups = groups
        self.placement = placement
        self.bundles = bundles
        let measured = try Self.measure(fabric, bundles, placement)
        bundleLengths = measured.lengths
        bundleMedia = measured.media
        let order = InstallOrder(fabric, bundles, groups)
        bundleTurns = order.turns
        bundlesByTurn = order.bundles
        trunksUntilFirstPlane = order.untilFirstPlane
    }

    // MARK: Lengths

    /// Lengths and media of all bundles. A trunk's fibre must suit the longest of its links.
    private static func measure(
        _ fabric: Fabric, _ bundles: LinkBundles, _ placement: WiringPlacement
    ) throws(Refusal) -> (lengths: [Int32], media: [CableMedium]) {
        var lengths = [Int32](repeating: 0, count: bundles.count)
        for index in 0..<bundles.count where bundles.isTrunk(index) {
            let a = bundles.panel(index, 0, placement)
            let b = bundles.panel(index, 1, placement)
            lengths[index] = Int32(
                StockLengths.cableAtLeast(placement.route(a.rack, a.unit, b.rack, b.unit)))
        }
        var longestCords = [Int32](repeating: 0, count: bundles.count)
        for (link, bundle) in bundles.bundleOf.enumerated() where bundles.isTrunk(Int(bundle)) {
            let cords = cords(of: LinkID(link), Int(bundle), fabric, bundles, placement)
            longestCords[Int(bundle)] = max(
                longestCords[Int(bundle)], Int32(cords.near + cords.far))
        }
        var media = [CableMedium](repeating: .multimode, count: bundles.count)
        for index in 0..<bundles.count where bundles.isTrunk(index) {
            let length = Int(lengths[index] + longestCords[index])
            guard let medium = CableMedium.fibre(forCentimetres: length) else {
                throw Refusal(
                    description: "a link of \(length / 100) m; transceivers reach 10 km: make "
                        + "the rows longer or the pitches smaller")
            }
            media[index] = medium
        }
        return (lengths, media)
    }

    /// The patch cords of a link in a trunk, at its lower and its upper end.
    private static func cords(
        of link: LinkID, _ bundle: Int, _ fabric: Fabric, _ bundles: LinkBundles,
        _ placement: WiringPlacement
    ) -> Ends<Int> {
        let (lower, upper) = fabric.ends(of: link)
        let isSwapped =
            bundles.racks(bundle).0 != Int(placement.switchRacks[lower.owner.index])
        func cord(_ id: SwitchID, _ side: Int) -> Int {
            let panel = bundles.panel(bundle, side, placement)
            return StockLengths.shortAtLeast(
                placement.route(
                    Int(placement.switchRacks[id.index]), Int(placement.switchUnits[id.index]),
                    panel.rack, panel.unit))
        }
        return Ends(
            near: cord(lower.owner, isSwapped ? 1 : 0), far: cord(upper.owner, isSwapped ? 0 : 1))
    }

    /// A cable of its own between two places.
    func directCable(_ a: Place, _ b: Place) -> Cable {
        let route = placement.route(a.rack, a.unit, b.rack, b.unit)
        if a.rack == b.rack, route <= options.longestCopper {
            return Cable(
                trunk: nil, cords: nil, length: StockLengths.shortAtLeast(route),
                medium: .copper)
        }
        let length = StockLengths.cableAtLeast(route)
        let medium =
            length <= CableMedium.activeOptical.reach
            ? .activeOptical : CableMedium.fibre(forCentimetres: length) ?? .singleMode10km
        return Cable(trunk: nil, cords: nil, length: length, medium: medium)
    }

    // MARK: What stands where

    /// Where a switch stands.
    public func place(of id: SwitchID) -> Place {
        Place(
            rack: Int(placement.switchRacks[id.index]), unit: Int(placement.switchUnits[id.index])
        )
    }

    /// Where a server stands.
    public func place(ofServer server: Int) -> Place {
        Place(
            rack: Int(placement.serverRacks[server]), unit: Int(placement.serverUnits[server]))
    }

    /// How many racks there are.
    public var rackCount: Int { placement.racks.count }

    /// The name of a rack: its row and its place in the row, from 1 (`R02-014`).
    public func rackName(_ rack: Int) -> String {
        let (row, column) = placement.position(of: rack)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "R\(padded(row + 1, 2))-\(padded(column + 1, 3))"
    }

    // MARK: Cables

    /// How many trunks there are.
    public var trunkCount: Int { bundles.trunkCount }

    /// The trunks in the order of their installation.
    public func trunk(turn: Int) -> Trunk { makeTrunk(Int(bundlesByTurn[turn])) }

    private func makeTrunk(_ index: Int) -> Trunk {
        func end(_ side: Int) -> Panel {
            let at = bundles.panel(index, side, placement)
            return Panel(place: Place(rack: at.rack, unit: at.unit), cassette: at.cassette)
        }
        let racks = bundles.racks(index)
        return Trunk(
            risk: bundles.risk(index), racks: Ends(near: racks.0, far: racks.1),
            panels: Ends(near: end(0), far: end(1)),
            links: bundles.links(index), length: Int(bundleLengths[index]),
            medium: bundleMedia[index], plane: Int(bundles.planes[index]),
            turn: Int(bundleTurns[index]))
    }

    /// How a link between switches is cabled; the trunk is named by its turn.
    public func cable(of link: LinkID) -> Cable {
        let (lower, upper) = fabric.ends(of: link)
        let bundle = Int(bundles.bundleOf[link.index])
        let a = place(of: lower.owner)
        let b = place(of: upper.owner)
        guard bundles.isTrunk(bundle) else { return directCable(a, b) }
        let cords = Self.cords(of: link, bundle, fabric, bundles, placement)
        return Cable(
            trunk: Lane(trunk: Int(bundleTurns[bundle]), lane: Int(bundles.laneOf[link.index])),
            cords: cords,
            length: Int(bundleLengths[bundle]) + cords.near + cords.far,
            medium: bundleMedia[bundle])
    }

    /// How a host port (counted from the first host port) of a switch is cabled.
    public func hostCable(at id: SwitchID, hostPort port: Int) -> Cable {
        let server = servers.attachment(at: id, hostPort: port).server
        return directCable(place(of: id), place(ofServer: server))
    }
}
