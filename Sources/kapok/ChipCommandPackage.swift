public import ArgumentParser
import Foundation
public import KapokAccelerator

extension ValueRange: ExpressibleByArgument {
    /// Reads `0.05..0.15` or a single number.
    public init?(argument: String) { self.init(parsing: argument) }
}

extension YieldModel: ExpressibleByArgument {}

extension ChipCommand {
    /// `kapok chip package`: what fits into a package, what it yields, what it costs.
    struct Package: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "package",
            abstract: "Check a package against its limits, and estimate its yield and cost.",
            discussion: """
                Every value is a range (0.05..0.15) or a number. Packages are drawn with values \
                from the ranges; results are the values below which 10, 50 and 90 % of them lie. \
                All defaults are assumed, none is a fact about a real chip; results are modelled. \
                The exit code is 1 when the package can never be made.
                """)

        @Option(help: "Compute dies of a package.")
        var dies = 2
        @Option(help: "Stacks of memory of a package.")
        var stacks = 4
        @Option(help: "Spread of defects: poisson, murphy, negativeBinomial or seeds.")
        var yieldModel = YieldModel.negativeBinomial
        @Option(help: "The interposer's limit, in reticles.")
        var interposerLimit = 3.0
        @OptionGroup(title: "Ranges") var ranges: PackageRangeOptions
        @Option(help: "Packages drawn.")
        var samples = 10_000
        @Option(help: "Seed of the draws.")
        var seed: UInt64 = 1
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            var inputs = PackageInputs()
            inputs.dies = dies
            inputs.stacks = stacks
            inputs.model = yieldModel
            inputs.interposerLimit = interposerLimit
            ranges.fill(&inputs)
            let study = try PackageStudy(inputs, samples: samples, seed: seed)
            let splits = try PackageSplit.studies(inputs, samples: samples, seed: seed)
            if json {
                try ChipOutput.printJSON(PackageDocument(study, splits, seed: seed))
            } else {
                print(PackageText(study: study, splits: splits).text)
            }
            if !study.canBeMade { throw ExitCode(1) }
        }
    }
}

/// The values of `kapok chip package` that are known as ranges.
struct PackageRangeOptions: ParsableArguments {
    @Option(help: "Area of a compute die in mm2. (default: 400..450)")
    var dieArea: ValueRange?
    @Option(help: "Shorter by longer side of a compute die. (default: 0.7..1)")
    var dieAspect: ValueRange?
    @Option(help: "Defects in a cm2 of compute die. (default: 0.05..0.15)")
    var defectDensity: ValueRange?
    @Option(help: "Share of defects that the test before assembly finds. (default: 0.97..0.995)")
    var testCoverage: ValueRange?
    @Option(help: "Footprint of a stack in mm2. (default: 90..121)")
    var stackArea: ValueRange?
    @Option(help: "Share of delivered stacks that work. (default: 0.99..0.999)")
    var stackYield: ValueRange?
    @Option(help: "Share of dies and stacks that bonding leaves working. (default: 0.99..0.999)")
    var bondYield: ValueRange?
    @Option(help: "Interposer by the silicon on it. (default: 1.1..1.3)")
    var interposerSpace: ValueRange?
    @Option(help: "Defects in a cm2 of interposer. (default: 0.005..0.02)")
    var interposerDefectDensity: ValueRange?
    @Option(help: "Cost of a wafer of compute dies. (default: 10000..18000)")
    var waferCost: ValueRange?
    @Option(help: "Cost of a stack. (default: 150..350)")
    var stackCost: ValueRange?
    @Option(help: "Cost of an interposer of one reticle. (default: 50..250)")
    var interposerCost: ValueRange?
    @Option(help: "Cost of assembling and testing a package. (default: 50..200)")
    var assemblyCost: ValueRange?

    func fill(_ inputs: inout PackageInputs) {
        let given: [(PackageInputs.Parameter, ValueRange?)] = [
            (.dieArea, dieArea), (.dieAspect, dieAspect), (.defectDensity, defectDensity),
            (.testCoverage, testCoverage), (.stackArea, stackArea), (.stackYield, stackYield),
            (.bondYield, bondYield), (.interposerSpace, interposerSpace),
            (.interposerDefectDensity, interposerDefectDensity), (.waferCost, waferCost),
            (.stackCost, stackCost), (.interposerCost, interposerCost),
            (.assemblyCost, assemblyCost),
        ]
        for case (let parameter, let range?) in given { inputs[parameter] = range }
    }
}

/// A study for a person.
private struct PackageText {
    let study: PackageStudy
    let splits: [PackageSplit]

    var text: String {
        let inputs = study.inputs
        let inputRows = PackageInputs.Parameter.allCases.map { parameter in
            [
                parameter.meaning, range(inputs[parameter]),
                parameter.unit == "1" ? "" : parameter.unit,
            ]
        }
        let resultRows = PackageStudy.Quantity.allCases.map { quantity in
            let result = study[quantity]
            return [
                quantity.meaning, number(result.p10), number(result.p50), number(result.p90),
                quantity.unit,
            ]
        }
        return [
            "\(inputs.dies) compute dies and \(inputs.stacks) stacks of memory (modelled)",
            TextTable(rows: [["INPUT", "RANGE", "UNIT"]] + inputRows).text,
            TextTable(rows: [["RESULT", "P10", "P50", "P90", "UNIT"]] + resultRows).text,
            "The same silicon on other numbers of dies:\n" + splitTable,
            study.findings.isEmpty
                ? "Everything fits the reticle and the interposer."
                : study.findings.joined(separator: "\n"),
        ].joined(separator: "\n\n")
    }

    private var splitTable: String {
        let head = ["DIES", "AREA OF EACH", "DIE YIELD", "PACKAGE YIELD", "COST", "RETICLE"]
        let rows = splits.map { split in
            [
                "\(split.dies)", "\(range(split.study.inputs[.dieArea])) mm2",
                number(split.study[.dieYield].p50), number(split.study[.packageYield].p50),
                number(split.study[.costPerGoodPackage].p50),
                split.study.reticleShare == 1
                    ? "fits" : split.study.reticleShare == 0 ? "never fits" : "may not fit",
            ]
        }
        return TextTable(rows: [head] + rows).text
    }

    private func range(_ range: ValueRange) -> String {
        range.low == range.high ? number(range.low) : "\(number(range.low))..\(number(range.high))"
    }

    /// Three digits that count, all of them before the point.
    private func number(_ value: Double) -> String {
        abs(value) >= 100 ? String(format: "%.0f", value) : String(format: "%.3g", value)
    }
}

extension PackageStudy.Quantity {
    /// What it means, for a person.
    fileprivate var meaning: String {
        switch self {
        case .grossDies: "dies on a wafer, good and bad"
        case .poissonYield: "die yield, Poisson"
        case .murphyYield: "die yield, Murphy"
        case .negativeBinomialYield: "die yield, negative binomial"
        case .seedsYield: "die yield, Seeds"
        case .dieYield: "die yield, as chosen"
        case .knownGoodDie: "dies that pass and are good"
        case .goodDiesPerWafer: "good dies on a wafer"
        case .interposerArea: "interposer"
        case .interposerYield: "interposer yield"
        case .packageYield: "package yield"
        case .costPerGoodPackage: "cost of a good package"
        }
    }

    fileprivate var unit: String {
        switch self {
        case .interposerArea: "mm2"
        case .costPerGoodPackage: "money"
        default: ""
        }
    }
}

/// What `kapok chip package --json` prints.
private struct PackageDocument: Encodable {
    struct Split: Encodable {
        var dies: Int
        var dieArea: ValueRange
        var dieYield: Percentiles
        var packageYield: Percentiles
        var costPerGoodPackage: Percentiles
        var reticleShare: Double
        var interposerShare: Double
    }

    var modelled = true
    var dies: Int
    var stacks: Int
    var yieldModel: YieldModel
    var interposerLimitReticles: Double
    var wafer: WaferGeometry
    var samples: Int
    var seed: UInt64
    var inputs: [String: ValueRange]
    var results: [String: Percentiles]
    var reticleShare: Double
    var interposerShare: Double
    var canBeMade: Bool
    var findings: [String]
    var splits: [Split]

    init(_ study: PackageStudy, _ splits: [PackageSplit], seed: UInt64) {
        dies = study.inputs.dies
        stacks = study.inputs.stacks
        yieldModel = study.inputs.model
        interposerLimitReticles = study.inputs.interposerLimit
        wafer = study.inputs.wafer
        samples = study.samples
        self.seed = seed
        inputs = Dictionary(
            uniqueKeysWithValues: PackageInputs.Parameter.allCases.map {
                ($0.rawValue, study.inputs[$0])
            })
        results = Dictionary(
            uniqueKeysWithValues: PackageStudy.Quantity.allCases.map { ($0.rawValue, study[$0]) })
        reticleShare = study.reticleShare
        interposerShare = study.interposerShare
        canBeMade = study.canBeMade
        findings = study.findings
        self.splits = splits.map { split in
            Split(
                dies: split.dies, dieArea: split.study.inputs[.dieArea],
                dieYield: split.study[.dieYield], packageYield: split.study[.packageYield],
                costPerGoodPackage: split.study[.costPerGoodPackage],
                reticleShare: split.study.reticleShare,
                interposerShare: split.study.interposerShare)
        }
    }
}
