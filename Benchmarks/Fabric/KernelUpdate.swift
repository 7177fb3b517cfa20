import CNetlink
import Glibc
import KapokFabric

/// One failure in the kernel's tables with 20,000 prefixes on one group of 32 ways: CPU time of
/// this thread, user and system, from the change of the group to the kernel's answer. What is
/// beside it: the same with the kernel's default of announcing every route
/// (`nexthop_compat_mode`), and a router without groups, which replaces every route.
///
/// Needs root; works in a network namespace of its own that ends with the process.
struct KernelUpdateBenchmark {
    static let prefixes = 20_000
    static let ways = 32

    /// One way to do it, with what it took each time in microseconds.
    struct Row {
        var name: String
        var microseconds: [Double]

        func percentile(_ share: Double) -> Double {
            let sorted = microseconds.sorted()
            return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
        }
    }

    static func run(asJSON: Bool) throws {
        let code = kapok_new_network_namespace()
        guard code == 0 else {
            throw BenchmarkFailure(
                "kernel update: no network namespace (\(String(cString: strerror(code)))); "
                    + "run as root"
            )
        }
        let interface = try makeInterface()
        try set("ip_forward", 1)
        let trial = try Trial(interface: interface)
        var rows: [Row] = []
        try set("nexthop_compat_mode", 0)
        rows.append(
            Row(name: "one group replace, compat mode 0", microseconds: try trial.groups(400)))
        try set("nexthop_compat_mode", 1)
        rows.append(
            Row(name: "one group replace, compat mode 1", microseconds: try trial.groups(20)))
        try set("nexthop_compat_mode", 0)
        rows.append(
            Row(name: "every route replaced, in batches", microseconds: try trial.routes(6)))
        rows.append(
            Row(
                name: "one group replace, compat mode 0, again", microseconds: try trial.groups(400)
            ))
        show(rows, asJSON: asJSON)
    }

    private static func show(_ rows: [Row], asJSON: Bool) {
        if asJSON {
            let items = rows.map { row in
                "{\"maxMicroseconds\":\(row.percentile(1)),"
                    + "\"medianMicroseconds\":\(row.percentile(0.5)),\"name\":\"\(row.name)\","
                    + "\"p99Microseconds\":\(row.percentile(0.99)),"
                    + "\"repeats\":\(row.microseconds.count)}"
            }
            print(
                "{\"prefixes\":\(prefixes),\"rows\":[\(items.joined(separator: ","))],"
                    + "\"ways\":\(ways)}")
            return
        }
        print("kernel update: \(prefixes) prefixes, \(ways) ways, CPU time of one failure in us")
        func cell(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func number(_ value: Double) -> String {
            let tenths = Int((value * 10).rounded())
            return value < 1_000 ? "\(tenths / 10).\(tenths % 10)" : "\(Int(value.rounded()))"
        }
        print(
            cell("", 42) + cell("repeats", 9) + cell("median", 10) + cell("p99", 10)
                + cell("worst", 10))
        for row in rows {
            let name = row.name + String(repeating: " ", count: max(0, 42 - row.name.count))
            print(
                name + cell("\(row.microseconds.count)", 9)
                    + cell(number(row.percentile(0.5)), 10)
                    + cell(number(row.percentile(0.99)), 10) + cell(number(row.percentile(1)), 10))
        }
    }

    // MARK: The namespace

    /// A pair of virtual interfaces, up, with room for 32 neighbours.
    private static func makeInterface() throws -> UInt32 {
        let commands = [
            "ip link add kb0 type veth peer name kb1", "ip link set lo up", "ip link set kb0 up",
            "ip link set kb1 up", "ip addr add 10.200.0.1/24 dev kb0",
        ]
        for command in commands where shell(command) != 0 {
            throw BenchmarkFailure("kernel update: \(command) failed")
        }
        let index = if_nametoindex("kb0")
        guard index > 0 else { throw BenchmarkFailure("kernel update: no interface kb0") }
        return index
    }

    /// Runs a command in this thread's namespace.
    private static func shell(_ command: String) -> Int32 {
        var pid: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = ["/bin/sh", "-c", command].map {
            (word: String) in strdup(word)
        }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        guard posix_spawn(&pid, "/bin/sh", nil, nil, arguments, environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static func set(_ name: String, _ value: Int) throws {
        let path = "/proc/sys/net/ipv4/\(name)"
        guard let file = fopen(path, "w") else {
            throw BenchmarkFailure("kernel update: cannot write \(path)")
        }
        fputs("\(value)\n", file)
        guard fclose(file) == 0 else {
            throw BenchmarkFailure("kernel update: cannot write \(path)")
        }
    }
}

/// Why a benchmark cannot run.
struct BenchmarkFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// The tables under test.
private final class Trial {
    private let kernel: KernelTables
    private let socket: NetlinkSocket
    private let interface: UInt32
    private static let group = TableGroupID(0)
    /// A table that nothing looks into, for routes without groups.
    private static let plainTable: UInt32 = 4_242

    init(interface: UInt32) throws {
        self.interface = interface
        kernel = try KernelTables()
        socket = try NetlinkSocket()
        for port in 0..<KernelUpdateBenchmark.ways {
            kernel.setPort(
                port, KernelTables.Port(interface: interface, gateway: Self.gateway(port)))
        }
        kernel.apply([.setGroup(Self.group, Self.members(without: nil))])
        kernel.apply(
            Self.prefixes.map {
                .setRoute(TableRoute(table: .shortest, prefix: $0, slot: 0), Self.group)
            })
        while !kernel.isSettled { kernel.flush(limit: 512) }
        guard kernel.held.routes == KernelUpdateBenchmark.prefixes else {
            throw BenchmarkFailure("kernel update: \(kernel.lastRefusal ?? "routes are missing")")
        }
    }

    private static func gateway(_ port: Int) -> UInt32 { 10 << 24 | 200 << 16 | UInt32(port + 2) }

    private static let prefixes = (0..<KernelUpdateBenchmark.prefixes).map {
        IPv4Prefix(address: 20 << 24 | UInt32($0) << 8, length: 24)
    }

    private static func members(without port: Int?) -> [TableMember] {
        (0..<KernelUpdateBenchmark.ways).filter { $0 != port }.map { TableMember(port: $0) }
    }

    /// Failures of one way each, as the agent repairs them; what heals them is not counted.
    func groups(_ repeats: Int) throws -> [Double] {
        try (0..<repeats).map { number in
            let failed = number % KernelUpdateBenchmark.ways
            let began = kapok_thread_cpu_nanoseconds()
            kernel.apply(
                [.setGroup(Self.group, Self.members(without: failed))], isUrgent: true)
            kernel.flush(limit: 1)
            let took = kapok_thread_cpu_nanoseconds() - began
            guard try memberCount() == KernelUpdateBenchmark.ways - 1 else {
                throw BenchmarkFailure("kernel update: the group was not replaced")
            }
            kernel.apply([.setGroup(Self.group, Self.members(without: nil))])
            kernel.flush(limit: 1)
            return Double(took) / 1_000
        }
    }

    private func memberCount() throws -> Int {
        var count = 0
        try socket.list(Int(RTM_GETNEXTHOP), fixed: [UInt8](repeating: 0, count: 8)) { record in
            if case .nextHop(let hop) = record, let members = hop.group { count += members.count }
        }
        return count
    }

    /// Failures of one way each, with routes that name their ways themselves.
    func routes(_ repeats: Int) throws -> [Double] {
        try replaceAll(without: nil)
        return try (0..<repeats).map { number in
            let began = kapok_thread_cpu_nanoseconds()
            try replaceAll(without: number)
            let took = kapok_thread_cpu_nanoseconds() - began
            try replaceAll(without: nil)
            return Double(took) / 1_000
        }
    }

    private func replaceAll(without port: Int?) throws {
        // struct rtnexthop: length, flags, hops (weight less one), interface; then the gateway.
        var ways: [UInt8] = []
        for way in Self.members(without: port) {
            let parts: [UInt32] = [16, interface, 5 << 16 | 8, Self.gateway(way.port).bigEndian]
            for part in parts {
                withUnsafeBytes(of: part) { ways.append(contentsOf: $0) }
            }
        }
        var batch = NetlinkBatch()
        for prefix in Self.prefixes {
            batch.begin(
                type: Int(RTM_NEWROUTE), flags: Int(NLM_F_CREATE) | Int(NLM_F_REPLACE),
                sequence: socket.sequence())
            for byte in [UInt8(AF_INET), UInt8(prefix.length), 0, 0, 0, 75, 0, UInt8(RTN_UNICAST)] {
                batch.put(byte)
            }
            batch.put(UInt32(0))
            batch.attribute(Int(RTA_DST.rawValue), address: prefix.address)
            batch.attribute(Int(RTA_TABLE.rawValue), Self.plainTable)
            batch.attribute(Int(RTA_MULTIPATH.rawValue), bytes: ways)
            batch.end()
            if batch.count == 128 { try send(&batch) }
        }
        try send(&batch)
    }

    private func send(_ batch: inout NetlinkBatch) throws {
        if let refusal = try socket.perform(&batch).first {
            throw BenchmarkFailure("kernel update: a route was refused: \(refusal)")
        }
        batch.removeAll()
    }
}
