import KapokModel

extension WeightTensor {
    /// Memory that holds a tensor.
    private final class Memory: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer
        init(_ values: [Float]) {
            bytes = .allocate(byteCount: values.count * 4, alignment: 64)
            values.withUnsafeBytes { bytes.copyMemory(from: $0) }
        }
        deinit { bytes.deallocate() }
    }

    /// A tensor of F32 that holds `values`, row by row.
    init(_ name: String, rows: Int, columns: Int, _ values: [Float]) {
        precondition(values.count == rows * columns)
        let memory = Memory(values)
        self.init(
            name: name, type: .f32, columns: columns, rows: rows,
            bytes: UnsafeRawBufferPointer(memory.bytes), owner: memory)
    }
}
