/// A range of whole numbers, as small as dependence analysis needs it.
struct Run: Hashable, Sendable {
    /// From, and up to but not including.
    var start: Int
    var end: Int
}

/// The rectangles of memory that an access pattern touches: every row range with every column
/// range.
///
/// In SBUF and PSUM a row is a partition and a column a byte of it. A tensor in HBM is seen as a
/// matrix whose rows have the length of its last dimension, so that a tile's rows are one rectangle
/// and not a hundred runs. Patterns with more than ``limit`` rectangles, or that do not fit into
/// that shape, are widened: dependences may then be found that are not there, never the reverse.
struct Footprint: Sendable {
    /// Ranges of rows, ascending and apart.
    var rows: [Run] = []
    /// Ranges of byte columns, ascending and apart.
    var columns: [Run] = []

    /// Rectangles of one pattern at most.
    static let limit = 4096

    /// Refills it with an on-chip pattern; keeps its storage.
    mutating func set(onChip pattern: AccessPattern) {
        rows.removeAll(keepingCapacity: true)
        columns.removeAll(keepingCapacity: true)
        let first = Int(pattern.partitionStart)
        rows.append(Run(start: first, end: first + Int(pattern.partitionCount)))
        let bytes = pattern.type.byteCount
        let start = Int(pattern.offset)
        let span = pattern.spanElements
        if span == pattern.elementsPerPartition, pattern.hasDistinctElements {
            columns.append(Run(start: start, end: start + span * bytes))
            return
        }
        let dimensions = [
            Extent(pattern.dimension0, bytes), Extent(pattern.dimension1, bytes),
            Extent(pattern.dimension2, bytes), Extent(pattern.dimension3, bytes),
        ]
        if !Self.expand(dimensions, from: start, width: bytes, into: &columns) {
            columns = [Run(start: start, end: start + span * bytes)]
        }
    }

    /// Refills it with a pattern on a tensor in HBM whose rows have `pitch` bytes.
    mutating func set(inHBM pattern: AccessPattern, pitch: Int) {
        rows.removeAll(keepingCapacity: true)
        columns.removeAll(keepingCapacity: true)
        let bytes = pattern.type.byteCount
        let all = [
            Extent(
                count: Int(pattern.partitionCount), stride: Int(pattern.partitionStride) * bytes),
            Extent(pattern.dimension0, bytes), Extent(pattern.dimension1, bytes),
            Extent(pattern.dimension2, bytes), Extent(pattern.dimension3, bytes),
        ]
        let used = all.filter { $0.count > 1 && $0.stride != 0 }
        let down = used.filter { $0.stride % pitch == 0 }
        let across = used.filter { $0.stride % pitch != 0 }
        let start = Int(pattern.offset)
        let row = start / pitch
        let column = start % pitch
        let lastColumn = across.reduce(column + bytes) { $0 + ($1.count - 1) * $1.stride }
        let downRows = down.map { Extent(count: $0.count, stride: $0.stride / pitch) }
        if lastColumn <= pitch,
            Self.expand(downRows, from: row, width: 1, into: &rows),
            Self.expand(across, from: column, width: bytes, into: &columns),
            rows.count * columns.count <= Self.limit
        {
            return
        }
        let last = used.reduce(start + bytes) { $0 + ($1.count - 1) * $1.stride }
        rows = [Run(start: row, end: (last - 1) / pitch + 1)]
        columns = [Run(start: 0, end: pitch)]
    }

    /// Appends the ranges that `dimensions` reach from `start`, joined and in order; false when
    /// there are too many.
    private static func expand(
        _ dimensions: [Extent], from start: Int, width: Int, into runs: inout [Run]
    ) -> Bool {
        var width = width
        var outer: [Extent] = []
        let inward = dimensions.filter { $0.count > 1 && $0.stride != 0 }
            .sorted { $0.stride < $1.stride }
        for dimension in inward {
            if outer.isEmpty, dimension.stride <= width {
                width = (dimension.count - 1) * dimension.stride + width
            } else {
                outer.append(dimension)
            }
        }
        guard outer.reduce(1, { min($0 * $1.count, limit + 1) }) <= limit else { return false }
        var starts = [start]
        for dimension in outer.reversed() {
            starts = starts.flatMap { first in
                (0..<dimension.count).map { first + $0 * dimension.stride }
            }
        }
        starts.sort()
        for first in starts {
            if let last = runs.last, last.end >= first {
                runs[runs.count - 1].end = max(last.end, first + width)
            } else {
                runs.append(Run(start: first, end: first + width))
            }
        }
        return true
    }
}

/// A dimension in bytes, or in rows.
private struct Extent {
    var count: Int
    var stride: Int

    init(count: Int, stride: Int) {
        self.count = count
        self.stride = stride
    }

    init(_ dimension: FreeDimension, _ bytes: Int) {
        count = Int(dimension.count)
        stride = Int(dimension.stride) * bytes
    }
}

extension AccessPattern {
    /// Whether no element occurs twice.
    fileprivate var hasDistinctElements: Bool {
        (dimension0.count == 1 || dimension0.stride != 0)
            && (dimension1.count == 1 || dimension1.stride != 0)
            && (dimension2.count == 1 || dimension2.stride != 0)
            && (dimension3.count == 1 || dimension3.stride != 0)
    }
}
