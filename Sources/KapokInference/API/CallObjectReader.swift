import KapokModel
import OrderedCollections

/// Reads `{"name": "…", "arguments": {…}}` (or `parameters`) as it comes, the name first: nothing
/// of it is shown until the name is known, and the closing brace of the outer object never.
struct CallObjectReader: Sendable {
    /// The longest beginning of a call, up to its arguments.
    private static let maximumHead = 256

    private let names: Set<String>
    /// What came before the arguments.
    private(set) var head: [UInt8] = []
    /// The arguments have begun.
    private(set) var hasBegun = false
    /// The outer object is complete.
    private(set) var isDone = false
    /// It is no call of a tool; `head` is all that was taken.
    private(set) var hasFailed = false

    /// A bracket came before the call.
    private(set) var isInList = false

    /// What a call may begin with.
    enum Opening: Sendable {
        case object
        /// A bracket, and then an object.
        case list
        case objectOrList

        func allows(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "{"): self != .list
            case UInt8(ascii: "["): self != .object
            default: false
            }
        }
    }

    private let opening: Opening
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var argumentsAreOver = false

    /// A reader of a call of one of `names`.
    init(names: Set<String>, opening: Opening = .object) {
        self.names = names
        self.opening = opening
    }

    /// Takes bytes up to the end of the call; returns how many.
    mutating func read(_ bytes: [UInt8], into pieces: inout [AnswerPiece]) -> Int {
        var used = 0
        var arguments: [UInt8] = []
        while used < bytes.count, !isDone, !hasFailed {
            let byte = bytes[used]
            used += 1
            if argumentsAreOver {
                // The brace of the outer object; other members behind the arguments are dropped.
                isDone = byte == UInt8(ascii: "}")
            } else if hasBegun {
                arguments.append(byte)
                follow(byte)
            } else if let name = takeHead(byte) {
                hasBegun = true
                pieces.append(.callBegins(id: APICall.makeID("call_"), name: name))
                arguments.append(byte)
                follow(byte)
            }
        }
        if !arguments.isEmpty {
            pieces.append(.callArguments(String(decoding: arguments, as: UTF8.self)))
        }
        return used
    }

    /// Takes a byte before the arguments; the name, when the arguments begin with this byte.
    private mutating func takeHead(_ byte: UInt8) -> String? {
        head.append(byte)
        let content = head.drop { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
        guard let first = content.first else {
            hasFailed = head.count > Self.maximumHead
            return nil
        }
        if head.count > Self.maximumHead || !opening.allows(first) {
            hasFailed = true
            return nil
        }
        isInList = first == UInt8(ascii: "[")
        guard byte == UInt8(ascii: "{"), content.count > 1 else { return nil }
        let object = isInList ? content.dropFirst() : content
        // With the arguments' brace as a null the rest is JSON, if this is a call.
        let completed = Array(object.dropLast()) + Array("null}".utf8)
        guard let value = try? JSONValue(parsing: completed), let members = value.objectValue
        else { return nil }
        guard let name = value["name"]?.stringValue, names.contains(name),
            let last = members.elements.last,
            last.key == "arguments" || last.key == "parameters"
        else {
            hasFailed = true
            return nil
        }
        return name
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
            argumentsAreOver = depth == 0
        default: break
        }
    }
}
