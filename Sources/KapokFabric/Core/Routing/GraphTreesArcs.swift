/// The wiring of a graph in flat arrays, for the loops that build trees: arc `i` of the range
/// `firsts[n] ..< firsts[n + 1]` is port `i - firsts[n]` of switch n.
struct GraphArcs: Sendable {
    /// Switches.
    let nodeCount: Int
    /// Where the arcs of each switch begin; one more entry than switches.
    let firsts: [Int32]
    /// The switch at the far end of each arc.
    let fars: [Int32]
    /// The link of each arc.
    let links: [Int32]
    /// The same link seen from the far end.
    let reverses: [Int32]
    /// Whether routes may use the link: it is not missing, and its ports' numbers fit a table.
    let isUsable: [Bool]
    /// For each link one of its two arcs.
    let linkArcs: [Int32]

    /// Ports of one switch that routes can use; what lies beyond stays idle.
    static let maximumPorts = Int(UInt16.max)

    init(_ topology: GraphTopology, missing: LinkSet) {
        let count = topology.nodes.count
        nodeCount = count
        var firsts: [Int32] = [0]
        firsts.reserveCapacity(count + 1)
        for ports in topology.neighbors {
            firsts.append(firsts[firsts.count - 1] + Int32(ports.count))
        }
        var isLinkUsable = topology.ports.map {
            $0.lower.port < Self.maximumPorts && $0.upper.port < Self.maximumPorts
        }
        for link in missing where isLinkUsable.indices.contains(link.index) {
            isLinkUsable[link.index] = false
        }
        var fars: [Int32] = []
        var links: [Int32] = []
        var reverses: [Int32] = []
        var isUsable: [Bool] = []
        for ports in topology.neighbors {
            for neighbor in ports {
                fars.append(Int32(neighbor.far.owner.index))
                links.append(Int32(neighbor.link.index))
                reverses.append(firsts[neighbor.far.owner.index] + Int32(neighbor.far.port))
                isUsable.append(isLinkUsable[neighbor.link.index])
            }
        }
        self.firsts = firsts
        self.fars = fars
        self.links = links
        self.reverses = reverses
        self.isUsable = isUsable
        linkArcs = topology.ports.map { firsts[$0.lower.owner.index] + Int32($0.lower.port) }
    }

    /// Links, missing ones too.
    var linkCount: Int { linkArcs.count }

    /// The two switches of a link.
    @inline(__always)
    func ends(of link: Int) -> (Int, Int) {
        let arc = Int(linkArcs[link])
        return (Int(fars[Int(reverses[arc])]), Int(fars[arc]))
    }

    /// The arcs of a switch.
    @inline(__always)
    func arcs(of node: Int) -> Range<Int> { Int(firsts[node])..<Int(firsts[node + 1]) }

    /// Links from each switch to `root` on a shortest path; `unreached` where there is none.
    func distances(to root: Int) -> [UInt16] {
        var distance = [UInt16](repeating: Self.unreached, count: nodeCount)
        var queue = [Int32](repeating: 0, count: nodeCount)
        distance[root] = 0
        queue[0] = Int32(root)
        var next = 0
        var end = 1
        while next < end {
            let at = Int(queue[next])
            next += 1
            for arc in arcs(of: at) where isUsable[arc] {
                let far = Int(fars[arc])
                if distance[far] == Self.unreached {
                    distance[far] = distance[at] + 1
                    queue[end] = Int32(far)
                    end += 1
                }
            }
        }
        return distance
    }

    /// The distance of what cannot be reached; 8,192 switches have none that long.
    static let unreached = UInt16.max
}
