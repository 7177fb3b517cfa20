/// Transfers between HBM and SBUF, triggered by one engine.
///
/// Rows of 2 KiB and more use the DMA engines well; each transfer costs a descriptor generator
/// about 600 ns. Which ring carries a transfer is the compiler's business.
public struct DMAQueue {
    let tracer: Tracer
    let engine: Engine

    /// Rows that a transposing transfer takes at a time; its columns fill all partitions. From the
    /// vendor's DMA guide: multiples of 128 partitions and 16 columns of the tile.
    static let transposeRows = 16

    func load(_ tile: TileRegion, _ tensor: TensorRegion, _ site: Site) {
        guard tile.isValid, tensor.isValid, requireSBUF(tile, site),
            requireSameShape(
                (tensor.partitionCount, tensor.elementsPerPartition),
                (tile.partitionCount, tile.layout.elements()), site),
            let source = tracer.reading(tensor, at: site),
            let destination = tracer.writing(tile, at: site)
        else { return }
        transfer(.dmaCopy, destination, source, site)
    }

    func store(_ tensor: TensorRegion, _ tile: TileRegion, _ site: Site) {
        guard tile.isValid, tensor.isValid, requireSBUF(tile, site),
            requireSameShape(
                (tile.partitionCount, tile.layout.elements()),
                (tensor.partitionCount, tensor.elementsPerPartition), site),
            let source = tracer.reading(tile, at: site),
            let destination = tracer.writing(tensor, at: site)
        else { return }
        transfer(.dmaCopy, destination, source, site)
    }

    func move(_ result: TileRegion, _ input: TileRegion, _ site: Site) {
        guard result.isValid, input.isValid, requireSBUF(result, site), requireSBUF(input, site),
            requireSameShape(
                (input.partitionCount, input.layout.elements()),
                (result.partitionCount, result.layout.elements()), site),
            let source = tracer.reading(input, at: site),
            let destination = tracer.writing(result, at: site)
        else { return }
        transfer(.dmaCopy, destination, source, site)
    }

    func move(_ result: TensorRegion, _ input: TensorRegion, _ site: Site) {
        guard result.isValid, input.isValid,
            requireSameShape(
                (input.partitionCount, input.elementsPerPartition),
                (result.partitionCount, result.elementsPerPartition), site),
            let source = tracer.reading(input, at: site),
            let destination = tracer.writing(result, at: site)
        else { return }
        transfer(.dmaCopy, destination, source, site)
    }

    func loadTransposed(
        _ tile: TileRegion, _ tensor: TensorRegion, _ site: Site
    ) {
        guard tile.isValid, tensor.isValid, requireSBUF(tile, site) else { return }
        guard tile.type.byteCount == 2 || tile.type.byteCount == 4 else {
            return tracer.report(
                .type, at: site, "a transposing transfer of \(tile.type.name)",
                why: "the DMA engines transpose elements of 2 or 4 bytes",
                remedy: "transpose with the tensor engine")
        }
        let partitions = tracer.machine.partitions
        guard tensor.elementsPerPartition == partitions,
            tensor.partitionCount % Self.transposeRows == 0
        else {
            return tracer.report(
                .shape, at: site,
                "a transposing transfer of \(tensor.partitionCount) x "
                    + "\(tensor.elementsPerPartition)",
                why: "the DMA engines transpose \(partitions) columns and a multiple of "
                    + "\(Self.transposeRows) rows",
                remedy: "cut the matrix that way, or transpose with the tensor engine")
        }
        guard
            requireSameShape(
                (tensor.elementsPerPartition, tensor.partitionCount),
                (tile.partitionCount, tile.layout.elements()), site),
            let source = tracer.reading(tensor, at: site),
            let destination = tracer.writing(tile, at: site)
        else { return }
        transfer(.dmaTranspose, destination, source, site)
    }

    private func transfer(
        _ opcode: Opcode, _ destination: UInt32, _ source: UInt32, _ site: Site
    ) {
        var instruction = Instruction(opcode, on: engine)
        instruction.destination = destination
        instruction.source0 = source
        tracer.append(instruction, at: site)
    }

    private func requireSBUF(_ tile: TileRegion, _ site: Site) -> Bool {
        guard tile.space == .sbuf else {
            tracer.report(
                .engine, at: site, "a transfer with a tile in PSUM",
                why: "the DMA engines have no path to PSUM",
                remedy: "copy it to SBUF with the vector or scalar engine first")
            return false
        }
        return true
    }

    private func requireSameShape(_ from: (Int, Int), _ to: (Int, Int), _ site: Site) -> Bool {
        guard from != to else { return true }
        tracer.report(
            .shape, at: site, "a transfer of \(from.0) x \(from.1) to \(to.0) x \(to.1)",
            why:
                "both ends have the same rows (partitions) and elements of each; the first "
                + "dimension of a tensor stands for partitions",
            remedy: "slice both ends alike; use `asRow` or `permuted` where dimensions differ")
        return false
    }
}

/// An engine that triggers transfers: `k.sync`, `k.scalar`, `k.gpsimd`, and `k` itself for
/// `k.sync`.
///
/// `ring` names a DMA ring (0 to 15) that no other engine uses; left out, it is the engine's ring
/// for loads or for stores.
public protocol DMATrigger {
    /// The engine's transfers.
    var queue: DMAQueue { get }
}

extension DMATrigger {
    /// Reads `tensor` into `tile`: dimension 0 of the tensor meets the partitions.
    public func load<Element: TileElement>(
        into tile: Tile<SBUF, Element>, from tensor: Tensor<Element>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        queue.load(tile.region, tensor.region, Site(file, line))
    }

    /// Reads a matrix into `tile` with rows and columns exchanged (2-byte and 4-byte types).
    public func loadTransposed<Element: TileElement>(
        into tile: Tile<SBUF, Element>, from tensor: Tensor<Element>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        queue.loadTransposed(tile.region, tensor.region, Site(file, line))
    }

    /// Writes `tile` to `tensor`.
    public func store<Element: TileElement>(
        into tensor: Tensor<Element>, from tile: Tile<SBUF, Element>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        queue.store(tensor.region, tile.region, Site(file, line))
    }

    /// Copies from one tile to another through the DMA engines: from any partitions to any
    /// partitions.
    public func transfer<Element: TileElement>(
        into result: Tile<SBUF, Element>, from input: Tile<SBUF, Element>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        queue.move(result.region, input.region, Site(file, line))
    }

    /// Copies from one tensor to another.
    public func transfer<Element: TileElement>(
        into result: Tensor<Element>, from input: Tensor<Element>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        queue.move(result.region, input.region, Site(file, line))
    }
}

/// The sequencer: it triggers transfers and computes nothing.
public struct SyncEngine: DMATrigger {
    let tracer: Tracer

    /// The queue that its transfers go through.
    public var queue: DMAQueue { DMAQueue(tracer: tracer, engine: .sync) }
}
