/// Whose configuration is written.
public enum BorderFormat: String, Hashable, Sendable, CaseIterable {
    /// BIRD 2.
    case bird
    /// FRR 8 or later, all daemons in one file.
    case frr
}

extension BorderDesign {
    /// The configuration of the routing daemon at a border leaf.
    public func configuration(at leaf: SwitchID, for format: BorderFormat) -> String {
        let own = peers.filter { $0.leaf == leaf }
        let lines = format == .bird ? bird(leaf, own) : frr(leaf, own)
        return lines.joined(separator: "\n") + "\n"
    }

    /// The first host address behind the leaf; where there is none, one of 192.0.2.0/24 would
    /// clash, so the leaf's number in 240.0.0.0/4 serves: a router id is a number, not an address.
    private func routerID(of leaf: SwitchID) -> String {
        guard let destination = fabric.destination(of: leaf),
            let prefix = fabric.prefix(of: destination)
        else { return IPv4Prefix.dotted(240 << 24 | UInt32(leaf.index + 1)) }
        return IPv4Prefix.dotted(prefix.address + 1)
    }

    private func title(_ leaf: SwitchID, _ comment: String) -> [String] {
        [
            "\(comment) Border leaf \(fabric.name(of: leaf)), by kapok fabric border.",
            "\(comment) Outside hears \(aggregates.map(\.description).joined(separator: ", ")) "
                + "and is heard about 0.0.0.0/0 only.",
        ]
    }

    // MARK: BIRD

    private func bird(_ leaf: SwitchID, _ peers: [Peer]) -> [String] {
        var lines = title(leaf, "#")
        let set = aggregates.map(\.description).joined(separator: ", ")
        lines += [
            "router id \(routerID(of: leaf));", "log syslog all;", "graceful restart wait 60;", "",
            "protocol device {", "  scan time 10;", "}", "",
            "# What belongs to no edge switch ends here and does not go out again.",
            "protocol static aggregate {", "  ipv4;",
        ]
        lines += aggregates.map { "  route \($0) unreachable;" }
        lines += [
            "}", "", "filter only_aggregate {",
            "  if source = RTS_STATIC && net ~ [ \(set) ] then accept;", "  reject;", "}", "",
            "filter only_default {", "  if net = 0.0.0.0/0 then accept;", "  reject;", "}", "",
            "# The fabric's own routes are longer, and in the kernel already.",
            "protocol kernel {", "  merge paths yes limit 16;", "  ipv4 {", "    import none;",
            "    export where source = RTS_STATIC || net = 0.0.0.0/0;", "  };", "}", "",
            "protocol bfd {",
        ]
        for peer in peers {
            lines += [
                "  interface \"\(peer.interface)\" {", "    interval \(bfdMilliseconds) ms;",
                "    multiplier 3;", "  };",
            ]
        }
        lines.append("}")
        for (number, peer) in peers.enumerated() { lines += birdSession(number, peer) }
        return lines
    }

    private func birdSession(_ number: Int, _ peer: Peer) -> [String] {
        var lines = [
            "", "protocol bgp outside\(number + 1) {",
            "  description \"AS \(peer.asn) at \(peer.interface)\";", "  local as \(asn);",
        ]
        let isIPv6: Bool
        switch peer.address {
        case .ipv4(let address):
            isIPv6 = false
            lines.append("  neighbor \(IPv4Prefix.dotted(address)) as \(peer.asn);")
            lines.append("  interface \"\(peer.interface)\";")
        case .linkLocal(let address):
            isIPv6 = true
            lines.append("  neighbor \(address)%\(peer.interface) as \(peer.asn);")
        case .unnumbered:
            isIPv6 = true
            // BIRD does not look for its neighbour: it waits to be called.
            lines.append("  neighbor range fe80::/10 as \(peer.asn);")
            lines.append("  interface \"\(peer.interface)\";")
            lines.append("  dynamic name \"outside\(number + 1)_\";")
        }
        lines += [
            "  direct;", "  bfd on;", "  check link on;", "  hold time 9;", "  keepalive time 3;",
            "  connect delay time 1;", "  error wait time 1, 30;", "  graceful restart on;",
            "  ipv4 {", "    import limit \(mostRoutes) action restart;",
            "    import filter only_default;", "    export filter only_aggregate;",
            "    next hop self;",
        ]
        if isIPv6 { lines.append("    extended next hop on;") }
        return lines + ["  };", "}"]
    }

    // MARK: FRR

    private func frr(_ leaf: SwitchID, _ peers: [Peer]) -> [String] {
        var lines = ["frr defaults datacenter"] + title(leaf, "!")
        lines += ["!", "! What belongs to no edge switch ends here and does not go out again."]
        lines += aggregates.map { "ip route \($0) blackhole" }
        lines.append("!")
        for (number, prefix) in aggregates.enumerated() {
            lines.append("ip prefix-list FABRIC-OUT seq \(5 * (number + 1)) permit \(prefix)")
        }
        lines += [
            "ip prefix-list FABRIC-IN seq 5 permit 0.0.0.0/0", "!", "bfd", " profile fabric-border",
            "  detect-multiplier 3", "  receive-interval \(bfdMilliseconds)",
            "  transmit-interval \(bfdMilliseconds)", " exit", "exit", "!",
            "router bgp \(asn)", " bgp router-id \(routerID(of: leaf))",
            " no bgp default ipv4-unicast", " bgp bestpath as-path multipath-relax",
            " bgp graceful-restart", " timers bgp 3 9",
        ]
        for peer in peers {
            let name = frrName(peer)
            switch peer.address {
            case .ipv4: lines.append(" neighbor \(name) remote-as \(peer.asn)")
            case .linkLocal:
                lines.append(" neighbor \(name) remote-as \(peer.asn)")
                lines.append(" neighbor \(name) interface \(peer.interface)")
                lines.append(" neighbor \(name) capability extended-nexthop")
            case .unnumbered:
                lines.append(" neighbor \(name) interface remote-as \(peer.asn)")
                lines.append(" neighbor \(name) capability extended-nexthop")
            }
            lines.append(" neighbor \(name) description AS \(peer.asn) at \(peer.interface)")
            lines.append(" neighbor \(name) timers connect 5")
            lines.append(" neighbor \(name) bfd profile fabric-border")
        }
        lines += [" !", " address-family ipv4 unicast"]
        lines += aggregates.map { "  network \($0)" }
        for peer in peers {
            let name = frrName(peer)
            lines += [
                "  neighbor \(name) activate", "  neighbor \(name) prefix-list FABRIC-IN in",
                "  neighbor \(name) prefix-list FABRIC-OUT out",
                "  neighbor \(name) maximum-prefix \(mostRoutes) restart 5",
            ]
        }
        return lines + ["  maximum-paths 16", " exit-address-family", "exit", "!"]
    }

    private func frrName(_ peer: Peer) -> String {
        switch peer.address {
        case .ipv4(let address): IPv4Prefix.dotted(address)
        case .linkLocal(let address): address
        case .unnumbered: peer.interface
        }
    }
}
