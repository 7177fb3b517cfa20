/// How a link is cut.
public enum LabCutKind: String, Hashable, Sendable, CaseIterable, Codable {
    /// One end is set down; the carrier goes at both.
    case down
    /// Packets vanish in both directions; both ends keep their carrier.
    case silent
    /// Packets from the far end vanish; the other direction works.
    case oneWay = "one-way"
}

/// Cuts one link of a lab, and heals it. The programs that do it are started beforehand and wait
/// for their words, so that both ends are cut within a fraction of a millisecond.
final class LabCutter: @unchecked Sendable {
    // One thread at a time uses it.
    private let kind: LabCutKind
    private let sessions: [(session: LabProgram.Session, words: String)]

    /// The name of the nft table that drops.
    private static let table = "kapok_lab_cut"

    /// Prepares a cut at `end`: the end that is set down, or that no longer hears.
    init(_ kind: LabCutKind, at end: PortID, of layout: LabLayout) throws {
        self.kind = kind
        guard let neighbor = layout.fabric.neighbor(of: end.owner, port: end.port) else {
            preconditionFailure("a link has two ends")
        }
        switch kind {
        case .down:
            let ip = try LabProgram.path(of: "ip", package: "iproute2")
            let session = try LabProgram.Session(
                [ip, "-n", layout.namespace(of: end.owner), "-batch", "-"])
            sessions = [(session, "link set \(layout.interface(of: end.port)) down\n")]
        case .silent, .oneWay:
            let nft = try LabProgram.path(of: "nft", package: "nftables")
            let ends = kind == .silent ? [end, neighbor.far] : [end]
            sessions = try ends.map { end in
                let session = try LabNamespace(name: layout.namespace(of: end.owner)).inside {
                    try LabProgram.Session([nft, "-f", "-"])
                }
                return (session, Self.drop(at: layout.interface(of: end.port)))
            }
        }
    }

    private static func drop(at interface: String) -> String {
        """
        table netdev \(table) {
          chain deaf { type filter hook ingress device "\(interface)" priority -500; policy drop; }
        }

        """
    }

    /// Cuts, and returns when it is done.
    func cut() throws {
        let waits = sessions.dropFirst().map { other in
            LabThread.start(name: "lab-cut") { try other.session.finish(other.words) }
        }
        _ = try sessions[0].session.finish(sessions[0].words)
        for wait in waits { _ = try wait().get() }
    }

    /// Makes a link whole again, however it was cut. Does nothing to one that is whole.
    static func heal(_ link: LinkID, of layout: LabLayout) throws {
        let ip = try LabProgram.path(of: "ip", package: "iproute2")
        let nft = try LabProgram.path(of: "nft", package: "nftables")
        let (lower, upper) = layout.fabric.ends(of: link)
        for end in [lower, upper] {
            let name = layout.namespace(of: end.owner)
            try LabProgram.run(
                [ip, "-n", name, "link", "set", layout.interface(of: end.port), "up"])
            _ = try LabNamespace(name: name).inside {
                // Adding first makes the deletion succeed where there was none.
                try LabProgram.run(
                    [nft, "-f", "-"],
                    input: "add table netdev \(table)\ndelete table netdev \(table)\n")
            }
        }
    }

    /// Whether an end of a link was made deaf.
    static func isDeaf(_ end: PortID, of layout: LabLayout) throws -> Bool {
        let nft = try LabProgram.path(of: "nft", package: "nftables")
        let text = try LabNamespace(name: layout.namespace(of: end.owner)).inside {
            try LabProgram.run([nft, "list", "tables"])
        }
        return text.contains(table)
    }
}
