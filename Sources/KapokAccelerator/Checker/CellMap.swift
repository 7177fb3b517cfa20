/// The memory that a program touches, cut into cells: each access covers whole cells, so that what
/// is known of a cell is known of each of its bytes. Nothing is lost by it: two accesses share a
/// cell exactly when they share a byte.
///
/// Tensors that are only read and were filled before the kernel ran are left out.
struct CellMap {
    /// One plane and where its cells are.
    struct Plane {
        var memory: MemoryPlane
        var geometry: PlaneGeometry
        /// Boundaries of rows and columns of cells, ascending; one more than there are.
        var rowBounds: [Int] = []
        var columnBounds: [Int] = []
        /// Number of the first cell; cells are numbered row by row.
        var firstCell = 0

        var columns: Int { max(0, columnBounds.count - 1) }
        var cells: Int { max(0, rowBounds.count - 1) * columns }
    }

    /// Where the cells of a pattern are: ranges in `ranges`, first those of rows.
    struct PatternCells {
        /// Index of the plane; negative when the pattern needs no tracking.
        var plane: Int32 = -1
        var firstRange: UInt32 = 0
        var rowRanges: UInt32 = 0
        var columnRanges: UInt32 = 0
    }

    /// A range of rows or columns of cells.
    struct CellRange {
        var start: UInt32
        var end: UInt32
    }

    private(set) var planes: [Plane] = []
    private(set) var patterns: [PatternCells] = []
    private(set) var ranges: [CellRange] = []
    private(set) var cellCount = 0

    /// The most runs of one pattern, and of all together.
    static let maximumRunsOfPattern = 1 << 20
    static let maximumRuns = 1 << 25
    /// The most cells, and the most cells that all instructions together may visit.
    static let maximumCells = 1 << 27
    static let maximumVisits = 1 << 33

    /// - Throws: what there is too much of.
    init(_ program: Program, _ machine: Machine) throws(CheckLimit) {
        let used = Self.usedPatterns(program)
        let numbers = planeNumbers(program, machine, used)
        var footprints = try cut(program, used, numbers)
        for plane in planes.indices {
            planes[plane].rowBounds = Self.unique(planes[plane].rowBounds)
            planes[plane].columnBounds = Self.unique(planes[plane].columnBounds)
            planes[plane].firstCell = cellCount
            let (cells, overflow) = cellCount.addingReportingOverflow(planes[plane].cells)
            guard !overflow, cells <= Self.maximumCells else { throw CheckLimit(.cells) }
            cellCount = cells
        }
        patterns = Array(repeating: PatternCells(), count: program.patterns.count)
        for (pattern, footprint) in footprints { number(footprint, of: pattern, numbers[pattern]) }
        footprints.removeAll()
        try limitVisits(program)
    }

    private static func usedPatterns(_ program: Program) -> [Bool] {
        var used = [Bool](repeating: false, count: program.patterns.count)
        for one in program.instructions {
            for use in OperandUses(one) { used[Int(use.pattern)] = true }
        }
        return used
    }

    /// The plane of each used pattern, -1 for those that need no tracking.
    private mutating func planeNumbers(
        _ program: Program, _ machine: Machine, _ used: [Bool]
    ) -> [Int] {
        var isTracked = program.tensors.map { $0.role != .input }
        for one in program.instructions {
            for use in OperandUses(one) where use.writes {
                let pattern = program.patterns[Int(use.pattern)]
                if pattern.space == .hbm { isTracked[Int(pattern.tensor)] = true }
            }
        }
        planes = [
            Plane(memory: .sbuf, geometry: .onChip(machine, .sbuf)),
            Plane(memory: .psum, geometry: .onChip(machine, .psum)),
        ]
        var planeOfTensor = [Int](repeating: -1, count: program.tensors.count)
        for (i, tensor) in program.tensors.enumerated() where isTracked[i] {
            planeOfTensor[i] = planes.count
            planes.append(
                Plane(memory: .tensor(i), geometry: .tensor(tensor, asOneRow: false)))
        }
        let numbers = program.patterns.enumerated().map { i, pattern in
            guard used[i] else { return -1 }
            switch pattern.space {
            case .sbuf: return 0
            case .psum: return 1
            case .hbm: return planeOfTensor[Int(pattern.tensor)]
            }
        }
        flattenOddTensors(program, numbers)
        return numbers
    }

    /// Tensors with an access that is not rows times columns become one long row.
    private mutating func flattenOddTensors(_ program: Program, _ numbers: [Int]) {
        for (i, plane) in numbers.enumerated() where plane >= 2 {
            guard case .tensor(let tensor) = planes[plane].memory,
                planes[plane].geometry.rowCount > 1,
                planes[plane].geometry.footprint(of: program.patterns[i], limit: 0) == nil
            else { continue }
            planes[plane].geometry = .tensor(program.tensors[tensor], asOneRow: true)
        }
        for plane in planes.indices.dropFirst(2) {
            planes[plane].rowBounds = [0, planes[plane].geometry.rowCount]
            planes[plane].columnBounds = [0, planes[plane].geometry.columnCount]
        }
    }

    /// The footprints of all tracked patterns; their edges become boundaries of cells.
    private mutating func cut(
        _ program: Program, _ used: [Bool], _ numbers: [Int]
    ) throws(CheckLimit) -> [(pattern: Int, footprint: Footprint2D)] {
        var all: [(pattern: Int, footprint: Footprint2D)] = []
        var runs = 0
        for (i, plane) in numbers.enumerated() where plane >= 0 {
            let limit = Self.maximumRunsOfPattern
            guard
                let result = planes[plane].geometry.footprint(
                    of: program.patterns[i], limit: limit),
                case .success(let footprint) = result
            else { throw CheckLimit(.runs) }
            runs += footprint.rows.count + footprint.columns.count
            guard runs <= Self.maximumRuns else { throw CheckLimit(.runs) }
            for run in footprint.rows {
                planes[plane].rowBounds.append(run.start)
                planes[plane].rowBounds.append(run.end)
            }
            for run in footprint.columns {
                planes[plane].columnBounds.append(run.start)
                planes[plane].columnBounds.append(run.end)
            }
            all.append((i, footprint))
        }
        return all
    }

    private static func unique(_ bounds: [Int]) -> [Int] {
        var result: [Int] = []
        for bound in bounds.sorted() where result.last != bound { result.append(bound) }
        return result
    }

    private mutating func number(_ footprint: Footprint2D, of pattern: Int, _ plane: Int) {
        patterns[pattern] = PatternCells(
            plane: Int32(plane), firstRange: UInt32(ranges.count),
            rowRanges: UInt32(footprint.rows.count), columnRanges: UInt32(footprint.columns.count))
        for run in footprint.rows { ranges.append(Self.range(run, planes[plane].rowBounds)) }
        for run in footprint.columns { ranges.append(Self.range(run, planes[plane].columnBounds)) }
    }

    private static func range(_ run: PlaneRun, _ bounds: [Int]) -> CellRange {
        CellRange(
            start: UInt32(bounds.firstPosition { $0 >= run.start }),
            end: UInt32(bounds.firstPosition { $0 >= run.end }))
    }

    private func limitVisits(_ program: Program) throws(CheckLimit) {
        let costs = patterns.map { cells -> Int in
            guard cells.plane >= 0 else { return 0 }
            let first = Int(cells.firstRange)
            let middle = first + Int(cells.rowRanges)
            let end = middle + Int(cells.columnRanges)
            func sum(_ part: Range<Int>) -> Int {
                ranges[part].reduce(0) { $0 + Int($1.end - $1.start) }
            }
            return sum(first..<middle) * sum(middle..<end)
        }
        var visits = 0
        for one in program.instructions {
            for use in OperandUses(one) {
                visits += costs[Int(use.pattern)]
                guard visits <= Self.maximumVisits else { throw CheckLimit(.visits) }
            }
        }
    }

    // MARK: Places of cells

    /// What a cell covers of its plane.
    func place(ofCell cell: Int) -> (plane: Plane, rows: PlaneRun, columns: PlaneRun) {
        var plane = 0
        for i in planes.indices where planes[i].cells > 0 && planes[i].firstCell <= cell {
            plane = i
        }
        let (row, column) = (cell - planes[plane].firstCell).quotientAndRemainder(
            dividingBy: planes[plane].columns)
        let rowBounds = planes[plane].rowBounds
        let columnBounds = planes[plane].columnBounds
        return (
            planes[plane], PlaneRun(start: rowBounds[row], end: rowBounds[row + 1]),
            PlaneRun(start: columnBounds[column], end: columnBounds[column + 1])
        )
    }

    /// Whether a pattern covers a cell.
    func covers(pattern: UInt32, cell: Int) -> Bool {
        let cells = patterns[Int(pattern)]
        guard cells.plane >= 0 else { return false }
        let plane = planes[Int(cells.plane)]
        let inPlane = cell - plane.firstCell
        guard inPlane >= 0, inPlane < plane.cells else { return false }
        let (row, column) = inPlane.quotientAndRemainder(dividingBy: plane.columns)
        let first = Int(cells.firstRange)
        let middle = first + Int(cells.rowRanges)
        func contains(_ part: Range<Int>, _ value: Int) -> Bool {
            ranges[part].contains { Int($0.start) <= value && value < Int($0.end) }
        }
        return contains(first..<middle, row)
            && contains(middle..<middle + Int(cells.columnRanges), column)
    }
}

/// A program that is too big for an exact check.
struct CheckLimit: Error {
    enum Kind {
        /// A pattern consists of too many pieces.
        case runs
        /// All patterns together cut memory into too many pieces.
        case cells
        /// All instructions together visit too many of them.
        case visits
        /// There are too many instructions.
        case instructions
    }

    var kind: Kind

    init(_ kind: Kind) { self.kind = kind }
}
