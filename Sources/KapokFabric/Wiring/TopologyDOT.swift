extension WiringDocument {
    /// Writes a fabric as a PTM `topology.dot` that `graph(fromDOT:)` reads back with the same
    /// switches, links, ports and shared risks in the same order, so that numbers agree too.
    ///
    /// - Parameters:
    ///   - topologyName: written as the graph's name and as its setting `kapok_topology`; "" to
    ///     leave both out.
    ///   - withHosts: whether links to hosts are written too.
    public static func writeDOT(
        _ fabric: Fabric, topologyName: String, withHosts: Bool, to writer: WiringWriter
    ) {
        let servers = ServerLayout(fabric, topologyName: topologyName)
        let names = WiringNames(fabric, servers, quoting: .dot)
        writer.text("graph ")
        if !topologyName.isEmpty {
            let name = WiringQuoting.dot.quoted(topologyName)
            writer.string("\"\(name)\" {\n    kapok_topology=\"\(name)\"\n")
        } else {
            writer.text("{\n")
        }
        let isByRule = destinationsFollowRule(fabric)
        for index in 0..<fabric.switchCount {
            writeNode(SwitchID(index), fabric, names, isByRule, to: writer)
        }
        for index in 0..<fabric.linkCount { writeEdge(LinkID(index), fabric, names, to: writer) }
        if withHosts {
            HostLinks(fabric).forEach { id, port in
                writeHostLink(id, port, fabric, names, to: writer)
            }
        }
        writer.text("}\n")
    }

    /// Whether the destinations are those that the rule of `WiringList.graph()` gives.
    private static func destinationsFollowRule(_ fabric: Fabric) -> Bool {
        let all = (0..<fabric.switchCount).map { SwitchID($0) }
        var byRule = all.map { fabric.tier(of: $0) == .edge || fabric.hostPortCount(of: $0) > 0 }
        if !byRule.contains(true) { byRule = all.map { _ in true } }
        return zip(all, byRule).allSatisfy { (fabric.destination(of: $0) != nil) == $1 }
    }

    private static func writeNode(
        _ id: SwitchID, _ fabric: Fabric, _ names: WiringNames, _ isByRule: Bool,
        to writer: WiringWriter
    ) {
        writer.text("    \"")
        names.writeSwitch(id, to: writer)
        writer.text("\" [role=\"")
        writer.text(fabric.tier(of: id).map(WiringRole.word) ?? "none")
        let hosts = fabric.hostPortCount(of: id)
        if hosts > 0 {
            writer.text("\" hostports=\"")
            writer.number(hosts)
        }
        if !isByRule {
            writer.text("\" destination=\"")
            writer.text(fabric.destination(of: id) != nil ? "true" : "false")
        }
        writer.text("\"]\n")
    }

    private static func writeEdge(
        _ link: LinkID, _ fabric: Fabric, _ names: WiringNames, to writer: WiringWriter
    ) {
        let (from, to) = TopologyEnds.oriented(link, in: fabric)
        writer.text("    \"")
        names.writeSwitch(from.owner, to: writer)
        writer.text("\":\"")
        names.writePort(from, to: writer)
        writer.text("\" -- \"")
        names.writeSwitch(to.owner, to: writer)
        writer.text("\":\"")
        names.writePort(to, to: writer)
        switch fabric {
        case .clos:
            writer.text("\" [trunk=\"t")
            writer.number(fabric.trunk(of: link).index)
            writer.text("\"]\n")
        case .graph(let graph):
            if let trunk = graph.edges[link.index].trunk {
                writer.text("\" [trunk=\"")
                writer.string(WiringQuoting.dot.quoted(trunk))
                writer.text("\"]\n")
            } else {
                writer.text("\"\n")
            }
        }
    }

    private static func writeHostLink(
        _ id: SwitchID, _ port: Int, _ fabric: Fabric, _ names: WiringNames,
        to writer: WiringWriter
    ) {
        writer.text("    \"")
        names.writeSwitch(id, to: writer)
        writer.text("\":\"")
        names.writePort(PortID(id, fabric.fabricPortCount(of: id) + port), to: writer)
        writer.text("\" -- \"")
        names.writeServer(at: id, hostPort: port, to: writer)
        writer.text("\":\"eth")
        writer.number(names.servers.attachment(at: id, hostPort: port).nic)
        writer.text("\"\n")
    }
}

extension WiringList {
    /// Writes the list as a PTM `topology.dot`: settings, devices and links in their order, with
    /// all attributes.
    public func writeDOT(to writer: WiringWriter) {
        func quoted(_ text: String) -> String { "\"\(WiringQuoting.dot.quoted(text))\"" }
        func list(_ attributes: [Attribute]) -> String {
            guard !attributes.isEmpty else { return "" }
            return " ["
                + attributes.map { "\(quoted($0.name))=\(quoted($0.value))" }
                .joined(separator: ", ") + "]"
        }
        writer.string("graph \(name.map { quoted($0) + " " } ?? ""){\n")
        for attribute in attributes {
            writer.string("    \(quoted(attribute.name))=\(quoted(attribute.value))\n")
        }
        for node in nodes { writer.string("    \(quoted(node.name))\(list(node.attributes))\n") }
        for edge in edges {
            func end(_ node: Int, _ port: String?) -> String {
                quoted(nodes[node].name) + (port.map { ":" + quoted($0) } ?? "")
            }
            writer.string(
                "    \(end(edge.from, edge.fromPort)) -- \(end(edge.to, edge.toPort))"
                    + "\(list(edge.attributes))\n")
        }
        writer.text("}\n")
    }
}
