import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Package and yield")
struct PackagingTests {
    @Test(
        "yields at 0.1 defects in a square centimetre, by model",
        arguments: zip(
            [200.0, 400, 800],
            [[0.82, 0.82, 0.82, 0.83], [0.67, 0.68, 0.69, 0.71], [0.45, 0.47, 0.49, 0.56]]))
    func yields(area: Double, expected: [Double]) {
        let yields = YieldModel.allCases.map { $0.yield(area: area, density: 0.1) }
        #expect(yields.map { ($0 * 100).rounded() / 100 } == expected)
    }

    @Test("without defects every model yields everything, and more area never yields more")
    func yieldLimits() {
        for model in YieldModel.allCases {
            #expect(model.yield(area: 800, density: 0) == 1)
            let falling = [1.0, 10, 100, 1000].map { model.yield(area: $0, density: 0.2) }
            #expect(falling == falling.sorted(by: >))
        }
    }

    @Test(
        "dies on a wafer of 300 mm with an edge of 3 mm",
        arguments: zip([200.0, 400, 800], [293.0, 137, 62]))
    func grossDies(area: Double, expected: Double) {
        let wafer = WaferGeometry(scribe: 0)
        #expect(wafer.grossDies(area: area).rounded() == expected)
        #expect(WaferGeometry().grossDies(area: area) < wafer.grossDies(area: area))
    }

    @Test("a die fits the reticle by its sides, not by its area alone")
    func reticle() {
        let wafer = WaferGeometry()
        #expect(wafer.reticleArea == 858)
        #expect(wafer.fitsReticle(area: 857, aspect: 26.0 / 33))
        #expect(!wafer.fitsReticle(area: 859, aspect: 26.0 / 33))
        #expect(!wafer.fitsReticle(area: 700, aspect: 1))
    }

    @Test("known values give one result, which can be checked by hand")
    func byHand() throws {
        var inputs = PackageInputs()
        inputs.model = .seeds
        inputs.wafer.scribe = 0
        for (parameter, value): (PackageInputs.Parameter, Double) in [
            (.dieArea, 400), (.dieAspect, 1), (.defectDensity, 0.1), (.testCoverage, 1),
            (.stackArea, 100), (.stackYield, 0.99), (.bondYield, 0.99), (.interposerSpace, 1),
            (.interposerDefectDensity, 0), (.waferCost, 1000), (.stackCost, 10),
            (.interposerCost, 858), (.assemblyCost, 5),
        ] { inputs[parameter] = ValueRange(value) }
        let study = try PackageStudy(inputs, samples: 10)
        let packageYield = 0.99.raised(to: 4) * 0.99.raised(to: 6)
        #expect(study[.dieYield].p10 == 1 / 1.4 && study[.dieYield].p90 == 1 / 1.4)
        #expect(study[.interposerArea].p50 == 1200)
        #expect(abs(study[.packageYield].p50 - packageYield) < 1e-12)
        let gross = WaferGeometry(scribe: 0).grossDies(area: 400)
        let cost = (2 * 1000 / (gross / 1.4) + 40 + 1200 + 5) / packageYield
        #expect(abs(study[.costPerGoodPackage].p50 - cost) < 1e-9 * cost)
        #expect(study.findings.isEmpty && study.canBeMade)
    }

    @Test("results are percentiles in order, equal for equal seeds, and wider for wider ranges")
    func percentiles() throws {
        let study = try PackageStudy(PackageInputs(), samples: 2000, seed: 5)
        for result in study.results {
            #expect(result.p10 <= result.p50 && result.p50 <= result.p90)
        }
        #expect(try PackageStudy(PackageInputs(), samples: 2000, seed: 5).results == study.results)
        var narrow = PackageInputs()
        narrow[.defectDensity] = ValueRange(0.1)
        let known = try PackageStudy(narrow, samples: 2000, seed: 5)
        #expect(
            known[.dieYield].p90 - known[.dieYield].p10
                < study[.dieYield].p90 - study[.dieYield].p10)
    }

    @Test("a test that finds less lets bad dies into packages")
    func testCoverage() throws {
        var poor = PackageInputs()
        poor[.testCoverage] = ValueRange(0.8)
        let usual = try PackageStudy(PackageInputs(), samples: 500)
        let worse = try PackageStudy(poor, samples: 500)
        #expect(worse[.knownGoodDie].p50 < usual[.knownGoodDie].p50)
        #expect(worse[.packageYield].p50 < usual[.packageYield].p50)
    }

    @Test("beyond the reticle and the interposer, a message says what, why and what to do")
    func limits() throws {
        var large = PackageInputs()
        large[.dieArea] = ValueRange(900, 950)
        large.dies = 3
        let study = try PackageStudy(large, samples: 200)
        #expect(study.reticleShare == 0 && study.interposerShare == 0 && !study.canBeMade)
        #expect(study.findings.count == 2)
        #expect(study.findings[0].contains("never fits the reticle of 26.0 x 33.0 mm"))
        #expect(study.findings[0].contains("cut it into more dies"))
        #expect(study.findings[1].contains("3.0 reticles (2574.0 mm2)"))
        var sometimes = PackageInputs()
        sometimes[.dieArea] = ValueRange(600, 900)
        let mixed = try PackageStudy(sometimes, samples: 2000)
        #expect(mixed.reticleShare > 0 && mixed.reticleShare < 1)
        #expect(mixed.findings.first?.contains("% of the draws") == true)
    }

    @Test(
        "the same silicon on more dies yields better dies; one die of it does not fit the reticle")
    func splits() throws {
        var inputs = PackageInputs()
        inputs[.dieArea] = ValueRange(450)
        let splits = try PackageSplit.studies(inputs, samples: 500)
        #expect(splits.map(\.dies) == [1, 2, 4, 8])
        let yields = splits.map { $0.study[.dieYield].p50 }
        #expect(yields == yields.sorted())
        #expect(splits[0].study.reticleShare == 0 && splits[1].study.reticleShare > 0)
    }

    @Test("ranges are read from text, and nonsense is not")
    func parsing() {
        #expect(ValueRange(parsing: "0.05..0.15") == ValueRange(0.05, 0.15))
        #expect(ValueRange(parsing: "400") == ValueRange(400))
        for text in ["", "..", "1..", "2..1", "a..b", "nan", "1..inf", "1...2"] {
            #expect(ValueRange(parsing: text) == nil, "\(text)")
        }
    }

    @Test("inputs that make no sense are refused by name")
    func refusals() {
        var inputs = PackageInputs()
        inputs[.bondYield] = ValueRange(0.9, 1.1)
        let error = #expect(throws: PackageError.self) { try PackageStudy(inputs) }
        #expect(error?.problem.contains("bondYield = 0.9..1.1") == true)
        inputs = PackageInputs()
        inputs.dies = 0
        #expect(throws: PackageError.self) { try PackageStudy(inputs) }
        #expect(throws: PackageError.self) { try PackageStudy(PackageInputs(), samples: 1) }
    }
}

extension Double {
    fileprivate func raised(to exponent: Int) -> Double {
        (0..<exponent).reduce(1) { product, _ in product * self }
    }
}
