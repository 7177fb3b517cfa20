public import OrderedCollections

/// Writes a GGUF file, version 3: metadata first, then tensors one after another, so that no more
/// than one of them must be in memory.
public struct GGUFWriter: Sendable {
    /// A metadata value.
    public enum Value: Sendable {
        case uint32(UInt32)
        case int32(Int32)
        case float32(Float)
        case bool(Bool)
        case string(String)
        case strings([String])
        case int32s([Int32])
        case float32s([Float])
        case uint8s([UInt8])
        /// A value of another file: its type and its bytes as they are there.
        case raw(type: GGUFValueType, count: Int?, bytes: [UInt8])
    }

    /// A tensor that will be written.
    public struct Tensor: Sendable {
        /// Its name.
        public var name: String
        /// Its sizes, that of a row first, as GGUF has them.
        public var dimensions: [Int]
        /// How its numbers are stored.
        public var type: WeightType

        /// A tensor of whole blocks: its rows must be.
        public init(name: String, dimensions: [Int], type: WeightType) {
            self.name = name
            self.dimensions = dimensions
            self.type = type
        }

        /// The bytes of all its rows.
        public var byteCount: Int {
            guard let row = type.bytes(elements: dimensions.first ?? 0) else {
                preconditionFailure("rows of \(name) are no whole blocks of \(type)")
            }
            return dimensions.dropFirst().reduce(row, *)
        }
    }

    /// The metadata, in the order in which it is written.
    public var metadata: OrderedDictionary<String, Value> = [:]
    /// The tensors, in the order in which they are written.
    public var tensors: [Tensor] = []
    /// What tensors' offsets are multiples of; ggml's default, so that no key needs to say it.
    static let alignment = 32

    /// A file without anything in it.
    public init() {}

    /// Takes over the metadata of `file`, byte by byte, without the keys that say how the file
    /// itself is laid out.
    public mutating func copyMetadata(of file: GGUFFile) {
        for (key, value) in file.metadata
        where key != "general.alignment" && !key.hasPrefix("split.") {
            metadata[key] = .raw(
                type: value.type, count: value.count, bytes: Array(file.file.bytes[value.range]))
        }
    }

    /// How many bytes the file will have.
    public var byteCount: Int {
        tensors.reduce(header().count) { $0 + Self.aligned($1.byteCount) }
    }

    /// Writes everything, in order.
    /// - Parameters:
    ///   - emit: takes the next bytes of the file.
    ///   - content: gives the bytes of a tensor, as many as it says.
    public func write<Failure: Error>(
        _ emit: ([UInt8]) throws(Failure) -> Void,
        content: (_ index: Int, Tensor) throws(Failure) -> [UInt8]
    ) throws(Failure) {
        try emit(header())
        for (index, tensor) in tensors.enumerated() {
            let bytes = try content(index, tensor)
            precondition(bytes.count == tensor.byteCount, "\(tensor.name) has another size")
            try emit(bytes)
            let padding = Self.aligned(bytes.count) - bytes.count
            if padding > 0 { try emit([UInt8](repeating: 0, count: padding)) }
        }
    }

    private static func aligned(_ count: Int) -> Int {
        (count + alignment - 1) / alignment * alignment
    }

    /// Everything before the tensors' bytes.
    private func header() -> [UInt8] {
        var bytes = Array("GGUF".utf8)
        Self.put(UInt32(3), &bytes)
        Self.put(UInt64(tensors.count), &bytes)
        Self.put(UInt64(metadata.count), &bytes)
        for (key, value) in metadata {
            Self.put(key, &bytes)
            Self.put(value, &bytes)
        }
        var offset = 0
        for tensor in tensors {
            Self.put(tensor.name, &bytes)
            Self.put(UInt32(tensor.dimensions.count), &bytes)
            for size in tensor.dimensions { Self.put(UInt64(size), &bytes) }
            Self.put(tensor.type.rawValue, &bytes)
            Self.put(UInt64(offset), &bytes)
            offset += Self.aligned(tensor.byteCount)
        }
        bytes += [UInt8](repeating: 0, count: Self.aligned(bytes.count) - bytes.count)
        return bytes
    }

    private static func put(_ value: some FixedWidthInteger, _ bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func put(_ text: String, _ bytes: inout [UInt8]) {
        put(UInt64(text.utf8.count), &bytes)
        bytes.append(contentsOf: text.utf8)
    }

    private static func put(_ value: Value, _ bytes: inout [UInt8]) {
        func type(_ type: GGUFValueType) { put(type.rawValue, &bytes) }
        func array(_ element: GGUFValueType, _ count: Int) {
            type(.array)
            type(element)
            put(UInt64(count), &bytes)
        }
        switch value {
        case .uint32(let number):
            type(.uint32)
            put(number, &bytes)
        case .int32(let number):
            type(.int32)
            put(number, &bytes)
        case .float32(let number):
            type(.float32)
            put(number.bitPattern, &bytes)
        case .bool(let flag):
            type(.bool)
            bytes.append(flag ? 1 : 0)
        case .string(let text):
            type(.string)
            put(text, &bytes)
        case .strings(let texts):
            array(.string, texts.count)
            for text in texts { put(text, &bytes) }
        case .int32s(let numbers):
            array(.int32, numbers.count)
            for number in numbers { put(number, &bytes) }
        case .float32s(let numbers):
            array(.float32, numbers.count)
            for number in numbers { put(number.bitPattern, &bytes) }
        case .uint8s(let numbers):
            array(.uint8, numbers.count)
            bytes += numbers
        case .raw(let element, let count, let content):
            if let count { array(element, count) } else { type(element) }
            bytes += content
        }
    }
}
