internal import CKernels

/// The stationary matrix in the array: K x M, in FP32, packed for the multiplication.
struct StationaryMatrix: ~Copyable {
    /// Rows (the contraction dimension) and columns; 0 before the first load.
    var rows = 0
    var columns = 0
    /// What `kapok_sgemm_pack` wrote.
    private(set) var packed: UnsafeMutablePointer<Float>

    /// Up to 256 x 128 (`doubleRow`).
    private static let capacity = 256 * 128

    init() {
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: Self.capacity * MemoryLayout<Float>.stride, alignment: 64)
        packed = memory.initializeMemory(as: Float.self, repeating: 0, count: Self.capacity)
    }

    deinit { UnsafeMutableRawPointer(packed).deallocate() }

    mutating func pack(_ values: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int) {
        precondition(kapok_sgemm_packed_count(rows, columns) <= Self.capacity)
        self.rows = rows
        self.columns = columns
        kapok_sgemm_pack(values, stride, rows, columns, packed)
    }
}

// The tensor engine.
extension Executor {
    mutating func loadStationary(_ instruction: Instruction) {
        let source = operand(instruction.source0)
        let halves = instruction.flags.contains(.doubleRow) ? 2 : 1
        let rows = source.rows * halves
        let columns = source.elements / halves
        let (values, stride) = matrix(source, columns: columns)
        stationary.pack(values, stride: stride, rows: rows, columns: columns)
    }

    mutating func multiplyMoving(_ instruction: Instruction) throws(ExecutionError) {
        let source = operand(instruction.source0)
        let destination = operand(instruction.destination)
        let flags = instruction.flags
        guard stationary.rows > 0 else { throw ExecutionError(.noStationary) }
        let halves = flags.contains(.doubleRow) ? 2 : 1
        let rows = source.rows * halves
        guard rows == stationary.rows else {
            throw ExecutionError(
                .shapeMismatch("\(rows) rows move, the stationary matrix has \(stationary.rows)"))
        }
        if flags.contains(.transpose) {
            var copies = Copies()
            let moving = unharmed(source, by: destination, keeping: &copies)
            transpose(moving, into: destination)
            return
        }
        guard destination.rows == stationary.columns else {
            throw ExecutionError(
                .shapeMismatch(
                    "the stationary matrix has \(stationary.columns) columns, destination "
                        + "\(destination.rows) partitions"))
        }
        let columns = source.elements / halves
        let (values, stride) = matrix(
            source, columns: columns, mustCopy: source.space == destination.space)
        multiply(
            values, stride: stride, columns: columns, into: destination,
            accumulates: flags.contains(.accumulate))
    }

    private func multiply(
        _ values: UnsafePointer<Float>, stride: Int, columns: Int, into destination: Operand,
        accumulates: Bool
    ) {
        if destination.isPlainFP32 {
            kapok_sgemm(
                implementation, stationary.packed, values, stride, stationary.rows,
                stationary.columns, columns, destination.floats(0),
                destination.rowStride / MemoryLayout<Float>.stride, accumulates ? 1 : 0)
            return
        }
        let product = matrices.product
        let pitch = matrices.productPitch
        kapok_sgemm(
            implementation, stationary.packed, values, stride, stationary.rows,
            stationary.columns, columns, product, pitch, 0)
        for row in 0..<destination.rows {
            let result = product + row * pitch
            if accumulates {
                let old = read(destination, row: row, into: scratch.first)
                kernels.combine(KAPOK_ADD, old, 1, result, 1, result, columns)
            }
            write(result, to: destination, row: row)
        }
    }

    /// A matrix as rows of FP32 numbers: in place if memory holds them so, else converted.
    private func matrix(
        _ source: Operand, columns: Int, mustCopy: Bool = false
    ) -> (values: UnsafePointer<Float>, stride: Int) {
        if source.isPlainFP32, !mustCopy {
            return (UnsafePointer(source.floats(0)), source.rowStride / 4)
        }
        // With two halves in a partition, they follow each other as rows.
        let pitch = source.elements
        for row in 0..<source.rows {
            decode(source, row: row, into: matrices.converted + row * pitch)
        }
        return (UnsafePointer(matrices.converted), columns)
    }
}

/// Where matrices are converted and products wait to be rounded.
struct MatrixScratch: ~Copyable {
    /// Up to 256 x 4096 numbers.
    let converted: UnsafeMutablePointer<Float>
    /// Up to 128 rows of 4096 numbers.
    let product: UnsafeMutablePointer<Float>
    /// Floats from one row of `product` to the next.
    let productPitch: Int

    init(machine: Machine) {
        let columns = max(machine.movingColumns, machine.stationaryColumns)
        productPitch = columns + 16
        let count = 256 * columns + 128 * productPitch
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: count * MemoryLayout<Float>.stride, alignment: 64)
        converted = memory.initializeMemory(as: Float.self, repeating: 0, count: count)
        product = converted + 256 * columns
    }

    deinit { UnsafeMutableRawPointer(converted).deallocate() }
}
