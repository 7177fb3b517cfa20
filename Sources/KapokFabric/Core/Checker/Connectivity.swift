extension Fabric {
    /// Whether two switches are connected by links that are in neither of two sets. O(links).
    func isConnected(_ a: SwitchID, _ b: SwitchID, without dead: LinkSet, and absent: LinkSet)
        -> Bool
    {
        if a == b { return true }
        // Most often everything is cut off at one end, which is soon seen.
        let ends = [a, b]
        for end in ends where !hasLivingLink(end, dead, absent) { return false }
        return reached(from: b, without: dead, and: absent, until: a)[a.index]
    }

    /// Whether a switch has a link that is in neither of two sets.
    func hasLivingLink(_ id: SwitchID, _ dead: LinkSet, _ absent: LinkSet) -> Bool {
        (0..<fabricPortCount(of: id)).contains { port in
            neighbor(of: id, port: port).map {
                !dead.contains($0.link) && !absent.contains($0.link)
            } ?? false
        }
    }

    /// Which switches are connected with `root`; the search ends when it finds `target`.
    func reached(
        from root: SwitchID, without dead: LinkSet, and absent: LinkSet, until target: SwitchID?
    ) -> [Bool] {
        var isReached = [Bool](repeating: false, count: switchCount)
        isReached[root.index] = true
        var stack = [root]
        while let at = stack.popLast() {
            for port in 0..<fabricPortCount(of: at) {
                guard let next = neighbor(of: at, port: port), !isReached[next.far.owner.index],
                    !dead.contains(next.link), !absent.contains(next.link)
                else { continue }
                isReached[next.far.owner.index] = true
                if next.far.owner == target { return isReached }
                stack.append(next.far.owner)
            }
        }
        return isReached
    }
}
