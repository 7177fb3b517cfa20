internal import CKernels

// Conversions of many numbers, by the kernels.

extension ElementType {
    /// The values of an array of elements, little-endian, side by side; see
    /// ``decode(_:)-(UInt32)``. Bytes after the last whole element do not count.
    public func decode(_ bytes: [UInt8]) -> [Float] {
        bytes.withUnsafeBytes { decode($0) }
    }

    /// The elements nearest to `values`, little-endian, side by side; see ``encode(_:)-(Float)``.
    public func encode(_ values: [Float]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: values.count * byteCount) { buffer, count in
            encode(values, into: UnsafeMutableRawBufferPointer(buffer))
            count = values.count * byteCount
        }
    }

    func decode(_ bytes: UnsafeRawBufferPointer) -> [Float] {
        let count = bytes.count / byteCount
        guard let source = bytes.baseAddress, count > 0 else { return [] }
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard let target = buffer.baseAddress else { return }
            InstructionSet.fastest.rows.decode(kernelType, source, 1, target, count)
            initialized = count
        }
    }

    func encode(_ values: [Float], into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count == values.count * byteCount)
        guard let target = bytes.baseAddress else { return }
        values.withUnsafeBufferPointer { source in
            guard let source = source.baseAddress else { return }
            InstructionSet.fastest.rows.encode(kernelType, source, target, 1, values.count)
        }
    }

    /// Its name in C.
    var kernelType: kapok_element_type { kapok_element_type(rawValue: UInt32(rawValue)) }

    /// The bits of the element at an address.
    @inline(__always)
    func load(_ address: UnsafeRawPointer) -> UInt32 {
        switch byteCount {
        case 1: UInt32(address.load(as: UInt8.self))
        case 2: UInt32(address.load(as: UInt16.self))
        default: address.load(as: UInt32.self)
        }
    }

    /// Puts an element's bits to an address.
    @inline(__always)
    func store(_ bits: UInt32, to address: UnsafeMutableRawPointer) {
        switch byteCount {
        case 1: address.storeBytes(of: UInt8(truncatingIfNeeded: bits), as: UInt8.self)
        case 2: address.storeBytes(of: UInt16(truncatingIfNeeded: bits), as: UInt16.self)
        default: address.storeBytes(of: bits, as: UInt32.self)
        }
    }
}
