import Crypto

/// The entity tags of objects: the MD5 of an object's bytes in hexadecimal, or for a multipart
/// object the MD5 of its parts' MD5s and the number of parts behind it.
enum ETag {
    /// How many bytes an MD5 has.
    static let digestLength = 16

    /// Without quotes. `partCount` is 0 for an object put in one piece.
    static func text(md5: [UInt8], partCount: Int) -> String {
        let digits = Hexadecimal.encode(md5)
        return partCount == 0 ? digits : digits + "-" + String(partCount)
    }

    /// The MD5 in the tag of a multipart object, from the MD5s of its parts in order.
    static func md5(ofParts parts: some Sequence<[UInt8]>) -> [UInt8] {
        var hash = Insecure.MD5()
        for part in parts { hash.update(data: part) }
        return Array(hash.finalize())
    }

    /// Whether `condition` (an `If-Match` or `If-None-Match` header: `*`, or tags with commas
    /// between, with or without quotes) names `eTag`.
    static func names(_ condition: String, _ eTag: String) -> Bool {
        condition.split(separator: ",").contains { item in
            var tag = item.drop { $0 == " " }
            while tag.last == " " { tag.removeLast() }
            if tag == "*" { return true }
            if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            if tag.utf8.count >= 2, tag.first == "\"", tag.last == "\"" {
                tag = tag.dropFirst().dropLast()
            }
            return tag == eTag
        }
    }
}
