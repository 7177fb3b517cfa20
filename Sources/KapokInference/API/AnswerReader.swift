import KapokModel
import OrderedCollections

/// A part of an answer.
enum AnswerPiece: Hashable, Sendable {
    /// More text.
    case text(String)
    /// The model begins to call a tool.
    case callBegins(id: String, name: String)
    /// More of the arguments of the call that began last, as JSON text.
    case callArguments(String)
}

/// Tells text from calls in what a model writes, as it comes.
struct AnswerReader: Sendable {
    private enum Form: Sendable {
        case text
        /// The text is the arguments of a call.
        case arguments(of: String, hasBegun: Bool)
        /// The text is `{"name": …, "arguments": …}`.
        case call(CallObjectReader)
    }

    private var form: Form

    /// A reader of plain answers.
    static var text: AnswerReader { AnswerReader(form: .text) }

    /// A reader of answers that a grammar holds to a call object.
    static var callObject: AnswerReader { AnswerReader(form: .call(CallObjectReader())) }

    /// A reader of answers that a grammar holds to the arguments of one tool.
    static func arguments(of name: String) -> AnswerReader {
        AnswerReader(form: .arguments(of: name, hasBegun: false))
    }

    /// What more text comes to.
    mutating func read(_ text: String) -> [AnswerPiece] {
        switch form {
        case .text: return text.isEmpty ? [] : [.text(text)]
        case .arguments(let name, let hasBegun):
            guard !text.isEmpty else { return [] }
            form = .arguments(of: name, hasBegun: true)
            let begin: [AnswerPiece] =
                hasBegun ? [] : [.callBegins(id: APICall.makeID("call_"), name: name)]
            return begin + [.callArguments(text)]
        case .call(var reader):
            let pieces = reader.read(text)
            form = .call(reader)
            return pieces
        }
    }

    /// What is left at the end.
    mutating func finish() -> [AnswerPiece] { [] }
}

/// Reads `{"name": "…", "arguments": {…}}` as it comes, the name first: nothing of it is shown until
/// the name is complete, and the closing brace of the outer object never.
struct CallObjectReader: Sendable {
    /// What came before the arguments.
    private var head: [UInt8] = []
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var hasBegun = false
    private var isDone = false

    init() {}

    mutating func read(_ text: String) -> [AnswerPiece] {
        var pieces: [AnswerPiece] = []
        var arguments: [UInt8] = []
        for byte in text.utf8 where !isDone {
            if hasBegun {
                arguments.append(byte)
                follow(byte)
            } else {
                head.append(byte)
                guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "["),
                    let name = Self.name(before: head)
                else { continue }
                hasBegun = true
                pieces.append(.callBegins(id: APICall.makeID("call_"), name: name))
                arguments.append(byte)
                follow(byte)
            }
        }
        if !arguments.isEmpty {
            pieces.append(.callArguments(String(decoding: arguments, as: UTF8.self)))
        }
        return pieces
    }

    /// Follows the nesting of the arguments to their end.
    private mutating func follow(_ byte: UInt8) {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
            return
        }
        switch byte {
        case UInt8(ascii: "\""): isInString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            isDone = depth == 0
        default: break
        }
    }

    /// The name in `{"name": "x", "arguments": {`, whose last byte is the arguments' first; nil
    /// before that.
    private static func name(before head: [UInt8]) -> String? {
        let completed = head.dropLast() + Array("null}".utf8)
        guard let value = try? JSONValue(parsing: Array(completed)),
            value["arguments"] != nil
        else { return nil }
        return value["name"]?.stringValue
    }
}
