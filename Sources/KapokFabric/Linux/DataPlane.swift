import CNetlink
import Glibc
import KapokLinux
import KapokWorld

/// A switch's packet forwarding in the kernel: settings, marking, addresses, neighbours and tables,
/// for the plan in force.
///
/// Everything stays when the process ends: the kernel goes on forwarding (fail-static), and the
/// next start takes over what is there without a gap.
final class DataPlane {
    /// Where a switch's ports are.
    struct Layout: Hashable {
        /// The interface of each fabric port, in order.
        var interfaces: [String]
        /// The address of each port's own end of its link.
        var addresses: [UInt32]
        /// The address of the other end.
        var gateways: [UInt32]
        /// Trees of each destination.
        var trees: Int
    }

    let kernel: KernelTables
    private let monitor: NetlinkSocket
    private let requests: NetlinkSocket
    private(set) var layout = Layout(interfaces: [], addresses: [], gateways: [], trees: 0)
    private(set) var interfaces = InterfaceTable(names: [], gateways: [])
    private(set) var tables: ForwardingTables?
    /// Settings that could not be written and that a switch can do without.
    private(set) var missingSettings: [String] = []
    private var generation: UInt32 = 0
    private var isPrepared = false

    /// Groups that the kernel can fall back on by itself.
    static let backups = 1
    /// The metric of the route that ends packets in a tree's table; routes are preferred to it.
    private static let endMetric: UInt32 = 1 << 20

    /// Opens the conversation with the kernel, in the network namespace of the calling thread.
    init() throws(SystemError) {
        kernel = try KernelTables()
        requests = try NetlinkSocket()
        monitor = try NetlinkSocket(
            groups: [Int(RTNLGRP_LINK.rawValue), Int(RTNLGRP_NEIGH.rawValue)])
    }

    /// What tells that the kernel has news.
    var descriptor: Int32 { monitor.descriptor }

    // MARK: A plan

    /// The ports of a plan's switch. `names` gives interfaces to ports whose name is another one
    /// (`swp1` is the name of port 0 unless the wiring names it).
    static func layout(
        _ plan: SwitchPlan, names: [String: String]
    ) throws(DataPlaneFailure) -> Layout {
        let fabric = plan.fabric
        let id = plan.switchID
        var layout = Layout(
            interfaces: [], addresses: [], gateways: [],
            trees: plan.forwarding().routes.treeCount)
        for port in 0..<fabric.fabricPortCount(of: id) {
            guard let next = fabric.neighbor(of: id, port: port) else { continue }
            guard let ends = fabric.addresses(of: next.link) else {
                throw DataPlaneFailure(
                    "the fabric has \(fabric.linkCount) links, and only 524,288 can be numbered "
                        + "with IPv4 addresses")
            }
            let isLower = fabric.ends(of: next.link).lower.owner == id
            let name = fabric.portName(PortID(id, port))
            layout.interfaces.append(names[name] ?? names["swp\(port + 1)"] ?? name)
            layout.addresses.append(isLower ? ends.lower : ends.upper)
            layout.gateways.append(isLower ? ends.upper : ends.lower)
        }
        return layout
    }

    /// Sets the kernel up for a plan and puts its tables in the place of those before. Takes tens
    /// of milliseconds where interfaces or trees changed, and time in proportion to the routes.
    func use(_ plan: SwitchPlan, names: [String: String]) throws(DataPlaneFailure) {
        let next = try Self.layout(plan, names: names)
        if !isPrepared || next != layout { try prepare(next, at: plan.switchID) }
        if !isPrepared {
            try attempt { () throws(SystemError) in try kernel.compare(trees: next.trees) }
            generation = kernel.heldGeneration ?? 1
        }
        generation ^= 1
        let tables = ForwardingTables(
            plan, backups: Self.backups, firstGroup: generation * KernelTables.groupsOfGeneration)
        writeEnds(own: tables.ownPrefixes, trees: next.trees)
        kernel.replaceAll(tables.operations())
        self.tables = tables
        isPrepared = true
    }

    private func prepare(_ next: Layout, at id: SwitchID) throws(DataPlaneFailure) {
        for port in interfaces.ports.indices { kernel.setPort(port, nil) }
        layout = next
        interfaces = InterfaceTable(names: next.interfaces, gateways: next.gateways)
        missingSettings = try SystemSettings.write(
            SystemSettings.settings(
                interfaces: present(next.interfaces),
                seed: UInt32(truncatingIfNeeded: (id.index + 1) &* 0x9E37_79B1)))
        try PacketMarking.write(
            PacketMarking.rules(trees: next.trees, interfaces: next.interfaces))
        for tree in 0..<next.trees {
            request { KernelRequests.appendRule(tree: tree, sequence: $0, to: &$1) }
        }
        try readInterfaces()
    }

    /// The interfaces that exist now.
    private func present(_ names: [String]) -> [String] {
        names.filter { access("/proc/sys/net/ipv4/conf/\($0)", F_OK) == 0 }
    }

    /// What ends packets in the tables of trees: nobody there falls back to rank 0, but what is
    /// the switch's own is found where it always is.
    private func writeEnds(own: [IPv4Prefix], trees: Int) {
        for tree in 0..<trees {
            let table = KernelRequests.firstTreeTable + UInt32(tree)
            let all = IPv4Prefix(address: 0, length: 0)
            request {
                KernelRequests.appendEnd(
                    all, table: table, type: Int(RTN_BLACKHOLE), metric: Self.endMetric,
                    sequence: $0, to: &$1)
            }
            for prefix in own {
                request {
                    KernelRequests.appendEnd(
                        prefix, table: table, type: Int(RTN_THROW), metric: Self.endMetric,
                        sequence: $0, to: &$1)
                }
            }
        }
        flushRequests()
    }

    // MARK: Failures

    /// Takes in what is known of links now. What changes at rank 0 is in the kernel on return.
    func forward(dead: LinkSet, avoided: LinkSet, cause: LinkID?) {
        guard tables != nil else { return }
        let operations = tables?.update(dead: dead, avoided: avoided, cause: cause) ?? []
        kernel.apply(operations, isUrgent: true)
        kernel.flush(limit: operations.count)
        if !kernel.isSettled, let cause, dead.contains(cause),
            let port = tables?.port(of: cause)
        {
            kernel.withdraw(port: port)
        }
    }

    /// Does a portion of what is left: tables of trees, routes, comparisons. Returns whether
    /// something is left still.
    func work() -> Bool {
        if tables?.hasDeferredWork == true {
            kernel.apply(tables?.continueUpdate(classes: 64) ?? [])
        }
        kernel.flush(limit: 24)
        if kernel.isSettled, tables?.hasDeferredWork != true { compareAgain() }
        return !kernel.isSettled || tables?.hasDeferredWork == true
    }

    private var nextComparison = Instant.zero
    private var comparisonDelay = Interval.milliseconds(10)
    private static let longestComparisonDelay = Interval.seconds(10)

    /// After a refusal, looks what the kernel holds: at once the first time, then less and less
    /// often, as a kernel that refuses the same thing again must not keep the agent busy.
    private func compareAgain() {
        guard kernel.mustCompare else { return }
        let now = MonotonicClock.now()
        guard now >= nextComparison else { return }
        if now > nextComparison + Self.longestComparisonDelay {
            comparisonDelay = .milliseconds(10)
        }
        nextComparison = now + comparisonDelay
        comparisonDelay = min(
            Self.longestComparisonDelay, Interval(nanoseconds: comparisonDelay.nanoseconds * 2))
        try? kernel.compare(trees: layout.trees)
    }

    /// Does all that is left, at a start, before anybody waits for hellos.
    func finishWork() {
        // What the kernel refuses is compared later, so this ends.
        while work() {}
    }

    /// Takes everything out of the kernel that was put there; settings stay.
    func clean() {
        kernel.removeAll()
        for tree in 0..<layout.trees {
            request { KernelRequests.appendRemovalOfRule(tree: tree, sequence: $0, to: &$1) }
            let table = KernelRequests.firstTreeTable + UInt32(tree)
            for prefix in (tables?.ownPrefixes ?? []) + [IPv4Prefix(address: 0, length: 0)] {
                request {
                    KernelRequests.appendRemovalOfEnd(
                        prefix, table: table, metric: Self.endMetric, sequence: $0, to: &$1)
                }
            }
            for port in interfaces.ports {
                guard let index = port.index else { continue }
                request {
                    KernelRequests.appendRemovalOfNeighbor(
                        KernelRequests.raiseGateway(tree), interface: index, sequence: $0, to: &$1)
                }
            }
        }
        flushRequests()
        try? PacketMarking.write(PacketMarking.removal)
    }

    // MARK: Interfaces

    /// Takes in the kernel's news. Returns the changes of carriers.
    func readNews() throws(SystemError) -> [InterfaceTable.Change] {
        var changes: [InterfaceTable.Change] = []
        do {
            // Bounded: the loop has other things to do, and comes back for the rest.
            for _ in 0..<64 {
                let count = try monitor.readWaiting { record in
                    if let change = take(record) { changes.append(change) }
                }
                if count == 0 { break }
            }
        } catch  where error.code == ENOBUFS {
            // News was lost: ask for all of it.
            changes += try listInterfaces()
        }
        return changes
    }

    private func take(_ record: KernelRecord) -> InterfaceTable.Change? {
        // A flap may leave the state as it was, and the kernel's tables not.
        if case .interface(let interface) = record, !interface.isRunning,
            let port = interfaces.port(ofInterface: interface.index)
        {
            kernel.carrierLost(port: port)
        }
        guard let change = interfaces.take(record) else { return nil }
        switch change {
        case .carrier(let port, let isUp, let isReplaced):
            if !isUp { kernel.carrierLost(port: port) }
            if isReplaced || isUp { setUp(port) }
        case .neighbor(let port): writeNeighbors(of: port)
        }
        return change
    }

    /// Writes what an interface needs that is new or came back.
    private func setUp(_ port: Int) {
        let state = interfaces.ports[port]
        kernel.setPort(
            port,
            state.index.map {
                KernelTables.Port(interface: $0, gateway: layout.gateways[port])
            })
        guard let index = state.index else { return }
        request {
            KernelRequests.appendAddress(
                layout.addresses[port], length: 31, interface: index, sequence: $0, to: &$1)
        }
        flushRequests()
        _ = try? SystemSettings.write(
            SystemSettings.settings(interfaces: [state.name], seed: 0).filter {
                $0.name.contains("/\(state.name)/")
            })
        writeNeighbors(of: port)
    }

    /// Says where the gateways are that raise packets: the neighbour, by its hardware address.
    private func writeNeighbors(of port: Int) {
        let state = interfaces.ports[port]
        guard let index = state.index, let address = state.neighborAddress else { return }
        for tree in 0..<layout.trees {
            request {
                KernelRequests.appendNeighbor(
                    KernelRequests.raiseGateway(tree), interface: index, hardwareAddress: address,
                    sequence: $0, to: &$1)
            }
        }
        flushRequests()
    }

    private func readInterfaces() throws(DataPlaneFailure) {
        try attempt { () throws(SystemError) in _ = try listInterfaces() }
    }

    private func listInterfaces() throws(SystemError) -> [InterfaceTable.Change] {
        var changes: [InterfaceTable.Change] = []
        var records: [KernelRecord] = []
        try requests.list(Int(RTM_GETLINK), fixed: [UInt8](repeating: 0, count: 16)) {
            records.append($0)
        }
        var family = [UInt8](repeating: 0, count: 12)
        family[0] = UInt8(AF_INET)
        try requests.list(Int(RTM_GETNEIGH), fixed: family) { records.append($0) }
        for record in records {
            if let change = take(record) { changes.append(change) }
        }
        return changes
    }

    // MARK: Requests

    private var batch = NetlinkBatch()
    /// Refusals of requests that do no harm: what is there already, or gone already.
    private static let harmless: Set<Int32> = [EEXIST, ENOENT, ESRCH, ENODEV, ENETDOWN]
    /// The last request that the kernel refused, in words.
    private(set) var lastRefusal: String?

    private func request(_ append: (UInt32, inout NetlinkBatch) -> Void) {
        append(requests.sequence(), &batch)
        if batch.count >= 256 { flushRequests() }
    }

    private func flushRequests() {
        guard batch.count > 0 else { return }
        defer { batch.removeAll() }
        do {
            for refusal in try requests.perform(&batch) where !Self.harmless.contains(refusal.code)
            {
                lastRefusal = "\(refusal)"
            }
        } catch { lastRefusal = "\(error)" }
    }

    private func attempt(_ body: () throws(SystemError) -> Void) throws(DataPlaneFailure) {
        do { try body() } catch {
            throw DataPlaneFailure(
                "the kernel's routing tables cannot be reached (\(error)); run as root")
        }
    }
}
