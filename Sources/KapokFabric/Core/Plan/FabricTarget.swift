/// Something of a fabric that an operator names: to drain it, to cut it, to ask about it.
///
/// | written | what |
/// |---|---|
/// | `edge-3-1` | a switch, with all its links |
/// | `edge-3-1:swp2`, also both ends with ` -- ` between | a link, by one port of it |
/// | `link:17` | a link by its number |
/// | `trunk:5` | the links of a trunk |
/// | `pod:3` | all links of a pod's switches, in every plane |
/// | `plane:1` | all links of a plane |
public enum FabricTarget: Hashable, Sendable {
    /// One link.
    case link(LinkID)
    /// A switch.
    case node(SwitchID)
    /// A trunk.
    case trunk(TrunkID)
    /// A pod of every plane.
    case pod(Int)
    /// A plane.
    case plane(Int)

    /// Why a name is refused.
    public struct Unknown: Error, Hashable, Sendable, CustomStringConvertible {
        /// What is wrong, and what may have been meant.
        public var description: String
    }

    /// Reads a name of something in `fabric`.
    public init(_ text: String, in fabric: Fabric) throws(Unknown) {
        if let id = fabric.switchNamed(text) {
            self = .node(id)
            return
        }
        if let numbered = try Self.numbered(text, fabric) {
            self = numbered
            return
        }
        guard let separator = text.lastIndex(of: ":") else {
            throw Self.unknownSwitch(text, fabric)
        }
        if let both = try Self.bothEnds(text, fabric) {
            self = .link(both)
            return
        }
        let id = try Self.named(String(text[..<separator]), in: fabric)
        self = .link(try Self.link(at: id, port: text[text.index(after: separator)...], fabric))
    }

    /// The switch of a name; what is refused comes with suggestions.
    public static func named(_ name: String, in fabric: Fabric) throws(Unknown) -> SwitchID {
        guard let id = fabric.switchNamed(name) else { throw unknownSwitch(name, fabric) }
        return id
    }

    private static func numbered(
        _ text: String, _ fabric: Fabric
    ) throws(Unknown) -> FabricTarget? {
        let words = text.split(separator: ":", omittingEmptySubsequences: false)
        guard words.count == 2 else { return nil }
        var count = 0
        switch (words[0], fabric) {
        case ("link", _): count = fabric.linkCount
        case ("trunk", _): count = fabric.trunkCount
        case ("pod", .clos(let clos)): count = clos.shape.pods
        case ("plane", .clos(let clos)): count = clos.shape.planes
        case ("pod", .graph), ("plane", .graph):
            throw Unknown(description: "\(text): a wiring has no pods or planes; name switches")
        default: return nil
        }
        guard let number = Int(words[1]), (0..<count).contains(number) else {
            throw Unknown(
                description: "\(text): the numbers of a \(words[0]) go from 0 to \(count - 1)")
        }
        switch words[0] {
        case "link": return .link(LinkID(number))
        case "trunk": return .trunk(TrunkID(number))
        case "pod": return .pod(number)
        default: return .plane(number)
        }
    }

    private static func bothEnds(_ text: String, _ fabric: Fabric) throws(Unknown) -> LinkID? {
        let separator = Array(" -- ".utf8)
        let bytes = Array(text.utf8)
        guard bytes.count > 8,
            let at = (1..<bytes.count - 4).first(where: { bytes[$0...].starts(with: separator) })
        else { return nil }
        var links: [LinkID] = []
        for half in [bytes[..<at], bytes[(at + 4)...]] {
            let target = try FabricTarget(String(decoding: half, as: UTF8.self), in: fabric)
            guard case .link(let link) = target else {
                throw Unknown(description: "\(text): write SWITCH:PORT -- SWITCH:PORT")
            }
            links.append(link)
        }
        guard links[0] == links[1] else {
            throw Unknown(
                description: "\(text): these are two links, \(fabric.describe(links[0])) and "
                    + fabric.describe(links[1]))
        }
        return links[0]
    }

    private static func link(
        at id: SwitchID, port name: Substring, _ fabric: Fabric
    ) throws(Unknown) -> LinkID {
        let ports = 0..<fabric.fabricPortCount(of: id)
        for port in ports where fabric.portName(PortID(id, port)) == name {
            if let next = fabric.neighbor(of: id, port: port) { return next.link }
        }
        let names = ports.map { fabric.portName(PortID(id, $0)) }
        let shown = names.count > 6 ? names.prefix(3) + ["…"] + names.suffix(1) : names[...]
        throw Unknown(
            description: "\(fabric.name(of: id)) has no port \(name) to another switch; it has "
                + shown.joined(separator: ", "))
    }

    private static func unknownSwitch(_ name: String, _ fabric: Fabric) -> Unknown {
        let close = Spelling.nearest(
            to: name, among: (0..<fabric.switchCount).map { fabric.name(of: SwitchID($0)) })
        let hint =
            close.isEmpty
            ? "; names look like \(fabric.name(of: SwitchID(0)))"
            : "; did you mean \(close.joined(separator: " or "))?"
        return Unknown(description: "no switch is named \"\(name)\"\(hint)")
    }

    /// The links that are meant.
    public func links(of fabric: Fabric) -> [LinkID] {
        func all(of id: SwitchID) -> [LinkID] {
            (0..<fabric.fabricPortCount(of: id)).compactMap {
                fabric.neighbor(of: id, port: $0)?.link
            }
        }
        switch self {
        case .link(let link): return [link]
        case .node(let id): return all(of: id)
        case .trunk(let trunk):
            return (0..<fabric.linkCount).lazy.map { LinkID($0) }
                .filter { fabric.trunk(of: $0) == trunk }
        case .pod(let pod):
            guard case .clos(let clos) = fabric else { return [] }
            let shape = clos.shape
            return (0..<shape.planes).flatMap { plane in
                (0..<shape.aggregationsPerPod).flatMap {
                    all(of: clos.aggregation(plane: plane, pod: pod, $0))
                }
            }
        case .plane(let plane):
            guard case .clos(let clos) = fabric else { return [] }
            return (plane * clos.linksPerPlane..<(plane + 1) * clos.linksPerPlane).map {
                LinkID($0)
            }
        }
    }
}

/// Finds what a misspelt name may have meant.
enum Spelling {
    /// Up to three names that are at most a third of their length away, the nearest first.
    static func nearest(to word: String, among names: [String]) -> [String] {
        let wanted = Array(word.utf8.prefix(64))
        let bound = max(1, min(3, wanted.count / 3))
        var found: [(distance: Int, name: String)] = []
        for name in names {
            let bytes = Array(name.utf8.prefix(64))
            if abs(bytes.count - wanted.count) > bound { continue }
            let distance = distance(wanted, bytes)
            if distance <= bound { found.append((distance, name)) }
        }
        return found.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(
            \.name)
    }

    /// Insertions, deletions and replacements from one to the other (Levenshtein).
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
