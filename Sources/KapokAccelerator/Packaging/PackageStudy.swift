internal import Glibc
internal import KapokWorld

/// What comes of a package whose inputs are known as ranges: many packages are drawn, each with
/// values from the ranges, and the results are given as percentiles. All results are modelled.
public struct PackageStudy: Sendable {
    /// What went in.
    public let inputs: PackageInputs
    /// Packages drawn.
    public let samples: Int
    /// Results, in the order of ``Quantity``.
    public let results: [Percentiles]
    /// Share of the draws in which a compute die fits the reticle, and in which everything fits the
    /// interposer.
    public let reticleShare: Double
    public let interposerShare: Double

    /// What results.
    public enum Quantity: String, CaseIterable, Codable, Sendable {
        case grossDies
        case poissonYield
        case murphyYield
        case negativeBinomialYield
        case seedsYield
        case dieYield
        case knownGoodDie
        case goodDiesPerWafer
        case interposerArea
        case interposerYield
        case packageYield
        case costPerGoodPackage
    }

    /// Draws at most.
    public static let largestSamples = 1_000_000

    /// - Parameter seed: of the draws: equal seeds give equal results.
    /// - Throws: ``PackageError`` when an input makes no sense.
    public init(
        _ inputs: PackageInputs, samples: Int = 10_000, seed: UInt64 = 1
    ) throws(PackageError) {
        if let problem = inputs.problem { throw PackageError(problem: problem) }
        guard (10...Self.largestSamples).contains(samples) else {
            throw PackageError(problem: "draw 10 to \(Self.largestSamples) packages")
        }
        self.inputs = inputs
        self.samples = samples
        var random = RandomStream(seed: seed)
        var columns = [[Double]](repeating: [], count: Quantity.allCases.count)
        for index in columns.indices { columns[index].reserveCapacity(samples) }
        var (reticle, interposer) = (0, 0)
        for _ in 0..<samples {
            let draw = PackageDraw(inputs, &random)
            for (index, value) in draw.values.enumerated() { columns[index].append(value) }
            reticle += draw.fitsReticle ? 1 : 0
            interposer += draw.fitsInterposer ? 1 : 0
        }
        results = columns.map(Percentiles.init)
        reticleShare = Double(reticle) / Double(samples)
        interposerShare = Double(interposer) / Double(samples)
    }

    /// A result.
    public subscript(_ quantity: Quantity) -> Percentiles {
        results[Quantity.allCases.firstIndex(of: quantity) ?? 0]
    }

    /// What is beyond a limit, in words; empty when everything fits in all draws.
    public var findings: [String] {
        var findings: [String] = []
        let wafer = inputs.wafer
        if reticleShare < 1 {
            findings.append(
                "A compute die of \(inputs[.dieArea]) mm2 \(Self.often(reticleShare)) the reticle "
                    + "of \(wafer.reticleWidth) x \(wafer.reticleHeight) mm "
                    + "(\(wafer.reticleArea) mm2): cut it into more dies.")
        }
        if interposerShare < 1 {
            let limit = inputs.interposerLimit * wafer.reticleArea
            findings.append(
                "\(inputs.dies) dies and \(inputs.stacks) stacks need an interposer that "
                    + "\(Self.often(interposerShare)) \(inputs.interposerLimit) reticles "
                    + "(\(limit) mm2), beyond which connections of 100 micrometres do not stay in "
                    + "place: take fewer or smaller ones.")
        }
        return findings
    }

    /// Whether it fits at all.
    public var canBeMade: Bool { reticleShare > 0 && interposerShare > 0 }

    private static func often(_ share: Double) -> String {
        let misses = Int(((1 - share) * 100).rounded())
        return share == 0 ? "never fits" : "does not fit, in \(misses) % of the draws,"
    }
}

/// Why a study cannot be made.
public struct PackageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public var problem: String

    public init(problem: String) { self.problem = problem }

    public var description: String { problem }
}

/// Values below which 10, 50 and 90 % of the draws lie.
public struct Percentiles: Hashable, Codable, Sendable {
    /// The value below which as many per cent lie as the name says.
    public var p10: Double
    public var p50: Double
    public var p90: Double

    /// - Parameter values: at least one; their order does not matter.
    init(_ values: [Double]) {
        let sorted = values.sorted()
        func value(_ share: Double) -> Double {
            let place = share * Double(sorted.count - 1)
            let below = Int(place)
            let above = min(below + 1, sorted.count - 1)
            return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
        }
        p10 = value(0.1)
        p50 = value(0.5)
        p90 = value(0.9)
    }
}

/// One package.
private struct PackageDraw {
    let values: [Double]
    let fitsReticle: Bool
    let fitsInterposer: Bool

    init(_ inputs: PackageInputs, _ random: inout RandomStream) {
        // Every parameter is drawn, in a fixed order: changing one leaves the others' draws alone.
        var drawn = PackageInputs.Parameter.allCases.map { inputs[$0].sample(&random) }[...]
        func next() -> Double { drawn.removeFirst() }
        let (area, aspect, density, coverage) = (next(), next(), next(), next())
        let (stackArea, stackYield, bondYield, space) = (next(), next(), next(), next())
        let interposerDensity = next()
        let (waferCost, stackCost, interposerCost, assemblyCost) = (next(), next(), next(), next())
        let wafer = inputs.wafer
        let gross = wafer.grossDies(area: area, aspect: aspect)
        let models = YieldModel.allCases.map { $0.yield(area: area, density: density) }
        let dieYield = inputs.model.yield(area: area, density: density)
        // Williams and Brown, IEEE Transactions on Computers 1981: of the dies that pass a test, a
        // share of Y^(1 - coverage) is good.
        let passed = pow(dieYield, coverage)
        let knownGood = pow(dieYield, 1 - coverage)
        let parts = Double(inputs.dies + inputs.stacks)
        let interposerArea =
            (Double(inputs.dies) * area + Double(inputs.stacks) * stackArea) * space
        let interposerYield = inputs.model.yield(area: interposerArea, density: interposerDensity)
        let packageYield =
            pow(knownGood, Double(inputs.dies)) * pow(stackYield, Double(inputs.stacks))
            * pow(bondYield, parts) * interposerYield
        let dieCost = gross > 0 ? waferCost / (gross * passed) : .infinity
        let cost =
            Double(inputs.dies) * dieCost + Double(inputs.stacks) * stackCost
            + interposerCost * interposerArea / wafer.reticleArea + assemblyCost
        values =
            [gross] + models
            + [
                dieYield, knownGood, gross * dieYield, interposerArea, interposerYield,
                packageYield, cost / packageYield,
            ]
        fitsReticle = wafer.fitsReticle(area: area, aspect: aspect)
        fitsInterposer = interposerArea <= inputs.interposerLimit * wafer.reticleArea
    }
}
