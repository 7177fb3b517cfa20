/// What the supply made of a run: all values are modelled, on invented constants.
public struct PowerReport: Sendable {
    /// The network.
    public var network: SupplyNetwork
    /// Ticks of the run if the supply held, and as it is.
    public var freeMakespan: Int64
    public var makespan: Int64
    /// The lowest voltage of the die.
    public var minimumVolts: Double
    /// Share of the time in which the tensor engine was held back.
    public var throttledShare: Double
    /// What held it back, to be given to the simulator.
    public var throttle: [ThrottleInterval]
    /// The droops for which the detector fired, in order of time.
    public var droops: [SupplyDroop]
    /// The voltage over time.
    public var curve: [SupplyPoint]
    /// How often the run was simulated until the throttle that follows from it was the one that it
    /// ran with.
    public var rounds: Int
    /// Whether that came about within the limit; if not, the result holds up to some time only.
    public var isSettled: Bool
}

/// A time at which the voltage fell below the detector's trigger.
public struct SupplyDroop: Hashable, Sendable {
    /// When the detector fired, in ticks.
    public var time: Int64
    /// The lowest voltage until the droop was over, in volts.
    public var minimumVolts: Double
    /// The instruction whose burst caused it, or ``ThrottleInterval/noCulprit``.
    public var culprit: UInt32
    /// When that instruction started, in ticks.
    public var burstStart: Int64
    /// By how much the current rose, in amperes.
    public var rise: Double
}

/// A piece of a voltage curve.
public struct SupplyPoint: Hashable, Codable, Sendable {
    /// Where it begins, in nanoseconds.
    public var time: Double
    /// The lowest voltage of the die in it.
    public var volts: Double
    /// The mean current of the die in it.
    public var amperes: Double
    /// The share of the time in which the tensor engine was allowed to work.
    public var share: Double

    public init(time: Double, volts: Double, amperes: Double, share: Double) {
        self.time = time
        self.volts = volts
        self.amperes = amperes
        self.share = share
    }
}

/// Collects a curve with a bounded number of points: pieces get longer as time goes on.
struct SupplyCurve: Sendable {
    private let windowNanoseconds: Double
    private let limit: Int
    private var windowsPerPoint = 1
    private var windows = 0
    private(set) var points: [SupplyPoint] = []

    init(windowNanoseconds: Double, limit: Int = 2000) {
        self.windowNanoseconds = windowNanoseconds
        self.limit = limit
    }

    mutating func add(volts: Double, amperes: Double, share: Double) {
        let inPiece = windows % windowsPerPoint
        if inPiece == 0 {
            if points.count == limit { halve() }
            points.append(
                SupplyPoint(
                    time: Double(windows) * windowNanoseconds, volts: volts, amperes: amperes,
                    share: share))
        } else {
            let last = points.count - 1
            let weight = 1 / Double(inPiece + 1)
            points[last].volts = min(points[last].volts, volts)
            points[last].amperes += (amperes - points[last].amperes) * weight
            points[last].share += (share - points[last].share) * weight
        }
        windows += 1
    }

    /// Joins each two points.
    private mutating func halve() {
        for index in 0..<points.count / 2 {
            let (a, b) = (points[2 * index], points[2 * index + 1])
            points[index] = SupplyPoint(
                time: a.time, volts: min(a.volts, b.volts), amperes: (a.amperes + b.amperes) / 2,
                share: (a.share + b.share) / 2)
        }
        points.removeLast(points.count - points.count / 2)
        windowsPerPoint *= 2
    }
}
