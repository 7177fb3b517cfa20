/// A tile, or a part of one, in the memory `Space` with elements of the type `Element`.
///
/// Dimension 0 is that of partitions; the others are free. A tile is made by ``KernelBuilder``:
/// fresh memory each time the line is passed, alive from its first to its last use. Brackets take
/// parts of it and never copy: `tile[0..<64, .every(2)]`, `tile[.all, span]`.
public struct Tile<Space: TileSpace, Element: TileElement> {
    let tracer: Tracer
    let region: TileRegion

    init(_ tracer: Tracer, _ region: TileRegion) {
        self.tracer = tracer
        self.region = region
    }

    /// Partitions.
    public var partitionCount: Int { region.partitionCount }
    /// Elements in each dimension, partitions first.
    public var shape: [Int] { [region.partitionCount] + region.layout.shape }
    /// Elements of one partition.
    public var elementsPerPartition: Int { region.layout.elements() }

    /// A part of it: some partitions.
    public subscript(
        _ partitions: some SliceIndex, file file: StaticString = #fileID, line line: Int = #line
    ) -> Tile {
        sliced(1, at: Site(file, line)) { region, slicer in
            slicer.partitions(&region, partitions)
        }
    }

    /// A part of it: some partitions, some elements of the first free dimension. Indices stand for
    /// dimensions from the first on; a number removes a free dimension.
    public subscript(
        _ partitions: some SliceIndex, _ free: some SliceIndex, file file: StaticString = #fileID,
        line line: Int = #line
    ) -> Tile {
        sliced(2, at: Site(file, line)) { region, slicer in
            slicer.free(&region, 0, free)
            slicer.partitions(&region, partitions)
        }
    }

    /// A part of it, with two free dimensions.
    public subscript(
        _ partitions: some SliceIndex, _ free0: some SliceIndex, _ free1: some SliceIndex,
        file file: StaticString = #fileID, line line: Int = #line
    ) -> Tile {
        sliced(3, at: Site(file, line)) { region, slicer in
            slicer.free(&region, 1, free1)
            slicer.free(&region, 0, free0)
            slicer.partitions(&region, partitions)
        }
    }

    /// A part of it, with three free dimensions.
    public subscript(
        _ partitions: some SliceIndex, _ free0: some SliceIndex, _ free1: some SliceIndex,
        _ free2: some SliceIndex, file file: StaticString = #fileID, line line: Int = #line
    ) -> Tile {
        sliced(4, at: Site(file, line)) { region, slicer in
            slicer.free(&region, 2, free2)
            slicer.free(&region, 1, free1)
            slicer.free(&region, 0, free0)
            slicer.partitions(&region, partitions)
        }
    }

    /// The part that a ragged edge leaves: the first `rows.count` partitions and, if given, the
    /// first `columns.count` elements of the first free dimension.
    public func masked(
        _ rows: TileSpan, _ columns: TileSpan? = nil, file: StaticString = #fileID,
        line: Int = #line
    ) -> Tile {
        guard let columns else { return self[..<rows.count, file: file, line: line] }
        return self[..<rows.count, ..<columns.count, file: file, line: line]
    }

    /// Cuts free dimension `dimension` (1 or more) into pieces of `inner` elements: the dimension
    /// of pieces, then that inside a piece.
    public func split(
        _ dimension: Int, inner: Int, file: StaticString = #fileID, line: Int = #line
    ) -> Tile {
        reshaped(dimension, at: Site(file, line)) { layout in
            guard inner >= 1, layout.count(dimension - 1) % inner == 0 else { return false }
            return layout.split(dimension - 1, inner: inner)
        }
    }

    /// Makes one of the free dimensions `dimension` and `dimension + 1`.
    public func merged(
        _ dimension: Int, file: StaticString = #fileID, line: Int = #line
    ) -> Tile {
        reshaped(dimension, at: Site(file, line)) { layout in
            dimension < layout.rank && layout.merge(dimension - 1)
        }
    }

    /// Exchanges free dimensions: dimension `i` of the result is dimension `order[i - 1]` of the
    /// tile. Nothing moves; only the order of access changes.
    public func permuted(
        _ order: [Int], file: StaticString = #fileID, line: Int = #line
    ) -> Tile {
        reshaped(1, at: Site(file, line)) { layout in
            guard order.sorted() == Array(1..<(layout.rank + 1)) else { return false }
            layout.permute(order.map { $0 - 1 }, from: 0)
            return true
        }
    }

    /// Repeats each element `count` times in a new innermost free dimension, without copying: a
    /// column of one element a partition becomes a row.
    public func repeated(
        _ count: Int, file: StaticString = #fileID, line: Int = #line
    ) -> Tile {
        reshaped(1, at: Site(file, line)) { layout in
            count >= 1 && layout.insert(layout.rank, count: count, stride: 0)
        }
    }

    /// Repeats the free dimensions `count` times in a new outermost one, without copying.
    public func repeatedOutside(
        _ count: Int, file: StaticString = #fileID, line: Int = #line
    ) -> Tile {
        reshaped(1, at: Site(file, line)) { layout in
            count >= 1 && layout.insert(0, count: count, stride: 0)
        }
    }

    /// The same bytes as another type of the same size.
    public func reinterpreted<Other: TileElement>(
        as other: Other.Type, file: StaticString = #fileID, line: Int = #line
    ) -> Tile<Space, Other> {
        var region = region
        if other.elementType.byteCount != region.type.byteCount {
            tracer.report(
                .type, at: Site(file, line),
                "\(region.type.name) is read as \(other.elementType.name)",
                why: "their elements have \(region.type.byteCount) and "
                    + "\(other.elementType.byteCount) bytes",
                remedy: "choose a type of the same size, or convert with a copy")
            region.isValid = false
        }
        region.type = other.elementType
        return Tile<Space, Other>(tracer, region)
    }

    private func sliced(
        _ rank: Int, at site: Site, _ body: (inout TileRegion, Slicer) -> Void
    ) -> Tile {
        guard region.isValid else { return self }
        var region = region
        guard rank <= region.layout.rank + 1 else {
            tracer.report(
                .shape, at: site, "\(rank) indices for a tile of shape \(shape)",
                why: "there is one index for each dimension, partitions first",
                remedy: "leave indices out, or split a dimension first")
            region.isValid = false
            return Tile(tracer, region)
        }
        body(&region, Slicer(tracer: tracer, site: site))
        return Tile(tracer, region)
    }

    private func reshaped(
        _ dimension: Int, at site: Site, _ body: (inout StridedLayout) -> Bool
    ) -> Tile {
        guard region.isValid else { return self }
        var region = region
        if dimension < 1 || dimension > max(1, region.layout.rank) || !body(&region.layout) {
            tracer.report(
                .shape, at: site, "a tile of shape \(shape) cannot be seen that way",
                why:
                    "free dimensions are numbered from 1, are split without remainder, merged only "
                    + "where one stride covers both, and there are at most "
                    + "\(StridedLayout.maximumRank)",
                remedy: "check the dimension's number and size")
            region.isValid = false
        }
        return Tile(tracer, region)
    }
}

/// A part of a tile without its Swift types.
struct TileRegion {
    var tile: UInt32
    var space: MemorySpace
    var type: ElementType
    var partitionStart: Int
    var partitionCount: Int
    /// Free dimensions, in elements from the start of the tile.
    var layout: StridedLayout
    /// False after a reported problem: instructions on it are not recorded, nor reported again.
    var isValid = true

    /// Its access pattern, relative to the tile; nil when it has too many dimensions.
    func pattern() -> AccessPattern? {
        var pattern = AccessPattern.blank
        var layout = layout
        layout.simplify(from: 0)
        guard pattern.setDimensions(layout, from: 0) else { return nil }
        pattern.space = space
        pattern.type = type
        pattern.partitionStart = UInt8(partitionStart)
        pattern.partitionCount = UInt16(partitionCount)
        pattern.offset = Int64(layout.offset * type.byteCount)
        pattern.tile = tile
        return pattern
    }
}

/// Applies indices, and reports those that leave the tile or tensor.
struct Slicer {
    let tracer: Tracer
    let site: Site

    func partitions(_ region: inout TileRegion, _ index: some SliceIndex) {
        let extent = region.partitionCount
        let slice = index.resolved(extent: extent)
        guard slice.isInside(extent: extent) else {
            region.isValid = false
            return reportBounds(slice, 0, extent: extent)
        }
        guard slice.step == 1 || slice.count == 1 else {
            region.isValid = false
            tracer.report(
                .partitions, at: site, "every \(slice.step)-th partition is selected",
                why: "an engine accesses partitions side by side",
                remedy: "lay the data out so that the partitions to use follow each other")
            return
        }
        region.partitionStart += slice.start
        region.partitionCount = slice.count
    }

    func free(_ region: inout TileRegion, _ dimension: Int, _ index: some SliceIndex) {
        if !apply(index, to: &region.layout, dimension, name: dimension + 1) {
            region.isValid = false
        }
    }

    /// Slices one dimension; false when the index leaves it.
    func apply(
        _ index: some SliceIndex, to layout: inout StridedLayout, _ dimension: Int, name: Int
    ) -> Bool {
        let extent = layout.count(dimension)
        let slice = index.resolved(extent: extent)
        guard slice.isInside(extent: extent) else {
            reportBounds(slice, name, extent: extent)
            return false
        }
        layout.slice(dimension, start: slice.start, count: slice.count, step: slice.step)
        if !slice.keepsDimension { layout.remove(dimension) }
        return true
    }

    private func reportBounds(_ slice: ResolvedSlice, _ dimension: Int, extent: Int) {
        let end = slice.start + slice.count * slice.step
        tracer.report(
            .bounds, at: site,
            slice.count < 1
                ? "an empty slice of dimension \(dimension)"
                : "elements \(slice.start)..<\(end) of dimension \(dimension)",
            why: "the dimension has \(extent) elements",
            remedy: "mask the ragged edge: slice with a TileSpan, or only the first `span.count`")
    }
}

extension AccessPattern {
    /// All fields at rest, to be filled in.
    static let blank = AccessPattern(.sbuf, .fp32, partitionCount: 1, dimensions: [])

    /// Takes the dimensions of `layout` from `first` on. False when there are more than four.
    mutating func setDimensions(_ layout: StridedLayout, from first: Int) -> Bool {
        let rank = layout.rank - first
        guard rank <= 4 else { return false }
        func dimension(_ place: Int) -> FreeDimension {
            let source = place - (4 - rank)
            guard source >= 0 else { return FreeDimension(count: 1, stride: 0) }
            return FreeDimension(
                count: layout.count(first + source), stride: layout.stride(first + source))
        }
        dimension0 = dimension(0)
        dimension1 = dimension(1)
        dimension2 = dimension(2)
        dimension3 = dimension(3)
        return true
    }
}
