internal import Glibc

/// How defects of a known density are spread, and so which share of dies has none.
public enum YieldModel: String, CaseIterable, Codable, Sendable {
    /// Every defect falls where it likes: exp(-AD).
    case poisson
    /// Densities vary in a triangle: ((1 - exp(-AD)) / AD)^2 (Murphy, Proceedings of the IEEE
    /// 1964).
    case murphy
    /// Defects come in clusters, of strength 3: (1 + AD/3)^-3 (Stapper).
    case negativeBinomial
    /// Densities vary exponentially: 1 / (1 + AD) (Seeds).
    case seeds

    /// The strength of clustering in ``negativeBinomial``.
    public static let clustering = 3.0

    /// The share of dies without a defect.
    ///
    /// - Parameters:
    ///   - area: in square millimetres.
    ///   - density: defects in a square centimetre.
    public func yield(area: Double, density: Double) -> Double {
        let defects = area / 100 * density
        switch self {
        case .poisson: return exp(-defects)
        case .murphy:
            guard defects > 1e-9 else { return 1 }
            let mean = -expm1(-defects) / defects
            return mean * mean
        case .negativeBinomial: return pow(1 + defects / Self.clustering, -Self.clustering)
        case .seeds: return 1 / (1 + defects)
        }
    }
}
