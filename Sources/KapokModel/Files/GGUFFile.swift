public import OrderedCollections

/// One tensor of a GGUF file.
public struct GGUFTensor: Sendable {
    /// Its name.
    public var name: String
    /// Its sizes, that of a row first, as GGUF has them; one to four.
    public var dimensions: [Int]
    /// The number of its type (ggml.h, `enum ggml_type`).
    public var typeNumber: UInt32
    /// Where its bytes lie in the file; empty when the type is one that Kapok cannot read.
    public var range: Range<Int>

    /// Its type, where Kapok can read it.
    public var type: WeightType? { WeightType(rawValue: typeNumber) }
    /// How many numbers it has.
    public var elements: Int { dimensions.reduce(1, *) }
}

/// A GGUF file of version 2 or 3 (github.com/ggml-org/ggml, docs/gguf.md): metadata and a
/// directory of tensors, all of it checked against the size of the file when it is opened.
public struct GGUFFile: Sendable {
    /// What is allowed beyond what the file's size bounds anyway.
    enum Limit {
        static let keys = 1 << 16
        static let tensors = 1 << 17
        /// As in ggml (GGML_MAX_NAME is 64; keys are bounded by 65,535 in the specification).
        static let nameBytes = 1 << 16
        static let alignment = 1 << 16
    }

    /// The file.
    public let file: FileBytes
    /// 2 or 3.
    public let version: UInt32
    /// What tensors' offsets are multiples of.
    public let alignment: Int
    /// The metadata, in the file's order.
    public let metadata: OrderedDictionary<String, GGUFValue>
    /// The tensors, in the file's order.
    public let tensors: [GGUFTensor]
    /// Where the tensors' bytes begin.
    public let dataOffset: Int

    /// Whether bytes begin as those of a GGUF file do.
    static func isGGUF(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.starts(with: Array("GGUF".utf8))
    }

    /// Reads metadata and directory. No tensor's bytes are touched.
    public init(_ file: FileBytes) throws(ModelFileError) {
        self.file = file
        var cursor = GGUFCursor(path: file.path, bytes: file.bytes)
        guard Self.isGGUF(file.bytes) else {
            throw cursor.error("does not begin with 'GGUF'", at: 0)
        }
        try cursor.skip(4, "the magic")
        version = try Self.version(&cursor)
        let place = cursor.offset
        // The least a tensor takes is its name's length, one dimension, type and offset.
        let tensorCount = try cursor.count(atLeast: 32, "the number of tensors")
        // The least a key takes is its length, its type and a byte.
        let keyCount = try cursor.count(atLeast: 13, "the number of keys")
        guard tensorCount <= Limit.tensors, keyCount <= Limit.keys else {
            throw cursor.error(
                "\(tensorCount) tensors and \(keyCount) keys; at most \(Limit.tensors) and "
                    + "\(Limit.keys) are allowed", at: place)
        }
        metadata = try Self.metadata(&cursor, count: keyCount)
        alignment = try Self.alignment(file, metadata)
        var tensors: [GGUFTensor] = []
        tensors.reserveCapacity(tensorCount)
        var offsets: [(value: UInt64, place: Int)] = []
        var names = Set<String>()
        for index in 0..<tensorCount {
            let (tensor, offset, place) = try Self.tensor(&cursor, index: index)
            guard names.insert(tensor.name).inserted else {
                throw ModelFileError(
                    .malformed, path: file.path, place: "tensor '\(tensor.name)'",
                    "appears twice in the directory")
            }
            tensors.append(tensor)
            offsets.append((offset, place))
        }
        let aligned = (cursor.offset + alignment - 1) / alignment * alignment
        dataOffset = min(aligned, file.bytes.count)
        for index in tensors.indices {
            tensors[index].range = try Self.place(
                tensors[index], offset: offsets[index].value, in: file, dataOffset: dataOffset,
                alignment: alignment)
        }
        self.tensors = tensors
    }

    // MARK: Header

    private static func version(_ cursor: inout GGUFCursor) throws(ModelFileError) -> UInt32 {
        let version: UInt32 = try cursor.integer("the version")
        if (2...3).contains(version) { return version }
        if version != 0, version & 0xFFFF == 0 {
            throw ModelFileError(
                .unsupported, path: cursor.path, place: "byte 4",
                "a big-endian file (version \(version.byteSwapped))",
                remedy: "convert it with gguf-py's gguf-convert-endian")
        }
        throw ModelFileError(
            .unsupported, path: cursor.path, place: "byte 4",
            "GGUF version \(version); versions 2 and 3 are supported",
            remedy: "convert the model again with a current converter")
    }

    private static func alignment(
        _ file: FileBytes, _ metadata: OrderedDictionary<String, GGUFValue>
    ) throws(ModelFileError) -> Int {
        let key = "general.alignment"
        guard let value = metadata[key] else { return 32 }
        let reader = GGUFMetadata(file: file, values: metadata)
        guard value.type == .uint32, value.count == nil, let alignment = try reader.integer(key),
            alignment > 0, alignment <= Limit.alignment, alignment & (alignment - 1) == 0
        else {
            throw ModelFileError(
                .malformed, path: file.path, place: "key '\(key)'",
                "must be a UINT32 and a power of two up to \(Limit.alignment)")
        }
        return alignment
    }

    // MARK: Metadata

    private static func metadata(
        _ cursor: inout GGUFCursor, count: Int
    ) throws(ModelFileError) -> OrderedDictionary<String, GGUFValue> {
        var values = OrderedDictionary<String, GGUFValue>(minimumCapacity: count)
        for index in 0..<count {
            let key = try cursor.string(atMost: Limit.nameBytes, "the name of key \(index)")
            let value = try value(&cursor, key: key)
            guard values.updateValue(value, forKey: key) == nil else {
                throw ModelFileError(
                    .malformed, path: cursor.path, place: "key '\(key)'", "appears twice")
            }
        }
        return values
    }

    private static func value(
        _ cursor: inout GGUFCursor, key: String
    ) throws(ModelFileError) -> GGUFValue {
        var type = try valueType(&cursor, key: key)
        var count: Int?
        if type == .array {
            type = try valueType(&cursor, key: key)
            guard type != .array else {
                throw ModelFileError(
                    .unsupported, path: cursor.path, place: "key '\(key)'", "an array of arrays")
            }
            count = try cursor.count(
                atLeast: type.size ?? 8, "the number of elements of key '\(key)'")
        }
        let start = cursor.offset
        if let size = type.size {
            // The count was checked against the bytes that are left: no overflow.
            try cursor.skip(size * (count ?? 1), "key '\(key)'")
        } else {
            for _ in 0..<(count ?? 1) {
                let length = try cursor.count(atLeast: 1, "the length of a text of key '\(key)'")
                try cursor.skip(length, "key '\(key)'")
            }
        }
        return GGUFValue(type: type, count: count, range: start..<cursor.offset)
    }

    private static func valueType(
        _ cursor: inout GGUFCursor, key: String
    ) throws(ModelFileError) -> GGUFValueType {
        let place = cursor.offset
        let number: UInt32 = try cursor.integer("the type of key '\(key)'")
        guard let type = GGUFValueType(rawValue: number) else {
            throw cursor.error("key '\(key)' has the unknown type \(number)", at: place)
        }
        return type
    }

    // MARK: Tensors

    private static func tensor(
        _ cursor: inout GGUFCursor, index: Int
    ) throws(ModelFileError) -> (GGUFTensor, offset: UInt64, place: Int) {
        let place = cursor.offset
        let name = try cursor.string(atMost: Limit.nameBytes, "the name of tensor \(index)")
        func malformed(_ problem: String) -> ModelFileError {
            ModelFileError(.malformed, path: cursor.path, place: "tensor '\(name)'", problem)
        }
        let count: UInt32 = try cursor.integer("the number of dimensions of tensor '\(name)'")
        guard (1...4).contains(count) else {
            throw malformed("\(count) dimensions; a tensor has one to four")
        }
        var dimensions: [Int] = []
        var elements: Int64 = 1
        for _ in 0..<count {
            let size: Int64 = try cursor.integer("the dimensions of tensor '\(name)'")
            let (product, overflow) = elements.multipliedReportingOverflow(by: size)
            guard size > 0, !overflow else {
                throw malformed("the dimensions \(dimensions + [Int(size)]) are impossible")
            }
            elements = product
            dimensions.append(Int(size))
        }
        let type: UInt32 = try cursor.integer("the type of tensor '\(name)'")
        let offset: UInt64 = try cursor.integer("the offset of tensor '\(name)'")
        let tensor = GGUFTensor(
            name: name, dimensions: dimensions, typeNumber: type, range: 0..<0)
        return (tensor, offset, place)
    }

    /// Where a tensor's bytes lie, checked against the file.
    private static func place(
        _ tensor: GGUFTensor, offset: UInt64, in file: FileBytes, dataOffset: Int, alignment: Int
    ) throws(ModelFileError) -> Range<Int> {
        // What cannot be read is refused by who needs it; others may not.
        guard let type = tensor.type else { return dataOffset..<dataOffset }
        func malformed(_ problem: String, remedy: String = "") -> ModelFileError {
            ModelFileError(
                .malformed, path: file.path, place: "tensor '\(tensor.name)'", problem,
                remedy: remedy)
        }
        guard let row = type.bytes(elements: tensor.dimensions[0]) else {
            throw malformed(
                "rows of \(tensor.dimensions[0]) are no whole \(type.name) blocks of "
                    + "\(type.blockElements)")
        }
        let rows = tensor.elements / tensor.dimensions[0]
        let (bytes, overflow) = row.multipliedReportingOverflow(by: rows)
        guard offset % UInt64(alignment) == 0 else {
            throw malformed("its offset \(offset) is no multiple of the alignment \(alignment)")
        }
        let available = file.bytes.count - dataOffset
        guard !overflow, bytes <= available, offset <= UInt64(available - bytes) else {
            throw malformed(
                "its \(overflow ? "bytes" : "\(bytes) bytes") at offset \(offset) of the data go "
                    + "beyond the file's \(file.bytes.count) bytes",
                remedy: "the file is damaged or was not fetched completely")
        }
        let start = dataOffset + Int(offset)
        return start..<start + bytes
    }
}
