/// The tables of one switch: what its kernel or chip is to hold, worked out from the plan and from
/// what is known of links, as operations that lead from one state to the next.
///
/// * A failure of an own link changes members of groups only, never a route: at rank 0 one group
///   for each class of destinations that the link served (one for all, at an edge switch).
/// * News about a link elsewhere moves the destinations that it concerns, and their routes only.
/// * Rank 0 comes first, in `update`; the trees, where only detoured packets are, follow in
///   `continueUpdate`, in portions.
public struct ForwardingTables: Sendable {
    /// How the fabric forwards.
    public let forwarding: Forwarding
    /// The switch.
    public let id: SwitchID
    /// Groups that the kernel can fall back on by itself, for each route of rank 0.
    public let backups: Int
    /// The prefixes of each destination; none for what the switch owns or cannot reach.
    public let prefixes: [[IPv4Prefix]]

    let source: LevelSource
    let ownLinks: [LinkID: Int]
    var tables: [RankTableState] = []
    var deadPorts: [Bool]
    var known = LevelSource.Knowledge()
    var ownKnown = LevelSource.Knowledge()
    var nextGroup: UInt32
    /// Bundles that were given back, by how many groups they have.
    var freeBundles: [[UInt32]]
    /// Own prefixes of the switch: its tree tables must not swallow them.
    public let ownPrefixes: [IPv4Prefix]

    // What `continueUpdate` still has to do.
    var deferredTable = 0
    var deferredClass = 0
    var mustFollowOwn = false
    var deferredDestinations: [Int] = []
    var isDeferred: [Bool]

    /// Destinations that `update` works out itself at rank 0; more are left to `continueUpdate`.
    static let mostAtOnce = 256

    /// The tables of the switch that a plan is for, while all links of the plan live. Groups are
    /// numbered from `firstGroup`.
    public init(_ plan: SwitchPlan, backups: Int = 1, firstGroup: UInt32 = 0) {
        self.init(
            plan.forwarding(), at: plan.switchID, extraPrefixes: plan.extraPrefixes,
            backups: backups, firstGroup: firstGroup)
    }

    /// The tables of switch `id`. `backups` is at most 7. Where two destinations claim one prefix,
    /// the lower number has it, at every switch.
    public init(
        _ forwarding: Forwarding, at id: SwitchID,
        extraPrefixes: [DestinationID: [IPv4Prefix]] = [:], backups: Int = 1,
        firstGroup: UInt32 = 0
    ) {
        precondition((0...7).contains(backups))
        self.forwarding = forwarding
        self.id = id
        self.backups = backups
        nextGroup = firstGroup
        freeBundles = Array(repeating: [], count: backups + 2)
        source = LevelSource(forwarding, at: id)
        let fabric = forwarding.fabric
        var ownLinks: [LinkID: Int] = [:]
        let ports = fabric.fabricPortCount(of: id)
        for port in 0..<ports {
            if let next = fabric.neighbor(of: id, port: port) { ownLinks[next.link] = port }
        }
        self.ownLinks = ownLinks
        deadPorts = Array(repeating: false, count: ports)
        (prefixes, ownPrefixes) = Self.prefixes(fabric, at: id, extraPrefixes)
        isDeferred = Array(repeating: false, count: fabric.destinationCount)
        let missing = forwarding.missing
        for link in missing { ownLinks[link].map { deadPorts[$0] = true } }
        ownKnown = knowledge(dead: missing, avoided: forwarding.drained)
        known = ownKnown
        makeTables()
    }

    private static func prefixes(
        _ fabric: Fabric, at id: SwitchID, _ extra: [DestinationID: [IPv4Prefix]]
    ) -> ([[IPv4Prefix]], own: [IPv4Prefix]) {
        var taken: Set<IPv4Prefix> = []
        var own: [IPv4Prefix] = []
        var all: [[IPv4Prefix]] = []
        for index in 0..<fabric.destinationCount {
            let destination = DestinationID(index)
            let mine = fabric.prefix(of: destination).map { [$0] } ?? []
            let claimed = (mine + (extra[destination] ?? [])).map(\.masked)
            let kept = claimed.filter { taken.insert($0).inserted }
            let owner = fabric.owner(of: destination)
            if owner == id { own = kept }
            let isHere = owner != id && fabric.plane(of: owner) == fabric.plane(of: id)
            all.append(isHere ? kept : [])
        }
        return (all, own)
    }

    private func knowledge(dead: LinkSet, avoided: LinkSet) -> LevelSource.Knowledge {
        let remote = LinkSet(dead.filter { ownLinks[$0] == nil })
        return LevelSource.Knowledge(dead: remote, soft: avoided.union(remote))
    }

    // MARK: The start

    private mutating func makeTables() {
        let count = prefixes.count
        var all = (0...forwarding.routes.treeCount).map {
            RankTableState(table: RankTable(index: $0), destinations: count)
        }
        var classNumbers = [[RouteLevels: Int32]](repeating: [:], count: all.count)
        for index in 0..<count where !prefixes[index].isEmpty {
            let destination = DestinationID(index)
            let trees = source.trees(to: destination, ownKnown)
            for table in all.indices {
                let levels = source.levels(
                    to: destination, in: all[table].table, ownKnown, trees: trees)
                let number: Int32
                if let found = classNumbers[table][levels] {
                    number = found
                } else {
                    number = Int32(all[table].classes.count)
                    classNumbers[table][levels] = number
                    all[table].classes.append(
                        .init(representative: index, bundle: makeBundle(levels, in: table)))
                }
                all[table].classOf[index] = number
                for prefix in prefixes[index] { all[table].baseRoutes[prefix] = number }
            }
        }
        for table in all.indices { PrefixAggregation.join(&all[table].baseRoutes) }
        tables = all
    }

    /// Only rank 0 has backups: in the tables of trees are packets that a failure has detoured
    /// already, and a second one at the same time is repaired as fast as the agent is. Nor has a
    /// class with several ways one: the kernel goes on with the others. Each way less is a grace
    /// period less that the kernel waits, holding up all else, when a port dies.
    private mutating func makeBundle(_ levels: RouteLevels, in table: Int) -> GroupBundle {
        let isAlone = levels.count > 1 && levels[0].count == 1
        let slots = table == 0 && isAlone ? min(levels.count, backups + 1) : 1
        let first: UInt32
        if let free = freeBundles[slots].popLast() {
            first = free
        } else {
            first = nextGroup
            nextGroup += UInt32(slots)
        }
        var bundle = GroupBundle(
            levels: levels, first: first, contents: Array(repeating: [], count: slots))
        var ignored: [TableOperation] = []
        bundle.refresh(deadPorts: deadPorts, into: &ignored)
        return bundle
    }

    /// All that leads from empty tables to the state now: groups before the routes to them, rank
    /// 0 before the trees.
    public func operations() -> [TableOperation] {
        var operations: [TableOperation] = []
        for state in tables {
            for bundle in state.classes.map(\.bundle) + state.exceptionGroups.values.map(\.bundle) {
                for slot in 0..<bundle.slotCount {
                    operations.append(.setGroup(bundle.group(slot), bundle.contents[slot]))
                }
            }
        }
        for state in tables {
            for prefix in Set(state.baseRoutes.keys).union(state.exceptionRoutes.keys) {
                Self.appendRoute(prefix, in: state, before: nil, into: &operations)
            }
        }
        return operations
    }

    // MARK: News

    /// Takes in what is known of links now, the switch's own dead ones included, and returns what
    /// changes at rank 0. `cause` is the link that changed, where it was one: groups that lead out
    /// of it come first.
    public mutating func update(
        dead: LinkSet, avoided: LinkSet, cause: LinkID? = nil
    ) -> [TableOperation] {
        let allDead = forwarding.missing.union(dead)
        let allAvoided = forwarding.drained.union(avoided)
        var operations: [TableOperation] = []
        let ports = deadPorts
        deadPorts = Array(repeating: false, count: ports.count)
        for link in allDead { ownLinks[link].map { deadPorts[$0] = true } }
        let before = known
        let ownBefore = ownKnown
        known = knowledge(dead: allDead, avoided: allAvoided)
        ownKnown = LevelSource.Knowledge(
            dead: LinkSet(forwarding.missing.filter { ownLinks[$0] == nil }),
            soft: LinkSet(
                known.soft.filter {
                    ownLinks[$0] != nil || forwarding.missing.contains($0)
                        || forwarding.drained.contains($0)
                }))
        let mustFollow = ownKnown != ownBefore
        if ports != deadPorts || mustFollow {
            let port = cause.flatMap { ownLinks[$0] }
            refreshClasses(of: 0, first: port, mustFollow: mustFollow, into: &operations)
            refreshExceptions(of: 0, into: &operations)
            deferredTable = 1
            deferredClass = 0
            mustFollowOwn = mustFollowOwn || mustFollow
        }
        if known != before {
            findConcerned(before, isOwnChanged: mustFollow, into: &operations)
        }
        return operations
    }

    /// Works out the destinations that a change of knowledge concerns.
    private mutating func findConcerned(
        _ before: LevelSource.Knowledge, isOwnChanged: Bool, into operations: inout [TableOperation]
    ) {
        var concerned: Set<Int> = []
        var isEverything = isOwnChanged
        for (old, new) in [(before.dead, known.dead), (before.soft, known.soft)] {
            for link in Set(old).symmetricDifference(new) {
                if let range = source.destinations(dependingOn: link) {
                    concerned.formUnion(range)
                } else {
                    isEverything = true
                }
            }
        }
        let reachable = prefixes.indices.filter { !prefixes[$0].isEmpty }
        // Trees of other destinations may lead over the link too: all look again, these first.
        let first = isEverything ? reachable : concerned.filter { !prefixes[$0].isEmpty }.sorted()
        if first.count <= Self.mostAtOnce {
            for destination in first {
                let levels = source.levels(
                    to: DestinationID(destination), in: .shortest, known)
                place(destination, in: 0, levels, into: &operations)
            }
            finishRoutes(of: 0, into: &operations)
        }
        // Worked off from the end.
        let front = Set(first)
        for destination in reachable.filter({ !front.contains($0) }) + first
        where !isDeferred[destination] {
            isDeferred[destination] = true
            deferredDestinations.append(destination)
        }
    }

    /// Whether `continueUpdate` has something to do.
    public var hasDeferredWork: Bool {
        (1..<tables.count).contains(deferredTable) || !deferredDestinations.isEmpty
            || tables.contains(where: \.hasStaleRoutes)
    }

    /// Does a portion of what `update` left: about `classes` classes, or a sixteenth as many
    /// destinations. Call it until `hasDeferredWork` is false.
    public mutating func continueUpdate(classes: Int = 512) -> [TableOperation] {
        var operations: [TableOperation] = []
        var left = classes
        while left > 0, (1..<tables.count).contains(deferredTable) {
            let count = tables[deferredTable].classes.count
            let range = deferredClass..<min(count, deferredClass + left)
            refreshClasses(
                of: deferredTable, range, mustFollow: mustFollowOwn, into: &operations)
            left -= range.count + 1
            deferredClass = range.upperBound
            if deferredClass == count {
                refreshExceptions(of: deferredTable, into: &operations)
                deferredTable += 1
                deferredClass = 0
            }
        }
        if deferredTable >= tables.count {
            deferredTable = 0
            mustFollowOwn = false
        }
        guard deferredTable == 0 else { return operations }
        while left > 0, let destination = deferredDestinations.popLast() {
            isDeferred[destination] = false
            let id = DestinationID(destination)
            let trees = source.trees(to: id, known)
            for table in tables.indices {
                let levels = source.levels(
                    to: id, in: tables[table].table, known, trees: trees)
                place(destination, in: table, levels, into: &operations)
            }
            left -= 16
        }
        if deferredDestinations.isEmpty {
            for table in tables.indices { finishRoutes(of: table, into: &operations) }
        }
        return operations
    }

    // MARK: Groups

    private mutating func refreshClasses(
        of table: Int, _ range: Range<Int>? = nil, first port: Int? = nil, mustFollow: Bool,
        into operations: inout [TableOperation]
    ) {
        var order = Array(range ?? tables[table].classes.indices)
        if let port {
            let classes = tables[table].classes
            order =
                order.filter { classes[$0].bundle.uses(port) }
                + order.filter { !classes[$0].bundle.uses(port) }
        }
        for number in order {
            if mustFollow {
                let destination = DestinationID(tables[table].classes[number].representative)
                tables[table].classes[number].bundle.levels = source.levels(
                    to: destination, in: tables[table].table, ownKnown)
            }
            tables[table].classes[number].bundle.refresh(
                deadPorts: deadPorts, into: &operations)
        }
    }

    private mutating func refreshExceptions(
        of table: Int, into operations: inout [TableOperation]
    ) {
        for levels in tables[table].exceptionGroups.keys {
            tables[table].exceptionGroups[levels]?.bundle.refresh(
                deadPorts: deadPorts, into: &operations)
        }
    }

    // MARK: Exceptions

    /// Lets a destination follow its class, or `levels` by itself when they differ.
    private mutating func place(
        _ destination: Int, in table: Int, _ levels: RouteLevels,
        into operations: inout [TableOperation]
    ) {
        let number = Int(tables[table].classOf[destination])
        let base = tables[table].classes[number].bundle.levels
        let wanted = levels == base ? nil : levels
        let before = tables[table].exceptions[destination]
        guard wanted != before else { return }
        tables[table].hasStaleRoutes = true
        if let before { tables[table].exceptionGroups[before]?.destinations -= 1 }
        tables[table].exceptions[destination] = wanted
        guard let wanted else { return }
        if tables[table].exceptionGroups[wanted] == nil {
            let bundle = makeBundle(wanted, in: table)
            tables[table].exceptionGroups[wanted] = .init(bundle: bundle)
            for slot in 0..<bundle.slotCount {
                operations.append(.setGroup(bundle.group(slot), bundle.contents[slot]))
            }
        }
        tables[table].exceptionGroups[wanted]?.destinations += 1
    }

    /// Moves the routes of exceptions that came, went or changed, and drops groups without use.
    private mutating func finishRoutes(of table: Int, into operations: inout [TableOperation]) {
        guard tables[table].hasStaleRoutes else { return }
        tables[table].hasStaleRoutes = false
        let before = tables[table]
        let wanted = before.wantedExceptionRoutes(prefixes)
        tables[table].exceptionRoutes = wanted
        let touched = Set(wanted.keys).union(before.exceptionRoutes.keys)
            .filter { wanted[$0] != before.exceptionRoutes[$0] }
        // Longer prefixes come first and go last, so that none is without its own route between.
        let inOrder = touched.sorted { ($0.length, $0.address) > ($1.length, $1.address) }
        let coming = inOrder.filter { wanted[$0] != nil }
        let going = inOrder.reversed().filter { wanted[$0] == nil }
        for prefix in coming + going {
            Self.appendRoute(prefix, in: tables[table], before: before, into: &operations)
        }
        for (levels, groups) in before.exceptionGroups where groups.destinations == 0 {
            tables[table].exceptionGroups[levels] = nil
            for slot in 0..<groups.bundle.slotCount {
                operations.append(.removeGroup(groups.bundle.group(slot)))
            }
            freeBundles[groups.bundle.slotCount].append(groups.bundle.first)
        }
    }

    /// Leads a prefix where the state says; `before` is the state that it comes from.
    private static func appendRoute(
        _ prefix: IPv4Prefix, in state: RankTableState, before: RankTableState?,
        into operations: inout [TableOperation]
    ) {
        let old = before?.bundle(of: prefix)
        let new = state.bundle(of: prefix)
        for slot in 0..<max(old?.slotCount ?? 0, new?.slotCount ?? 0) {
            let route = TableRoute(table: state.table, prefix: prefix, slot: slot)
            if let new, slot < new.slotCount {
                operations.append(.setRoute(route, new.group(slot)))
            } else {
                operations.append(.removeRoute(route))
            }
        }
    }

    /// The port of one of the switch's own links; nil for others.
    public func port(of link: LinkID) -> Int? { ownLinks[link] }

    /// How large the tables are now.
    public var sizes: TableSizes {
        var sizes = TableSizes()
        sizes.prefixes = prefixes.reduce(0) { $0 + $1.count }
        for (index, state) in tables.enumerated() {
            for bundle in state.classes.map(\.bundle) + state.exceptionGroups.values.map(\.bundle) {
                sizes.groups += bundle.slotCount
                sizes.members += bundle.contents.reduce(0) { $0 + $1.count }
            }
            sizes.exceptions += index == 0 ? state.exceptions.count : 0
            for prefix in Set(state.baseRoutes.keys).union(state.exceptionRoutes.keys) {
                let slots = state.bundle(of: prefix)?.slotCount ?? 0
                sizes.routes += slots
                sizes.primaryRoutes += index == 0 ? min(1, slots) : 0
            }
        }
        return sizes
    }
}

extension RankTableState {
    /// The groups that a route leads to; nil when there is no route of exactly this prefix.
    func bundle(of prefix: IPv4Prefix) -> GroupBundle? {
        if let levels = exceptionRoutes[prefix] { return exceptionGroups[levels]?.bundle }
        return baseRoutes[prefix].map { classes[Int($0)].bundle }
    }
}
