extension Forwarding {
    /// Appends the links, from the switch on, that the choice of `port` rests on: as long as none
    /// of them is known dead, `decide` keeps offering that port with that tag, whatever else
    /// becomes known dead. So an adversary who wants another choice must take one of them.
    ///
    /// The reason: knowing more only ever removes ports at rank 0, and a port stays while one way
    /// behind it is open, for which this is a witness; above rank 0 the tree that was chosen stays
    /// the first that is clear, as the ones before it stay not clear.
    func appendWitness(
        at id: SwitchID, to destination: DestinationID, port: Int, sent: Tag, dead known: LinkSet,
        into links: inout [LinkID]
    ) {
        let dead = missing.union(known)
        guard let tree = sent.tree(of: routes.treeCount) else {
            let soft = drained.union(dead)
            let before = links.count
            if appendOpenWay(at: id, to: destination, port: port, avoiding: soft, into: &links) {
                return
            }
            links.removeLast(links.count - before)
            _ = appendOpenWay(at: id, to: destination, port: port, avoiding: dead, into: &links)
            return
        }
        let owner = fabric.owner(of: destination)
        let before = links.count
        var at = id
        while at != owner {
            guard let port = routes.treePort(at: at, to: destination, tree: tree),
                let next = fabric.neighbor(of: at, port: port), !dead.contains(next.link)
            else {
                // Not clear: chosen for its first link alone.
                if links.count > before + 1 { links.removeLast(links.count - before - 1) }
                return
            }
            links.append(next.link)
            at = next.far.owner
        }
    }

    /// One way at rank 0 through `port` that is free of `avoided`; false, with as much of it as
    /// there is, when there is none.
    private func appendOpenWay(
        at id: SwitchID, to destination: DestinationID, port: Int, avoiding avoided: LinkSet,
        into links: inout [LinkID]
    ) -> Bool {
        let owner = fabric.owner(of: destination)
        guard let first = fabric.neighbor(of: id, port: port) else { return false }
        links.append(first.link)
        guard !avoided.contains(first.link) else { return false }
        var at = first.far.owner
        var ports: [Int] = []
        var steps = 0
        while at != owner, steps < fabric.switchCount {
            ports.removeAll(keepingCapacity: true)
            routes.appendShortest(at: at, to: destination, avoiding: avoided, into: &ports)
            guard let port = ports.first, let next = fabric.neighbor(of: at, port: port)
            else { return false }
            links.append(next.link)
            at = next.far.owner
            steps += 1
        }
        return at == owner
    }
}
