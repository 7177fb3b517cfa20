/// A `Range` header with one range of bytes (RFC 9110 section 14.1.2).
enum ByteRange: Sendable, Equatable {
    /// `bytes=a-b`, both included.
    case between(UInt64, UInt64)
    /// `bytes=a-`.
    case from(UInt64)
    /// `bytes=-n`: the last n bytes.
    case last(UInt64)

    /// Nil for what S3 answers with the whole object: other units, several ranges, bad syntax.
    init?(header: String) {
        guard let text = header.range(behind: "bytes=") else { return nil }
        let dash = text.firstIndex(of: "-")
        guard let dash, !text.contains(",") else { return nil }
        let first = text[..<dash].trimmedSpaces
        let second = text[text.index(after: dash)...].trimmedSpaces
        let from = Self.number(first)
        let to = Self.number(second)
        switch (from, to) {
        case (.some(let from), .some(let to)):
            guard from <= to else { return nil }
            self = .between(from, to)
        case (.some(let from), .none):
            guard second.isEmpty else { return nil }
            self = .from(from)
        case (.none, .some(let count)):
            guard first.isEmpty else { return nil }
            self = .last(count)
        case (.none, .none): return nil
        }
    }

    private static func number(_ digits: Substring) -> UInt64? {
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
        // Beyond 64 bits means beyond every object.
        return UInt64(digits) ?? .max
    }

    /// The bytes meant of an object of `length` bytes; nil when there are none (status 416).
    func resolved(length: UInt64) -> Range<UInt64>? {
        switch self {
        case .between(let from, let to):
            guard from < length else { return nil }
            return from..<(to >= length ? length : to + 1)
        case .from(let from):
            guard from < length else { return nil }
            return from..<length
        case .last(let count):
            guard count > 0, length > 0 else { return nil }
            return (count >= length ? 0 : length - count)..<length
        }
    }
}

extension String {
    fileprivate func range(behind prefix: String) -> Substring? {
        guard hasPrefix(prefix) else { return nil }
        return dropFirst(prefix.count)
    }
}

extension Substring {
    fileprivate var trimmedSpaces: Substring {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return text
    }
}
