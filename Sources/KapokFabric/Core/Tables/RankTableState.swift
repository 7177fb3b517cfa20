/// The groups of one set of levels: one for each slot, numbered one after the other.
struct GroupBundle: Sendable {
    /// What the groups follow from.
    var levels: RouteLevels
    /// The group of slot 0.
    let first: UInt32
    /// The members of each slot's group as they were last set.
    var contents: [[TableMember]]

    var slotCount: Int { contents.count }

    func group(_ slot: Int) -> TableGroupID { TableGroupID(first + UInt32(slot)) }

    /// Whether a way out of `port` is among the members now.
    func uses(_ port: Int) -> Bool {
        contents.contains { $0.contains { $0.port == port } }
    }

    /// Brings the members up to date, slot 0 first. A slot without a level of its own repeats the
    /// last one: its routes stay where they are, so that a failure never moves routes.
    mutating func refresh(deadPorts: [Bool], into operations: inout [TableOperation]) {
        let living = levels.living(deadPorts: deadPorts, limit: slotCount)
        for slot in contents.indices {
            let wanted = living.isEmpty ? [] : living[min(slot, living.count - 1)].sorted()
            if wanted != contents[slot] {
                contents[slot] = wanted
                operations.append(.setGroup(group(slot), wanted))
            }
        }
    }
}

/// One table of a switch. Destinations whose levels are equal while all is well form a class: they
/// share groups and, where their prefixes are neighbours, routes. A destination that news about
/// links elsewhere sets apart becomes an exception, with routes of its own on top.
struct RankTableState: Sendable {
    /// A class of destinations.
    struct Class: Sendable {
        /// One of its destinations: the class follows what this one would do if the switch knew
        /// of its own links only.
        var representative: Int
        /// Its groups.
        var bundle: GroupBundle
    }

    /// The groups of exceptions with equal levels.
    struct ExceptionGroups: Sendable {
        var bundle: GroupBundle
        var destinations = 0
    }

    /// Which table it is.
    let table: RankTable
    /// The classes, in the order of their first destinations.
    var classes: [Class] = []
    /// The class of each destination, -1 for those without one.
    var classOf: [Int32]
    /// Routes while all is well, with the classes that they lead to.
    var baseRoutes: [IPv4Prefix: Int32] = [:]
    /// Destinations that do not follow their class, with what they follow instead.
    var exceptions: [Int: RouteLevels] = [:]
    /// Their groups.
    var exceptionGroups: [RouteLevels: ExceptionGroups] = [:]
    /// Their routes.
    var exceptionRoutes: [IPv4Prefix: RouteLevels] = [:]
    /// Whether `exceptions` changed since `exceptionRoutes` were made.
    var hasStaleRoutes = false

    init(table: RankTable, destinations: Int) {
        self.table = table
        classOf = Array(repeating: -1, count: destinations)
    }

    /// The routes that the exceptions need. Their prefixes are joined no further than the route
    /// of their class, behind which a longer one of somebody else may stand.
    func wantedExceptionRoutes(_ prefixes: [[IPv4Prefix]]) -> [IPv4Prefix: RouteLevels] {
        var wanted: [IPv4Prefix: RouteLevels] = [:]
        var classes: [IPv4Prefix: Int32] = [:]
        for destination in exceptions.keys.sorted() {
            for prefix in prefixes[destination] {
                wanted[prefix] = exceptions[destination]
                classes[prefix] = classOf[destination]
            }
        }
        // Halves that are routes of their own stay apart: the whole would lie below them.
        PrefixAggregation.join(&wanted) { whole, _ in
            let bit = whole.length < 32 ? UInt32(1) << UInt32(31 - whole.length) : 0
            let halves = [
                IPv4Prefix(address: whole.address, length: whole.length + 1),
                IPv4Prefix(address: whole.address | bit, length: whole.length + 1),
            ]
            guard halves.allSatisfy({ baseRoutes[$0] == nil }) else { return false }
            let owners = halves.map { classes[$0] }
            guard let owner = owners[0], owners[1] == owner,
                baseRoutes[whole] == nil || baseRoutes[whole] == owner
            else { return false }
            classes[whole] = owner
            return true
        }
        return wanted
    }
}
