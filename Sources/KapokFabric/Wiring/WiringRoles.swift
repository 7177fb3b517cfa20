/// What a device of a wiring file is.
///
/// The first of the attributes `role`, `function` and `type` that holds a known word decides (the
/// word `none` says: a switch of no tier). Otherwise the name does: it is cut into runs of letters,
/// and the last run that is a known word decides, so that `leaf01`, `dc1-leaf-01` and `gpu-leaf-2`
/// are leaves and `leaf1-host2` is a host. Names that are one letter and numbers (`e1`, `a0-1`,
/// `c3`, `h7`) count only in files where some device is called `e` and a number so; `h` and a
/// number is always a host.
///
/// | role | words |
/// |---|---|
/// | host | host, server, srv, gpu, compute, node (only as an attribute) |
/// | edge | edge, leaf, tor, access, border, exit |
/// | aggregation | agg, aggr, aggregation, spine, dist, distribution |
/// | core | core, superspine |
public enum WiringRole: Hashable, Sendable {
    /// A host: its links are host ports of the switches.
    case host
    /// A switch, with its tier where it is known.
    case switching(Tier?)

    static func ofWord(_ word: String) -> WiringRole? {
        switch word {
        case "host", "server", "srv", "gpu", "compute": .host
        case "edge", "leaf", "tor", "access", "border", "exit": .switching(.edge)
        case "agg", "aggr", "aggregation", "spine", "dist", "distribution":
            .switching(.aggregation)
        case "core", "superspine", "super-spine": .switching(.core)
        default: nil
        }
    }

    /// The word that the writer uses for a tier.
    static func word(of tier: Tier) -> StaticString {
        switch tier {
        case .edge: "edge"
        case .aggregation: "aggregation"
        case .core: "core"
        }
    }

    /// What the attributes say; nil when they say nothing known.
    static func ofAttributes(_ node: WiringList.Node) -> WiringRole? {
        for name in ["role", "function", "type"] {
            guard let value = node[name]?.lowercased() else { continue }
            if value == "none" { return .switching(nil) }
            if value == "node" { return .host }
            if let role = ofWord(value) { return role }
        }
        return nil
    }

    /// What the name says; nil when it says nothing.
    static func ofName(_ name: String, lettersCount: Bool) -> WiringRole? {
        let words = name.lowercased().split { !$0.isLetter }
        for word in words.reversed() {
            if let role = ofWord(String(word)) { return role }
        }
        guard words.count == 1, words[0].count == 1, isLetterAndNumbers(name) else { return nil }
        switch words[0] {
        case "h": return .host
        case "e" where lettersCount: return .switching(.edge)
        case "a" where lettersCount: return .switching(.aggregation)
        case "c" where lettersCount: return .switching(.core)
        default: return nil
        }
    }

    /// Whether a name is one letter and then digits, which signs may part.
    private static func isLetterAndNumbers(_ name: String) -> Bool {
        guard name.first?.isLetter == true, name.dropFirst().first?.isNumber == true else {
            return false
        }
        return name.dropFirst().allSatisfy { $0.isNumber || "-_.".contains($0) }
    }

    /// What each device of a file is. A host by its name alone that is linked to another such host
    /// is a switch after all.
    static func all(of list: WiringList) -> [WiringRole] {
        let lettersCount = list.nodes.contains {
            let name = $0.name.lowercased()
            return name.first == "e" && isLetterAndNumbers(name)
        }
        var roles: [WiringRole] = []
        var isCertain: [Bool] = []
        for node in list.nodes {
            let told = ofAttributes(node)
            isCertain.append(told != nil)
            roles.append(
                told ?? ofName(node.name, lettersCount: lettersCount) ?? .switching(nil))
        }
        let guessed = roles
        for edge in list.edges where guessed[edge.from] == .host && guessed[edge.to] == .host {
            for end in [edge.from, edge.to] where !isCertain[end] { roles[end] = .switching(nil) }
        }
        return roles
    }
}
