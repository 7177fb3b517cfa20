/// What the spiller knows about a tile while it walks through the kernel.
struct SpillingTile: Sendable {
    /// The tile that stands for it now: itself, or the one that it was last loaded into.
    var incarnation: UInt32
    /// Whether it is in SBUF.
    var isResident = false
    /// The transfers from inputs that filled it, while nothing else was written to it.
    var loads: [Int] = []
    /// Whether `loads` are all of its contents.
    var isMadeOfLoads = true
    /// The parts that were written so far.
    var written = WrittenParts()
    /// Where its copy in HBM begins; nil while there is none.
    var copy: SpillPlace?
    /// Whether the copy is older than the tile.
    var isCopyStale = true

    /// Whether it can leave SBUF without being stored.
    var isClean: Bool { isMadeOfLoads || (copy != nil && !isCopyStale) }
}

/// A place for a tile's contents in HBM.
struct SpillPlace: Hashable, Sendable {
    /// The tensor, and the row of the tile's first partition.
    var tensor: Int
    var row: Int
}

/// Rectangles of a tile that were written, few of them.
struct WrittenParts: Sendable {
    /// A rectangle: partitions, and bytes of each.
    struct Part: Hashable, Sendable {
        var rows: Run
        var columns: Run
    }

    private(set) var parts: [Part] = []

    /// Rectangles that are told apart; more melt into one that covers all.
    private static let limit = 32

    /// Adds what a pattern covers.
    mutating func add(_ footprint: Footprint) {
        for rows in footprint.rows {
            for columns in footprint.columns { add(Part(rows: rows, columns: columns)) }
        }
    }

    private mutating func add(_ part: Part) {
        var part = part
        var index = 0
        while index < parts.count {
            let other = parts[index]
            if other.covers(part) { return }
            if let joined = part.joined(with: other) {
                part = joined
                parts.remove(at: index)
                index = 0
            } else {
                index += 1
            }
        }
        parts.append(part)
        if parts.count > Self.limit {
            parts = [parts.dropFirst().reduce(parts[0]) { $0.hull(with: $1) }]
        }
    }
}

extension WrittenParts.Part {
    fileprivate func covers(_ other: Self) -> Bool {
        rows.start <= other.rows.start && rows.end >= other.rows.end
            && columns.start <= other.columns.start && columns.end >= other.columns.end
    }

    /// The two as one rectangle, when that holds nothing else.
    fileprivate func joined(with other: Self) -> Self? {
        let isBeside =
            rows == other.rows && columns.start <= other.columns.end
            && other.columns.start <= columns.end
        let isBelow =
            columns == other.columns && rows.start <= other.rows.end
            && other.rows.start <= rows.end
        return isBeside || isBelow || other.isCovered(by: self) ? hull(with: other) : nil
    }

    private func isCovered(by other: Self) -> Bool { other.covers(self) }

    fileprivate func hull(with other: Self) -> Self {
        Self(
            rows: Run(
                start: min(rows.start, other.rows.start), end: max(rows.end, other.rows.end)),
            columns: Run(
                start: min(columns.start, other.columns.start),
                end: max(columns.end, other.columns.end)))
    }
}
