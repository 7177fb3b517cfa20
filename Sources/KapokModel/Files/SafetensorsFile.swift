import OrderedCollections

/// One tensor of a safetensors file.
public struct SafetensorsTensor: Sendable {
    /// Its name.
    public var name: String
    /// Its type as the file names it: "BF16".
    public var typeName: String
    /// Its sizes, that of a row last.
    public var shape: [Int]
    /// Where its bytes lie in the file.
    public var range: Range<Int>

    /// Its type, where Kapok can read it.
    public var type: WeightType? {
        switch typeName {
        case "F32": .f32
        case "F16": .f16
        case "BF16": .bf16
        default: nil
        }
    }
}

/// A safetensors file (huggingface.co/docs/safetensors): a JSON header after its length, and the
/// tensors' bytes, all of it checked against the size of the file when it is opened.
public struct SafetensorsFile: Sendable {
    /// The longest header that is read; the reference implementation has the same bound.
    static let headerBytes = 100_000_000

    /// The file.
    public let file: FileBytes
    /// The tensors, in the header's order.
    public let tensors: [SafetensorsTensor]

    /// Whether bytes begin as those of a safetensors file do.
    static func isSafetensors(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= 10 else { return false }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        return length >= 2 && length <= UInt64(bytes.count - 8) && bytes[8] == UInt8(ascii: "{")
    }

    /// Reads the header. No tensor's bytes are touched.
    public init(_ file: FileBytes) throws(ModelFileError) {
        self.file = file
        let bytes = file.bytes
        guard bytes.count >= 8 else {
            throw ModelFileError(.malformed, path: file.path, "shorter than a header's length")
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(min(bytes.count - 8, Self.headerBytes)) else {
            throw ModelFileError(
                .malformed, path: file.path, place: "byte 0",
                "a header of \(length) bytes in a file of \(bytes.count)",
                remedy: "the file is damaged or was not fetched completely")
        }
        let dataOffset = 8 + Int(length)
        let header: JSONValue
        do throws(JSONError) {
            header = try JSONValue(
                parsing: UnsafeRawBufferPointer(rebasing: bytes[8..<dataOffset]),
                limits: JSONLimits(bytes: Self.headerBytes, depth: 8, values: 1 << 21))
        } catch {
            throw ModelFileError(
                .malformed, path: file.path, place: "header, \(error.description)", "no JSON")
        }
        guard case .object(let members) = header else {
            throw ModelFileError(.malformed, path: file.path, "the header is no JSON object")
        }
        var tensors: [SafetensorsTensor] = []
        tensors.reserveCapacity(members.count)
        for (name, value) in members where name != "__metadata__" {
            tensors.append(try Self.tensor(name, value, file, dataOffset: dataOffset))
        }
        self.tensors = tensors
    }

    private static func tensor(
        _ name: String, _ value: JSONValue, _ file: FileBytes, dataOffset: Int
    ) throws(ModelFileError) -> SafetensorsTensor {
        func malformed(_ problem: String) -> ModelFileError {
            ModelFileError(.malformed, path: file.path, place: "tensor '\(name)'", problem)
        }
        guard let typeName = value["dtype"]?.stringValue,
            let shape = value["shape"]?.arrayValue?.map(\.integerValue),
            let offsets = value["data_offsets"]?.arrayValue, offsets.count == 2,
            let start = offsets[0].integerValue, let end = offsets[1].integerValue
        else { throw malformed("has no dtype, shape and data_offsets") }
        var sizes: [Int] = []
        var elements = 1
        for size in shape {
            guard let size, size >= 0 else { throw malformed("has impossible sizes") }
            let (product, overflow) = elements.multipliedReportingOverflow(by: size)
            guard !overflow else { throw malformed("has impossible sizes") }
            elements = product
            sizes.append(size)
        }
        guard start >= 0, start <= end, end <= file.bytes.count - dataOffset else {
            throw ModelFileError(
                .malformed, path: file.path, place: "tensor '\(name)'",
                "its bytes \(start) to \(end) go beyond the file",
                remedy: "the file is damaged or was not fetched completely")
        }
        let tensor = SafetensorsTensor(
            name: name, typeName: typeName, shape: sizes,
            range: (dataOffset + start)..<(dataOffset + end))
        if let type = tensor.type, type.bytes(elements: elements) != end - start {
            throw malformed("\(sizes) of \(typeName) do not take \(end - start) bytes")
        }
        return tensor
    }
}
