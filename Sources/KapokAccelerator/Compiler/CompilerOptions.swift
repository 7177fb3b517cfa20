/// What the compiler may do.
public struct CompilerOptions: Hashable, Sendable {
    /// How instructions are ordered.
    public enum Schedule: String, CaseIterable, Codable, Sendable {
        /// The author's order, in a single pass: the base that every other schedule is held
        /// against.
        case source
        /// List scheduling: each queue takes the most urgent instruction that is ready.
        case list
        /// Modulo scheduling of innermost loops, list scheduling around them.
        case modulo
        /// All of them, with several buffer depths; the fastest in simulation wins.
        case best

        /// The name on the command line.
        public var name: String { rawValue }
    }

    /// How instructions are ordered.
    public var schedule: Schedule
    /// Buffers that a pool of tiles gets at most, beyond those that must live at the same time.
    public var maximumExtraBuffers: Int
    /// Whether tiles that do not fit into SBUF may be stored to HBM, or loaded once more. Without,
    /// such a kernel is an error that names the tiles.
    public var allowsSpilling: Bool
    /// Candidates that are simulated at most. Large kernels get fewer (see ``searchBudget``).
    public var maximumCandidates: Int
    /// Instructions that the search handles at most, over all candidates: what bounds its time. The
    /// author's order and one list schedule are always tried.
    public var searchBudget: Int

    public init(
        schedule: Schedule = .best, maximumExtraBuffers: Int = 256, allowsSpilling: Bool = true,
        maximumCandidates: Int = 32, searchBudget: Int = 2_000_000
    ) {
        self.schedule = schedule
        self.maximumExtraBuffers = maximumExtraBuffers
        self.allowsSpilling = allowsSpilling
        self.maximumCandidates = maximumCandidates
        self.searchBudget = searchBudget
    }
}
