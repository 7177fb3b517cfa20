/// What a package is made of and what that costs: all values as ranges, none of them a fact about
/// Trainium unless its source says so.
public struct PackageInputs: Hashable, Codable, Sendable {
    /// Compute dies of a package.
    public var dies = 2
    /// Stacks of memory of a package.
    public var stacks = 4
    /// How defects are spread on compute dies and interposers.
    public var model = YieldModel.negativeBinomial
    /// The wafer and the lithography.
    public var wafer = WaferGeometry()
    /// The interposer's limit in reticles.
    public var interposerLimit = 3.0
    /// The rest, in the order of ``Parameter``.
    private var ranges: [ValueRange]

    /// A value that is known as a range only.
    public enum Parameter: String, CaseIterable, Codable, Sendable {
        case dieArea
        case dieAspect
        case defectDensity
        case testCoverage
        case stackArea
        case stackYield
        case bondYield
        case interposerSpace
        case interposerDefectDensity
        case waferCost
        case stackCost
        case interposerCost
        case assemblyCost
    }

    public init() { ranges = Parameter.allCases.map(\.usual) }

    /// The range of a parameter.
    public subscript(_ parameter: Parameter) -> ValueRange {
        get { ranges[parameter.index] }
        set { ranges[parameter.index] = newValue }
    }

    /// What is wrong with it; nil when nothing is.
    public var problem: String? {
        guard (1...16).contains(dies) else { return "a package has 1 to 16 compute dies" }
        guard (0...32).contains(stacks) else { return "a package has at most 32 stacks of memory" }
        guard (0.1...100).contains(interposerLimit) else {
            return "the interposer's limit is between 0.1 and 100 reticles"
        }
        for parameter in Parameter.allCases
        where !self[parameter].lies(in: parameter.bounds) {
            return "\(parameter.rawValue) = \(self[parameter]) is not within "
                + "\(parameter.bounds.lowerBound) to \(parameter.bounds.upperBound) "
                + parameter.unit
        }
        return nil
    }
}

extension PackageInputs.Parameter {
    fileprivate var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// What it is when nothing is said: assumed, for a large chip of these years.
    public var usual: ValueRange {
        switch self {
        case .dieArea: ValueRange(400, 450)
        case .dieAspect: ValueRange(0.7, 1)
        case .defectDensity: ValueRange(0.05, 0.15)
        case .testCoverage: ValueRange(0.97, 0.995)
        case .stackArea: ValueRange(90, 121)
        case .stackYield: ValueRange(0.99, 0.999)
        case .bondYield: ValueRange(0.99, 0.999)
        case .interposerSpace: ValueRange(1.1, 1.3)
        case .interposerDefectDensity: ValueRange(0.005, 0.02)
        case .waferCost: ValueRange(10_000, 18_000)
        case .stackCost: ValueRange(150, 350)
        case .interposerCost: ValueRange(50, 250)
        case .assemblyCost: ValueRange(50, 200)
        }
    }

    /// The unit of its values.
    public var unit: String {
        switch self {
        case .dieArea, .stackArea: "mm2"
        case .defectDensity, .interposerDefectDensity: "1/cm2"
        case .waferCost, .stackCost, .interposerCost, .assemblyCost: "money"
        default: "1"
        }
    }

    /// What it means.
    public var meaning: String {
        switch self {
        case .dieArea: "area of a compute die"
        case .dieAspect: "shorter by longer side of a compute die"
        case .defectDensity: "defects that kill a compute die"
        case .testCoverage: "share of defects that the test before assembly finds"
        case .stackArea: "footprint of a stack of memory"
        case .stackYield: "share of delivered stacks that work"
        case .bondYield: "share of dies and stacks that bonding leaves working"
        case .interposerSpace: "interposer by the silicon on it"
        case .interposerDefectDensity: "defects that kill an interposer"
        case .waferCost: "a wafer of compute dies"
        case .stackCost: "a stack of memory"
        case .interposerCost: "an interposer of one reticle"
        case .assemblyCost: "assembling and testing a package"
        }
    }

    /// What values may be.
    var bounds: ClosedRange<Double> {
        switch self {
        case .dieArea, .stackArea: 1...10_000
        case .dieAspect: 0.1...1
        case .defectDensity, .interposerDefectDensity: 0...100
        case .testCoverage, .stackYield, .bondYield: 0.01...1
        case .interposerSpace: 1...10
        case .waferCost, .stackCost, .interposerCost, .assemblyCost: 0...1e9
        }
    }
}
