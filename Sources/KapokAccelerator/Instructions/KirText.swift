/// The text form of a ``Program``, for people: one instruction a line, tables as directives.
///
/// ```
/// kir 1
/// kernel matmul
/// machine trn2
/// tensor A input bf16 [128, 512]
/// tile a sbuf bf16 partitions 0+128 bytes 0+1024 uses 0...4 at Matmul.swift:12
///
/// sync.dmaCopy a[0:128, 0:512] <- A[0:128, 0:512] ring=0 signal s6+1 at Matmul.swift:13
/// tensor.loadStationary <- a[0:128, 0:128] wait s6>=1 (flow: flow #0 a) signal s0+1
/// ```
///
/// `docs/kir.md` has the grammar. Text and program correspond exactly: what was printed parses to
/// the same program in every field, and printing what was parsed gives a text that parses to the
/// same.
public enum KirText {
    /// The version that this reader and writer know; it goes with ``KirFile/version``.
    public static let version = 1

    /// The text of `program`, which must be well-formed (as ``KirFile/decode(_:)`` and
    /// ``parse(_:)`` return it, and compilers make it). Linear in its size.
    public static func print(_ program: Program) -> String {
        var printer = KirTextPrinter(program)
        return printer.text()
    }

    /// The program that `text` describes: well-formed, as what ``KirFile/decode(_:)`` returns.
    /// Linear in its length.
    ///
    /// - Throws: ``KirError`` with line and column of the first fault, and what to write instead.
    public static func parse(_ text: String) throws(KirError) -> Program {
        var text = text
        let result = text.withUTF8 { utf8 in
            Result { () throws(KirError) -> Program in
                var parser = KirTextParser(KirTextScanner(utf8))
                return try parser.parse()
            }
        }
        let program = try result.get()
        if let problem = ProgramStructure(program).firstProblem() { throw problem }
        return program
    }
}

/// What the text form's words may consist of.
enum KirWord {
    /// Names that stand for something else where an operand is expected.
    static let reservedNames: Set<String> = ["sbuf", "psum", "_"]

    /// Letters, digits and `_`, `.`, `-`: parts of a name.
    static func isNamePart(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2E, 0x2D: true
        default: false
        }
    }

    /// Letters and `_`: where a name begins.
    static func isNameStart(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x41...0x5A, 0x61...0x7A, 0x5F: true
        default: false
        }
    }

    /// A name's parts and `/`, `+`: values and file names.
    static func isValuePart(_ byte: UInt8) -> Bool {
        isNamePart(byte) || byte == 0x2F || byte == 0x2B
    }

    /// Whether `text` needs no quotes as a name.
    static func isBareName(_ text: String) -> Bool {
        guard let first = text.utf8.first, isNameStart(first) else { return false }
        return text.utf8.allSatisfy(isNamePart) && !reservedNames.contains(text)
    }

    /// Whether `text` needs no quotes as a value. Two slashes would begin a comment.
    static func isBareValue(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.allSatisfy(isValuePart) else { return false }
        var last: UInt8 = 0
        for byte in text.utf8 {
            if byte == 0x2F, last == 0x2F { return false }
            last = byte
        }
        return true
    }

    /// `text` in quotes, as the scanner reads it.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            case "\u{0}"..<" ", "\u{7F}": quoted += "\\u{\(String(scalar.value, radix: 16))}"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
