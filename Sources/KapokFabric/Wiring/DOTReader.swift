extension WiringList {
    /// Reads an undirected Graphviz graph, as PTM's `topology.dot` is one: statements about the
    /// graph, nodes and edges, chains of edges, defaults (`node [...]`, `edge [...]`) and subgraphs
    /// in their scope. Attributes are kept in their order.
    public init(fromDOT bytes: [UInt8]) throws(WiringDocument.Refusal) {
        var reader = try DOTReader(bytes)
        self = try reader.read()
    }
}

/// The grammar of Graphviz graphs, as far as wirings need it. Subgraphs may be nested and hold
/// statements, but not stand at the end of an edge.
private struct DOTReader {
    private static let maximumDepth = 32
    private static let maximumAttributes = 64

    private var lexer: DOTLexer
    private var token: DOTLexer.Token
    private var line = 1
    private var list = WiringList()

    /// What holds for the statements that follow, inside one pair of braces.
    private struct Scope {
        var node: [WiringList.Attribute] = []
        var edge: [WiringList.Attribute] = []
    }

    private struct End {
        var node: Int
        var port: String?
    }

    init(_ bytes: [UInt8]) throws(WiringDocument.Refusal) {
        lexer = try DOTLexer(bytes)
        token = .end
        try advance()
    }

    private mutating func advance() throws(WiringDocument.Refusal) {
        token = try lexer.next()
        line = lexer.line
    }

    private func refusal(_ reason: String) -> WiringDocument.Refusal {
        WiringDocument.Refusal(line: line, reason: reason)
    }

    private func isKeyword(_ word: String) -> Bool {
        guard case .word(let text, isBare: true) = token else { return false }
        return text.lowercased() == word
    }

    private func isSign(_ sign: Character) -> Bool {
        guard case .sign(let byte) = token else { return false }
        return byte == sign.asciiValue
    }

    private var shown: String {
        switch token {
        case .word(let text, _): "\"\(text.prefix(40))\""
        case .sign(let byte): "'\(UnicodeScalar(byte))'"
        case .undirected: "'--'"
        case .directed: "'->'"
        case .end: "the end of the file"
        }
    }

    private mutating func expect(_ sign: Character, _ where_: String)
        throws(WiringDocument.Refusal)
    {
        guard isSign(sign) else { throw refusal("expected '\(sign)' \(where_), found \(shown)") }
        try advance()
    }

    /// A word; quoted words may be joined by `+`.
    private mutating func word(_ what: String) throws(WiringDocument.Refusal) -> String {
        guard case .word(var text, let isBare) = token else {
            throw refusal("expected \(what), found \(shown)")
        }
        try advance()
        while !isBare, isSign("+") {
            try advance()
            guard case .word(let more, isBare: false) = token else {
                throw refusal("expected a quoted word behind '+', found \(shown)")
            }
            guard text.utf8.count + more.utf8.count <= DOTLexer.maximumWord else {
                throw refusal("a value of more than \(DOTLexer.maximumWord) bytes")
            }
            text += more
            try advance()
        }
        return text
    }

    mutating func read() throws(WiringDocument.Refusal) -> WiringList {
        if isKeyword("strict") { try advance() }
        if isKeyword("digraph") {
            throw refusal("a directed graph; cables have no direction: write graph and --")
        }
        guard isKeyword("graph") else {
            throw refusal("expected graph NAME { ... }, found \(shown)")
        }
        try advance()
        if case .word = token { list.name = try word("a name") }
        try expect("{", "behind graph")
        try statements(Scope(), depth: 0)
        guard token == .end else {
            throw refusal("\(shown) behind the graph's '}'; a file holds one graph")
        }
        return list
    }

    /// Statements up to the closing brace, which is taken too.
    private mutating func statements(_ outer: Scope, depth: Int) throws(WiringDocument.Refusal) {
        guard depth <= Self.maximumDepth else {
            throw refusal("subgraphs nested deeper than \(Self.maximumDepth)")
        }
        var scope = outer
        while true {
            if isSign("}") { return try advance() }
            if isSign(";") || isSign(",") {
                try advance()
            } else if isSign("{") {
                try advance()
                try subgraph(scope, depth)
            } else if isKeyword("subgraph") {
                try advance()
                if case .word = token { _ = try word("a name") }
                try expect("{", "behind subgraph")
                try subgraph(scope, depth)
            } else if token == .end {
                throw refusal("the file ends inside the graph; a '}' is missing")
            } else {
                try statement(&scope, isOutermost: depth == 0)
            }
        }
    }

    private mutating func subgraph(_ scope: Scope, _ depth: Int) throws(WiringDocument.Refusal) {
        try statements(scope, depth: depth + 1)
        if token == .undirected {
            throw refusal("a subgraph at the end of a link; write one link a cable")
        }
    }

    private mutating func statement(_ scope: inout Scope, isOutermost: Bool)
        throws(WiringDocument.Refusal)
    {
        let keywords = ["graph", "node", "edge"]
        if let keyword = keywords.first(where: isKeyword) {
            try advance()
            guard isSign("[") else {
                throw refusal(
                    "expected '[' behind \(keyword), found \(shown); a device of this "
                        + "name needs quotation marks")
            }
            for attribute in try attributeLists() {
                switch keyword {
                case "node": WiringList.set(attribute, in: &scope.node)
                case "edge": WiringList.set(attribute, in: &scope.edge)
                default: if isOutermost { WiringList.set(attribute, in: &list.attributes) }
                }
            }
            return
        }
        let start = line
        let name = try word("a device, a link or a setting")
        if isSign("=") {
            try advance()
            let value = try word("a value behind '='")
            // Settings of subgraphs are about drawing.
            if isOutermost {
                guard list.attributes.count < 4_096 else {
                    throw refusal("more than 4096 settings of the graph")
                }
                list.attributes.append(WiringList.Attribute(name, value))
            }
            return
        }
        let first = try end(name, scope, start)
        guard token == .undirected || token == .directed else {
            if isSign("[") {
                for attribute in try attributeLists() {
                    list.set(attribute, ofNode: first.node)
                }
            }
            return
        }
        try links(from: first, scope, start)
    }

    private mutating func links(from first: End, _ scope: Scope, _ start: Int)
        throws(WiringDocument.Refusal)
    {
        var ends = [first]
        while token == .undirected || token == .directed {
            guard token == .undirected else {
                throw refusal("'->'; cables have no direction: write --")
            }
            try advance()
            if isSign("{") || isKeyword("subgraph") {
                throw refusal("a subgraph at the end of a link; write one link a cable")
            }
            ends.append(try end(try word("a device behind '--'"), scope, start))
        }
        var attributes = scope.edge
        if isSign("[") {
            for attribute in try attributeLists() { WiringList.set(attribute, in: &attributes) }
        }
        guard list.edges.count + ends.count - 1 <= WiringList.maximumEdges else {
            throw refusal("more than \(WiringList.maximumEdges) links; use a named topology")
        }
        for (from, to) in zip(ends, ends.dropFirst()) {
            list.edges.append(
                WiringList.Edge(
                    from: from.node, fromPort: from.port, to: to.node, toPort: to.port,
                    attributes: attributes, line: start))
        }
    }

    /// A device that was named, and its port if one follows.
    private mutating func end(_ name: String, _ scope: Scope, _ start: Int)
        throws(WiringDocument.Refusal) -> End
    {
        guard !name.isEmpty else { throw refusal("a device with an empty name") }
        let known = list.nodes.count
        let node = list.node(named: name, line: start)
        if node == known {
            guard known < WiringList.maximumNodes else {
                throw refusal("more than \(WiringList.maximumNodes) devices; use a named topology")
            }
            for attribute in scope.node { list.set(attribute, ofNode: node) }
        }
        guard isSign(":") else { return End(node: node) }
        try advance()
        let port = try word("a port behind ':'")
        guard !port.isEmpty else { throw refusal("a port of \(name) with an empty name") }
        if isSign(":") {
            // A point of the compass, for drawing.
            try advance()
            _ = try word("a point of the compass behind the port")
        }
        return End(node: node, port: port)
    }

    /// `[a=b, c=d; e] [f=g]`; a name alone means `true`.
    private mutating func attributeLists() throws(WiringDocument.Refusal)
        -> [WiringList.Attribute]
    {
        var all: [WiringList.Attribute] = []
        while isSign("[") {
            try advance()
            while !isSign("]") {
                if isSign(",") || isSign(";") {
                    try advance()
                    continue
                }
                let name = try word("an attribute or ']'")
                var value = "true"
                if isSign("=") {
                    try advance()
                    value = try word("a value of the attribute \(name.prefix(40))")
                }
                guard all.count < Self.maximumAttributes else {
                    throw refusal("more than \(Self.maximumAttributes) attributes in one place")
                }
                WiringList.set(WiringList.Attribute(name, value), in: &all)
            }
            try advance()
        }
        return all
    }
}
