/// Why the lab cannot do what it was asked to: what, why, and what would help.
public struct LabFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// All of it in words.
    public var description: String

    public init(_ description: String) { self.description = description }
}

/// What programs find the ways through the lab's network.
public enum LabProtocol: String, Hashable, Sendable, CaseIterable, Codable {
    /// One `kapok fabric agent` a switch.
    case sidr
    /// BIRD 2: eBGP in the style of RFC 7938, with BFD (RFC 5880).
    case bird
    /// FRR: the same with zebra, bfdd and bgpd.
    case frr
}

/// The names and addresses of a lab: one network namespace a switch and one host a destination.
///
/// Namespaces are `kl-ID-SWITCH` and `kl-ID-h-SWITCH`; the ports of a switch are `swpN`, counted
/// from 1, fabric ports first; the first port behind them leads to the host's `eth0`.
public struct LabLayout: Sendable {
    /// Tells labs on one machine apart: small letters, digits and `-`.
    public let id: String
    /// The network.
    public let fabric: Fabric

    /// The most switches of a lab: each takes a namespace and some processes.
    public static let maximumSwitches = 64

    /// Refuses what is too large, and names that no namespace can have.
    public init(id: String, fabric: Fabric) throws(LabFailure) {
        try Self.check(id: id)
        guard fabric.switchCount <= Self.maximumSwitches else {
            throw LabFailure(
                "a lab has at most \(Self.maximumSwitches) switches, and this fabric has "
                    + "\(fabric.switchCount): take a smaller one, such as fattree:4")
        }
        guard fabric.destinationCount >= 2, fabric.linkCount >= 1 else {
            throw LabFailure("a lab needs at least two destinations and one link")
        }
        self.id = id
        self.fabric = fabric
    }

    /// Refuses what is no name of a lab.
    public static func check(id: String) throws(LabFailure) {
        let isGood = id.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        }
        guard isGood, (1...24).contains(id.utf8.count), !id.hasPrefix("-") else {
            throw LabFailure("a lab's name is 1 to 24 small letters, digits and '-', not \"\(id)\"")
        }
    }

    /// All switches.
    public var switches: [SwitchID] { (0..<fabric.switchCount).map { SwitchID($0) } }
    /// All destinations; each has one host.
    public var destinations: [DestinationID] {
        (0..<fabric.destinationCount).map { DestinationID($0) }
    }

    /// The namespace of a switch.
    public func namespace(of id: SwitchID) -> String { "kl-\(self.id)-\(safeName(id))" }

    /// The namespace of a destination's host.
    public func namespace(ofHost destination: DestinationID) -> String {
        "kl-\(id)-h-\(safeName(fabric.owner(of: destination)))"
    }

    /// Every namespace of the lab.
    public var namespaces: [String] {
        switches.map { namespace(of: $0) } + destinations.map { namespace(ofHost: $0) }
    }

    /// A wiring's file may name switches as it likes; a namespace is a file's name.
    private func safeName(_ id: SwitchID) -> String {
        let name = fabric.name(of: id)
        let isPlain = name.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
                || UnicodeScalar(byte).properties.isAlphabetic && byte < 128
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        return isPlain && name.utf8.count <= 64 ? name : "switch\(id.index)"
    }

    /// The interface of a port at its switch.
    public func interface(of port: Int) -> String { "swp\(port + 1)" }

    /// The port that leads to the host of an edge switch.
    public func hostPort(of id: SwitchID) -> Int { fabric.fabricPortCount(of: id) }

    /// The address of a fabric port; its far end has the other one of the /31.
    public func address(of port: PortID) -> UInt32 {
        guard let neighbor = fabric.neighbor(of: port.owner, port: port.port),
            let addresses = fabric.addresses(of: neighbor.link)
        else { preconditionFailure("a lab is small enough to number all its links") }
        return fabric.ends(of: neighbor.link).lower == port ? addresses.lower : addresses.upper
    }

    /// The prefix of a destination.
    public func prefix(of destination: DestinationID) -> IPv4Prefix {
        guard let prefix = fabric.prefix(of: destination) else {
            preconditionFailure("a lab is small enough to number all its destinations")
        }
        return prefix
    }

    /// The edge switch's own address towards its host.
    public func gateway(of destination: DestinationID) -> UInt32 {
        prefix(of: destination).address + 1
    }

    /// The host's address.
    public func hostAddress(of destination: DestinationID) -> UInt32 {
        prefix(of: destination).address + 2
    }

    /// The two hosts between which probes run: those furthest apart by number in one plane, which
    /// in a fat tree are one of the first pod and one of the last.
    public var probeEnds: (DestinationID, DestinationID) {
        let first = DestinationID(0)
        let plane = fabric.plane(of: fabric.owner(of: first))
        let last = destinations.last { fabric.plane(of: fabric.owner(of: $0)) == plane }
        return (first, last ?? first)
    }

    /// The link of a name: `switch:port`, or `A -- B` where A and B are switches (with or without
    /// ports) that exactly one link joins.
    public func link(named text: String) throws(LabFailure) -> LinkID {
        let sides = text.split(separator: " -- ", omittingEmptySubsequences: false)
        switch sides.count {
        case 1:
            guard let port = try port(named: sides[0]) else {
                throw LabFailure("\"\(text)\": write switch:port, or A -- B")
            }
            guard let neighbor = fabric.neighbor(of: port.owner, port: port.port) else {
                throw LabFailure("\"\(text)\" leads to no switch")
            }
            return neighbor.link
        case 2:
            let owners = (try owner(named: sides[0]), try owner(named: sides[1]))
            let port = try port(named: sides[0])
            let links = (0..<fabric.fabricPortCount(of: owners.0)).compactMap { number in
                fabric.neighbor(of: owners.0, port: number).flatMap { next in
                    next.far.owner == owners.1 && (port == nil || port?.port == number)
                        ? next.link : nil
                }
            }
            guard links.count == 1 else {
                throw LabFailure(
                    "\(links.count) links join \"\(text)\"; name one as switch:port")
            }
            return links[0]
        default: throw LabFailure("\"\(text)\": write switch:port, or A -- B")
        }
    }

    /// The end of a link: that of `switch:port`, or of `A -- B` the one at A.
    public func end(named text: String) throws(LabFailure) -> PortID {
        let link = try link(named: text)
        let (lower, upper) = fabric.ends(of: link)
        let first = text.split(separator: " -- ", omittingEmptySubsequences: false)[0]
        return try owner(named: first) == lower.owner ? lower : upper
    }

    private func owner(named text: Substring) throws(LabFailure) -> SwitchID {
        let name = text.split(separator: ":").first.map(String.init) ?? ""
        guard let owner = fabric.switchNamed(name) else {
            throw LabFailure("there is no switch \"\(name)\"")
        }
        return owner
    }

    private func port(named text: Substring) throws(LabFailure) -> PortID? {
        let owner = try owner(named: text)
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let name = text[text.index(after: colon)...]
        let ports = (0..<fabric.fabricPortCount(of: owner)).map { PortID(owner, $0) }
        // A wiring's file has names of its own; those of the interfaces are good as well.
        guard
            let port = ports.first(where: { fabric.portName($0) == name })
                ?? ports.first(where: { interface(of: $0.port) == name })
        else { throw LabFailure("\(fabric.name(of: owner)) has no fabric port \"\(name)\"") }
        return port
    }
}
