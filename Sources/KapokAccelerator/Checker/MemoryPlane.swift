/// A memory as rows and columns: SBUF and PSUM have partitions as rows and bytes as columns; a
/// tensor in HBM has the bytes of its innermost dimension as columns. Every access covers some rows
/// times some columns of its plane.
enum MemoryPlane: Hashable {
    case sbuf
    case psum
    case tensor(Int)
}

/// What a pattern covers of its plane.
struct Footprint2D {
    var rows: [PlaneRun]
    var columns: [PlaneRun]
}

/// How the patterns of one plane are cut into rows and columns.
struct PlaneGeometry {
    /// Bytes of a row in HBM; nil on the chip.
    let pitch: Int?
    /// Rows and columns in all.
    let rowCount: Int
    let columnCount: Int

    /// The geometry of SBUF or PSUM.
    static func onChip(_ machine: Machine, _ space: MemorySpace) -> PlaneGeometry {
        PlaneGeometry(
            pitch: nil, rowCount: machine.partitions,
            columnCount: space == .sbuf
                ? machine.sbufBytesPerPartition : machine.psumBytesPerPartition)
    }

    /// The geometry of a tensor: with rows, or as one long row.
    static func tensor(_ tensor: TensorDeclaration, asOneRow: Bool) -> PlaneGeometry {
        let bytes = tensor.byteCount
        let innermost = (tensor.shape.last ?? 1) * tensor.type.byteCount
        let pitch = asOneRow || tensor.shape.count < 2 ? bytes : innermost
        return PlaneGeometry(pitch: pitch, rowCount: bytes / pitch, columnCount: pitch)
    }

    private init(pitch: Int?, rowCount: Int, columnCount: Int) {
        self.pitch = pitch
        self.rowCount = rowCount
        self.columnCount = columnCount
    }

    /// The rows and columns of a pattern, or how many runs they would be when that is above
    /// `limit`; nil when the pattern is not some rows times some columns.
    func footprint(of pattern: AccessPattern, limit: Int) -> Result<Footprint2D, TooManyRuns>? {
        guard let pitch else {
            let first = Int(pattern.partitionStart)
            let columns = StridedSet(inOnePlane: pattern)
            guard columns.runCount <= limit else {
                return .failure(TooManyRuns(count: columns.runCount))
            }
            let rows = [PlaneRun(start: first, end: first + Int(pattern.partitionCount))]
            return .success(Footprint2D(rows: rows, columns: columns.runs()))
        }
        guard let (rows, columns) = split(pattern, pitch) else { return nil }
        guard rows.runCount <= limit, columns.runCount <= limit else {
            return .failure(TooManyRuns(count: max(rows.runCount, columns.runCount)))
        }
        return .success(Footprint2D(rows: rows.runs(), columns: columns.runs()))
    }

    /// Cuts the steps of a pattern in HBM into those from row to row and those within a row.
    private func split(
        _ pattern: AccessPattern, _ pitch: Int
    ) -> (rows: StridedSet, columns: StridedSet)? {
        let size = pattern.type.byteCount
        let column = Int(pattern.offset) % pitch
        var down: [StridedSet.Step] = []
        var across: [StridedSet.Step] = []
        for step in StridedSet.steps(of: pattern, withRows: true) where step.count > 1 {
            if step.stride == 0 { continue }
            if step.stride % pitch == 0 {
                down.append(StridedSet.Step(count: step.count, stride: step.stride / pitch))
            } else if let (inner, outer) = cut(step, pitch) {
                across.append(inner)
                down.append(outer)
            } else {
                across.append(step)
            }
        }
        let last = across.reduce(column + size) { $0 + ($1.count - 1) * $1.stride }
        guard last <= pitch else { return nil }
        return (
            StridedSet(start: Int(pattern.offset) / pitch, length: 1, steps: down),
            StridedSet(start: column, length: size, steps: across)
        )
    }

    /// A step that runs through whole rows, as one within the row and one from row to row.
    private func cut(
        _ step: StridedSet.Step, _ pitch: Int
    ) -> (inner: StridedSet.Step, outer: StridedSet.Step)? {
        guard pitch % step.stride == 0 else { return nil }
        let inRow = pitch / step.stride
        guard step.count > inRow, step.count % inRow == 0 else { return nil }
        return (
            StridedSet.Step(count: inRow, stride: step.stride),
            StridedSet.Step(count: step.count / inRow, stride: 1)
        )
    }
}

/// More runs than a check is willing to look at.
struct TooManyRuns: Error {
    var count: Int
}
