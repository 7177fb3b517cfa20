internal import Glibc

/// What fits on a wafer and through a lithography machine.
public struct WaferGeometry: Hashable, Codable, Sendable {
    /// In millimetres.
    public var diameter: Double
    /// The edge that holds no dies, in millimetres.
    public var edge: Double
    /// Between two dies, in millimetres.
    public var scribe: Double
    /// The largest field that is exposed at once, in millimetres.
    public var reticleWidth: Double
    public var reticleHeight: Double

    public init(
        diameter: Double = 300, edge: Double = 3, scribe: Double = 0.1, reticleWidth: Double = 26,
        reticleHeight: Double = 33
    ) {
        self.diameter = diameter
        self.edge = edge
        self.scribe = scribe
        self.reticleWidth = reticleWidth
        self.reticleHeight = reticleHeight
    }

    /// In square millimetres: 858 of the usual 26 x 33 mm. The keynote says about 800.
    public var reticleArea: Double { reticleWidth * reticleHeight }

    /// Sides of a die in millimetres, the shorter first.
    ///
    /// - Parameter aspect: shorter by longer side.
    public static func sides(area: Double, aspect: Double) -> (short: Double, long: Double) {
        (sqrt(area * aspect), sqrt(area / aspect))
    }

    /// Whether a die can be exposed at once.
    public func fitsReticle(area: Double, aspect: Double) -> Bool {
        let sides = Self.sides(area: area, aspect: aspect)
        let short = min(reticleWidth, reticleHeight)
        let long = max(reticleWidth, reticleHeight)
        return sides.short <= short && sides.long <= long
    }

    /// Dies on a wafer, good and bad: the usable area by that of a die, less those that the round
    /// edge cuts (the usual estimate; a real map differs by some dies).
    public func grossDies(area: Double, aspect: Double = 1) -> Double {
        let sides = Self.sides(area: area, aspect: aspect)
        let place = (sides.short + scribe) * (sides.long + scribe)
        let usable = diameter - 2 * edge
        let whole = Double.pi * usable * usable / 4 / place
        return max(0, whole - Double.pi * usable / sqrt(2 * place))
    }
}
