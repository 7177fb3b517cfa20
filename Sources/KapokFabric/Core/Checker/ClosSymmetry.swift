/// What is alike in a Clos network, as seen by `ClosRoutes`.
///
/// **Destinations.** Every choice of a tree towards (pod p, edge g) is an offset: planes, cores and
/// edge switches by cyclic shifts from g, pods by a cyclic shift of the others from p and g. So
/// shifting planes, edge switches and the cores of each plane by g' - g, and renaming the pods,
/// turns the routes towards (p, g) into those towards (p', g'). Every such renaming is also one of
/// the network; of its trunks only when the shifts keep trunks together, which is checked.
///
/// **Places.** With the destination fixed, a tree names a few pods, planes, edge switches and cores
/// (`ClosRoutes`, "Where a tree runs"). All others of a sort can be exchanged freely (pods; planes,
/// in all pods at once; edge switches within a pod; cores within a plane) without changing a route,
/// as long as trunks stay together. Links that are exceptions of a plan name places too.
struct ClosSymmetry {
    let routes: ClosRoutes
    let hasTrunks: Bool
    private var shape: ClosShape { routes.topology.shape }

    /// A destination that stands for `weight` alike ones.
    struct Representative: Hashable {
        var destination: DestinationID
        var weight: Int
    }

    /// One destination of each class; without exceptions of a plan.
    func destinations() -> [Representative] {
        var groups: [(group: Int, count: Int)] = []
        for group in 0..<shape.edgesPerPod {
            if let known = groups.firstIndex(where: { isShift(group - $0.group) }) {
                groups[known].count += 1
            } else {
                groups.append((group, 1))
            }
        }
        return groups.map { group, count in
            Representative(
                destination: DestinationID(group), weight: count * shape.pods * shape.planes)
        }
    }

    private func isShift(_ offset: Int) -> Bool {
        if !hasTrunks { return true }
        let topology = routes.topology
        let blocks = [
            (topology.lowerTrunk.width, shape.aggregationsPerPod),
            (topology.lowerTrunk.depth, shape.edgesPerPod),
            (topology.upperTrunk.depth, shape.aggregationsPerPod),
            (topology.upperTrunk.width, shape.coresPerAggregation),
        ]
        return blocks.allSatisfy { size, count in
            count == 0 || Self.keepsBlocks(offset, of: size, in: count)
        }
    }

    /// Whether a cyclic shift of `0 ..< count` maps blocks of `size` numbers to such blocks.
    static func keepsBlocks(_ offset: Int, of size: Int, in count: Int) -> Bool {
        func shifted(_ i: Int) -> Int { ((i + offset) % count + count) % count }
        return (0..<count).allSatisfy { i in
            i % size == 0 || shifted(i) / size == shifted(i - 1) / size
        }
            && (0..<count).allSatisfy { i in
                i == 0 || i % size != 0 || shifted(i) / size != shifted(i - 1) / size
            }
    }

    /// One switch of each class, for a destination; `exceptions` are the links that a plan treats
    /// specially.
    func switches(to destination: DestinationID, exceptions: LinkSet) -> [SwitchID] {
        let topology = routes.topology
        let to = topology.position(of: topology.owner(of: destination))
        var pods: Set<Int> = [to.pod]
        var planes: Set<Int> = []
        var edges: Set<Int> = [to.group]
        var cores: Set<Int> = []
        for tree in 0..<routes.treeCount {
            planes.insert(routes.entryPlane(of: tree, to: to))
            edges.insert(routes.turningEdge(of: tree, to: to))
            if let edge = routes.sibling(of: tree, to: to) { edges.insert(edge) }
            if let pod = routes.turningPod(of: tree, to: to) { pods.insert(pod) }
            if shape.coresPerAggregation > 0 { cores.insert(routes.core(of: tree, to: to)) }
        }
        for link in exceptions {
            switch topology.kind(of: link) {
            case .lower(_, let pod, let edge, let aggregation):
                pods.insert(pod)
                edges.insert(edge)
                planes.insert(aggregation)
            case .upper(_, let pod, let aggregation, let core):
                pods.insert(pod)
                planes.insert(aggregation)
                cores.insert(core)
            }
        }
        let lower = topology.lowerTrunk
        let upper = topology.upperTrunk
        let isBundled = hasTrunks
        Self.addOthers(&pods, shape.pods) { _ in 0 }
        Self.addOthers(&planes, shape.aggregationsPerPod) { plane in
            isBundled ? plane / lower.width << 16 | plane / upper.depth : 0
        }
        Self.addOthers(&edges, shape.edgesPerPod) { isBundled ? $0 / lower.depth : 0 }
        Self.addOthers(&cores, shape.coresPerAggregation) { isBundled ? $0 / upper.width : 0 }
        var all: [SwitchID] = []
        for pod in pods.sorted() {
            for edge in edges.sorted() {
                all.append(topology.edge(plane: to.plane, pod: pod, edge))
            }
            for plane in planes.sorted() {
                all.append(topology.aggregation(plane: to.plane, pod: pod, plane))
            }
        }
        for plane in planes.sorted() {
            for core in cores.sorted() {
                all.append(topology.core(plane: to.plane, aggregation: plane, core))
            }
        }
        return all
    }

    /// Adds to the special numbers of `0 ..< count` the first other one of each block.
    private static func addOthers(
        _ special: inout Set<Int>, _ count: Int, block: (Int) -> Int
    ) {
        var seen: Set<Int> = []
        for number in 0..<count where !special.contains(number) {
            if seen.insert(block(number)).inserted { special.insert(number) }
        }
    }

    /// The most links of a way at rank 0 from a source to a switch.
    func longestWay(to id: SwitchID, of destination: DestinationID) -> Int {
        let topology = routes.topology
        let at = topology.position(of: id)
        let to = topology.position(of: topology.owner(of: destination))
        switch at.tier {
        case .edge: return 0
        case .core: return 2
        case .aggregation:
            return at.pod == to.pod && shape.coresPerAggregation > 0 && shape.pods > 1 ? 3 : 1
        }
    }
}
