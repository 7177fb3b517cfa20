import Glibc

/// The kernel's settings for a switch, in the network namespace of the calling thread.
enum SystemSettings {
    /// A setting under /proc/sys, and whether a switch cannot do without it.
    struct Setting: Hashable {
        var name: String
        var value: String
        var isNeeded: Bool
    }

    /// The settings of a switch with these interfaces. `seed` is a number of its own for each
    /// switch: equal seeds would let all switches send the same flows the same way.
    static func settings(interfaces: [String], seed: UInt32) -> [Setting] {
        func ipv4(_ name: String, _ value: Int, isNeeded: Bool = true) -> Setting {
            Setting(name: "net/ipv4/\(name)", value: "\(value)", isNeeded: isNeeded)
        }
        var all = [
            ipv4("ip_forward", 1),
            // Without this every route is announced with each change of its group.
            ipv4("nexthop_compat_mode", 0),
            // Ports and protocol are hashed too.
            ipv4("fib_multipath_hash_policy", 1),
            ipv4("fib_multipath_hash_seed", Int(seed | 1), isNeeded: false),
            ipv4("fib_multipath_use_neigh", 0, isNeeded: false),
            // Probes of hosts must not starve answers to neighbours, which are how silence is
            // told from a stalled agent.
            ipv4("icmp_echo_ignore_all", 0),
            ipv4("icmp_ratelimit", 0, isNeeded: false),
        ]
        for interface in ["all", "default"] + interfaces {
            let prefix = "conf/\(interface)/"
            all += [
                // Packets come back by other ways than they went.
                ipv4(prefix + "rp_filter", 0),
                ipv4(prefix + "ignore_routes_with_linkdown", 1),
                ipv4(prefix + "send_redirects", 0, isNeeded: false),
                ipv4(prefix + "accept_redirects", 0, isNeeded: false),
            ]
        }
        for interface in interfaces {
            let prefix = "neigh/\(interface)/"
            all += [
                // What waits for a neighbour's address counts against the socket that all ports
                // share; a neighbour that does not answer must not silence the others.
                ipv4(prefix + "unres_qlen_bytes", 8_192),
                // A neighbour that has come back is found in milliseconds, not seconds.
                ipv4(prefix + "retrans_time_ms", 20, isNeeded: false),
            ]
            all.append(
                Setting(
                    name: "net/ipv6/conf/\(interface)/disable_ipv6", value: "1",
                    isNeeded: false))
        }
        return all
    }

    /// Writes settings. Returns those that could not be written and are not needed; fails at one
    /// that is.
    static func write(_ settings: [Setting]) throws(DataPlaneFailure) -> [String] {
        var missing: [String] = []
        for setting in settings {
            // A name of an interface may hold a dot or a slash; it is one folder here.
            let path = "/proc/sys/\(setting.name)"
            let descriptor = open(path, O_WRONLY | O_CLOEXEC)
            var failure = errno
            if descriptor >= 0 {
                let written = Array(setting.value.utf8).withUnsafeBytes {
                    Glibc.write(descriptor, $0.baseAddress, $0.count)
                }
                failure = written == setting.value.utf8.count ? 0 : errno
                close(descriptor)
            }
            guard failure != 0 else { continue }
            let text = "\(path) = \(setting.value): \(String(cString: strerror(failure)))"
            if setting.isNeeded {
                throw DataPlaneFailure("a setting that a switch needs cannot be written: \(text)")
            }
            missing.append(text)
        }
        return missing
    }
}
