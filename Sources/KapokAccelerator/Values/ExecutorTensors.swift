// The tensors in HBM: inputs, outputs and scratch space.

extension Executor {
    /// Fills an input.
    ///
    /// - Parameters:
    ///   - name: the tensor's name
    ///   - bytes: its elements row by row, little-endian
    /// - Throws: ``ExecutionError`` when there is no such input, or it has another size.
    public mutating func setInput(
        _ name: String, bytes: [UInt8]
    ) throws(ExecutionError) {
        let index = try inputIndex(name)
        guard bytes.count == tensorSizes[index] else {
            throw ExecutionError(
                .wrongSize(tensor: name, expected: tensorSizes[index], actual: bytes.count))
        }
        bytes.withUnsafeBytes { tensorBytes(index).copyMemory(from: $0) }
        markSet(index)
    }

    /// Fills an input with values, rounded to nearest even where its type is narrower than FP32.
    ///
    /// - Parameter values: its elements row by row
    /// - Throws: ``ExecutionError`` when there is no such input, or it has another size (in bytes).
    public mutating func setInput(
        _ name: String, values: [Float]
    ) throws(ExecutionError) {
        let index = try inputIndex(name)
        let type = program.tensors[index].type
        guard values.count * type.byteCount == tensorSizes[index] else {
            throw ExecutionError(
                .wrongSize(
                    tensor: name, expected: tensorSizes[index],
                    actual: values.count * type.byteCount))
        }
        type.encode(values, into: tensorBytes(index))
        markSet(index)
    }

    /// The bytes of a tensor of any role as they are now: its elements row by row, little-endian.
    ///
    /// - Throws: ``ExecutionError`` when there is no such tensor.
    public func bytes(of name: String) throws(ExecutionError) -> [UInt8] {
        Array(tensorBytes(try tensorIndex(name)))
    }

    /// The values of a tensor of any role as they are now, its elements row by row. Integers above
    /// 2^24 are rounded to FP32.
    ///
    /// - Throws: ``ExecutionError`` when there is no such tensor.
    public func values(of name: String) throws(ExecutionError) -> [Float] {
        let index = try tensorIndex(name)
        return program.tensors[index].type.decode(UnsafeRawBufferPointer(tensorBytes(index)))
    }

    private mutating func markSet(_ index: Int) {
        inputsMissing.remove(index)
        let bytes = tensorBytes(index)
        if let address = bytes.baseAddress {
            shadow?.markWritten(address, byteCount: bytes.count)
        }
    }

    private func tensorIndex(_ name: String) throws(ExecutionError) -> Int {
        guard let index = program.tensors.firstIndex(where: { $0.name == name }) else {
            throw ExecutionError(.unknownTensor(name))
        }
        return index
    }

    private func inputIndex(_ name: String) throws(ExecutionError) -> Int {
        let index = try tensorIndex(name)
        guard program.tensors[index].role == .input else {
            throw ExecutionError(.notAnInput(name))
        }
        return index
    }

    private func tensorBytes(_ index: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(
            start: memory.hbm + memory.tensorOffsets[index], count: tensorSizes[index])
    }
}
