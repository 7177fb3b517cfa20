/// The files of a wiring plan. All are CSV with a header line except the graph and Batfish's JSON;
/// lengths are in metres, units counted from 1 at the floor.
public enum WiringPlanFile: String, CaseIterable, Sendable {
    /// One row a link: both ends with rack, unit and port, trunk and lane, panels, cords, length.
    case cables
    /// One row a trunk, in the order of installation.
    case trunks
    /// One row a rack.
    case racks
    /// One row a switch or server.
    case devices
    /// One row a cable: what is printed on the labels of its two ends.
    case labels
    /// The bill of materials.
    case bom
    /// One row a step.
    case install
    /// Cables for NetBox's bulk import.
    case netbox
    /// Batfish's layer-1 topology.
    case batfish
    /// PTM's `topology.dot`.
    case dot
    /// A containerlab topology.
    case containerlab

    /// The name of the file.
    public var fileName: String {
        switch self {
        case .batfish: "batfish.json"
        case .dot: "topology.dot"
        case .containerlab: "fabric.clab.yml"
        default: "\(rawValue).csv"
        }
    }
}

extension WiringPlan {
    /// Writes one of the plan's files.
    public func write(_ file: WiringPlanFile, to writer: WiringWriter) {
        switch file {
        case .cables: writeCables(to: writer)
        case .trunks: writeTrunks(to: writer)
        case .racks: writeRacks(to: writer)
        case .devices: writeDevices(to: writer)
        case .labels: writeLabels(to: writer)
        case .bom: writeBill(to: writer)
        case .install: writeSteps(to: writer)
        case .netbox: writeNetBox(to: writer)
        case .batfish:
            WiringDocument.writeBatfish(
                fabric, topologyName: topologyName, withHosts: true, to: writer)
        case .dot:
            WiringDocument.writeDOT(
                fabric, topologyName: topologyName, withHosts: true, to: writer)
        case .containerlab:
            WiringDocument.writeContainerlab(
                fabric, topologyName: topologyName, withHosts: true, to: writer)
        }
    }

    var rackNames: TextColumn {
        var names = TextColumn()
        for rack in 0..<rackCount { names.append(rackName(rack)) }
        return names
    }

    private func writeTrunks(to writer: WiringWriter) {
        let names = rackNames
        writer.text("turn,trunk,plane,links,rack_a,panel_a,cassette_a,rack_b,panel_b,cassette_b,")
        writer.text("length_m,fibre,colour,polarity,risk\n")
        for turn in 0..<trunkCount {
            let trunk = trunk(turn: turn)
            writer.number(turn + 1)
            writer.text(",T")
            writer.number(turn)
            writer.byte(UInt8(ascii: ","))
            writer.number(trunk.plane)
            writer.byte(UInt8(ascii: ","))
            writer.number(trunk.links)
            for panel in [trunk.panels.near, trunk.panels.far] {
                writer.byte(UInt8(ascii: ","))
                names.write(panel.place.rack, to: writer)
                writer.text(",U")
                writer.number(panel.place.unit)
                writer.byte(UInt8(ascii: ","))
                writer.number(panel.cassette + 1)
            }
            writer.byte(UInt8(ascii: ","))
            writer.metres(centimetres: trunk.length)
            writer.byte(UInt8(ascii: ","))
            writer.text(trunk.medium == .multimode ? "om4" : "os2")
            writer.byte(UInt8(ascii: ","))
            writer.text(trunk.medium.colour.name)
            writer.byte(UInt8(ascii: ","))
            writer.string(options.polarity.rawValue)
            writer.text(",risk-")
            writer.number(trunk.risk.index)
            writer.byte(UInt8(ascii: "\n"))
        }
    }

    private func writeRacks(to writer: WiringWriter) {
        writer.text("rack,row,position,kind,switches,servers,panel_units,free_units\n")
        for (index, rack) in placement.racks.enumerated() {
            let (row, column) = placement.position(of: index)
            let used =
                rack.switches * options.switchUnits + rack.servers * options.serverUnits
                + rack.panelUnits
            writer.string(
                "\(rackName(index)),\(row + 1),\(column + 1),\(rack.kind.name),\(rack.switches),"
                    + "\(rack.servers),\(rack.panelUnits),\(options.rackUnits - used)\n")
        }
    }

    private func writeDevices(to writer: WiringWriter) {
        let names = WiringNames(fabric, servers, quoting: .csv)
        let racks = rackNames
        writer.text("device,role,rack,unit,height\n")
        func place(_ place: Place, _ height: Int) {
            racks.write(place.rack, to: writer)
            writer.text(",U")
            writer.number(place.unit)
            writer.byte(UInt8(ascii: ","))
            writer.number(height)
            writer.byte(UInt8(ascii: "\n"))
        }
        for index in 0..<fabric.switchCount {
            let id = SwitchID(index)
            names.writeSwitch(id, to: writer)
            writer.byte(UInt8(ascii: ","))
            writer.text(fabric.tier(of: id).map(WiringRole.word) ?? "switch")
            writer.byte(UInt8(ascii: ","))
            place(self.place(of: id), options.switchUnits)
        }
        var isWritten = [Bool](repeating: false, count: servers.serverCount)
        HostLinks(fabric).forEach { id, port in
            let server = servers.attachment(at: id, hostPort: port).server
            guard !isWritten[server] else { return }
            isWritten[server] = true
            names.writeServer(at: id, hostPort: port, to: writer)
            writer.text(",server,")
            place(self.place(ofServer: server), options.serverUnits)
        }
    }

    private func writeBill(to writer: WiringWriter) {
        writer.text("item,detail,installed,spares,total\n")
        for item in summary().items {
            writer.string(
                "\(item.name),\(item.detail),\(item.count),\(item.spares),"
                    + "\(item.count + item.spares)\n")
        }
    }

    /// Racks, then trunks in turn, then what is patched inside each rack.
    private func writeSteps(to writer: WiringWriter) {
        let names = rackNames
        var patched = [Int](repeating: 0, count: rackCount)
        var own = [Int](repeating: 0, count: rackCount)
        for (link, bundle) in bundles.bundleOf.enumerated() {
            let (lower, upper) = fabric.ends(of: LinkID(link))
            if bundles.isTrunk(Int(bundle)) {
                patched[place(of: lower.owner).rack] += 1
                patched[place(of: upper.owner).rack] += 1
            } else {
                own[place(of: lower.owner).rack] += 1
            }
        }
        HostLinks(fabric).forEach { id, port in
            let server = servers.attachment(at: id, hostPort: port).server
            own[place(ofServer: server).rack] += 1
        }
        writer.text("step,what,id,rack_a,rack_b,count\n")
        var step = 0
        func begin(_ what: StaticString) {
            step += 1
            writer.number(step)
            writer.byte(UInt8(ascii: ","))
            writer.text(what)
            writer.byte(UInt8(ascii: ","))
        }
        func rackStep(_ what: StaticString, _ rack: Int, _ count: Int) {
            begin(what)
            writer.byte(UInt8(ascii: ","))
            names.write(rack, to: writer)
            writer.text(",,")
            writer.number(count)
            writer.byte(UInt8(ascii: "\n"))
        }
        for (index, rack) in placement.racks.enumerated() {
            rackStep("set up rack", index, rack.switches + rack.servers + rack.panelUnits)
        }
        for turn in 0..<trunkCount {
            let trunk = trunk(turn: turn)
            begin("lay trunk")
            writer.byte(UInt8(ascii: "T"))
            writer.number(turn)
            writer.byte(UInt8(ascii: ","))
            names.write(trunk.panels.near.place.rack, to: writer)
            writer.byte(UInt8(ascii: ","))
            names.write(trunk.panels.far.place.rack, to: writer)
            writer.byte(UInt8(ascii: ","))
            writer.number(trunk.links)
            writer.byte(UInt8(ascii: "\n"))
        }
        for rack in 0..<rackCount where patched[rack] > 0 {
            rackStep("patch switches", rack, patched[rack])
        }
        for rack in 0..<rackCount where own[rack] > 0 {
            rackStep("lay single cables", rack, own[rack])
        }
    }
}
