// Arrays as the contents of tensors.

extension NPYFile {
    /// The elements as those of a tensor of type `type`, little-endian, side by side.
    ///
    /// Equal types pass bits, and so do raw bytes into the types that NumPy does not know. Integers
    /// that go into an integer type must fit. All else is rounded to FP32 and then to `type`, each
    /// to nearest even, as NumPy's `astype` does one after the other.
    ///
    /// - Throws: ``NPYError`` when the element type cannot stand for `type`, or an integer does not
    ///   fit.
    public func tensorData(as type: ElementType) throws(NPYError) -> [UInt8] {
        switch element {
        case .number(let own) where own == type: return data
        case .raw(let byteCount):
            guard byteCount == type.byteCount, type.isFloatingPoint, type != .fp16 else {
                throw .notConvertible(from: element, to: type)
            }
            return data
        case .number(let own):
            if let integers, !type.isFloatingPoint { return try Self.packed(integers, as: type) }
            return type.encode(own.decode(data))
        case .int64, .bool:
            guard let integers else { throw .notConvertible(from: element, to: type) }
            if !type.isFloatingPoint { return try Self.packed(integers, as: type) }
            return type.encode(integers.map { Float($0) })
        case .float64:
            guard type.isFloatingPoint else { throw .notConvertible(from: element, to: type) }
            return type.encode(words(of: UInt64.self).map { Float(Double(bitPattern: $0)) })
        }
    }

    /// The elements as whole numbers; nil for floating-point types.
    private var integers: [Int64]? {
        switch element {
        case .int64: words(of: UInt64.self).map { Int64(bitPattern: $0) }
        case .bool, .number(.uint8): data.map { Int64($0) }
        case .number(.int8): data.map { Int64(Int8(bitPattern: $0)) }
        case .number(.int16): words(of: UInt16.self).map { Int64(Int16(bitPattern: $0)) }
        case .number(.uint16): words(of: UInt16.self).map { Int64($0) }
        case .number(.int32): words(of: UInt32.self).map { Int64(Int32(bitPattern: $0)) }
        case .number(.uint32): words(of: UInt32.self).map { Int64($0) }
        case .number, .float64, .raw: nil
        }
    }

    private func words<Word: FixedWidthInteger>(of _: Word.Type) -> [Word] {
        let size = MemoryLayout<Word>.size
        return data.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: size).map {
                Word(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: Word.self))
            }
        }
    }

    private static func packed(
        _ integers: [Int64], as type: ElementType
    ) throws(NPYError) -> [UInt8] {
        let size = type.byteCount
        let isSigned = [.int8, .int16, .int32].contains(type)
        let least: Int64 = isSigned ? -1 << (8 * size - 1) : 0
        let range = least..<least + (1 << (8 * size))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(integers.count * size)
        for (index, integer) in integers.enumerated() {
            guard range.contains(integer) else { throw .outOfRange(element: index) }
            for byte in 0..<size { bytes.append(UInt8(truncatingIfNeeded: integer >> (8 * byte))) }
        }
        return bytes
    }
}
