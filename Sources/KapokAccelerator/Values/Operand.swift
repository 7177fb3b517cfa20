/// An access pattern that was checked against its memory: every element lies in it.
///
/// Element `i` of row `r` in linear order (the innermost dimension runs fastest) is what all
/// instructions count by. Free dimensions that lie side by side are merged.
struct Operand {
    /// The first element.
    var address: UnsafeMutableRawPointer
    /// Bytes from one row (a partition, or a row in HBM) to the next.
    var rowStride: Int
    /// Rows.
    var rows: Int
    /// Elements of a row.
    var elements: Int
    /// Where and what.
    var space: MemorySpace
    var type: ElementType
    /// The innermost dimension: elements, and elements from one to the next.
    var innerCount: Int
    var innerStride: Int
    /// The others, outermost first, with strides in elements.
    var outer0: FreeDimension
    var outer1: FreeDimension
    var outer2: FreeDimension
    /// From the first byte of a row's elements to behind the last one.
    var rowSpan: Int

    /// Whether a row is one run with one stride.
    var isUniform: Bool { innerCount == elements }
    /// Whether a row's elements lie side by side.
    var isContiguous: Bool { isUniform && innerStride == 1 }
    /// Whether rows can be used in place as FP32 numbers.
    var isPlainFP32: Bool { type == .fp32 && isContiguous }
    /// Elements in all.
    var totalElements: Int { rows * elements }

    /// The first element of row `row`.
    func row(_ row: Int) -> UnsafeMutableRawPointer { address + row * rowStride }

    /// Row `row` by itself.
    func singleRow(_ row: Int) -> Operand {
        var single = self
        single.address = self.row(row)
        single.rows = 1
        return single
    }

    /// Row `row` of a plain FP32 operand.
    func floats(_ row: Int) -> UnsafeMutablePointer<Float> {
        self.row(row).assumingMemoryBound(to: Float.self)
    }

    /// Calls `body` with each innermost run of a row: its first byte's distance from the row's, and
    /// the linear index of its first element.
    @inline(__always)
    func forEachRun(_ body: (_ byte: Int, _ index: Int) -> Void) {
        let size = type.byteCount
        var index = 0
        for i0 in 0..<Int(outer0.count) {
            for i1 in 0..<Int(outer1.count) {
                for i2 in 0..<Int(outer2.count) {
                    let element =
                        i0 * Int(outer0.stride) + i1 * Int(outer1.stride) + i2 * Int(outer2.stride)
                    body(element * size, index)
                    index += innerCount
                }
            }
        }
    }

    /// Whether each element lies exactly where the same element of `other` lies, and no row in
    /// another one.
    func coincides(with other: Operand) -> Bool {
        rowStride >= rowSpan && address == other.address && rowStride == other.rowStride
            && rows == other.rows
            && type.byteCount == other.type.byteCount && innerCount == other.innerCount
            && innerStride == other.innerStride && outer0 == other.outer0
            && outer1 == other.outer1 && outer2 == other.outer2
    }

    /// Whether the two may have bytes in common: never false when they have. In SBUF and PSUM
    /// (`pitch` bytes a partition) columns and rows are compared apart.
    func mayOverlap(_ other: Operand, pitch: Int) -> Bool {
        guard space == other.space else { return false }
        if space == .hbm {
            return address < other.row(other.rows - 1) + other.rowSpan
                && other.address < row(rows - 1) + rowSpan
        }
        let (low, high) = address <= other.address ? (self, other) : (other, self)
        let distance = high.address - low.address
        // The columns of `high` may begin before those of `low`, in a later partition.
        let (partitions, columns) = (distance / pitch, distance % pitch)
        let isInside = partitions < low.rows && columns < low.rowSpan
        let isWrapped = partitions + 1 < low.rows && columns + high.rowSpan > pitch
        return isInside || isWrapped
    }
}
