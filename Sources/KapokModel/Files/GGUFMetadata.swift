import OrderedCollections

/// Typed access to the metadata of a GGUF file. A value that is there but has another type is an
/// error; one that is not there is nil.
public struct GGUFMetadata: Sendable {
    let file: FileBytes
    let values: OrderedDictionary<String, GGUFValue>

    init(file: FileBytes, values: OrderedDictionary<String, GGUFValue>) {
        self.file = file
        self.values = values
    }

    /// A whole number of any integer type.
    public func integer(_ key: String) throws(ModelFileError) -> Int? {
        guard let value = values[key] else { return nil }
        guard value.count == nil, let number = integer(value, at: 0) else {
            throw wrong(key, value, "an integer of at most 63 bits")
        }
        return number
    }

    /// A number of any numeric type.
    public func number(_ key: String) throws(ModelFileError) -> Double? {
        guard let value = values[key] else { return nil }
        guard value.count == nil, let number = number(value, at: 0) else {
            throw wrong(key, value, "a number")
        }
        return number
    }

    /// A flag.
    public func flag(_ key: String) throws(ModelFileError) -> Bool? {
        guard let value = values[key] else { return nil }
        guard value.count == nil, value.type == .bool else { throw wrong(key, value, "a BOOL") }
        return load(UInt8.self, value.range.lowerBound) != 0
    }

    /// A text; what is not UTF-8 in it becomes U+FFFD.
    public func text(_ key: String) throws(ModelFileError) -> String? {
        guard let value = values[key] else { return nil }
        guard value.count == nil, value.type == .string else {
            throw wrong(key, value, "a STRING")
        }
        return texts(value)[0]
    }

    /// An array of texts; what is not UTF-8 in them becomes U+FFFD.
    public func texts(_ key: String) throws(ModelFileError) -> [String]? {
        guard let value = values[key] else { return nil }
        guard value.count != nil, value.type == .string else {
            throw wrong(key, value, "an array of STRING")
        }
        return texts(value)
    }

    /// An array of whole numbers of any integer type.
    public func integers(_ key: String) throws(ModelFileError) -> [Int]? {
        guard let value = values[key] else { return nil }
        guard let count = value.count else { throw wrong(key, value, "an array of integers") }
        var numbers: [Int] = []
        numbers.reserveCapacity(count)
        for index in 0..<count {
            guard let number = integer(value, at: index) else {
                throw wrong(key, value, "an array of integers of at most 63 bits")
            }
            numbers.append(number)
        }
        return numbers
    }

    /// An array of numbers of any numeric type.
    public func numbers(_ key: String) throws(ModelFileError) -> [Float]? {
        guard let value = values[key] else { return nil }
        guard let count = value.count, value.type != .string else {
            throw wrong(key, value, "an array of numbers")
        }
        return (0..<count).map { Float(number(value, at: $0) ?? 0) }
    }

    /// An array of bytes.
    public func bytes(_ key: String) throws(ModelFileError) -> [UInt8]? {
        guard let value = values[key] else { return nil }
        guard value.count != nil, value.type == .uint8 || value.type == .int8 else {
            throw wrong(key, value, "an array of UINT8")
        }
        return Array(file.bytes[value.range])
    }

    /// A whole number, also where the file has an array of equal ones, one for each block.
    public func uniform(_ key: String) throws(ModelFileError) -> Int? {
        guard let value = values[key] else { return nil }
        guard value.count != nil else { return try integer(key) }
        guard let all = try integers(key), let first = all.first else {
            throw wrong(key, value, "a number")
        }
        guard all.allSatisfy({ $0 == first }) else {
            throw ModelFileError(
                .unsupported, path: file.path, place: "key '\(key)'",
                "blocks of different shapes")
        }
        return first
    }

    /// The value for a person, cut to `limit` characters.
    public func summary(_ key: String, limit: Int = 60) -> String {
        guard let value = values[key] else { return "" }
        let shown = (0..<min(value.count ?? 1, 4)).map { index -> String in
            switch value.type {
            case .string: texts(value, atMost: index + 1).last ?? ""
            case .bool: load(UInt8.self, value.range.lowerBound + index) != 0 ? "true" : "false"
            case .float32, .float64: number(value, at: index).map { "\(Float($0))" } ?? ""
            default: number(value, at: index).map { "\(Int64($0))" } ?? ""
            }
        }
        var text = shown.joined(separator: ", ")
        if let count = value.count {
            text = "[\(text)\(count > 4 ? ", ..." : "")] (\(count))"
        }
        let line = String(text.map { $0.isNewline ? " " : $0 })
        return line.count > limit ? line.prefix(limit - 3) + "..." : line
    }

    // MARK: Elements

    private func load<T: FixedWidthInteger>(_: T.Type, _ offset: Int) -> T {
        T(littleEndian: file.bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    private func integer(_ value: GGUFValue, at index: Int) -> Int? {
        let offset = value.range.lowerBound + index * (value.type.size ?? 0)
        switch value.type {
        case .uint8: return Int(load(UInt8.self, offset))
        case .int8: return Int(load(Int8.self, offset))
        case .uint16: return Int(load(UInt16.self, offset))
        case .int16: return Int(load(Int16.self, offset))
        case .uint32: return Int(load(UInt32.self, offset))
        case .int32: return Int(load(Int32.self, offset))
        case .uint64: return Int(exactly: load(UInt64.self, offset))
        case .int64: return Int(load(Int64.self, offset))
        case .bool, .float32, .float64, .string, .array: return nil
        }
    }

    private func number(_ value: GGUFValue, at index: Int) -> Double? {
        let offset = value.range.lowerBound + index * (value.type.size ?? 0)
        switch value.type {
        case .float32: return Double(Float(bitPattern: load(UInt32.self, offset)))
        case .float64: return Double(bitPattern: load(UInt64.self, offset))
        case .uint64: return Double(load(UInt64.self, offset))
        default: return integer(value, at: index).map(Double.init)
        }
    }

    /// Texts of a value whose lengths were checked when the file was opened.
    private func texts(_ value: GGUFValue, atMost limit: Int = .max) -> [String] {
        let count = min(value.count ?? 1, limit)
        var offset = value.range.lowerBound
        return [String](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count {
                let length = Int(load(UInt64.self, offset))
                let start = offset + 8
                offset = start + length
                buffer.initializeElement(
                    at: index,
                    to: String(decoding: file.bytes[start..<offset], as: UTF8.self))
                initialized = index + 1
            }
        }
    }

    private func wrong(_ key: String, _ value: GGUFValue, _ expected: String) -> ModelFileError {
        let type = "\(value.type)".uppercased()
        return ModelFileError(
            .malformed, path: file.path, place: "key '\(key)'",
            "must be \(expected) but is \(value.count == nil ? type : "an array of \(type)")")
    }
}

extension GGUFFile {
    /// The metadata with typed access.
    public var values: GGUFMetadata { GGUFMetadata(file: file, values: metadata) }
}
