/// Rows of a CSV file (RFC 4180: quoted fields, doubled marks, line ends inside quotes; LF or
/// CRLF), read one at a time from bytes that cannot be trusted.
struct CSVRows {
    /// The most bytes of a field.
    static let maximumField = 4_096
    /// The most fields of a row.
    static let maximumFields = 256

    private let bytes: [UInt8]
    private var at = 0
    private var nextLine = 1
    /// The line where the row that was read last begins, counted from 1.
    private(set) var line = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
    }

    /// The next row that is not empty and no comment (`#`); nil at the end.
    mutating func next() throws(WiringDocument.Refusal) -> [String]? {
        while at < bytes.count {
            line = nextLine
            let isComment = bytes[at] == UInt8(ascii: "#")
            let row = try fields()
            if isComment || row == [""] { continue }
            return row
        }
        return nil
    }

    private func refusal(_ reason: String) -> WiringDocument.Refusal {
        WiringDocument.Refusal(line: line, reason: reason)
    }

    private mutating func fields() throws(WiringDocument.Refusal) -> [String] {
        var row: [String] = []
        while true {
            let field = try field()
            guard row.count < Self.maximumFields else {
                throw refusal("more than \(Self.maximumFields) columns")
            }
            row.append(field)
            guard at < bytes.count else { return row }
            let sign = bytes[at]
            at += 1
            if sign == UInt8(ascii: ",") { continue }
            if sign == UInt8(ascii: "\r"), at < bytes.count, bytes[at] == UInt8(ascii: "\n") {
                at += 1
            }
            nextLine += 1
            return row
        }
    }

    /// One field; the position is at the sign that ends it.
    private mutating func field() throws(WiringDocument.Refusal) -> String {
        var field: [UInt8] = []
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            at += 1
            while true {
                guard at < bytes.count else {
                    throw refusal("a quotation mark without its second")
                }
                let byte = bytes[at]
                at += 1
                if byte == UInt8(ascii: "\"") {
                    guard at < bytes.count, bytes[at] == byte else { break }
                    at += 1
                }
                if byte == UInt8(ascii: "\n") { nextLine += 1 }
                field.append(byte)
                try bounded(field)
            }
            guard at == bytes.count || ends(bytes[at]) else {
                throw refusal("text behind the closing quotation mark of a field")
            }
        } else {
            while at < bytes.count, !ends(bytes[at]) {
                field.append(bytes[at])
                at += 1
                try bounded(field)
            }
        }
        guard let text = String(validating: field, as: UTF8.self) else {
            throw refusal("a field that is not UTF-8; store the file as UTF-8")
        }
        return text
    }

    private func ends(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }

    private func bounded(_ field: [UInt8]) throws(WiringDocument.Refusal) {
        guard field.count <= Self.maximumField else {
            throw refusal(
                "a field of more than \(Self.maximumField) bytes; a quotation mark may "
                    + "be missing")
        }
    }
}
