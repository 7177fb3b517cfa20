/// The hall that a fabric is put into, and what is bought for it. Lengths in millimetres.
public struct HallOptions: Hashable, Sendable {
    /// Units (1.75 inches) of a rack that can be used.
    public var rackUnits = 48
    /// Racks of a row; nil for a hall about as long as wide.
    public var racksPerRow: Int?
    /// From one rack to the next in a row: 600 mm wide racks.
    public var rackPitch = 600
    /// From one row to the next: racks 1,200 mm deep and one aisle of 1,200 mm.
    public var rowPitch = 2_400
    /// From the top of a rack to the cable tray.
    public var trayHeight = 500
    /// Added at each end of a cable that leaves its rack.
    public var slack = 1_000
    /// Height of a switch.
    public var switchUnits = 1
    /// Height of a server.
    public var serverUnits = 1
    /// Trunks that end in one unit of patch panel: four cassettes of 16 duplex ports.
    public var trunksPerPanelUnit = 4
    /// The longest passive copper cable: 3 m (IEEE 802.3cd, 100GBASE-CR2; shorter at 112 Gbit/s).
    public var longestCopper = 3_000
    /// How fibres cross between transmitters and receivers.
    public var polarity = PolarityMethod.b
    /// Spare parts, of a thousand, rounded up for each item.
    public var sparesPerThousand = 20

    public init() {}

    /// The height of a rack unit.
    static let unit = 44.45

    func check() throws(WiringPlan.Refusal) {
        let bounds: [(String, Int, ClosedRange<Int>)] = [
            ("rack units", rackUnits, 8...60), ("racks per row", racksPerRow ?? 1, 1...10_000),
            ("rack pitch", rackPitch, 100...10_000), ("row pitch", rowPitch, 100...100_000),
            ("tray height", trayHeight, 0...10_000), ("slack", slack, 0...20_000),
            ("switch units", switchUnits, 1...8), ("server units", serverUnits, 1...60),
            ("trunks per panel unit", trunksPerPanelUnit, 1...64),
            ("longest copper", longestCopper, 0...10_000),
            ("spares", sparesPerThousand, 0...1_000),
        ]
        for (name, value, bound) in bounds where !bound.contains(value) {
            throw WiringPlan.Refusal(
                description: "\(name) is \(value); it must be from \(bound.lowerBound) to "
                    + "\(bound.upperBound)")
        }
        guard serverUnits <= rackUnits, 16 * switchUnits <= rackUnits else {
            throw WiringPlan.Refusal(
                description: "racks of \(rackUnits) units are too low: one must hold a server of "
                    + "\(serverUnits) units, and 16 switches of \(switchUnits) that share trunks")
        }
    }
}

/// What a cable is made of, with the reach it is chosen for.
public enum CableMedium: UInt8, Hashable, Sendable, CaseIterable {
    /// Passive copper with its plugs, inside a rack.
    case copper
    /// Fibre with its transceivers, in one piece: up to 30 m.
    case activeOptical
    /// OM4 and short-reach transceivers: up to 100 m (IEEE 802.3bm, 100GBASE-SR4; 802.3cm,
    /// 400GBASE-SR8).
    case multimode
    /// Single-mode and DR transceivers: up to 500 m (IEEE 802.3bs, 400GBASE-DR4).
    case singleMode500m
    /// Single-mode and FR transceivers: up to 2 km (IEEE 802.3bs, 400GBASE-FR8).
    case singleMode2km
    /// Single-mode and LR transceivers: up to 10 km (IEEE 802.3bs, 400GBASE-LR8).
    case singleMode10km

    /// The reach in centimetres; of copper what the options say.
    var reach: Int {
        switch self {
        case .copper: 1_000
        case .activeOptical: 3_000
        case .multimode: 10_000
        case .singleMode500m: 50_000
        case .singleMode2km: 200_000
        case .singleMode10km: 1_000_000
        }
    }

    /// How scripts write it.
    public var name: String {
        switch self {
        case .copper: "dac"
        case .activeOptical: "aoc"
        case .multimode: "mmf-om4"
        case .singleMode500m: "smf-dr"
        case .singleMode2km: "smf-fr"
        case .singleMode10km: "smf-lr"
        }
    }

    var nameText: StaticString {
        switch self {
        case .copper: "dac"
        case .activeOptical: "aoc"
        case .multimode: "mmf-om4"
        case .singleMode500m: "smf-dr"
        case .singleMode2km: "smf-fr"
        case .singleMode10km: "smf-lr"
        }
    }

    /// The type of the cable in NetBox.
    var netBoxType: StaticString {
        switch self {
        case .copper: "dac-passive"
        case .activeOptical: "aoc"
        case .multimode: "mmf-om4"
        case .singleMode500m, .singleMode2km, .singleMode10km: "smf-os2"
        }
    }

    /// The colour of the jacket (fibre: TIA-598-D: aqua for OM4, yellow for single-mode).
    var colour: (name: StaticString, hexadecimal: StaticString) {
        switch self {
        case .copper: ("black", "111111")
        case .activeOptical: ("grey", "9e9e9e")
        case .multimode: ("aqua", "00bcd4")
        case .singleMode500m, .singleMode2km, .singleMode10km: ("yellow", "ffeb3b")
        }
    }

    /// Whether transceivers are bought apart from the cable.
    var needsTransceivers: Bool { self != .copper && self != .activeOptical }

    /// The first medium that reaches so far; nil beyond 10 km.
    static func fibre(forCentimetres length: Int) -> CableMedium? {
        [.multimode, .singleMode500m, .singleMode2km, .singleMode10km].first { length <= $0.reach }
    }
}

/// Lengths in which cables can be bought, in centimetres.
enum StockLengths {
    static let short = [50, 100, 150, 200, 250, 300, 400, 500, 700, 1_000]
    static let cables = [
        100, 200, 300, 500, 700, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 6_000, 7_500,
        10_000, 12_500, 15_000, 17_500, 20_000, 25_000, 30_000, 35_000, 40_000, 45_000, 50_000,
    ]

    /// The shortest patch cord or copper cable of at least `millimetres`.
    static func shortAtLeast(_ millimetres: Int) -> Int {
        let wanted = (millimetres + 9) / 10
        for length in short where length >= wanted { return length }
        return cableAtLeast(millimetres)
    }

    /// The shortest cable of at least `millimetres`; beyond 500 m in steps of 100 m.
    static func cableAtLeast(_ millimetres: Int) -> Int {
        let wanted = (millimetres + 9) / 10
        for length in cables where length >= wanted { return length }
        return (wanted + 9_999) / 10_000 * 10_000
    }
}
