internal import KapokWorld

/// An array in NumPy's file format (`.npy`, versions 1 to 3: NumPy Enhancement Proposal 1, and
/// `numpy.lib.format`), in C order.
public struct NPYFile: Hashable, Sendable {
    /// What an array holds.
    public enum Element: Hashable, Sendable {
        /// One of the accelerator's types. Those that NumPy does not know by itself (`bf16`, the
        /// FP8 types) stand in files as bytes without a meaning, as ml_dtypes writes them.
        case number(ElementType)
        /// 8 bytes.
        case float64
        case int64
        /// 1 byte, 0 or 1.
        case bool
        /// 1 or 2 bytes whose meaning the reader has to know.
        case raw(byteCount: Int)

        /// Bytes of one element.
        public var byteCount: Int {
            switch self {
            case .number(let type): type.byteCount
            case .float64, .int64: 8
            case .bool: 1
            case .raw(let byteCount): byteCount
            }
        }
    }

    /// The most dimensions that are read, as in NumPy 2.
    public static let maximumDimensions = 64
    /// The longest header that is read, in bytes.
    public static let maximumHeader = 65_535

    /// What it holds.
    public let element: Element
    /// Elements in each dimension, outermost first; empty for a single number.
    public let shape: [Int]
    /// The elements, little-endian, the last dimension fastest.
    public let data: [UInt8]

    /// An array of one of the accelerator's types.
    ///
    /// - Throws: ``NPYError`` when `data` has not as many bytes as the shape asks for.
    public init(_ type: ElementType, shape: [Int], data: [UInt8]) throws(NPYError) {
        try self.init(.number(type), shape: shape, data: data)
    }

    init(_ element: Element, shape: [Int], data: [UInt8]) throws(NPYError) {
        let expected = try Self.byteCount(of: element, shape)
        guard data.count == expected else {
            throw .wrongSize(expected: expected, actual: data.count)
        }
        self.element = element
        self.shape = shape
        self.data = data
    }

    /// Reads a file. Arrays in Fortran order are put into C order.
    ///
    /// - Throws: ``NPYError`` for what is no array file, of a type that is not supported, or not of
    ///   the size that it states.
    public init(parsing bytes: [UInt8]) throws(NPYError) {
        let (text, start) = try Self.header(of: bytes)
        var parser = NPYHeaderParser(text)
        let header = try parser.parse()
        let element = try Element(descriptor: header.descriptor)
        let expected = try Self.byteCount(of: element, header.shape)
        guard bytes.count - start == expected else {
            throw .wrongSize(expected: expected, actual: bytes.count - start)
        }
        let body = bytes[start...]
        let data =
            header.isFortranOrder
            ? Self.reordered(body, element.byteCount, header.shape) : Array(body)
        try self.init(element, shape: header.shape, data: data)
    }

    /// The header's text and where the elements begin.
    private static func header(
        of bytes: [UInt8]
    ) throws(NPYError) -> (text: ArraySlice<UInt8>, end: Int) {
        guard bytes.count >= 10, bytes.starts(with: magic) else { throw .notAnArrayFile }
        let version = bytes[6]
        guard (1...3).contains(version), bytes[7] == 0 else { throw .unknownVersion(version) }
        let lengthBytes = version == 1 ? 2 : 4
        let start = 8 + lengthBytes
        guard bytes.count >= start else { throw .truncated }
        var length = 0
        for byte in 0..<lengthBytes { length |= Int(bytes[8 + byte]) << (8 * byte) }
        guard length <= maximumHeader else { throw .malformedHeader("it is too long") }
        guard bytes.count - start >= length else { throw .truncated }
        return (bytes[start..<start + length], start + length)
    }

    private static func byteCount(
        of element: Element, _ shape: [Int]
    ) throws(NPYError) -> Int {
        guard shape.count <= maximumDimensions else { throw .impossibleShape(shape) }
        var total = element.byteCount
        for dimension in shape {
            let (product, overflow) = total.multipliedReportingOverflow(by: dimension)
            guard dimension >= 0, !overflow else { throw .impossibleShape(shape) }
            total = product
        }
        return total
    }

    /// From the first dimension fastest to the last dimension fastest.
    private static func reordered(
        _ body: ArraySlice<UInt8>, _ size: Int, _ shape: [Int]
    ) -> [UInt8] {
        var strides: [Int] = []
        var stride = size
        for dimension in shape {
            strides.append(stride)
            stride *= dimension
        }
        var data: [UInt8] = []
        data.reserveCapacity(body.count)
        var index = [Int](repeating: 0, count: shape.count)
        var place = body.startIndex
        while data.count < body.count {
            data.append(contentsOf: body[place..<place + size])
            for dimension in shape.indices.reversed() {
                index[dimension] += 1
                place += strides[dimension]
                if index[dimension] < shape[dimension] { break }
                place -= index[dimension] * strides[dimension]
                index[dimension] = 0
            }
        }
        return data
    }

    static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]

    /// The file: version 1, the header filled up with spaces to a multiple of 64 bytes. (With at
    /// most 64 dimensions it fits in version 1's 65,535 bytes.)
    public func serialized() -> [UInt8] { Self.header(element, shape: shape) + data }

    /// What a file of this type and shape begins with; the elements follow. For arrays that are
    /// written piece by piece.
    public static func header(_ type: ElementType, shape: [Int]) -> [UInt8] {
        header(.number(type), shape: shape)
    }

    private static func header(_ element: Element, shape: [Int]) -> [UInt8] {
        let dimensions = shape.map(String.init).joined(separator: ", ")
        let tuple = shape.count == 1 ? "(\(dimensions),)" : "(\(dimensions))"
        var header =
            "{'descr': '\(element.descriptor)', 'fortran_order': False, 'shape': \(tuple), }"
        let unpadded = Self.magic.count + 4 + header.utf8.count + 1
        header += String(repeating: " ", count: (unpadded + 63) / 64 * 64 - unpadded) + "\n"
        var writer = ByteWriter(minimumCapacity: unpadded + 64)
        writer.raw(Self.magic)
        writer.uint8(1)
        writer.uint8(0)
        writer.uint16(UInt16(header.utf8.count))
        writer.raw(header.utf8)
        return writer.bytes
    }
}

/// Why bytes are no array that can be used.
public enum NPYError: Error, Hashable, Sendable {
    /// The file does not begin as array files do.
    case notAnArrayFile
    /// A format version other than 1.0, 2.0 and 3.0.
    case unknownVersion(UInt8)
    /// It ends inside of its header.
    case truncated
    /// The header is not the dictionary that it should be.
    case malformedHeader(String)
    /// A type that is not supported: NumPy's descriptor.
    case unsupportedType(String)
    /// Negative, with too many dimensions, or with more elements than can be counted.
    case impossibleShape([Int])
    /// The elements take another number of bytes than the shape asks for.
    case wrongSize(expected: Int, actual: Int)
    /// Elements of one type cannot stand for elements of another.
    case notConvertible(from: NPYFile.Element, to: ElementType)
    /// The element of this number does not fit into the other type.
    case outOfRange(element: Int)
}

extension NPYError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notAnArrayFile: "this is no .npy file"
        case .unknownVersion(let version): ".npy format version \(version) is not known"
        case .truncated: "the .npy file ends inside of its header"
        case .malformedHeader(let reason): "the .npy header is malformed: \(reason)"
        case .unsupportedType(let descriptor): "elements of type \(descriptor) are not supported"
        case .impossibleShape(let shape): "shape \(shape) is impossible"
        case .wrongSize(let expected, let actual):
            "the elements take \(actual) bytes, the shape asks for \(expected)"
        case .notConvertible(let element, let type):
            "\(element.descriptor) cannot stand for \(type.name)"
        case .outOfRange(let element): "element \(element) does not fit into the tensor's type"
        }
    }
}
