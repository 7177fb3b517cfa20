extension PathExplanation {
    /// The explanation in words, a line each; what belongs to a step is indented.
    public func lines() -> [String] {
        let fabric = forwarding.fabric
        var lines: [String] = []
        for step in steps {
            let name = fabric.name(of: step.id)
            let came = step.rank == 0 ? "" : " (came with rank \(step.rank))"
            switch step.decision {
            case .deliver: lines.append("\(name)\(came): here it is, for the host")
            case .drop: lines.append("\(name)\(came): dropped, no rank is left that leads on")
            case .forward(let ports, let tag):
                lines.append("\(name)\(came): \(sentence(step, ports, tag))")
            }
            for skipped in step.skipped { lines.append("    " + words(skipped, at: step.id)) }
            for others in step.others {
                lines.append(
                    "    \(names(others.ports, at: step.id)): \(words(others.reason))")
            }
        }
        switch outcome {
        case .delivered: lines.append("delivered after \(steps.count - 1) links")
        case .dropped: lines.append("dropped after \(steps.count - 1) links")
        case .loop: lines.append("a loop: it is where it was before, with the same rank")
        }
        return lines
    }

    private func sentence(_ step: Step, _ ports: [Int], _ tag: Tag) -> String {
        let fabric = forwarding.fabric
        guard let port = step.port, let next = step.next else { return "" }
        let way =
            "\(fabric.portName(PortID(step.id, port))) to \(fabric.name(of: next.far.owner))"
        if Int(tag.rank) > step.rank, let tree = step.tree {
            return "rises to rank \(tag.rank) and follows tree \(tree): \(way)"
        }
        if let tree = step.tree { return "goes on along tree \(tree): \(way)" }
        return ports.count == 1
            ? "one shortest way: \(way)" : "one of \(ports.count) equal ways: \(way)"
    }

    private func words(_ skipped: SkippedTree, at id: SwitchID) -> String {
        let fabric = forwarding.fabric
        let begin = "not rank \(skipped.rank), tree \(skipped.tree)"
        guard let port = skipped.port else { return "\(begin): it does not lead on from here" }
        let way = "\(begin) by \(fabric.portName(PortID(id, port)))"
        guard let obstacle = skipped.obstacle else {
            return "\(way): it does not reach the destination"
        }
        return "\(way): it needs \(fabric.describe(obstacle)), which is \(state(of: obstacle))"
    }

    private func state(of link: LinkID) -> String {
        if forwarding.missing.contains(link) { return "missing" }
        return dead.contains(link) ? "dead" : "drained"
    }

    /// A reason in words.
    public func words(_ reason: Reason) -> String {
        switch reason {
        case .equal: "as good, for other flows"
        case .dead: "the link is dead"
        case .missing: "the link does not exist"
        case .drained: "the link is drained"
        case .blocked(let link):
            "further on it needs \(forwarding.fabric.describe(link)), which is "
                + state(of: link)
        case .closed: "further on all its ways are closed"
        case .detour: "on no shortest way"
        case .otherTree: "not in the packet's tree"
        }
    }

    /// Names of ports; many in a row as the first and the last.
    private func names(_ ports: [Int], at id: SwitchID) -> String {
        var words: [String] = []
        var rest = ports[...]
        while let first = rest.popFirst() {
            var last = first
            while rest.first == last + 1 {
                last += 1
                rest.removeFirst()
            }
            let name = { forwarding.fabric.portName(PortID(id, $0)) }
            switch last - first {
            case 0: words.append(name(first))
            case 1: words += [name(first), name(last)]
            default: words.append("\(name(first))…\(name(last))")
            }
        }
        return words.joined(separator: ", ")
    }
}
