internal import Glibc

/// A stage of a supply network: a series resistance and inductance, then a capacitor with its own
/// series resistance to ground.
public struct SupplyStage: Hashable, Codable, Sendable {
    /// Which part of the way it is.
    public var name: String
    /// In ohms.
    public var resistance: Double
    /// In henries.
    public var inductance: Double
    /// In farads.
    public var capacitance: Double
    /// Series resistance of the capacitor, in ohms.
    public var capacitorResistance: Double

    public init(
        _ name: String, resistance: Double, inductance: Double, capacitance: Double,
        capacitorResistance: Double
    ) {
        self.name = name
        self.resistance = resistance
        self.inductance = inductance
        self.capacitance = capacitance
        self.capacitorResistance = capacitorResistance
    }

    /// Where inductance and capacitance resonate, in hertz.
    public var resonance: Double { 1 / (2 * Double.pi * sqrt(inductance * capacitance)) }

    /// What a sudden ampere makes of it without damping, in ohms.
    public var characteristicImpedance: Double { sqrt(inductance / capacitance) }
}

/// The way from a voltage regulator to the transistors: a ladder of stages, the die's last.
public struct SupplyNetwork: Hashable, Codable, Sendable {
    /// The name on the command line.
    public var name: String
    /// One line for people.
    public var title: String
    /// What the die shall have, in volts. The regulator is set so that it has it at idle current.
    public var voltage: Double
    /// From the regulator to the die.
    public var stages: [SupplyStage]
    /// Where the values come from.
    public var source: String

    public init(name: String, title: String, voltage: Double, stages: [SupplyStage], source: String)
    {
        self.name = name
        self.title = title
        self.voltage = voltage
        self.stages = stages
        self.source = source
    }

    /// Said wherever results of the networks here are shown.
    public static let illustrative =
        "Illustrative: no supply network of Trainium is published. All resistances, inductances, "
        + "capacitances and currents are invented to show the shape of the effect, not its size."

    /// Regulators beside the package, as on Trainium1: the current crosses the board and the
    /// package.
    public static let besidePackage = SupplyNetwork(
        name: "trn1", title: "regulators beside the package, as on Trainium1", voltage: 0.75,
        stages: [
            SupplyStage(
                "board", resistance: 45e-6, inductance: 110e-12, capacitance: 3e-3,
                capacitorResistance: 80e-6),
            SupplyStage(
                "package", resistance: 35e-6, inductance: 11e-12, capacitance: 70e-6,
                capacitorResistance: 120e-6),
            SupplyStage(
                "die", resistance: 20e-6, inductance: 1.2e-12, capacitance: 2e-6,
                capacitorResistance: 60e-6),
        ], source: illustrative)

    /// Regulators under the package, as on Trainium2: short vertical ways, less resistance and
    /// inductance. The die is the same.
    public static let underPackage = SupplyNetwork(
        name: "trn2", title: "regulators under the package, as on Trainium2", voltage: 0.75,
        stages: [
            SupplyStage(
                "board", resistance: 12e-6, inductance: 14e-12, capacitance: 3e-3,
                capacitorResistance: 40e-6),
            SupplyStage(
                "package", resistance: 12e-6, inductance: 2.5e-12, capacitance: 140e-6,
                capacitorResistance: 60e-6),
            SupplyStage(
                "die", resistance: 10e-6, inductance: 0.6e-12, capacitance: 2e-6,
                capacitorResistance: 60e-6),
        ], source: illustrative)

    /// The networks that come with Kapok.
    public static let known: [SupplyNetwork] = [.besidePackage, .underPackage]

    /// The resistance from the regulator to the die, in ohms.
    public var resistance: Double { stages.reduce(0) { $0 + $1.resistance } }

    /// What is wrong with it; nil when nothing is.
    public var problem: String? {
        guard (1...8).contains(stages.count) else { return "it needs 1 to 8 stages" }
        guard voltage > 0, voltage < 100 else { return "its voltage is \(voltage) V" }
        for stage in stages {
            let values = [
                stage.resistance, stage.inductance, stage.capacitance, stage.capacitorResistance,
            ]
            guard values.allSatisfy({ $0.isFinite && $0 >= 0 }), stage.inductance > 0,
                stage.capacitance > 0
            else { return "stage \(stage.name) has a value that no part can have" }
        }
        return nil
    }
}
