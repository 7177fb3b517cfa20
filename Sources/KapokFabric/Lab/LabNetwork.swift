import Foundation

/// Builds a lab's namespaces and links, and takes them away.
struct LabNetwork: Sendable {
    /// Names and addresses.
    var layout: LabLayout

    /// Makes all of it: namespaces, settings, links, addresses. `ip -batch` reads everything from
    /// one input, which takes a second for a fat tree of 20 switches instead of a minute.
    func build() throws {
        let ip = try LabProgram.path(of: "ip", package: "iproute2")
        for namespace in layout.namespaces where LabNamespace(name: namespace).exists {
            throw LabFailure(
                "the namespace \(namespace) is there already: kapok fabric lab down --id "
                    + layout.id)
        }
        let names = layout.namespaces.map { "netns add \($0)" }.joined(separator: "\n")
        try LabProgram.run([ip, "-batch", "-"], input: names + "\n")
        for (number, namespace) in layout.namespaces.enumerated() {
            try LabNamespace(name: namespace).set(settings(number))
        }
        try LabProgram.run([ip, "-batch", "-"], input: links())
        // All at once: each is a process that mostly waits for the kernel.
        let sessions = try layout.namespaces.map {
            try LabProgram.Session([ip, "-n", $0, "-batch", "-"])
        }
        for (session, input) in zip(sessions, addresses()) { _ = try session.finish(input) }
    }

    /// Takes away what is there of it, and says what could not be.
    func remove() throws {
        let there = layout.namespaces.filter { LabNamespace(name: $0).exists }
        try Self.remove(namespaces: there)
    }

    /// Ends what runs in namespaces and deletes them.
    static func remove(namespaces: [String]) throws {
        guard !namespaces.isEmpty else { return }
        let ip = try LabProgram.path(of: "ip", package: "iproute2")
        let processes = processes(in: namespaces)
        LabProcess.stop(processes)
        let input = namespaces.map { "netns del \($0)\n" }.joined()
        try LabProgram.run([ip, "-force", "-batch", "-"], input: input)
    }

    /// Processes whose network is one of the namespaces: whoever started them, they belong to it.
    static func processes(in namespaces: [String]) -> [LabProcess] {
        var wanted: Set<String> = []
        for namespace in namespaces {
            var status = stat()
            guard stat("\(LabNamespace.folder)/\(namespace)", &status) == 0 else { continue }
            wanted.insert("\(status.st_dev):\(status.st_ino)")
        }
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { entry in
            guard let pid = Int32(entry), pid != getpid() else { return nil }
            var status = stat()
            guard stat("/proc/\(pid)/ns/net", &status) == 0,
                wanted.contains("\(status.st_dev):\(status.st_ino)")
            else { return nil }
            return LabProcess(pid: pid, name: "process \(pid)")
        }
    }

    /// What each namespace's kernel is told before its links come. Every switch gets a hash seed of
    /// its own: with one seed for all, flows that took the first uplink once would take it always.
    private func settings(_ number: Int) -> [(String, String)] {
        let isSwitch = number < layout.switches.count
        var settings = [
            ("net/ipv6/conf/all/disable_ipv6", "1"), ("net/ipv6/conf/default/disable_ipv6", "1"),
            ("net/ipv4/conf/all/rp_filter", "0"), ("net/ipv4/conf/default/rp_filter", "0"),
        ]
        if access("/proc/sys/net/ipv6", F_OK) != 0 { settings.removeFirst(2) }
        guard isSwitch else { return settings }
        settings += [
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv4/fib_multipath_hash_policy", "1"),
            ("net/ipv4/fib_multipath_hash_seed", "\(0x9E37_79B1 &* UInt32(number + 1) | 1)"),
            ("net/ipv4/conf/all/ignore_routes_with_linkdown", "1"),
            ("net/ipv4/conf/default/ignore_routes_with_linkdown", "1"),
            ("net/ipv4/conf/all/send_redirects", "0"),
            ("net/ipv4/conf/default/send_redirects", "0"),
        ]
        return settings
    }

    private func links() -> String {
        var lines: [String] = []
        for number in 0..<layout.fabric.linkCount {
            let (lower, upper) = layout.fabric.ends(of: LinkID(number))
            lines.append(
                "link add \(layout.interface(of: lower.port)) netns "
                    + "\(layout.namespace(of: lower.owner)) type veth peer name "
                    + "\(layout.interface(of: upper.port)) netns "
                    + layout.namespace(of: upper.owner))
        }
        for destination in layout.destinations {
            let owner = layout.fabric.owner(of: destination)
            lines.append(
                "link add eth0 netns \(layout.namespace(ofHost: destination)) type veth peer name "
                    + "\(layout.interface(of: layout.hostPort(of: owner))) netns "
                    + layout.namespace(of: owner))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// For each namespace, in order, what gives its interfaces their addresses.
    private func addresses() -> [String] {
        let switches = layout.switches.map { id -> String in
            var lines = ["link set lo up"]
            for port in 0..<layout.fabric.fabricPortCount(of: id)
            where layout.fabric.neighbor(of: id, port: port) != nil {
                let name = layout.interface(of: port)
                let address = IPv4Prefix.dotted(layout.address(of: PortID(id, port)))
                lines.append("addr add \(address)/31 dev \(name)")
                lines.append("link set \(name) up")
            }
            if let destination = layout.fabric.destination(of: id) {
                let name = layout.interface(of: layout.hostPort(of: id))
                let address = IPv4Prefix.dotted(layout.gateway(of: destination))
                lines.append("addr add \(address)/24 dev \(name)")
                lines.append("link set \(name) up")
            }
            return lines.joined(separator: "\n") + "\n"
        }
        let hosts = layout.destinations.map { destination in
            """
            link set lo up
            addr add \(IPv4Prefix.dotted(layout.hostAddress(of: destination)))/24 dev eth0
            link set eth0 up
            route add default via \(IPv4Prefix.dotted(layout.gateway(of: destination)))

            """
        }
        return switches + hosts
    }
}
