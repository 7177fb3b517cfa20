extension WiringList {
    /// Reads cables from a CSV file of NetBox (the form of its bulk import: `side_a_device`,
    /// `side_a_type`, `side_a_name`, the same with `side_b_`, and `type`, `status`, `label`,
    /// `color`, `length`, `length_unit` and others in any order; NetBox 3.3 and later).
    ///
    /// Cables between interfaces are links; other columns become attributes of the link. Cables of
    /// power and consoles are passed over. Cables to front and rear ports of patch panels are
    /// refused: the file does not tell which front port belongs to which rear port.
    ///
    /// - Returns: the list; `ignored` counts the cables that were passed over.
    public static func readNetBox(_ bytes: [UInt8]) throws(WiringDocument.Refusal)
        -> (list: WiringList, ignored: Int)
    {
        var rows = CSVRows(bytes)
        guard let header = try rows.next() else {
            throw WiringDocument.Refusal(line: 1, reason: "the file is empty")
        }
        let columns = header.map { $0.lowercased() }
        func column(_ name: String) throws(WiringDocument.Refusal) -> Int {
            guard let at = columns.firstIndex(of: name) else {
                throw WiringDocument.Refusal(
                    line: 1, reason: "there is no column \(name); export cables with their sides")
            }
            return at
        }
        let sides = [
            (try column("side_a_device"), try column("side_a_name"), "side_a_type"),
            (try column("side_b_device"), try column("side_b_name"), "side_b_type"),
        ]
        let others = columns.indices.filter { !columns[$0].hasPrefix("side_") }
        var list = WiringList()
        var ignored = 0
        while let row = try rows.next() {
            func refusal(_ reason: String) -> WiringDocument.Refusal {
                WiringDocument.Refusal(line: rows.line, reason: reason)
            }
            guard row.count == columns.count else {
                throw refusal("\(row.count) fields; the header has \(columns.count)")
            }
            var isLink = true
            for side in sides {
                guard let at = columns.firstIndex(of: side.2) else { continue }
                let type = row[at].lowercased()
                if type.hasSuffix("frontport") || type.hasSuffix("rearport") {
                    throw refusal(
                        "a cable to a patch panel; which front port leads to which rear port is "
                            + "not in this file: list connections from interface to interface")
                }
                if !type.isEmpty, !type.hasSuffix("interface") { isLink = false }
            }
            guard isLink else {
                ignored += 1
                continue
            }
            var ends: [(Int, String)] = []
            for side in sides {
                guard !row[side.0].isEmpty, !row[side.1].isEmpty else {
                    throw refusal("a cable without a device or interface at one side")
                }
                ends.append((list.node(named: row[side.0], line: rows.line), row[side.1]))
            }
            guard list.edges.count < maximumEdges, list.nodes.count <= maximumNodes else {
                throw refusal("more than \(maximumEdges) cables or \(maximumNodes) devices")
            }
            list.edges.append(
                Edge(
                    from: ends[0].0, fromPort: ends[0].1, to: ends[1].0, toPort: ends[1].1,
                    attributes: others.filter { !row[$0].isEmpty }.map {
                        Attribute(columns[$0], row[$0])
                    }, line: rows.line))
        }
        return (list, ignored)
    }

    /// Reads Batfish's layer-1 topology: `{"edges": [{"node1": {"hostname", "interfaceName"},
    /// "node2": {...}}]}` (batfish.readthedocs.io, "Layer-1 topology"). Each cable may be listed in
    /// one or both directions.
    public init(fromBatfish bytes: [UInt8]) throws(WiringDocument.Refusal) {
        self.init()
        guard case .array(let all)? = try JSONText(bytes)["edges"] else {
            throw WiringDocument.Refusal(
                line: 0, reason: "no array under the key \"edges\"; is it a layer-1 topology?")
        }
        guard all.count <= 2 * Self.maximumEdges else {
            throw WiringDocument.Refusal(
                line: 0, reason: "\(all.count) edges; the most are \(2 * Self.maximumEdges)")
        }
        for (index, edge) in all.enumerated() {
            var ends: [(Int, String)] = []
            for key in ["node1", "node2"] {
                guard let host = edge[key]?["hostname"]?.text, !host.isEmpty,
                    let port = edge[key]?["interfaceName"]?.text, !port.isEmpty
                else {
                    throw WiringDocument.Refusal(
                        line: 0,
                        reason: "edge \(index + 1) of the file has no \(key) with a hostname and "
                            + "an interfaceName")
                }
                ends.append((node(named: host), port))
            }
            guard nodes.count <= Self.maximumNodes else {
                throw WiringDocument.Refusal(
                    line: 0, reason: "more than \(Self.maximumNodes) devices")
            }
            edges.append(
                Edge(from: ends[0].0, fromPort: ends[0].1, to: ends[1].0, toPort: ends[1].1))
        }
    }
}

extension WiringDocument {
    /// Writes Batfish's layer-1 topology of the links between switches, each once; with hosts also
    /// those to them.
    public static func writeBatfish(
        _ fabric: Fabric, topologyName: String, withHosts: Bool, to writer: WiringWriter
    ) {
        let servers = ServerLayout(fabric, topologyName: topologyName)
        let names = WiringNames(fabric, servers, quoting: .json)
        var isFirst = true
        func begin() {
            writer.text(isFirst ? "{\"edges\":[\n" : ",\n")
            writer.text("{\"node1\":{\"hostname\":\"")
            isFirst = false
        }
        func port(_ port: PortID) {
            names.writeSwitch(port.owner, to: writer)
            writer.text("\",\"interfaceName\":\"")
            names.writePort(port, to: writer)
        }
        for index in 0..<fabric.linkCount {
            let (from, to) = TopologyEnds.oriented(LinkID(index), in: fabric)
            begin()
            port(from)
            writer.text("\"},\"node2\":{\"hostname\":\"")
            port(to)
            writer.text("\"}}")
        }
        if withHosts {
            HostLinks(fabric).forEach { id, port_ in
                begin()
                port(PortID(id, fabric.fabricPortCount(of: id) + port_))
                writer.text("\"},\"node2\":{\"hostname\":\"")
                names.writeServer(at: id, hostPort: port_, to: writer)
                writer.text("\",\"interfaceName\":\"eth")
                writer.number(servers.attachment(at: id, hostPort: port_).nic)
                writer.text("\"}}")
            }
        }
        writer.text(isFirst ? "{\"edges\":[]}\n" : "\n]}\n")
    }

    /// Writes the fabric as a containerlab topology (containerlab.dev): one node of `kind` and
    /// `image` for each switch; with hosts also a node of kind `linux` for each server. Port names
    /// are kept, so they must be ones that the kind understands.
    public static func writeContainerlab(
        _ fabric: Fabric, topologyName: String, kind: String = "linux",
        image: String = "frrouting/frr:latest", withHosts: Bool, to writer: WiringWriter
    ) {
        let servers = ServerLayout(fabric, topologyName: topologyName)
        let names = WiringNames(fabric, servers, quoting: .json)
        let quote = WiringQuoting.json.quoted
        let title = topologyName.isEmpty ? "fabric" : topologyName
        // Names of labs become names of bridges and containers.
        let safe = String(title.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
        writer.string("name: \"\(safe)\"\ntopology:\n  nodes:\n")
        for index in 0..<fabric.switchCount {
            writer.text("    \"")
            names.writeSwitch(SwitchID(index), to: writer)
            writer.string("\": {kind: \"\(quote(kind))\", image: \"\(quote(image))\"}\n")
        }
        let hosts = withHosts ? HostLinks(fabric) : HostLinks(none: fabric)
        var known = Set<Int>()
        hosts.forEach { id, port in
            guard known.insert(servers.attachment(at: id, hostPort: port).server).inserted else {
                return
            }
            writer.text("    \"")
            names.writeServer(at: id, hostPort: port, to: writer)
            writer.text("\": {kind: \"linux\", image: \"alpine:latest\"}\n")
        }
        writer.text("  links:\n")
        func end(_ port: PortID) {
            names.writeSwitch(port.owner, to: writer)
            writer.byte(UInt8(ascii: ":"))
            names.writePort(port, to: writer)
        }
        for index in 0..<fabric.linkCount {
            let (from, to) = TopologyEnds.oriented(LinkID(index), in: fabric)
            writer.text("    - endpoints: [\"")
            end(from)
            writer.text("\", \"")
            end(to)
            writer.text("\"]\n")
        }
        hosts.forEach { id, port in
            writer.text("    - endpoints: [\"")
            end(PortID(id, fabric.fabricPortCount(of: id) + port))
            writer.text("\", \"")
            names.writeServer(at: id, hostPort: port, to: writer)
            // eth0 is the management port of a lab's node.
            writer.text(":eth")
            writer.number(servers.attachment(at: id, hostPort: port).nic + 1)
            writer.text("\"]\n")
        }
    }
}
