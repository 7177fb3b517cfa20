/// What a switch tells of a link.
public enum LinkCondition: UInt8, Hashable, Sendable, CaseIterable {
    /// It carries packets.
    case up = 0
    /// It carries none.
    case down = 1
    /// It carries packets and should not: drained, or losing some.
    case drained = 2
}

/// One piece of news about a link, as one of its ends saw it. The newest counts: an end numbers its
/// news about a link, and a higher number replaces a lower one.
public struct LinkNews: Hashable, Sendable {
    /// The link; its number is the same in every plan.
    public var link: LinkID
    /// The switch that saw it: one of the link's ends.
    public var origin: SwitchID
    /// What it saw.
    public var condition: LinkCondition
    /// Rises with every piece of news from this origin about this link, also over restarts of the
    /// origin (it begins with the time of the start).
    public var sequence: UInt64
    /// The epoch of the plan that the origin had in force.
    public var epoch: UInt64

    public init(
        link: LinkID, origin: SwitchID, condition: LinkCondition, sequence: UInt64, epoch: UInt64
    ) {
        self.link = link
        self.origin = origin
        self.condition = condition
        self.sequence = sequence
        self.epoch = epoch
    }
}
