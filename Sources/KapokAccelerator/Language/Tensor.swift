/// A tensor in HBM, or a part of one.
///
/// Brackets and views never copy. In a transfer, dimension 0 of a view meets the partitions of the
/// tile, the others its free dimensions.
public struct Tensor<Element: TileElement> {
    let tracer: Tracer
    let region: TensorRegion

    init(_ tracer: Tracer, _ region: TensorRegion) {
        self.tracer = tracer
        self.region = region
    }

    /// Elements in each dimension.
    public var shape: [Int] { region.layout.shape }

    /// A part of it: one index for each dimension from the first on. A number removes its
    /// dimension.
    public subscript(
        _ index0: some SliceIndex, file file: StaticString = #fileID, line line: Int = #line
    ) -> Tensor {
        sliced(1, at: Site(file, line)) { layout, slicer in
            slicer.apply(index0, to: &layout, 0, name: 0)
        }
    }

    /// A part of it, by its first two dimensions.
    public subscript(
        _ index0: some SliceIndex, _ index1: some SliceIndex, file file: StaticString = #fileID,
        line line: Int = #line
    ) -> Tensor {
        sliced(2, at: Site(file, line)) { layout, slicer in
            slicer.apply(index1, to: &layout, 1, name: 1)
                && slicer.apply(index0, to: &layout, 0, name: 0)
        }
    }

    /// A part of it, by its first three dimensions.
    public subscript(
        _ index0: some SliceIndex, _ index1: some SliceIndex, _ index2: some SliceIndex,
        file file: StaticString = #fileID, line line: Int = #line
    ) -> Tensor {
        sliced(3, at: Site(file, line)) { layout, slicer in
            slicer.apply(index2, to: &layout, 2, name: 2)
                && slicer.apply(index1, to: &layout, 1, name: 1)
                && slicer.apply(index0, to: &layout, 0, name: 0)
        }
    }

    /// A part of it, by its first four dimensions.
    public subscript(
        _ index0: some SliceIndex, _ index1: some SliceIndex, _ index2: some SliceIndex,
        _ index3: some SliceIndex, file file: StaticString = #fileID, line line: Int = #line
    ) -> Tensor {
        sliced(4, at: Site(file, line)) { layout, slicer in
            slicer.apply(index3, to: &layout, 3, name: 3)
                && slicer.apply(index2, to: &layout, 2, name: 2)
                && slicer.apply(index1, to: &layout, 1, name: 1)
                && slicer.apply(index0, to: &layout, 0, name: 0)
        }
    }

    /// A new first dimension of `count`, each with the whole view: `count` partitions get the same
    /// data.
    public func broadcast(
        partitions count: Int, file: StaticString = #fileID, line: Int = #line
    ) -> Tensor {
        reshaped(at: Site(file, line)) { layout in
            count >= 1 && layout.insert(0, count: count, stride: 0)
        }
    }

    /// A new first dimension of one element: the view in a single partition.
    public func asRow(file: StaticString = #fileID, line: Int = #line) -> Tensor {
        broadcast(partitions: 1, file: file, line: line)
    }

    /// Cuts `dimension` into pieces of `inner` elements: the dimension of pieces, then that inside.
    public func split(
        _ dimension: Int, inner: Int, file: StaticString = #fileID, line: Int = #line
    ) -> Tensor {
        reshaped(at: Site(file, line)) { layout in
            guard dimension >= 0, dimension < layout.rank, inner >= 1,
                layout.count(dimension) % inner == 0
            else { return false }
            return layout.split(dimension, inner: inner)
        }
    }

    /// Makes one of the dimensions `dimension` and `dimension + 1`.
    public func merged(
        _ dimension: Int, file: StaticString = #fileID, line: Int = #line
    ) -> Tensor {
        reshaped(at: Site(file, line)) { layout in
            dimension >= 0 && dimension + 1 < layout.rank && layout.merge(dimension)
        }
    }

    /// Exchanges dimensions: dimension `i` of the result is dimension `order[i]` of the view.
    public func permuted(
        _ order: [Int], file: StaticString = #fileID, line: Int = #line
    ) -> Tensor {
        reshaped(at: Site(file, line)) { layout in
            guard order.sorted() == Array(0..<layout.rank) else { return false }
            layout.permute(order, from: 0)
            return true
        }
    }

    private func sliced(
        _ rank: Int, at site: Site, _ body: (inout StridedLayout, Slicer) -> Bool
    ) -> Tensor {
        guard region.isValid else { return self }
        var region = region
        if rank > region.layout.rank {
            tracer.report(
                .shape, at: site, "\(rank) indices for a tensor of shape \(shape)",
                why: "there is one index for each dimension",
                remedy: "leave indices out, or split a dimension first")
            region.isValid = false
        } else if !body(&region.layout, Slicer(tracer: tracer, site: site)) {
            region.isValid = false
        }
        return Tensor(tracer, region)
    }

    private func reshaped(at site: Site, _ body: (inout StridedLayout) -> Bool) -> Tensor {
        guard region.isValid else { return self }
        var region = region
        if !body(&region.layout) {
            tracer.report(
                .shape, at: site, "a tensor of shape \(shape) cannot be seen that way",
                why:
                    "dimensions are numbered from 0, are split without remainder, merged "
                    + "only where one stride covers both, and there are at most "
                    + "\(StridedLayout.maximumRank)",
                remedy: "check the dimension's number and size")
            region.isValid = false
        }
        return Tensor(tracer, region)
    }
}

/// A part of a tensor without its Swift type.
struct TensorRegion {
    var tensor: Int
    var type: ElementType
    /// All dimensions, in elements from the start of the tensor.
    var layout: StridedLayout
    /// False after a reported problem.
    var isValid = true

    /// Partitions that it fills: its first dimension.
    var partitionCount: Int { layout.rank > 0 ? layout.count(0) : 1 }
    /// Elements for each of them.
    var elementsPerPartition: Int { layout.elements(from: 1) }

    /// Its access pattern; nil when it has too many dimensions.
    func pattern() -> AccessPattern? {
        var pattern = AccessPattern.blank
        var layout = layout
        if layout.rank == 0 { _ = layout.insert(0, count: 1, stride: 0) }
        layout.simplify(from: 1)
        guard layout.count(0) <= Int(UInt16.max), pattern.setDimensions(layout, from: 1) else {
            return nil
        }
        pattern.space = .hbm
        pattern.type = type
        pattern.partitionCount = UInt16(layout.count(0))
        pattern.partitionStride = Int32(layout.count(0) == 1 ? 0 : layout.stride(0))
        pattern.tensor = UInt16(tensor)
        pattern.offset = Int64(layout.offset * type.byteCount)
        return pattern
    }
}
