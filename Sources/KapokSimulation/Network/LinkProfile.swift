public import KapokWorld

/// How one direction of a link between two nodes behaves.
public struct LinkProfile: Hashable, Sendable {
    /// From sending to delivery.
    public var delay: DelayDistribution
    /// How likely a message vanishes.
    public var loss: Probability
    /// How likely a message that was not lost arrives twice.
    public var duplication: Probability
    /// How likely a message leaves the order of its link: it waits up to `reorderWindow` longer
    /// and does not hold up those behind it.
    public var reordering: Probability
    /// The most that a message out of order is late on top of its delay.
    public var reorderWindow: Interval

    public init(
        delay: DelayDistribution, loss: Probability = .never, duplication: Probability = .never,
        reordering: Probability = .never, reorderWindow: Interval = .milliseconds(10)
    ) {
        delay.validate()
        self.delay = delay
        self.loss = loss
        self.duplication = duplication
        self.reordering = reordering
        self.reorderWindow = reorderWindow
    }

    /// In order, nothing lost, 20 to 60 microseconds: a modelled rack, for tests of other things.
    public static let reliable = LinkProfile(
        delay: .uniform(.microseconds(20), .microseconds(60)))

    /// Everything that can go wrong does, often: modelled for finding mistakes, not after a
    /// network.
    public static let hostile = LinkProfile(
        delay: .tailed(minimum: .microseconds(20), meanExcess: .microseconds(500)),
        loss: 0.05, duplication: 0.05, reordering: 0.2)
}
