public import KapokWorld

/// Named places in the code under test where the simulator may make something go wrong.
///
/// The scheme of FoundationDB's Buggify (`flow/include/flow/Buggify.h`): per run, each site is
/// enabled with one probability; while enabled, it fires with another. So a run concentrates on a
/// few kinds of trouble, and many runs together cover the combinations. Whether a site is enabled,
/// and when it fires, depends on the seed and its own name only: adding a site to the code leaves
/// all others as they were.
public struct FaultSites: Sendable {
    /// What became of one site in a run.
    public struct Report: Sendable, Equatable {
        /// The name given in the code.
        public var name: String
        /// Whether the seed enabled the site in this run.
        public var isEnabled: Bool
        /// How often the code asked.
        public var reached: UInt64
        /// How often the site fired.
        public var fired: UInt64
    }

    /// FoundationDB's choice for both probabilities.
    public static let defaultProbability: Probability = 0.25

    /// Switches all sites off (and on again): while off, no site fires and no number is drawn.
    public var isActive: Bool

    private let random: RandomStream
    private let enabling: Probability
    private let firing: Probability
    private var sites: [Site] = []
    private var indexByName: [String: Int] = [:]
    /// Finds a site again without hashing its name. Addresses differ between runs, but nothing
    /// except the speed depends on them.
    private var indexByAddress: [UInt: Int] = [:]

    private struct Site {
        var report: Report
        var firing: Probability
        var random: RandomStream
    }

    /// Sites of the run that `random` belongs to. Each is enabled with probability `enabling` and,
    /// while enabled, fires with probability `firing` each time it is asked.
    public init(
        random: RandomStream, enabling: Probability = defaultProbability,
        firing: Probability = defaultProbability
    ) {
        self.random = random
        self.enabling = enabling
        self.firing = firing
        isActive = true
    }

    /// No faults at all, for code that wants sites and a run that wants none.
    public static var none: FaultSites {
        var sites = FaultSites(random: RandomStream(seed: 0))
        sites.isActive = false
        return sites
    }

    /// True when the fault at `site` shall happen now. Equal names are one site.
    public mutating func fires(_ site: StaticString) -> Bool {
        guard isActive else { return false }
        let index = index(of: site)
        sites[index].report.reached += 1
        guard sites[index].report.isEnabled else { return false }
        guard sites[index].firing.happens(&sites[index].random) else { return false }
        sites[index].report.fired += 1
        return true
    }

    /// Overrides what the seed says about `site`: enabled, and firing with `probability`
    /// (`Probability.never` disables it).
    public mutating func force(_ site: StaticString, firing probability: Probability) {
        let index = index(of: site)
        sites[index].report.isEnabled = probability > .never
        sites[index].firing = probability
    }

    /// A number in `range` from the stream of `site`, for how bad a fault is.
    public mutating func draw(_ range: ClosedRange<UInt64>, at site: StaticString) -> UInt64 {
        let index = index(of: site)
        let (span, overflow) = (range.upperBound - range.lowerBound).addingReportingOverflow(1)
        if overflow { return sites[index].random.next() }
        return range.lowerBound + sites[index].random.below(span)
    }

    /// All sites that the run came by, in the order of their names.
    public var report: [Report] { sites.map(\.report).sorted { $0.name < $1.name } }

    private mutating func index(of site: StaticString) -> Int {
        let address = site.hasPointerRepresentation ? UInt(bitPattern: site.utf8Start) : 0
        if address != 0, let index = indexByAddress[address] { return index }
        let name = site.description
        let index = indexByName[name] ?? add(site, named: name)
        if address != 0 { indexByAddress[address] = index }
        return index
    }

    private mutating func add(_ site: StaticString, named name: String) -> Int {
        var stream = random.split(site)
        let isEnabled = enabling.happens(&stream)
        sites.append(
            Site(
                report: Report(name: name, isEnabled: isEnabled, reached: 0, fired: 0),
                firing: firing, random: stream))
        indexByName[name] = sites.count - 1
        return sites.count - 1
    }
}
