/// JSON's own grammar (RFC 8259), with bounds where it has none, so that a model cannot lose
/// itself in digits or nesting.
enum JSONText {
    /// The most digits of an integer: so many always fit into 64 bits.
    static let integerDigits = 18
    /// The most digits behind the point.
    static let fractionDigits = 16
    /// How deep arrays and objects of no particular schema may be nested.
    static let freeDepth = 12

    /// Scalars that a string holds as they are.
    static let plain = ScalarSet(ranges: [0x20...0x21, 0x23...0x5B, 0x5D...0x10FFFF])

    private static let hexadecimal = ByteSet("0123456789abcdefABCDEF".utf8)

    /// One character of a string. The first alternative is plain ASCII: `StringRegion` needs it.
    static let character: GrammarExpression = {
        var ascii = ByteSet()
        for byte in UInt8(0x20)...0x7F where byte != 0x22 && byte != 0x5C { ascii.insert(byte) }
        let hex = GrammarExpression.bytes(hexadecimal)
        let notSurrogate = GrammarExpression.choice([
            .sequence([.bytes(ByteSet("0123456789abcefABCEF".utf8)), hex, hex, hex]),
            .sequence([.bytes(ByteSet("dD".utf8)), .ascii("0"..."7"), hex, hex]),
        ])
        let pair = GrammarExpression.sequence([
            .bytes(ByteSet("dD".utf8)), .bytes(ByteSet("89abAB".utf8)), hex, hex, .text("\\u"),
            .bytes(ByteSet("dD".utf8)), .bytes(ByteSet("cdefCDEF".utf8)), hex, hex,
        ])
        return .choice(
            [.bytes(ascii)]
                + ScalarSet(ranges: [0x80...0x10FFFF]).byteSequences.map {
                    .sequence($0.map { .bytes($0) })
                } + [
                    .sequence([
                        .text("\\"),
                        .choice([
                            .bytes(ByteSet("\"\\/bfnrt".utf8)),
                            .sequence([.text("u"), .choice([notSurrogate, pair])]),
                        ]),
                    ])
                ])
    }()

    /// What stands between elements, with a space or without.
    static let comma = GrammarExpression.sequence([.text(","), .optional(.text(" "))])
    /// What stands behind a member's name, with a space or without.
    static let colon = GrammarExpression.sequence([.text(":"), .optional(.text(" "))])

    static let digit = GrammarExpression.ascii("0"..."9")
    static let null = GrammarExpression.text("null")
    static let boolean = GrammarExpression.choice([.text("true"), .text("false")])

    static let integer = GrammarExpression.sequence([.optional(.text("-")), magnitude])

    static let number = GrammarExpression.sequence([
        integer,
        .optional(
            .sequence([
                .text("."), .repeated(digit, minimum: 1, maximum: fractionDigits),
            ])),
        .optional(
            .sequence([
                .bytes(ByteSet("eE".utf8)), .optional(.bytes(ByteSet("+-".utf8))),
                .repeated(digit, minimum: 1, maximum: 2),
            ])),
    ])

    private static let magnitude = GrammarExpression.choice([
        .text("0"),
        .sequence([
            .ascii("1"..."9"), .repeated(digit, minimum: 0, maximum: integerDigits - 1),
        ]),
    ])

    /// A list in brackets of so many elements.
    static func array(
        _ element: GrammarExpression, minimum: Int = 0, maximum: Int? = nil
    ) -> GrammarExpression {
        .sequence([.text("["), list(element, minimum: minimum, maximum: maximum), .text("]")])
    }

    /// Elements with commas between them.
    static func list(
        _ element: GrammarExpression, minimum: Int = 0, maximum: Int? = nil
    ) -> GrammarExpression {
        if maximum == 0 { return .empty }
        let more = GrammarExpression.repeated(
            .sequence([comma, element]), minimum: max(0, minimum - 1),
            maximum: maximum.map { $0 - 1 })
        let some = GrammarExpression.sequence([element, more])
        return minimum == 0 ? .optional(some) : some
    }

    /// A JSON text of a value as it is, in the compact form.
    static func constant(_ value: JSONValue) -> GrammarExpression {
        switch value {
        case .array(let elements):
            var parts: [GrammarExpression] = [.text("[")]
            for (index, element) in elements.enumerated() {
                if index > 0 { parts.append(comma) }
                parts.append(constant(element))
            }
            return .sequence(parts + [.text("]")])
        case .object(let members):
            var parts: [GrammarExpression] = [.text("{")]
            for (index, member) in members.enumerated() {
                if index > 0 { parts.append(comma) }
                parts += [constant(.string(member.key)), colon, constant(member.value)]
            }
            return .sequence(parts + [.text("}")])
        default:
            return .literal(value.bytes())
        }
    }
}
