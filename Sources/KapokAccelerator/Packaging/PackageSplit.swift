/// The same silicon on more or fewer dies: why large chips are cut.
public struct PackageSplit: Sendable {
    /// Compute dies.
    public let dies: Int
    /// What comes of it.
    public let study: PackageStudy

    /// Studies of the same total area of compute silicon on 1, 2, 4 and 8 dies.
    ///
    /// - Throws: ``PackageError`` when an input makes no sense.
    public static func studies(
        _ inputs: PackageInputs, samples: Int = 10_000, seed: UInt64 = 1
    ) throws(PackageError) -> [PackageSplit] {
        if let problem = inputs.problem { throw PackageError(problem: problem) }
        var splits: [PackageSplit] = []
        for dies in [1, 2, 4, 8] {
            var split = inputs
            let scale = Double(inputs.dies) / Double(dies)
            let area = inputs[.dieArea]
            split.dies = dies
            split[.dieArea] = ValueRange(area.low * scale, area.high * scale)
            guard split.problem == nil else { continue }
            splits.append(
                PackageSplit(
                    dies: dies, study: try PackageStudy(split, samples: samples, seed: seed)))
        }
        return splits
    }
}
