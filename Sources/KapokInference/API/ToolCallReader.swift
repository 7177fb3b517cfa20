import KapokModel

/// Finds calls of tools in what a model writes, as it comes. What only looks like a call (another
/// name, no JSON) stays text.
struct ToolCallReader: Sendable {
    private enum State: Sendable {
        /// Nothing but white space has come: only here do untagged calls begin.
        case start
        case text
        case call(CallObjectReader)
        /// A call is over: its closing tag, a comma or another call may follow.
        case afterCall
    }

    private static let opening = Array("<tool_call>".utf8)
    private static let closing = Array("</tool_call>".utf8)
    /// A control token of Llama 3.1 that some files list as text.
    private static let pythonTag = Array("<|python_tag|>".utf8)

    private let dialect: ToolCallFormat.Dialect
    private let names: Set<String>
    private var state = State.start
    /// Between tags stands a list of calls.
    private var isInList = false
    /// What may be the beginning of something else than text.
    private var pending: [UInt8] = []

    init(dialect: ToolCallFormat.Dialect, names: Set<String>) {
        self.dialect = dialect
        self.names = names
    }

    mutating func read(_ text: String) -> [AnswerPiece] {
        pending += Array(text.utf8)
        var pieces: [AnswerPiece] = []
        while advance(&pieces) {}
        return pieces
    }

    /// What is left at the end.
    mutating func finish() -> [AnswerPiece] {
        var rest = pending
        pending = []
        switch state {
        case .call(let reader) where !reader.hasBegun: rest = prefix + reader.head + rest
        case .call, .afterCall: return []
        case .start, .text: break
        }
        return rest.isEmpty ? [] : [.text(String(decoding: rest, as: UTF8.self))]
    }

    /// What was taken away before a call that is none.
    private var prefix: [UInt8] { dialect == .tagged ? Self.opening : [] }

    /// Takes something from `pending`; false when more has to come.
    private mutating func advance(_ pieces: inout [AnswerPiece]) -> Bool {
        switch state {
        case .start: return advanceStart()
        case .text: return advanceText(&pieces)
        case .call(let reader): return advanceCall(reader, &pieces)
        case .afterCall: return advanceAfterCall()
        }
    }

    private mutating func advanceStart() -> Bool {
        guard dialect != .tagged else {
            state = .text
            return true
        }
        let content = pending.drop(while: Self.isSpace)
        guard let first = content.first else { return false }
        if content.starts(with: Self.pythonTag) {
            pending = Array(content.dropFirst(Self.pythonTag.count))
            return true
        }
        if content.count < Self.pythonTag.count, Self.pythonTag.starts(with: content) {
            return false
        }
        switch (dialect, first) {
        case (.bare, UInt8(ascii: "{")): state = .call(CallObjectReader(names: names))
        case (.list, UInt8(ascii: "[")):
            // A list of something else is found out by the reader, and given back with its bracket.
            state = .call(CallObjectReader(names: names, opening: .list))
        default: state = .text
        }
        return true
    }

    private mutating func advanceText(_ pieces: inout [AnswerPiece]) -> Bool {
        guard dialect == .tagged else {
            show(pending.count, &pieces)
            return false
        }
        if let tag = Self.position(of: Self.opening, in: pending) {
            let end = pending[..<tag].lastIndex { !Self.isSpace($0) }.map { $0 + 1 } ?? 0
            show(end, &pieces)
            pending.removeFirst(tag - end + Self.opening.count)
            // SmolLM2 was taught to put a list between the tags.
            state = .call(CallObjectReader(names: names, opening: .objectOrList))
            return true
        }
        // White space may stand before a tag, and the tag may be cut.
        var end = pending.count
        if let mark = pending.lastIndex(of: UInt8(ascii: "<")),
            Self.opening.starts(with: pending[mark...])
        {
            end = mark
        }
        while end > 0, Self.isSpace(pending[end - 1]) { end -= 1 }
        show(end, &pieces)
        return false
    }

    private mutating func show(_ count: Int, _ pieces: inout [AnswerPiece]) {
        guard count > 0 else { return }
        pieces.append(.text(String(decoding: pending[..<count], as: UTF8.self)))
        pending.removeFirst(count)
    }

    private mutating func advanceCall(
        _ known: CallObjectReader, _ pieces: inout [AnswerPiece]
    ) -> Bool {
        guard !pending.isEmpty else { return false }
        var reader = known
        let used = reader.read(pending, into: &pieces)
        pending.removeFirst(used)
        if reader.hasFailed {
            pieces.append(.text(String(decoding: prefix + reader.head, as: UTF8.self)))
            state = .text
        } else {
            state = reader.isDone ? .afterCall : .call(reader)
            if reader.isInList { isInList = true }
        }
        return true
    }

    private mutating func advanceAfterCall() -> Bool {
        let isSeparated = dialect != .tagged || isInList
        let content = pending.drop { Self.isSpace($0) || (isSeparated && Self.isSeparator($0)) }
        pending = Array(content)
        guard let first = pending.first else { return false }
        if pending.starts(with: Self.closing) {
            pending.removeFirst(Self.closing.count)
            isInList = false
            return true
        }
        if Self.closing.starts(with: pending) || Self.opening.starts(with: pending) {
            return false
        }
        if isSeparated, first == UInt8(ascii: "{") {
            state = .call(CallObjectReader(names: names))
        } else {
            state = .text
        }
        return true
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") || byte == UInt8(ascii: "]")
    }

    private static func position(of tag: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= tag.count else { return nil }
        return (0...(bytes.count - tag.count)).first { bytes[$0...].starts(with: tag) }
    }
}
