public import KapokFabric

/// Mistakes that a simulated fabric can be told to make, to show that the oracle notices them.
public enum FabricDefect: Hashable, Sendable, CaseIterable {
    /// One of the agent's own.
    case agent(AgentDefect)
    /// One of forwarding.
    case forwarding(ForwardingDefect)

    /// Those that a run of agents can show; what `Forwarding` does wrong besides is the checker's
    /// matter.
    public static var allCases: [FabricDefect] {
        AgentDefect.allCases.map { .agent($0) }
            + [
                .forwarding(.noTagRise), .forwarding(.hashInsteadOfTree),
                .forwarding(.noAlternates),
            ]
    }

    /// The name on the command line.
    public var rawValue: String {
        switch self {
        case .agent(let defect): defect.rawValue
        case .forwarding(let defect): defect.rawValue
        }
    }

    /// The defect of this name; nil when there is none.
    public init?(rawValue: String) {
        guard let found = Self.allCases.first(where: { $0.rawValue == rawValue }) else {
            return nil
        }
        self = found
    }
}
