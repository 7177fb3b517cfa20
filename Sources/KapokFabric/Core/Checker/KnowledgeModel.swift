/// What switches may know of the links that are dead.
public enum KnowledgeModel: String, Hashable, Sendable, CaseIterable {
    /// Each switch knows its own dead links and nothing else: before any news has arrived.
    case local
    /// Each switch knows all dead links: after the news.
    case flooded
    /// Each switch knows its own dead links and any of the others, each switch independently: at
    /// every moment in between. A switch knows the same each time that one packet comes by.
    case partial
    /// As `partial`, and some of the failures are over: their links carry packets again, and their
    /// two ends use them (they agree on that by hellos), but any other switch may still take any
    /// of them for dead.
    case stale

    /// Whether what a switch knows is open, so that a check tries all of it.
    var isOpen: Bool { self == .partial || self == .stale }
}
