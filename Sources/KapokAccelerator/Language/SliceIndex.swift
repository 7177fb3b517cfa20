/// What may stand in the brackets of a tile or a tensor: a number, a range, `.all`, `.every(2)`, or
/// a ``TileSpan``.
public protocol SliceIndex {
    /// What it means for a dimension of `extent` elements. Bounds are checked by the caller.
    func resolved(extent: Int) -> ResolvedSlice
}

/// A part of one dimension.
public struct ResolvedSlice: Hashable, Sendable {
    /// The first element.
    public var start: Int
    /// How many elements.
    public var count: Int
    /// From one to the next.
    public var step: Int
    /// Whether the dimension remains (a single number removes it).
    public var keepsDimension: Bool

    public init(start: Int, count: Int, step: Int = 1, keepsDimension: Bool = true) {
        self.start = start
        self.count = count
        self.step = step
        self.keepsDimension = keepsDimension
    }

    /// Whether all its elements exist, and there is at least one.
    func isInside(extent: Int) -> Bool {
        guard start >= 0, count >= 1, step >= 1, start < extent else { return false }
        return (extent - 1 - start) / step >= count - 1
    }
}

extension Int: SliceIndex {
    /// The elements that it takes of `extent`.
    public func resolved(extent: Int) -> ResolvedSlice {
        ResolvedSlice(start: self, count: 1, keepsDimension: false)
    }
}

extension Range<Int>: SliceIndex {
    /// The elements that it takes of `extent`.
    public func resolved(extent: Int) -> ResolvedSlice {
        ResolvedSlice(start: lowerBound, count: count)
    }
}

extension ClosedRange<Int>: SliceIndex {
    /// The elements that it takes of `extent`.
    public func resolved(extent: Int) -> ResolvedSlice {
        ResolvedSlice(start: lowerBound, count: count)
    }
}

extension PartialRangeFrom<Int>: SliceIndex {
    /// The elements that it takes of `extent`.
    public func resolved(extent: Int) -> ResolvedSlice {
        ResolvedSlice(start: lowerBound, count: extent - lowerBound)
    }
}

extension PartialRangeUpTo<Int>: SliceIndex {
    /// The elements that it takes of `extent`.
    public func resolved(extent: Int) -> ResolvedSlice {
        ResolvedSlice(start: 0, count: upperBound)
    }
}

extension PartialRangeThrough<Int>: SliceIndex {
    /// The elements that it takes of `extent`.
    public func resolved(extent: Int) -> ResolvedSlice {
        ResolvedSlice(start: 0, count: upperBound + 1)
    }
}

/// All elements, or every n-th, of a dimension or of a range in it.
public struct StridedSlice: SliceIndex, Hashable, Sendable {
    /// Elements from one to the next.
    public var step: Int
    /// Nil: the whole dimension.
    public var range: Range<Int>?

    /// The elements that it takes of `extent`.
    public func resolved(extent: Int) -> ResolvedSlice {
        let range = range ?? 0..<extent
        return ResolvedSlice(
            start: range.lowerBound, count: (range.count + step - 1) / max(step, 1), step: step)
    }
}

extension SliceIndex where Self == StridedSlice {
    /// The whole dimension.
    public static var all: StridedSlice { StridedSlice(step: 1, range: nil) }

    /// Every `step`-th element of the dimension, or of `range` in it.
    public static func every(_ step: Int, in range: Range<Int>? = nil) -> StridedSlice {
        StridedSlice(step: step, range: range)
    }
}

/// One piece of a dimension that was cut into pieces of equal size; the last may be shorter.
///
/// It is the mask of a ragged edge: as an index of a tensor it selects the elements that exist, and
/// ``count`` tells how much of a tile of full size they fill (see ``Tile/masked(_:_:file:line:)``).
public struct TileSpan: SliceIndex, Hashable, Sendable {
    /// Which piece, from 0.
    public var index: Int
    /// Its first element.
    public var start: Int
    /// Its elements, without those beyond the end.
    public var count: Int
    /// Elements of a full piece.
    public var size: Int
    /// Whether no piece follows.
    public var isLast: Bool

    /// From its first to its last element.
    public var range: Range<Int> { start..<(start + count) }
    /// Whether elements are missing.
    public var isRagged: Bool { count < size }

    /// The elements that it takes of `extent`.
    public func resolved(extent: Int) -> ResolvedSlice {
        ResolvedSlice(start: start, count: count)
    }

    /// The pieces of `extent` elements, `size` each.
    public static func pieces(of extent: Int, by size: Int) -> [TileSpan] {
        precondition(size >= 1 && extent >= 0, "pieces have at least one element")
        let number = (extent + size - 1) / size
        return (0..<number).map { index in
            let start = index * size
            return TileSpan(
                index: index, start: start, count: min(size, extent - start), size: size,
                isLast: index == number - 1)
        }
    }

    /// This piece cut again.
    public func pieces(by size: Int) -> [TileSpan] {
        Self.pieces(of: count, by: size).map { piece in
            var piece = piece
            piece.start += start
            return piece
        }
    }
}
