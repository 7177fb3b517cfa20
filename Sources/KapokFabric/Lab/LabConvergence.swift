import Foundation

/// Whether the switches of a lab have all the routes that they should have.
struct LabConvergence: Sendable {
    /// Names and addresses.
    var layout: LabLayout

    /// What is missing in the kernels' tables, one line for each gap; none when all switches lead
    /// to all destinations over every port that a shortest path takes. For BIRD and FRR.
    func missingRoutes() throws -> [String] {
        let ip = try LabProgram.path(of: "ip", package: "iproute2")
        let sessions = try layout.switches.map { id in
            try LabProgram.Session([ip, "-n", layout.namespace(of: id), "-4", "route", "show"])
        }
        let routes = Routes(layout.fabric)
        var missing: [String] = []
        for (id, session) in zip(layout.switches, sessions) {
            let hops = Self.hopCounts(in: try session.finish(""))
            for destination in layout.destinations {
                var ports: [Int] = []
                routes.appendShortest(at: id, to: destination, avoiding: [], into: &ports)
                guard layout.fabric.owner(of: destination) != id, !ports.isEmpty else { continue }
                let prefix = layout.prefix(of: destination).description
                let found = hops[prefix] ?? 0
                if found < ports.count {
                    missing.append(
                        "\(layout.fabric.name(of: id)) has \(found) of \(ports.count) ways to "
                            + prefix)
                }
            }
        }
        return missing
    }

    /// Next hops of each prefix in what `ip route show` prints: `via` follows the prefix on its
    /// line when there is one, `nexthop via` on lines of their own when there are more. A next hop
    /// whose link has no carrier does not count.
    static func hopCounts(in text: String) -> [String: Int] {
        var counts: [String: Int] = [:]
        var prefix = ""
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if let first = line.first, !first.isWhitespace, let word = words.first {
                prefix = String(word)
                counts[prefix, default: 0] += 0
            }
            if words.contains("via"), !words.contains("linkdown"), !words.contains("dead") {
                counts[prefix, default: 0] += 1
            }
        }
        return counts
    }
}
