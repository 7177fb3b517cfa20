/// What switches saw of their neighbours (LLDP, IEEE 802.1AB): names as they were told.
public struct SeenReport: Hashable, Sendable {
    /// A port of a device, by name.
    public struct End: Hashable, Sendable, CustomStringConvertible {
        /// The device.
        public var device: String
        /// Its port.
        public var port: String

        public init(_ device: String, _ port: String) {
            self.device = device
            self.port = port
        }

        public var description: String { "\(device):\(port)" }
    }

    /// One neighbour that was seen at one port.
    public struct Row: Hashable, Sendable {
        /// The port that saw it.
        public var local: End
        /// What it saw.
        public var peer: End
        /// The line in the report; 0 when it came from elsewhere.
        public var line: Int

        public init(local: End, peer: End, line: Int = 0) {
            self.local = local
            self.peer = peer
            self.line = line
        }
    }

    /// All rows, in order.
    public var rows: [Row]

    /// The most rows of a report.
    public static let maximumRows = 1 << 24

    public init(rows: [Row]) { self.rows = rows }

    /// Reads a CSV with a header that names the columns `switch`, `port`, `peer-switch` and
    /// `peer-port` (`_` instead of `-` too), in any order, among others. Rows without a peer are
    /// ports that saw nothing.
    public init(fromCSV bytes: [UInt8]) throws(WiringDocument.Refusal) {
        var reader = CSVRows(bytes)
        guard let header = try reader.next() else {
            throw WiringDocument.Refusal(line: 1, reason: "the report is empty")
        }
        let columns = header.map { $0.lowercased().replacing("_", with: "-") }
        var places: [Int] = []
        for name in ["switch", "port", "peer-switch", "peer-port"] {
            guard let at = columns.firstIndex(of: name) else {
                throw WiringDocument.Refusal(
                    line: reader.line,
                    reason: "no column \(name); the header must name switch, port, peer-switch "
                        + "and peer-port")
            }
            places.append(at)
        }
        rows = []
        while let row = try reader.next() {
            guard row.count == columns.count else {
                throw WiringDocument.Refusal(
                    line: reader.line,
                    reason: "\(row.count) fields; the header has \(columns.count)")
            }
            let words = places.map { row[$0] }
            if words[2].isEmpty { continue }
            guard !words[0].isEmpty, !words[1].isEmpty, !words[3].isEmpty else {
                throw WiringDocument.Refusal(
                    line: reader.line, reason: "a neighbour without its switch or a port")
            }
            try append(
                Row(
                    local: End(words[0], words[1]), peer: End(words[2], words[3]),
                    line: reader.line))
        }
    }

    /// Reads the outputs of `lldpctl -f json` of several switches, put together as one object with
    /// a member for each switch: `{"leaf1": {"lldp": ...}, ...}`. The neighbour's port is its
    /// interface name or local id, else its description.
    public init(fromLLDP bytes: [UInt8]) throws(WiringDocument.Refusal) {
        rows = []
        guard case .object(let devices) = try JSONText(bytes) else {
            throw WiringDocument.Refusal(line: 0, reason: Self.shape)
        }
        for device in devices {
            guard let lldp = device.value["lldp"] else {
                throw WiringDocument.Refusal(line: device.line, reason: Self.shape)
            }
            let interfaces: [JSONText]
            switch lldp["interface"] {
            case .array(let all)?: interfaces = all
            case let one?: interfaces = [one]
            case nil: interfaces = []
            }
            for case .object(let ports) in interfaces {
                for port in ports {
                    guard let peer = Self.neighbour(port.value) else { continue }
                    try append(
                        Row(local: End(device.key, port.key), peer: peer, line: port.line))
                }
            }
        }
    }

    private static let shape =
        "expected an object with a member for each switch that holds its lldpctl -f json output: "
        + "{\"leaf1\": {\"lldp\": ...}, ...}"

    private static func neighbour(_ interface: JSONText) -> End? {
        guard case .object(let chassis)? = interface["chassis"], let first = chassis.first else {
            return nil
        }
        // A chassis without a name has its id where others have their name.
        let device = first.key == "id" ? first.value["value"]?.text : first.key
        let id = interface["port"]?["id"]
        let isName = ["ifname", "local"].contains(id?["type"]?.text ?? "")
        let port =
            (isName ? id?["value"]?.text : nil) ?? interface["port"]?["descr"]?.text
            ?? id?["value"]?.text
        guard let device, let port, !device.isEmpty, !port.isEmpty else { return nil }
        return End(device, port)
    }

    private mutating func append(_ row: Row) throws(WiringDocument.Refusal) {
        guard rows.count < Self.maximumRows else {
            throw WiringDocument.Refusal(
                line: row.line, reason: "more than \(Self.maximumRows) rows; split the report")
        }
        rows.append(row)
    }
}
