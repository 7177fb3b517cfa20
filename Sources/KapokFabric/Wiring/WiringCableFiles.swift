/// The files with a row for every link: all bytes go straight into the writer's buffer.
extension WiringPlan {
    private static let comma = UInt8(ascii: ",")
    private static let newline = UInt8(ascii: "\n")

    func writeCables(to writer: WiringWriter) {
        let names = WiringNames(fabric, servers, quoting: .csv)
        let racks = rackNames
        writer.text("link,device_a,port_a,rack_a,unit_a,device_b,port_b,rack_b,unit_b,medium,")
        writer.text("length_m,trunk,panel_port_a,panel_port_b,cord_a_m,cord_b_m,risk\n")
        func place(_ place: Place) {
            writer.byte(Self.comma)
            racks.write(place.rack, to: writer)
            writer.text(",U")
            writer.number(place.unit)
            writer.byte(Self.comma)
        }
        for index in 0..<fabric.linkCount {
            let link = LinkID(index)
            let (lower, upper) = fabric.ends(of: link)
            let cable = cable(of: link)
            writer.byte(UInt8(ascii: "L"))
            writer.number(index)
            writer.byte(Self.comma)
            names.writeSwitch(lower.owner, to: writer)
            writer.byte(Self.comma)
            names.writePort(lower, to: writer)
            place(self.place(of: lower.owner))
            names.writeSwitch(upper.owner, to: writer)
            writer.byte(Self.comma)
            names.writePort(upper, to: writer)
            place(self.place(of: upper.owner))
            writeCable(cable, to: writer)
            writer.text(",risk-")
            writer.number(fabric.trunk(of: link).index)
            writer.byte(Self.newline)
        }
        var number = 0
        for index in 0..<fabric.switchCount {
            let id = SwitchID(index)
            let first = fabric.fabricPortCount(of: id)
            for port in 0..<fabric.hostPortCount(of: id) {
                let attachment = servers.attachment(at: id, hostPort: port)
                writer.byte(UInt8(ascii: "H"))
                writer.number(number)
                number += 1
                writer.byte(Self.comma)
                names.writeServer(at: id, hostPort: port, to: writer)
                writer.text(",eth")
                writer.number(attachment.nic)
                place(self.place(ofServer: attachment.server))
                names.writeSwitch(id, to: writer)
                writer.byte(Self.comma)
                names.writePort(PortID(id, first + port), to: writer)
                place(self.place(of: id))
                writeCable(hostCable(at: id, hostPort: port), to: writer)
                writer.text(",\n")
            }
        }
    }

    private func writeCable(_ cable: Cable, to writer: WiringWriter) {
        writer.text(cable.medium.nameText)
        writer.byte(Self.comma)
        writer.metres(centimetres: cable.length)
        guard let trunk = cable.trunk, let cords = cable.cords else {
            return writer.text(",,,,,")
        }
        writer.text(",T")
        writer.number(trunk.trunk)
        writer.byte(Self.comma)
        writer.number(trunk.lane + 1)
        writer.byte(Self.comma)
        writer.number(options.polarity.farLane(trunk.lane) + 1)
        writer.byte(Self.comma)
        writer.metres(centimetres: cords.near)
        writer.byte(Self.comma)
        writer.metres(centimetres: cords.far)
    }

    func writeLabels(to writer: WiringWriter) {
        let names = WiringNames(fabric, servers, quoting: .csv)
        let racks = rackNames
        writer.text("cable,label_a,label_b,colour\n")
        func at(_ place: Place) {
            writer.byte(UInt8(ascii: "@"))
            racks.write(place.rack, to: writer)
            writer.text(".U")
            writer.number(place.unit)
        }
        for turn in 0..<trunkCount {
            let trunk = trunk(turn: turn)
            writer.byte(UInt8(ascii: "T"))
            writer.number(turn)
            for panel in [trunk.panels.near, trunk.panels.far] {
                writer.text(",T")
                writer.number(turn)
                at(panel.place)
                writer.byte(UInt8(ascii: "."))
                writer.number(panel.cassette + 1)
            }
            writer.byte(Self.comma)
            writer.text(trunk.medium.colour.name)
            writer.byte(Self.newline)
        }
        for index in 0..<fabric.linkCount {
            let (lower, upper) = fabric.ends(of: LinkID(index))
            writer.byte(UInt8(ascii: "L"))
            writer.number(index)
            for port in [lower, upper] {
                writer.byte(Self.comma)
                names.writeSwitch(port.owner, to: writer)
                writer.byte(UInt8(ascii: ":"))
                names.writePort(port, to: writer)
                at(place(of: port.owner))
            }
            writer.byte(Self.comma)
            writer.text(cable(of: LinkID(index)).medium.colour.name)
            writer.byte(Self.newline)
        }
        var number = 0
        HostLinks(fabric).forEach { id, port in
            let attachment = servers.attachment(at: id, hostPort: port)
            writer.byte(UInt8(ascii: "H"))
            writer.number(number)
            number += 1
            writer.byte(Self.comma)
            names.writeServer(at: id, hostPort: port, to: writer)
            writer.text(":eth")
            writer.number(attachment.nic)
            at(place(ofServer: attachment.server))
            writer.byte(Self.comma)
            names.writeSwitch(id, to: writer)
            writer.byte(UInt8(ascii: ":"))
            names.writePort(PortID(id, fabric.fabricPortCount(of: id) + port), to: writer)
            at(place(of: id))
            writer.byte(Self.comma)
            writer.text(hostCable(at: id, hostPort: port).medium.colour.name)
            writer.byte(Self.newline)
        }
    }

    /// Every link as one cable from interface to interface, with its whole length; patch panels
    /// are not written. The label is the link's name in `cables.csv`.
    func writeNetBox(to writer: WiringWriter) {
        let names = WiringNames(fabric, servers, quoting: .csv)
        writer.text("side_a_device,side_a_type,side_a_name,side_b_device,side_b_type,side_b_name,")
        writer.text("type,status,label,color,length,length_unit\n")
        func tail(_ cable: Cable, _ prefix: StaticString, _ number: Int) {
            writer.byte(Self.comma)
            writer.text(cable.medium.netBoxType)
            writer.text(",planned,")
            writer.text(prefix)
            writer.number(number)
            writer.byte(Self.comma)
            writer.text(cable.medium.colour.hexadecimal)
            writer.byte(Self.comma)
            writer.metres(centimetres: cable.length)
            writer.text(",m\n")
        }
        for index in 0..<fabric.linkCount {
            let (from, to) = TopologyEnds.oriented(LinkID(index), in: fabric)
            names.writeSwitch(from.owner, to: writer)
            writer.text(",dcim.interface,")
            names.writePort(from, to: writer)
            writer.byte(Self.comma)
            names.writeSwitch(to.owner, to: writer)
            writer.text(",dcim.interface,")
            names.writePort(to, to: writer)
            tail(cable(of: LinkID(index)), "L", index)
        }
        var number = 0
        HostLinks(fabric).forEach { id, port in
            names.writeSwitch(id, to: writer)
            writer.text(",dcim.interface,")
            names.writePort(PortID(id, fabric.fabricPortCount(of: id) + port), to: writer)
            writer.byte(Self.comma)
            names.writeServer(at: id, hostPort: port, to: writer)
            writer.text(",dcim.interface,eth")
            writer.number(servers.attachment(at: id, hostPort: port).nic)
            tail(hostCable(at: id, hostPort: port), "H", number)
            number += 1
        }
    }
}
