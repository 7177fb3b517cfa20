/// Writes rows of comma-separated values. Fields are quoted when they have to be.
struct CSVWriter {
    private(set) var bytes: [UInt8] = []
    private var isFirst = true

    init() { bytes.reserveCapacity(66_000) }

    /// What was written; the writer goes on with nothing.
    mutating func take() -> [UInt8] {
        let block = bytes
        bytes.removeAll(keepingCapacity: true)
        return block
    }

    /// A line that readers skip. Line breaks in it become spaces.
    mutating func comment(_ text: String) {
        bytes.append(contentsOf: "# ".utf8)
        bytes.append(contentsOf: text.utf8.map { $0 < 0x20 ? 0x20 : $0 })
        bytes.append(UInt8(ascii: "\n"))
    }

    mutating func number(_ value: Int) { number(Int64(value)) }

    mutating func number(_ value: Int64) {
        separate()
        bytes.append(contentsOf: "\(value)".utf8)
    }

    mutating func text(_ value: String) {
        separate()
        let mustQuote = value.utf8.contains { byte in
            byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\n")
                || byte == UInt8(ascii: "\r")
        }
        guard mustQuote else {
            bytes.append(contentsOf: value.utf8)
            return
        }
        bytes.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            if byte == UInt8(ascii: "\"") { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func endRow() {
        bytes.append(UInt8(ascii: "\n"))
        isFirst = true
    }

    private mutating func separate() {
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
    }
}
