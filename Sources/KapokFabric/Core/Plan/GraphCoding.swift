import KapokWorld

/// A wiring in few bytes. Names share what they have in common with the one before; a port is a
/// stem (`swp`) from a table and a number; a link's ends and its trunk are differences from the
/// link before. A regular wiring takes five to eight bytes a link.
enum GraphCoding {
    /// The most bytes of a name.
    static let maximumNameBytes = 255
    /// The highest number that is split off a port's name.
    private static let maximumNumber = 1 << 24

    private static let isDestinationBit: UInt8 = 4
    private static let hasHostsBit: UInt8 = 8

    /// What cannot be written, such as a name that is too long; nil when all can.
    static func fault(of graph: GraphTopology) -> String? {
        for node in graph.nodes where node.name.utf8.count > maximumNameBytes {
            return "the name of a switch has \(node.name.utf8.count) bytes"
        }
        for edge in graph.edges {
            for name in [edge.fromPort, edge.toPort, edge.trunk ?? ""]
            where name.utf8.count > maximumNameBytes {
                return "the name of a port or trunk has \(name.utf8.count) bytes"
            }
        }
        return nil
    }

    // MARK: Writing

    static func write(_ graph: GraphTopology, to writer: inout ByteWriter) {
        writer.varint(UInt64(graph.nodes.count))
        var names = NameWriter()
        for node in graph.nodes {
            names.write(node.name, to: &writer)
            let tier = node.tier.map { UInt8($0.rawValue) } ?? 3
            writer.uint8(
                tier | (node.isDestination ? isDestinationBit : 0)
                    | (node.hostPorts > 0 ? hasHostsBit : 0))
            if node.hostPorts > 0 { writer.varint(UInt64(node.hostPorts)) }
        }
        var stems = NameTable()
        var trunks = NameTable()
        let coded = graph.edges.map { edge in
            let (from, to) = (PortSpelling(edge.fromPort), PortSpelling(edge.toPort))
            return (
                from: (stems.number(of: from.stem), from.number),
                to: (stems.number(of: to.stem), to.number),
                trunk: edge.trunk.map { trunks.number(of: $0) + 1 } ?? 0
            )
        }
        for table in [stems, trunks] {
            writer.varint(UInt64(table.names.count))
            var names = NameWriter()
            for name in table.names { names.write(name, to: &writer) }
        }
        writer.varint(UInt64(graph.edges.count))
        var last = (from: 0, to: 0, trunk: 0)
        for (edge, code) in zip(graph.edges, coded) {
            writer.varint(zigzag(edge.from - last.from))
            writer.varint(zigzag(edge.to - last.to))
            for port in [code.from, code.to] {
                writer.varint(UInt64((port.1 + 1) * stems.names.count + port.0))
            }
            writer.varint(zigzag(code.trunk - last.trunk))
            last = (edge.from, edge.to, code.trunk)
        }
    }

    // MARK: Reading

    static func read(_ reader: inout ByteReader) throws(PlanRefusal) -> GraphTopology {
        let nodes = try readNodes(&reader)
        // Each link can bring two stems and a trunk of its own.
        let stems = try readNames(&reader, atMost: 2 * GraphTopology.maximumLinks)
        let trunks = try readNames(&reader, atMost: GraphTopology.maximumLinks)
        let count = try PlanReading.count(&reader, atMost: GraphTopology.maximumLinks)
        var edges: [GraphTopology.Edge] = []
        var last = (from: 0, to: 0, trunk: 0)
        for _ in 0..<count {
            last.from = try step(&reader, last.from, below: nodes.count)
            last.to = try step(&reader, last.to, below: nodes.count)
            let fromPort = try port(&reader, stems)
            let toPort = try port(&reader, stems)
            last.trunk = try step(&reader, last.trunk, below: trunks.count + 1)
            edges.append(
                GraphTopology.Edge(
                    from: last.from, fromPort: fromPort, to: last.to, toPort: toPort,
                    trunk: last.trunk == 0 ? nil : trunks[last.trunk - 1]))
        }
        do { return try GraphTopology(nodes: nodes, edges: edges) } catch {
            throw .inconsistent(error.description)
        }
    }

    private static func readNodes(
        _ reader: inout ByteReader
    ) throws(PlanRefusal) -> [GraphTopology.Node] {
        let count = try PlanReading.count(&reader, atMost: GraphTopology.maximumSwitches)
        var names = NameReader()
        var nodes: [GraphTopology.Node] = []
        for _ in 0..<count {
            let name = try names.read(&reader)
            let flags: UInt8
            do { flags = try reader.uint8() } catch { throw PlanRefusal(error) }
            guard flags < 16 else { throw .malformed("unknown flags \(flags)") }
            var hostPorts = 0
            if flags & hasHostsBit != 0 {
                hostPorts = try PlanReading.count(&reader, atMost: 1 << 16)
            }
            nodes.append(
                GraphTopology.Node(
                    name: name, tier: Tier(rawValue: Int(flags & 3)),
                    isDestination: flags & isDestinationBit != 0, hostPorts: hostPorts))
        }
        return nodes
    }

    private static func readNames(
        _ reader: inout ByteReader, atMost bound: Int
    ) throws(PlanRefusal) -> [String] {
        let count = try PlanReading.count(&reader, atMost: bound)
        var names = NameReader()
        var all: [String] = []
        for _ in 0..<count { all.append(try names.read(&reader)) }
        return all
    }

    private static func step(
        _ reader: inout ByteReader, _ last: Int, below bound: Int
    ) throws(PlanRefusal) -> Int {
        let code = try PlanReading.count(&reader, atMost: 1 << 24)
        let value = last + (code & 1 == 0 ? code / 2 : -(code + 1) / 2)
        guard value >= 0, value < bound else { throw .inconsistent("\(value) of \(bound)") }
        return value
    }

    private static func port(
        _ reader: inout ByteReader, _ stems: [String]
    ) throws(PlanRefusal) -> String {
        guard !stems.isEmpty else { throw .malformed("a link without port names") }
        let bound = (maximumNumber + 2) * stems.count
        let code = try PlanReading.count(&reader, atMost: bound)
        let number = code / stems.count - 1
        let stem = stems[code % stems.count]
        return number < 0 ? stem : stem + String(number)
    }

    private static func zigzag(_ value: Int) -> UInt64 {
        UInt64(value < 0 ? -value * 2 - 1 : value * 2)
    }

    /// A port's name as a stem and the number behind it; -1 where there is none.
    private struct PortSpelling {
        var stem: String
        var number = -1

        init(_ name: String) {
            let bytes = Array(name.utf8)
            var start = bytes.count
            while start > 0, bytes.count - start < 7, (48...57).contains(bytes[start - 1]) {
                start -= 1
            }
            // A number keeps no zeros in front of it.
            while start < bytes.count, bytes[start] == 48, start + 1 < bytes.count { start += 1 }
            stem = String(decoding: bytes[..<start], as: UTF8.self)
            if start < bytes.count,
                let number = Int(String(decoding: bytes[start...], as: UTF8.self))
            {
                self.number = number
            }
        }
    }

    /// Names with numbers, in the order in which they came.
    private struct NameTable {
        var names: [String] = []
        private var numbers: [String: Int] = [:]

        mutating func number(of name: String) -> Int {
            if let known = numbers[name] { return known }
            numbers[name] = names.count
            names.append(name)
            return names.count - 1
        }
    }

    /// Writes names, each without what it begins with like the one before.
    private struct NameWriter {
        private var last: [UInt8] = []

        mutating func write(_ name: String, to writer: inout ByteWriter) {
            let bytes = Array(name.utf8)
            let shared = zip(last, bytes).prefix { $0 == $1 }.count
            writer.varint(UInt64(shared))
            writer.lengthPrefixed(Array(bytes[shared...]))
            last = bytes
        }
    }

    private struct NameReader {
        private var last: [UInt8] = []

        mutating func read(_ reader: inout ByteReader) throws(PlanRefusal) -> String {
            let shared = try PlanReading.count(&reader, atMost: last.count)
            let rest: [UInt8]
            do {
                rest = try reader.lengthPrefixed(atMost: maximumNameBytes - shared)
            } catch { throw PlanRefusal(error) }
            last = Array(last[..<shared]) + rest
            guard let name = String(validating: last, as: UTF8.self) else {
                throw PlanRefusal(.invalidUTF8)
            }
            return name
        }
    }
}
