/// Works out the levels of destinations at one switch: what `Forwarding.decide` would answer for
/// each state of the switch's own ports, in one go.
///
/// This holds because no route of a fabric touches a switch twice: whether a way further on is free
/// depends on links elsewhere alone, and the own port's state only takes ways out of the choice.
public struct LevelSource: Sendable {
    /// How the fabric forwards.
    public let forwarding: Forwarding
    /// The switch.
    public let id: SwitchID

    public init(_ forwarding: Forwarding, at id: SwitchID) {
        self.forwarding = forwarding
        self.id = id
    }

    /// What a switch knows of links, without its own dead ones.
    public struct Knowledge: Hashable, Sendable {
        /// Dead links elsewhere.
        public var dead: LinkSet
        /// The dead ones and those that had better not be used, of its own too.
        public var soft: LinkSet

        public init(dead: LinkSet = [], soft: LinkSet = []) {
            self.dead = dead
            self.soft = soft
        }
    }

    /// One tree of a destination as seen from the switch.
    struct TreeWay: Hashable {
        var port: Int
        /// 0 when its way is free of what had better be avoided, 1 when free of what is dead, 2
        /// otherwise.
        var grade: Int
        /// Links to the destination; 0 where the way is not free.
        var length: Int
    }

    /// The trees of a destination; nil for one that does not start here.
    func trees(to destination: DestinationID, _ known: Knowledge) -> [TreeWay?] {
        (0..<forwarding.routes.treeCount).map { tree in
            guard
                let port = forwarding.routes.treePort(at: id, to: destination, tree: tree),
                forwarding.fabric.neighbor(of: id, port: port) != nil
            else { return nil }
            func length(_ avoided: LinkSet) -> Int? {
                forwarding.clearLength(
                    tree, from: id, to: destination, avoiding: avoided, below: .max)
            }
            if let length = length(known.soft) {
                return TreeWay(port: port, grade: 0, length: length)
            }
            if known.soft != known.dead, let length = length(known.dead) {
                return TreeWay(port: port, grade: 1, length: length)
            }
            return TreeWay(port: port, grade: 2, length: 0)
        }
    }

    /// The levels of a destination in a table. `trees` are its trees, computed once for all tables.
    func levels(
        to destination: DestinationID, in table: RankTable, _ known: Knowledge,
        trees: [TreeWay?]
    ) -> RouteLevels {
        var levels = RouteLevels()
        let count = trees.count
        // A packet of rank 0 stands before tree 0, as if it followed the last one.
        var steps = 1...max(1, count)
        var current = count - 1
        switch table {
        case .shortest:
            for avoided in [known.soft, known.dead] {
                var ports: [Int] = []
                forwarding.routes.appendShortest(
                    at: id, to: destination, avoiding: avoided, into: &ports)
                levels.append(ports.map { TableMember(port: $0) })
                if known.soft == known.dead { break }
            }
        case .tree(let tree):
            steps = 0...max(0, count - 1)
            current = tree
        }
        func append(where isGood: (TreeWay) -> Bool, shortestFirst: Bool = false) {
            var found: [(length: Int, step: Int, tree: Int, port: Int)] = []
            for step in steps where count > 0 {
                let tree = (current + step) % count
                if let way = trees[tree], isGood(way) {
                    found.append((shortestFirst ? way.length : 0, step, tree, way.port))
                }
            }
            found.sort { ($0.length, $0.step) < ($1.length, $1.step) }
            for way in found {
                let raised = way.step == 0 ? nil : way.tree
                levels.append([TableMember(port: way.port, raisedTo: raised)])
            }
        }
        // Who has left rank 0 minds only what is dead.
        if table == .shortest {
            append(where: { $0.grade == 0 }, shortestFirst: true)
            append(where: { $0.grade <= 1 }, shortestFirst: true)
        } else {
            append { $0.grade <= 1 }
        }
        append { _ in true }
        return levels
    }

    /// The levels of a destination in one table.
    public func levels(
        to destination: DestinationID, in table: RankTable, _ known: Knowledge
    ) -> RouteLevels {
        levels(to: destination, in: table, known, trees: trees(to: destination, known))
    }

    /// The destinations whose levels at rank 0 may depend on a link elsewhere; nil when any may.
    func destinations(dependingOn link: LinkID) -> Range<Int>? {
        guard case .clos(let clos) = forwarding.fabric else { return nil }
        let at = clos.position(of: id)
        switch clos.kind(of: link) {
        case .lower(let plane, let pod, let edge, _):
            let owner = clos.edge(plane: plane, pod: pod, edge)
            guard let destination = clos.destination(of: owner) else { return nil }
            return destination.index..<destination.index + 1
        case .upper(let plane, let pod, _, _):
            if at.tier == .edge, at.plane == plane, at.pod == pod { return nil }
            let first = plane * clos.edgesPerPlane + pod * clos.shape.edgesPerPod
            return first..<first + clos.shape.edgesPerPod
        }
    }
}
