/// The rules for tags. Source: Amazon S3 User Guide, "Categorizing your objects using tags" and
/// "Using cost allocation S3 bucket tags".
enum TagRules {
    static let maximumOfObject = 10
    static let maximumOfBucket = 50
    /// In Unicode characters.
    static let maximumKeyLength = 128
    /// In Unicode characters.
    static let maximumValueLength = 256

    /// `tags` in the order of their keys' bytes, as they are kept and given back.
    /// Throws `InvalidTag` unless an object or bucket may have these tags, at most `maximum`.
    static func validated(_ tags: [Tag], atMost maximum: Int) throws(S3Error) -> [Tag] {
        guard tags.count <= maximum else {
            throw S3Error(
                .invalidTag, "There can be at most \(maximum) tags; these are \(tags.count).")
        }
        var keys: Set<[UInt8]> = []
        for tag in tags {
            let length = tag.key.unicodeScalars.count
            guard length >= 1, length <= maximumKeyLength, isText(tag.key) else {
                throw invalid("The TagKey you have provided is invalid", tag.key)
            }
            guard tag.value.unicodeScalars.count <= maximumValueLength, isText(tag.value) else {
                throw invalid("The TagValue you have provided is invalid", tag.key)
            }
            guard !tag.key.utf8.starts(with: "aws:".utf8) else {
                throw invalid("System tags cannot be added/updated by requester", tag.key)
            }
            guard keys.insert(Array(tag.key.utf8)).inserted else {
                throw invalid("Cannot provide multiple Tags with the same key", tag.key)
            }
        }
        return tags.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    private static func invalid(_ message: String, _ key: String) -> S3Error {
        S3Error(.invalidTag, message, details: [("TagKey", key)])
    }

    /// Letters, digits, spaces and `_ . : / = + - @`.
    private static func isText(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter,
                .otherLetter, .nonspacingMark, .spacingMark, .decimalNumber, .letterNumber,
                .otherNumber, .spaceSeparator:
                true
            default: "_.:/=+-@".unicodeScalars.contains(scalar)
            }
        }
    }
}
