import CNetlink
import Glibc
package import KapokLinux
import KapokWorld

/// One switch's tables in the kernel: what is wanted, what is there, and the way from the one to
/// the other.
///
/// Operations are marked and then written with `flush`: groups that matter now at once, everything
/// else in portions, always groups before the routes that lead to them and removals last. Writing
/// is idempotent: a mark says that something differs, not how.
///
/// When a device loses its carrier the kernel throws away the next hops on it by itself, groups
/// that become empty, and routes to these; `carrierLost` repeats that here.
package final class KernelTables {
    /// Where a port leads.
    package struct Port: Hashable {
        package var interface: UInt32
        /// The neighbour's address at the other end of the link.
        package var gateway: UInt32

        package init(interface: UInt32, gateway: UInt32) {
            self.interface = interface
            self.gateway = gateway
        }
    }

    /// What was written since the start, for status and metrics.
    struct Counts: Hashable, Sendable {
        var groupWrites: UInt64 = 0
        var routeWrites: UInt64 = 0
        var refusals: UInt64 = 0
        var batches: UInt64 = 0
        var comparisons: UInt64 = 0
    }

    private let socket: NetlinkSocket
    private var ports: [Int: Port] = [:]
    private var batch = NetlinkBatch()

    private(set) var wantedGroups: [UInt32: [TableMember]] = [:]
    private(set) var wantedRoutes: [TableRoute: UInt32] = [:]
    private var heldGroups: [UInt32: [TableMember]] = [:]
    private var heldRoutes: [TableRoute: UInt32] = [:]
    private var heldWays: Set<UInt32> = []
    private var routesOfGroup: [UInt32: Set<TableRoute>] = [:]

    private var groupQueue = MarkQueue<UInt32>()
    private var routeQueue = MarkQueue<TableRoute>()
    private var removalQueue = MarkQueue<UInt32>()

    private(set) var counts = Counts()
    /// The kernel refused something: what is there is not known any more, and has to be compared.
    private(set) var mustCompare = false
    /// The kernel's last refusal, in words.
    package private(set) var lastRefusal: String?

    package init() throws(SystemError) { socket = try NetlinkSocket() }

    // MARK: Numbers of the kernel's objects

    /// Our next-hop objects have numbers from here on, up to `lastID`.
    package static let firstID: UInt32 = 0x4B00_0000
    package static let lastID: UInt32 = 0x4BFF_FFFF
    private static let firstGroupID: UInt32 = 0x4B80_0000
    private static let dropID: UInt32 = 0x4B7F_FFFF
    /// Groups of one set of tables are numbered below this; a new set takes the other half, so that
    /// both can stand side by side while routes move.
    static let groupsOfGeneration: UInt32 = 1 << 21

    private static func id(of member: TableMember) -> UInt32 {
        firstID | UInt32(member.port) << 8 | UInt32((member.raisedTo ?? -1) + 1)
    }

    private static func id(ofGroup number: UInt32) -> UInt32 { firstGroupID + number }

    private static func member(of id: UInt32) -> TableMember {
        let raised = Int(id & 0xFF) - 1
        return TableMember(port: Int(id >> 8 & 0x7FFF), raisedTo: raised < 0 ? nil : raised)
    }

    // MARK: What is wanted

    /// Tells where a port leads; nil when its interface is gone. What was written for it before is
    /// written again.
    package func setPort(_ number: Int, _ port: Port?) {
        guard ports[number] != port else { return }
        if ports[number] != nil { carrierLost(port: number) }
        ports[number] = port
        for (group, members) in wantedGroups where members.contains(where: { $0.port == number }) {
            groupQueue.mark(group)
        }
    }

    /// Marks what operations change. `isUrgent` groups are written first.
    package func apply(_ operations: [TableOperation], isUrgent: Bool = false) {
        for operation in operations {
            switch operation {
            case .setGroup(let group, let members):
                wantedGroups[group.number] = members
                groupQueue.mark(group.number, first: isUrgent)
            case .removeGroup(let group):
                wantedGroups[group.number] = nil
                removalQueue.mark(group.number)
            case .setRoute(let route, let group):
                wantedRoutes[route] = group.number
                routeQueue.mark(route, first: isUrgent)
            case .removeRoute(let route):
                wantedRoutes[route] = nil
                routeQueue.mark(route)
            }
        }
    }

    /// Replaces everything that is wanted: the tables of a new plan, whose groups have numbers that
    /// the old ones do not.
    func replaceAll(_ operations: [TableOperation]) {
        for group in wantedGroups.keys { removalQueue.mark(group) }
        for route in wantedRoutes.keys { routeQueue.mark(route) }
        wantedGroups.removeAll()
        wantedRoutes.removeAll()
        apply(operations)
        for group in heldGroups.keys where wantedGroups[group] == nil { removalQueue.mark(group) }
        for route in heldRoutes.keys where wantedRoutes[route] == nil { routeQueue.mark(route) }
    }

    /// Takes a dead port out of groups that are on their way out but still lead packets.
    func withdraw(port: Int) {
        for (group, members) in heldGroups where wantedGroups[group] == nil {
            let left = members.filter { $0.port != port }
            if left.count < members.count, !left.isEmpty { write(group, left) }
            if batch.count >= Self.mostAtOnce { perform() }
        }
        perform()
    }

    /// Whether something still has to be written.
    package var isSettled: Bool { groupQueue.isEmpty && routeQueue.isEmpty && removalQueue.isEmpty }

    /// How much is marked.
    var backlog: Int { groupQueue.count + routeQueue.count + removalQueue.count }

    /// How much the kernel holds: ways, groups and routes.
    package var held: (ways: Int, groups: Int, routes: Int) {
        (heldWays.count, heldGroups.count, heldRoutes.count)
    }

    // MARK: What the kernel does by itself

    /// A port's device lost its carrier, went down or is gone.
    func carrierLost(port: Int) {
        heldWays = heldWays.filter { $0 == Self.dropID || Self.member(of: $0).port != port }
        for (group, members) in heldGroups where members.contains(where: { $0.port == port }) {
            let left = members.filter { $0.port != port }
            groupQueue.mark(group)
            if !left.isEmpty {
                heldGroups[group] = left
                continue
            }
            forget(group)
        }
    }

    /// A group is gone, and with it the routes that led to it.
    private func forget(_ group: UInt32) {
        heldGroups[group] = nil
        for route in routesOfGroup.removeValue(forKey: group) ?? [] {
            heldRoutes[route] = nil
            routeQueue.mark(route)
        }
    }

    // MARK: Writing

    /// The most changes that `flush` makes at a time.
    package static let mostAtOnce = 512

    /// Writes what is marked, at most about `limit` changes. Does nothing when all is written.
    package func flush(limit: Int) {
        // More do not fit into one datagram.
        var left = min(limit, Self.mostAtOnce)
        // Groups that turn out to be gone are marked again, and made anew.
        for _ in 0..<3 where !groupQueue.isEmpty {
            while left > 0, let group = groupQueue.pop() {
                guard let wanted = wantedGroups[group] else { continue }
                let reachable = wanted.filter { ports[$0.port] != nil }
                if heldGroups[group] != reachable { left -= write(group, reachable) }
            }
            perform()
        }
        guard groupQueue.isEmpty else { return }
        while left > 0, let route = routeQueue.pop() {
            let wanted = wantedRoutes[route].flatMap { heldGroups[$0] == nil ? nil : $0 }
            guard wanted != heldRoutes[route] else { continue }
            left -= 1
            write(route, wanted)
        }
        perform()
        guard routeQueue.isEmpty else { return }
        while left > 0, let group = removalQueue.pop() {
            guard wantedGroups[group] == nil, heldGroups[group] != nil else { continue }
            left -= 1
            let id = Self.id(ofGroup: group)
            let sequence = add(.group(group, nil))
            KernelRequests.appendRemovalOfNextHop(id, sequence: sequence, to: &batch)
        }
        perform()
    }

    /// What one request of the batch changes when it succeeds.
    private enum Change {
        case way(UInt32)
        case group(UInt32, [TableMember]?)
        case route(TableRoute, UInt32?)
    }

    private var changes: [(sequence: UInt32, change: Change)] = []

    private func add(_ change: Change) -> UInt32 {
        let sequence = socket.sequence()
        changes.append((sequence, change))
        return sequence
    }

    /// Adds a group's members, as far as they are not there, and the group to the batch. Returns
    /// how many requests that took.
    @discardableResult
    private func write(_ group: UInt32, _ members: [TableMember]) -> Int {
        var requests = 1
        for member in members {
            if member.raisedTo == nil, !heldWays.contains(Self.id(of: member)) {
                // When a device dies the kernel throws away its ways one after the other, the
                // latest first, and waits for a grace period after each: what carries undisturbed
                // packets is made last, so that it goes first.
                for raised in wantedRaises(at: member.port) { requests += writeWay(raised) }
            }
            requests += writeWay(member)
        }
        if members.isEmpty, heldWays.insert(Self.dropID).inserted {
            let sequence = add(.way(Self.dropID))
            KernelRequests.appendNextHop(
                Self.dropID, interface: 0, gateway: nil, sequence: sequence, to: &batch)
        }
        let ids = members.isEmpty ? [Self.dropID] : members.map(Self.id(of:))
        let sequence = add(.group(group, members))
        KernelRequests.appendGroup(
            Self.id(ofGroup: group), members: ids, isNew: heldGroups[group] == nil,
            sequence: sequence, to: &batch)
        counts.groupWrites += 1
        return requests
    }

    /// Adds a way that is not there to the batch. Returns how many requests that took.
    private func writeWay(_ member: TableMember) -> Int {
        let id = Self.id(of: member)
        guard let port = ports[member.port], heldWays.insert(id).inserted else { return 0 }
        let gateway = member.raisedTo.map(KernelRequests.raiseGateway) ?? port.gateway
        let sequence = add(.way(id))
        KernelRequests.appendNextHop(
            id, interface: port.interface, gateway: gateway, sequence: sequence, to: &batch)
        return 1
    }

    /// The ways by a port that raise packets and that some group wants, in order.
    private func wantedRaises(at port: Int) -> [TableMember] {
        var found: Set<TableMember> = []
        for members in wantedGroups.values {
            for member in members where member.port == port && member.raisedTo != nil {
                found.insert(member)
            }
        }
        return found.sorted { ($0.raisedTo ?? 0) < ($1.raisedTo ?? 0) }
    }

    private func write(_ route: TableRoute, _ group: UInt32?) {
        counts.routeWrites += 1
        let sequence = add(.route(route, group))
        if let group {
            KernelRequests.appendRoute(
                route, nextHop: Self.id(ofGroup: group), sequence: sequence, to: &batch)
        } else {
            KernelRequests.appendRemoval(of: route, sequence: sequence, to: &batch)
        }
    }

    /// Sends the batch and takes over what the kernel accepted.
    private func perform() {
        guard batch.count > 0 else { return }
        defer {
            batch.removeAll()
            changes.removeAll(keepingCapacity: true)
        }
        counts.batches += 1
        var refused: [UInt32: NetlinkSocket.Refusal] = [:]
        do {
            for refusal in try socket.perform(&batch) { refused[refusal.sequence] = refusal }
        } catch {
            refuse("\(error)")
            return
        }
        for (sequence, change) in changes {
            if case .group(let group, _?) = change, let refusal = refused[sequence],
                refusal.isAbsence
            {
                // The carrier was lost, the kernel threw the group away, and its news of that is
                // still under way.
                forget(group)
                groupQueue.mark(group, first: true)
                continue
            }
            // What is gone already, by the kernel's own doing, is as good as removed.
            if let refusal = refused[sequence], !Self.isRemoval(change) || !refusal.isAbsence {
                if case .way(let id) = change { heldWays.remove(id) }
                refuse("\(Self.name(change)): \(refusal)")
                continue
            }
            take(change)
        }
    }

    private func take(_ change: Change) {
        switch change {
        case .way: break
        case .group(let group, let members):
            heldGroups[group] = members
            if members == nil { routesOfGroup[group] = nil }
        case .route(let route, let group):
            if let old = heldRoutes[route] { routesOfGroup[old]?.remove(route) }
            heldRoutes[route] = group
            if let group { routesOfGroup[group, default: []].insert(route) }
        }
    }

    private func refuse(_ text: String) {
        counts.refusals += 1
        lastRefusal = text
        mustCompare = true
    }

    private static func isRemoval(_ change: Change) -> Bool {
        switch change {
        case .way: false
        case .group(_, let members): members == nil
        case .route(_, let group): group == nil
        }
    }

    private static func name(_ change: Change) -> String {
        switch change {
        case .way(let id): "next hop \(id)"
        case .group(let group, _): "group \(id(ofGroup: group))"
        case .route(let route, _):
            "route \(route.prefix) in table \(KernelRequests.number(of: route.table))"
        }
    }

    // MARK: Comparing

    /// Reads what the kernel holds of ours, and marks what differs from what is wanted. `trees` is
    /// how many there are. Takes time in proportion to all routes: not for every failure.
    func compare(trees: Int) throws(SystemError) {
        counts.comparisons += 1
        mustCompare = false
        var ways: Set<UInt32> = []
        var groups: [UInt32: [TableMember]] = [:]
        var routes: [TableRoute: UInt32] = [:]
        try socket.list(Int(RTM_GETNEXTHOP), fixed: [UInt8](repeating: 0, count: 8)) { record in
            guard case .nextHop(let hop) = record, (Self.firstID...Self.lastID).contains(hop.id)
            else { return }
            if let members = hop.group, hop.id >= Self.firstGroupID {
                let ways = members.filter { $0 != Self.dropID }
                groups[hop.id - Self.firstGroupID] = ways.map(Self.member(of:))
            } else {
                ways.insert(hop.id)
            }
        }
        var request = [UInt8](repeating: 0, count: 12)
        request[0] = UInt8(AF_INET)
        try socket.list(Int(RTM_GETROUTE), fixed: request) { record in
            guard case .route(let route) = record, route.origin == KernelRequests.origin,
                route.nextHop >= Self.firstGroupID, route.nextHop <= Self.lastID,
                route.priority >= KernelRequests.firstMetric,
                let table = KernelRequests.table(of: route.table, trees: trees)
            else { return }
            let slot = Int(route.priority - KernelRequests.firstMetric)
            routes[TableRoute(table: table, prefix: route.prefix, slot: slot)] =
                route.nextHop - Self.firstGroupID
        }
        takeOver(ways, groups, routes)
    }

    private func takeOver(
        _ ways: Set<UInt32>, _ groups: [UInt32: [TableMember]], _ routes: [TableRoute: UInt32]
    ) {
        heldWays = ways
        heldGroups = groups
        heldRoutes = routes
        routesOfGroup.removeAll()
        for (route, group) in routes { routesOfGroup[group, default: []].insert(route) }
        for (group, members) in wantedGroups where groups[group] != members {
            groupQueue.mark(group)
        }
        for (route, group) in wantedRoutes where routes[route] != group { routeQueue.mark(route) }
        for route in routes.keys where wantedRoutes[route] == nil { routeQueue.mark(route) }
        for group in groups.keys where wantedGroups[group] == nil { removalQueue.mark(group) }
    }

    /// Which half of the groups' numbers the kernel holds something in: the one to leave alone for
    /// the next tables.
    var heldGeneration: UInt32? {
        heldGroups.keys.max().map { $0 / Self.groupsOfGeneration }
    }

    /// Takes all of ours out of the kernel.
    package func removeAll() {
        replaceAll([])
        while !isSettled { flush(limit: 4_096) }
        for id in heldWays.sorted() {
            KernelRequests.appendRemovalOfNextHop(
                id, sequence: socket.sequence(), to: &batch)
            if batch.count >= 256 { clear() }
        }
        clear()
        heldWays.removeAll()
    }

    private func clear() {
        _ = try? socket.perform(&batch)
        batch.removeAll()
    }
}

extension NetlinkSocket.Refusal {
    /// Whether what was to be removed was not there.
    var isAbsence: Bool { code == ENOENT || code == ESRCH || code == ENODEV }
}

/// Marks in the order in which they came, each once; urgent ones first.
private struct MarkQueue<Mark: Hashable> {
    private var urgent: [Mark] = []
    private var ordinary: [Mark] = []
    private var nextUrgent = 0
    private var nextOrdinary = 0
    private var marked: Set<Mark> = []

    var isEmpty: Bool { marked.isEmpty }
    var count: Int { marked.count }

    mutating func mark(_ mark: Mark, first isUrgent: Bool = false) {
        let isNew = marked.insert(mark).inserted
        if isUrgent {
            urgent.append(mark)
        } else if isNew {
            ordinary.append(mark)
        }
    }

    mutating func pop() -> Mark? {
        while nextUrgent < urgent.count {
            nextUrgent += 1
            if let mark = marked.remove(urgent[nextUrgent - 1]) { return mark }
        }
        urgent.removeAll(keepingCapacity: true)
        nextUrgent = 0
        while nextOrdinary < ordinary.count {
            nextOrdinary += 1
            if let mark = marked.remove(ordinary[nextOrdinary - 1]) { return mark }
        }
        ordinary.removeAll(keepingCapacity: true)
        nextOrdinary = 0
        return nil
    }
}
