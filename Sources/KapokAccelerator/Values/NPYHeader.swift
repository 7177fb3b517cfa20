/// What the header of an array file says.
struct NPYHeader {
    var descriptor: String
    var isFortranOrder: Bool
    var shape: [Int]
}

/// Reads the header: a Python dictionary with the keys `descr`, `fortran_order` and `shape`, in any
/// order. Of Python's literals it takes those that NumPy writes: strings without escapes, the two
/// truth values, tuples of whole numbers.
struct NPYHeaderParser {
    private let text: ArraySlice<UInt8>
    private var position: Int

    init(_ text: ArraySlice<UInt8>) {
        self.text = text
        position = text.startIndex
    }

    mutating func parse() throws(NPYError) -> NPYHeader {
        var descriptor: String?
        var isFortranOrder: Bool?
        var shape: [Int]?
        try expect("{")
        while !take("}") {
            let key = try string()
            try expect(":")
            switch key {
            case "descr" where descriptor == nil: descriptor = try string()
            case "fortran_order" where isFortranOrder == nil: isFortranOrder = try truth()
            case "shape" where shape == nil: shape = try tuple()
            default: throw .malformedHeader("key \(key)")
            }
            if !take(",") {
                try expect("}")
                break
            }
        }
        skipSpace()
        guard position == text.endIndex else {
            throw .malformedHeader("something follows the dictionary")
        }
        guard let descriptor, let isFortranOrder, let shape else {
            throw .malformedHeader("a key is missing")
        }
        return NPYHeader(descriptor: descriptor, isFortranOrder: isFortranOrder, shape: shape)
    }

    // MARK: Literals

    private mutating func string() throws(NPYError) -> String {
        skipSpace()
        guard position < text.endIndex else { throw .truncated }
        let quote = text[position]
        guard quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
            throw .malformedHeader("a string was expected")
        }
        position += 1
        let start = position
        while position < text.endIndex, text[position] != quote { position += 1 }
        guard position < text.endIndex,
            let string = String(validating: text[start..<position], as: UTF8.self),
            !string.contains("\\")
        else { throw .malformedHeader("a string without end, or with escapes") }
        position += 1
        return string
    }

    private mutating func truth() throws(NPYError) -> Bool {
        if take("True") { return true }
        if take("False") { return false }
        throw .malformedHeader("True or False was expected")
    }

    private mutating func tuple() throws(NPYError) -> [Int] {
        try expect("(")
        var numbers: [Int] = []
        var endsWithComma = true
        while !take(")") {
            guard endsWithComma, numbers.count < NPYFile.maximumDimensions else {
                throw .malformedHeader("shape")
            }
            numbers.append(try number())
            endsWithComma = take(",")
        }
        guard numbers.count != 1 || endsWithComma else { throw .malformedHeader("shape") }
        return numbers
    }

    private mutating func number() throws(NPYError) -> Int {
        skipSpace()
        let start = position
        var value = 0
        while position < text.endIndex,
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[position])
        {
            guard position - start < 18 else { throw .malformedHeader("a dimension is too large") }
            value = value * 10 + Int(text[position] - UInt8(ascii: "0"))
            position += 1
        }
        guard position > start else { throw .malformedHeader("a number was expected") }
        return value
    }

    // MARK: Scanning

    private mutating func skipSpace() {
        let space = [UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\t")]
        while position < text.endIndex, space.contains(text[position]) { position += 1 }
    }

    /// Steps over `token` if it comes next.
    private mutating func take(_ token: StaticString) -> Bool {
        skipSpace()
        let found = token.withUTF8Buffer { text[position...].starts(with: $0) }
        if found { position += token.utf8CodeUnitCount }
        return found
    }

    private mutating func expect(_ token: StaticString) throws(NPYError) {
        guard take(token) else { throw .malformedHeader("\(token) was expected") }
    }
}

extension NPYFile.Element {
    /// The types that have a name or a letter in NumPy or ml_dtypes. `f1` is what NumPy makes of
    /// ml_dtypes' float8_e5m2.
    private static let known: [String: NPYFile.Element] = [
        "f4": .number(.fp32), "f2": .number(.fp16), "i4": .number(.int32),
        "u4": .number(.uint32), "i2": .number(.int16), "u2": .number(.uint16),
        "i1": .number(.int8), "u1": .number(.uint8), "f8": .float64, "i8": .int64, "b1": .bool,
        "V1": .raw(byteCount: 1), "V2": .raw(byteCount: 2), "f1": .number(.fp8e5m2),
        "bfloat16": .number(.bf16), "float8_e4m3": .number(.fp8e4m3),
        "float8_e4m3fn": .number(.fp8e4m3fn), "float8_e5m2": .number(.fp8e5m2),
        "float8_e3m4": .number(.fp8e3m4),
    ]

    /// - Parameter descriptor: NumPy's, for example `<f4`; what is big-endian is not supported
    init(descriptor: String) throws(NPYError) {
        let hasOrder = descriptor.hasPrefix("<") || descriptor.hasPrefix("|")
        guard let element = Self.known[hasOrder ? String(descriptor.dropFirst()) : descriptor]
        else {
            throw .unsupportedType(descriptor)
        }
        self = element
    }

    /// What NumPy writes for it.
    var descriptor: String {
        switch self {
        case .float64: "<f8"
        case .int64: "<i8"
        case .bool: "|b1"
        case .raw(let byteCount): "|V\(byteCount)"
        case .number(let type): Self.descriptor(of: type)
        }
    }

    private static func descriptor(of type: ElementType) -> String {
        switch type {
        case .fp32, .tf32: "<f4"
        case .fp16: "<f2"
        case .int32: "<i4"
        case .uint32: "<u4"
        case .int16: "<i2"
        case .uint16: "<u2"
        case .int8: "|i1"
        case .uint8: "|u1"
        case .bf16: "<V2"
        case .fp8e4m3, .fp8e4m3fn, .fp8e5m2, .fp8e3m4: "<V1"
        }
    }
}
