/// Writes the XML documents of responses.
struct XMLWriter: Sendable {
    /// The document so far, UTF-8.
    private(set) var bytes: [UInt8] = []
    /// Whether names that may hold any character are percent-coded (`encoding-type=url`).
    private let urlEncoding: Bool

    /// The namespace of all documents.
    static let namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

    /// A document that begins with its XML declaration.
    init(urlEncoding: Bool = false, capacity: Int = 1024) {
        self.urlEncoding = urlEncoding
        bytes.reserveCapacity(capacity)
        raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
    }

    /// The root element in S3's namespace around what `body` writes.
    mutating func root(_ name: String, _ body: (inout XMLWriter) -> Void) {
        raw("<\(name) xmlns=\"\(Self.namespace)\">")
        body(&self)
        close(name)
    }

    /// An element around what `body` writes.
    mutating func element(_ name: String, _ body: (inout XMLWriter) -> Void) {
        open(name)
        body(&self)
        close(name)
    }

    /// An element with text.
    mutating func element(_ name: String, _ text: String) {
        open(name)
        escaped(text)
        close(name)
    }

    /// An element with text, when there is one.
    mutating func element(_ name: String, _ text: String?) {
        if let text { element(name, text) }
    }

    mutating func element(_ name: String, _ number: some BinaryInteger) {
        open(name)
        raw(String(number))
        close(name)
    }

    mutating func element(_ name: String, _ flag: Bool) {
        open(name)
        raw(flag ? "true" : "false")
        close(name)
    }

    /// An element with a key, prefix, delimiter or marker: percent-coded when the client asked so.
    mutating func nameElement(_ name: String, _ text: String) {
        if urlEncoding {
            element(name, PercentCoding.encode(text, keepSlash: true))
        } else {
            element(name, text)
        }
    }

    /// Text as it is: the caller knows that it needs no escaping.
    mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func open(_ name: String) {
        bytes.append(UInt8(ascii: "<"))
        bytes.append(contentsOf: name.utf8)
        bytes.append(UInt8(ascii: ">"))
    }

    private mutating func close(_ name: String) {
        raw("</")
        bytes.append(contentsOf: name.utf8)
        bytes.append(UInt8(ascii: ">"))
    }

    private mutating func escaped(_ text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): raw("&amp;")
            case UInt8(ascii: "<"): raw("&lt;")
            case UInt8(ascii: ">"): raw("&gt;")
            case UInt8(ascii: "\""): raw("&quot;")
            case 9, 10: bytes.append(byte)
            case 0..<32:
                // XML 1.0 has no form for control characters; S3 writes references all the same.
                raw("&#x\(String(byte, radix: 16));")
            default: bytes.append(byte)
            }
        }
    }
}
