/// Collects the bytes of a file that may have millions of lines and hands them on in blocks, so
/// that memory stays small and a field costs no allocation. The first failure of the receiver is
/// kept and thrown by `finish`; what is written after it is dropped.
public final class WiringWriter {
    private static let capacity = 1 << 20

    private let storage = UnsafeMutableRawPointer.allocate(
        byteCount: WiringWriter.capacity, alignment: 16)
    private var used = 0
    private let receive: (UnsafeRawBufferPointer) throws -> Void
    private var failure: (any Error)?
    /// How many bytes were written so far.
    public private(set) var total = 0

    /// A writer whose blocks go to `receive`.
    public init(_ receive: @escaping (UnsafeRawBufferPointer) throws -> Void) {
        self.receive = receive
    }

    deinit { storage.deallocate() }

    /// All that `body` writes, in memory.
    public static func bytes(_ body: (WiringWriter) -> Void) -> [UInt8] {
        var all: [UInt8] = []
        let writer = WiringWriter { all.append(contentsOf: $0) }
        body(writer)
        writer.flush()
        return all
    }

    private func flush() {
        defer { used = 0 }
        guard failure == nil, used > 0 else { return }
        do { try receive(UnsafeRawBufferPointer(start: storage, count: used)) } catch {
            failure = error
        }
    }

    /// Hands on what is left. Throws what the receiver threw first.
    public func finish() throws {
        flush()
        if let failure { throw failure }
    }

    /// Bytes as they are.
    func raw(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        total += bytes.count
        var done = 0
        while done < bytes.count {
            if used == Self.capacity { flush() }
            let part = min(bytes.count - done, Self.capacity - used)
            (storage + used).copyMemory(from: source + done, byteCount: part)
            used += part
            done += part
        }
    }

    /// Bytes as they are.
    func raw(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { raw($0) } }

    /// A text that the compiler knows.
    func text(_ text: StaticString) {
        raw(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Any text. For what is not in the loop over all links.
    func string(_ text: String) {
        var text = text
        text.withUTF8 { raw(UnsafeRawBufferPointer($0)) }
    }

    /// One byte.
    func byte(_ byte: UInt8) {
        if used == Self.capacity { flush() }
        storage.storeBytes(of: byte, toByteOffset: used, as: UInt8.self)
        used += 1
        total += 1
    }

    /// A number in decimal digits.
    func number(_ value: Int) {
        if value >= 0, value < 10 { return byte(UInt8(ascii: "0") + UInt8(value)) }
        if Self.capacity - used < 20 { flush() }
        var rest = value.magnitude
        var digits = 0
        var scale = rest
        repeat {
            digits += 1
            scale /= 10
        } while scale > 0
        if value < 0 { byte(UInt8(ascii: "-")) }
        var at = used + digits
        used = at
        total += digits
        repeat {
            at -= 1
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            storage.storeBytes(
                of: UInt8(ascii: "0") + UInt8(digit), toByteOffset: at, as: UInt8.self)
            rest = quotient
        } while rest > 0
    }

    /// A length in metres with two digits behind the point, from centimetres.
    func metres(centimetres: Int) {
        number(centimetres / 100)
        let rest = centimetres % 100
        byte(UInt8(ascii: "."))
        byte(UInt8(ascii: "0") + UInt8(rest / 10))
        byte(UInt8(ascii: "0") + UInt8(rest % 10))
    }
}

/// Texts one behind the other in one array.
struct TextColumn {
    private var bytes: [UInt8] = []
    private var starts: [UInt32] = [0]

    /// How many texts there are.
    var count: Int { starts.count - 1 }

    mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        starts.append(UInt32(bytes.count))
    }

    func write(_ index: Int, to writer: WiringWriter) {
        writer.raw(bytes[Int(starts[index])..<Int(starts[index + 1])])
    }
}

/// How names are written so that a format's own signs in them do no harm.
enum WiringQuoting {
    /// RFC 4180: quotation marks around what holds commas, marks or line ends.
    case csv
    /// Inside the quotation marks of Graphviz.
    case dot
    /// Inside the quotation marks of JSON and of YAML's double-quoted texts.
    case json

    func quoted(_ text: String) -> String {
        switch self {
        case .csv:
            guard text.utf8.contains(where: { $0 == 34 || $0 == 44 || $0 == 10 || $0 == 13 })
            else { return text }
            return "\"" + text.replacing("\"", with: "\"\"") + "\""
        case .dot:
            guard text.utf8.contains(where: { $0 == 34 || $0 == 92 }) else { return text }
            return text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        case .json:
            guard text.utf8.contains(where: { $0 == 34 || $0 == 92 || $0 < 32 }) else {
                return text
            }
            var out = ""
            for scalar in text.unicodeScalars {
                switch scalar {
                case "\"": out += "\\\""
                case "\\": out += "\\\\"
                case "\n": out += "\\n"
                case "\r": out += "\\r"
                case "\t": out += "\\t"
                case _ where scalar.value < 32:
                    let hex = String(scalar.value, radix: 16)
                    out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
                default: out.unicodeScalars.append(scalar)
                }
            }
            return out
        }
    }
}
