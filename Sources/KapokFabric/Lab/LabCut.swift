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

    /// Makes links whole again, however they were cut. Does nothing to those that are whole.
    static func heal(_ links: [LinkID], of layout: LabLayout) throws {
        let ip = try LabProgram.path(of: "ip", package: "iproute2")
        let nft = try LabProgram.path(of: "nft", package: "nftables")
        var ports: [SwitchID: [Int]] = [:]
        for link in links {
            let (lower, upper) = layout.fabric.ends(of: link)
            ports[lower.owner, default: []].append(lower.port)
            ports[upper.owner, default: []].append(upper.port)
        }
        // Adding first makes the deletion succeed where there was none.
        let whole = "add table netdev \(table)\ndelete table netdev \(table)\n"
        var sessions: [(session: LabProgram.Session, words: String)] = []
        for (owner, ports) in ports.sorted(by: { $0.key < $1.key }) {
            let name = layout.namespace(of: owner)
            let up = ports.map { "link set \(layout.interface(of: $0)) up\n" }.joined()
            sessions.append((try LabProgram.Session([ip, "-n", name, "-batch", "-"]), up))
            let session = try LabNamespace(name: name).inside {
                try LabProgram.Session([nft, "-f", "-"])
            }
            sessions.append((session, whole))
        }
        for (session, words) in sessions { _ = try session.finish(words) }
    }
}
