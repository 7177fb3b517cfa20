/// Mistakes that an agent can be told to make, to show that the simulation's oracle notices them.
public enum AgentDefect: String, Hashable, Sendable, CaseIterable {
    /// Who hears news from a neighbour does not pass it on.
    case floodsOneHopOnly
    /// Neighbours do not compare what they know.
    case skipsAntiEntropy
    /// Datagrams that were sent before count again.
    case acceptsReplays
    /// Nobody looks at the codes of datagrams.
    case skipsCodes
    /// A silence kills a link whatever the kernels answer.
    case skipsEchoEvidence
    /// A link that failed is used as soon as it is heard again.
    case skipsHoldDown
    /// Others hear that a link is back when it is used, not before.
    case usesBeforeTelling
    /// A link on which the other end hears nothing is sound as long as this end hears it.
    case ignoresOtherEnd
}
