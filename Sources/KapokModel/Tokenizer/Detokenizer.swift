/// Turns tokens into text as they come, never cutting a character.
///
/// The bytes of tokens need not be whole characters. What could still become one is held back,
/// at most three bytes; bytes that can never become one come out as U+FFFD, as
/// `String(decoding:as: UTF8.self)` has it, so that all pieces together are that of all bytes.
public struct Detokenizer: Sendable {
    private let tokenizer: any Tokenizer
    private let writesControl: Bool
    /// Whether a space that SentencePiece put before the text is still to be taken away.
    private var stripsSpace: Bool
    /// The beginning of a character.
    private var held: [UInt8] = []

    /// A detokenizer at the beginning of an answer or of a text.
    /// - Parameters:
    ///   - tokenizer: whose tokens come.
    ///   - startsText: whether the first token begins a text rather than going on with one: the
    ///     space that SentencePiece puts before every text is then taken away.
    ///   - writesControl: whether tokens of control are written as the vocabulary spells them.
    public init(
        _ tokenizer: any Tokenizer, startsText: Bool = false, writesControl: Bool = false
    ) {
        self.tokenizer = tokenizer
        self.writesControl = writesControl
        self.stripsSpace = startsText && tokenizer.putsSpaceBeforeText
    }

    /// The text that `token` completes; empty when it only begins a character.
    public mutating func append(_ token: TokenID) -> String {
        var bytes: [UInt8]
        if tokenizer.isControl(token) {
            guard writesControl else { return "" }
            bytes = Array(tokenizer.piece(of: token).utf8)
        } else {
            bytes = tokenizer.bytes(of: token)
            if stripsSpace, let first = bytes.first {
                if first == UInt8(ascii: " ") { bytes.removeFirst() }
                stripsSpace = false
            }
        }
        if !held.isEmpty {
            bytes = held + bytes
            held.removeAll(keepingCapacity: true)
        }
        let whole = bytes.count - Self.unfinished(bytes)
        if whole < bytes.count { held = Array(bytes[whole...]) }
        return whole == 0 ? "" : String(decoding: bytes[..<whole], as: UTF8.self)
    }

    /// What is held back, at the end of all tokens: nothing, or U+FFFD.
    public mutating func finish() -> String {
        defer { held.removeAll() }
        return String(decoding: held, as: UTF8.self)
    }

    /// How many bytes at the end of `bytes` are the beginning of a character that more bytes could
    /// complete: at most three.
    static func unfinished(_ bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let lead = bytes[bytes.count - length]
            if lead & 0xC0 == 0x80 { continue }
            guard let needed = wholeLength(lead: lead), needed > length else { return 0 }
            // The second byte's range depends on the first (Unicode 16.0, table 3-7).
            if length >= 2, !secondBytes(lead: lead).contains(bytes[bytes.count - length + 1]) {
                return 0
            }
            return length
        }
        return 0
    }

    /// The length of a character that begins with `lead`; nil when none does.
    private static func wholeLength(lead: UInt8) -> Int? {
        switch lead {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: nil
        }
    }

    private static func secondBytes(lead: UInt8) -> ClosedRange<UInt8> {
        switch lead {
        case 0xE0: 0xA0...0xBF
        case 0xED: 0x80...0x9F
        case 0xF0: 0x90...0xBF
        case 0xF4: 0x80...0x8F
        default: 0x80...0xBF
        }
    }
}
