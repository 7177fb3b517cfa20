/// A wiring as a file has it: names, cables and attributes, before anything is concluded from them.
/// All readers (DOT, NetBox, Batfish) make one, and the DOT writer writes one, so that whatever was
/// read keeps its order, its port names and its attributes.
public struct WiringList: Hashable, Sendable {
    /// A name and a value, as in `BFD="upMinTx=250"`.
    public struct Attribute: Hashable, Sendable {
        /// The name; letter case counts.
        public var name: String
        /// The value, without quotation marks.
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// A device.
    public struct Node: Hashable, Sendable {
        /// Its name, unique.
        public var name: String
        /// What the file says about it, defaults included; each name once.
        public var attributes: [Attribute]
        /// The line where it is named first; 0 when it came from elsewhere.
        public var line: Int

        public init(name: String, attributes: [Attribute] = [], line: Int = 0) {
            self.name = name
            self.attributes = attributes
            self.line = line
        }

        /// The value of the attribute `name`.
        public subscript(name: String) -> String? {
            attributes.last { $0.name == name }?.value
        }
    }

    /// A cable.
    public struct Edge: Hashable, Sendable {
        /// The number of the node at one end.
        public var from: Int
        /// The port at `from`; nil when the file names none.
        public var fromPort: String?
        /// The number of the node at the other end.
        public var to: Int
        /// The port at `to`; nil when the file names none.
        public var toPort: String?
        /// What the file says about it, defaults included; each name once.
        public var attributes: [Attribute]
        /// Its line; 0 when it came from elsewhere.
        public var line: Int

        public init(
            from: Int, fromPort: String?, to: Int, toPort: String?,
            attributes: [Attribute] = [], line: Int = 0
        ) {
            self.from = from
            self.fromPort = fromPort
            self.to = to
            self.toPort = toPort
            self.attributes = attributes
            self.line = line
        }

        /// The value of the attribute `name`.
        public subscript(name: String) -> String? {
            attributes.last { $0.name == name }?.value
        }
    }

    /// The name of the graph; nil when it has none.
    public var name: String?
    /// Statements about the whole, in order: PTM keeps its global settings and templates here.
    public var attributes: [Attribute] = []
    /// The devices, in the order in which they are first named.
    public private(set) var nodes: [Node] = []
    /// The cables, in the order of the file.
    public var edges: [Edge] = []
    private var numbers: [String: Int] = [:]

    /// The most devices (switches and hosts) of a file.
    public static let maximumNodes = 1 << 20
    /// The most cables of a file.
    public static let maximumEdges = 1 << 21

    public init(name: String? = nil) { self.name = name }

    /// The number of the device `name`, made when it is new.
    public mutating func node(named name: String, line: Int = 0) -> Int {
        if let known = numbers[name] { return known }
        numbers[name] = nodes.count
        nodes.append(Node(name: name, line: line))
        return nodes.count - 1
    }

    /// The number of the device `name`; nil when there is none.
    public func number(of name: String) -> Int? { numbers[name] }

    /// Sets an attribute of a device, in place of an earlier value.
    public mutating func set(_ attribute: Attribute, ofNode index: Int) {
        Self.set(attribute, in: &nodes[index].attributes)
    }

    /// Sets an attribute in a list, in place of an earlier value.
    static func set(_ attribute: Attribute, in list: inout [Attribute]) {
        if let at = list.firstIndex(where: { $0.name == attribute.name }) {
            list[at] = attribute
        } else {
            list.append(attribute)
        }
    }

    public static func == (a: WiringList, b: WiringList) -> Bool {
        a.name == b.name && a.attributes == b.attributes && a.nodes == b.nodes
            && a.edges == b.edges
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(attributes)
        hasher.combine(nodes)
        hasher.combine(edges)
    }
}
