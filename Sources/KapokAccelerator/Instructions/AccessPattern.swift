/// Which elements an operand covers: partitions, and up to four free dimensions. 56 bytes.
///
/// In SBUF and PSUM, element `(p, i0, i1, i2, i3)` lies in partition `partitionStart + p` at byte
/// `offset + (i0 * stride0 + ... + i3 * stride3) * type.byteCount` of that partition. In HBM it
/// lies at byte `offset + (p * partitionStride + i0 * stride0 + ...) * type.byteCount` of tensor
/// `tensor`.
public struct AccessPattern: Hashable, Sendable {
    /// Where the data lies.
    public var space: MemorySpace
    /// What it holds.
    public var type: ElementType
    /// The first partition, 0 to 127; 0 in HBM.
    public var partitionStart: UInt8
    /// Zero.
    public var reserved: UInt8
    /// Partitions, or rows in HBM; at least 1.
    public var partitionCount: UInt16
    /// Index of the tensor in HBM; 0 elsewhere.
    public var tensor: UInt16
    /// Bytes, see above.
    public var offset: Int64
    /// Elements from one row to the next in HBM (0 repeats a row); 0 elsewhere.
    public var partitionStride: Int32
    /// Index into the program's table of tiles, or ``noTile``.
    public var tile: UInt32
    /// Free dimensions, outermost first; unused ones are 1 x 0 and come first.
    public var dimension0: FreeDimension
    public var dimension1: FreeDimension
    public var dimension2: FreeDimension
    public var dimension3: FreeDimension

    /// Stands for memory that belongs to no named tile.
    public static let noTile: UInt32 = .max

    /// - Parameter dimensions: outermost first, at most four.
    public init(
        _ space: MemorySpace, _ type: ElementType, partitionStart: Int = 0, partitionCount: Int,
        offset: Int = 0, tensor: Int = 0, partitionStride: Int = 0, tile: UInt32 = noTile,
        dimensions: [FreeDimension]
    ) {
        precondition(dimensions.count <= 4, "at most four free dimensions")
        self.space = space
        self.type = type
        self.partitionStart = UInt8(partitionStart)
        reserved = 0
        self.partitionCount = UInt16(partitionCount)
        self.tensor = UInt16(tensor)
        self.offset = Int64(offset)
        self.partitionStride = Int32(partitionStride)
        self.tile = tile
        let unused = FreeDimension(count: 1, stride: 0)
        let padded = Array(repeating: unused, count: 4 - dimensions.count) + dimensions
        dimension0 = padded[0]
        dimension1 = padded[1]
        dimension2 = padded[2]
        dimension3 = padded[3]
    }

    /// Elements of one partition.
    public var elementsPerPartition: Int {
        Int(dimension0.count) * Int(dimension1.count) * Int(dimension2.count)
            * Int(dimension3.count)
    }

    /// Bytes of one partition that are moved or computed on.
    public var bytesPerPartition: Int { elementsPerPartition * type.byteCount }

    /// Bytes over all partitions.
    public var totalBytes: Int { bytesPerPartition * Int(partitionCount) }

    /// Elements from the first to the last touched in one partition, and one more: the span that a
    /// conservative analysis takes. Strides are not negative.
    public var spanElements: Int {
        var last = 0
        last += (Int(dimension0.count) - 1) * Int(dimension0.stride)
        last += (Int(dimension1.count) - 1) * Int(dimension1.stride)
        last += (Int(dimension2.count) - 1) * Int(dimension2.stride)
        last += (Int(dimension3.count) - 1) * Int(dimension3.stride)
        return last + 1
    }

    /// Whether the elements of a partition lie side by side, in order.
    public var isContiguous: Bool {
        var expected = 1
        for dimension in [dimension3, dimension2, dimension1, dimension0] where dimension.count > 1
        {
            guard Int(dimension.stride) == expected else { return false }
            expected *= Int(dimension.count)
        }
        return true
    }

    /// Elements that lie side by side at the innermost level: what one DMA packet carries.
    public var contiguousElements: Int {
        var run = 1
        for dimension in [dimension3, dimension2, dimension1, dimension0] where dimension.count > 1
        {
            guard Int(dimension.stride) == run else { break }
            run *= Int(dimension.count)
        }
        return run
    }
}

/// A free dimension of an access pattern. 8 bytes.
public struct FreeDimension: Hashable, Sendable {
    /// Elements, at least 1.
    public var count: UInt32
    /// Elements from one to the next; 0 repeats.
    public var stride: Int32

    public init(count: Int, stride: Int) {
        self.count = UInt32(count)
        self.stride = Int32(stride)
    }
}
