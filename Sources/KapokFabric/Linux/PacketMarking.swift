/// The packet filter's rules by which packets carry their rank: static, written once at the start,
/// never touched by failures.
///
/// * What a host or the switch itself sends starts at rank 0, whatever its DSCP said.
/// * What comes from another switch at rank r > 0 gets the mark of its tree, by which a rule
///   chooses the tree's table.
/// * What leaves by a way that raises it (its gateway is 169.254.TREE.1, see `KernelRequests`) gets
///   the lowest rank above its own that follows that tree; where there is none it is dropped.
enum PacketMarking {
    /// The name of the table, of family `ip`.
    static let tableName = "kapok_fabric"

    /// The rules for `trees` trees; `interfaces` are those of the fabric's ports.
    static func rules(trees: Int, interfaces: [String]) -> String {
        let ranks = 1...Int(Tag.highest.rank)
        var lines = [
            // Naming the table first lets the deletion succeed also when there is none.
            "table ip \(tableName)", "delete table ip \(tableName)", "table ip \(tableName) {",
            "  counter exhausted { comment \"packets beyond the highest rank\"; }",
        ]
        for rank in ranks { lines.append("  chain rank\(rank) { ip dscp set \(rank); }") }
        lines.append("  chain exhaust { counter name exhausted drop; }")
        for tree in 0..<trees {
            let verdicts = (0...Int(Tag.highest.rank)).map { rank in
                let raised = Tag(rank: UInt8(rank)).raised(to: tree, of: trees)
                return "\(rank) : goto " + (raised.map { "rank\($0.rank)" } ?? "exhaust")
            }
            lines.append(
                "  chain raise\(tree) { ip dscp vmap { \(verdicts.joined(separator: ", ")) }; }")
        }
        let marks = ranks.map { rank in
            let tree = Tag(rank: UInt8(rank)).tree(of: trees) ?? 0
            return "\(rank) : \(UInt32(tree + 1) << KernelRequests.markShift)"
        }
        let names = interfaces.map { "\"\($0)\"" }.joined(separator: ", ")
        lines += [
            "  chain classify {",
            "    type filter hook prerouting priority mangle; policy accept;",
            "    ip dscp 0 accept;",
        ]
        if interfaces.isEmpty {
            lines.append("    ip dscp set 0;")
        } else {
            lines += [
                "    iifname != { \(names) } ip dscp set 0;",
                "    iifname { \(names) } meta mark set ip dscp map "
                    + "{ \(marks.joined(separator: ", ")) };",
            ]
        }
        lines += [
            "  }",
            "  chain own {",
            "    type route hook output priority mangle; policy accept;",
            "    ip dscp != 0 ip dscp set 0;",
            "  }",
        ]
        if trees > 0 {
            let ways = (0..<trees).map { "169.254.\($0).0/24 : goto raise\($0)" }
            lines += [
                "  chain climb {",
                "    type filter hook postrouting priority mangle; policy accept;",
                "    rt ip nexthop vmap { \(ways.joined(separator: ", ")) };",
                "  }",
            ]
        }
        lines.append("}")
        return lines.joined(separator: "\n") + "\n"
    }

    /// What takes the rules out again.
    static let removal = "table ip \(tableName)\ndelete table ip \(tableName)\n"

    /// Writes rules with nft(8). Fails with nft's words.
    static func write(_ rules: String) throws(DataPlaneFailure) {
        let result = try CommandRun.run(["nft", "-f", "-"], input: rules)
        guard result.status == 0 else {
            throw DataPlaneFailure(
                "nft did not take the rules of the fabric: \(result.output.prefix(400))")
        }
    }
}
