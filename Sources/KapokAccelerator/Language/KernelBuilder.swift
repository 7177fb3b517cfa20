/// What a kernel is written with: tensors, tiles, loops and engines.
///
/// ```swift
/// let traced = try TracedKernel.trace("scale", on: machine) { k in
///     let x = k.input("x", [256, 512], BFloat16.self)
///     let y = k.output("y", [256, 512], BFloat16.self)
///     k.loop("rows", over: 256, by: 128) { rows in
///         let tile = k.sbuf("tile", [128, 512], BFloat16.self)
///         k.load(into: tile.masked(rows), from: x[rows])
///         k.vector.multiply(into: tile.masked(rows), tile.masked(rows), by: 2)
///         k.store(into: y[rows], from: tile.masked(rows))
///     }
/// }
/// ```
///
/// The closure runs once; each call records an instruction with its source line. Order and
/// addresses are the compiler's business: write down what is computed, not when. Mistakes are
/// collected and thrown together at the end.
public struct KernelBuilder: DMATrigger {
    let tracer: Tracer

    /// The systolic array.
    public var tensor: TensorEngine { TensorEngine(tracer: tracer) }
    /// Elementwise work and reductions.
    public var vector: VectorEngine { VectorEngine(tracer: tracer) }
    /// Activation functions, and transfers with hardware descriptors.
    public var scalar: ScalarEngine { ScalarEngine(tracer: tracer) }
    /// Index patterns, selections, reductions across partitions.
    public var gpsimd: GpSimdEngine { GpSimdEngine(tracer: tracer) }
    /// Transfers with hardware descriptors.
    public var sync: SyncEngine { SyncEngine(tracer: tracer) }
    /// The machine that the kernel is for.
    public var machine: Machine { tracer.machine }

    /// Transfers of the kernel itself are those of the sync engine.
    public var queue: DMAQueue { DMAQueue(tracer: tracer, engine: .sync) }

    // MARK: Tensors in HBM

    /// A tensor that is filled before the kernel runs.
    ///
    /// - Parameter shape: one to six dimensions, outermost first.
    public func input<Element: TileElement>(
        _ name: String, _ shape: [Int], _ type: Element.Type, file: StaticString = #fileID,
        line: Int = #line
    ) -> Tensor<Element> {
        makeTensor(name, shape, .input, Site(file, line))
    }

    /// A tensor that is read after the kernel ran.
    public func output<Element: TileElement>(
        _ name: String, _ shape: [Int], _ type: Element.Type, file: StaticString = #fileID,
        line: Int = #line
    ) -> Tensor<Element> {
        makeTensor(name, shape, .output, Site(file, line))
    }

    /// A tensor for results on their way.
    public func scratch<Element: TileElement>(
        _ name: String, _ shape: [Int], _ type: Element.Type, file: StaticString = #fileID,
        line: Int = #line
    ) -> Tensor<Element> {
        makeTensor(name, shape, .scratch, Site(file, line))
    }

    // MARK: Tiles

    /// A tile in SBUF: fresh memory each time the line is passed.
    ///
    /// - Parameter shape: partitions, then zero to six free dimensions, outermost first.
    public func sbuf<Element: TileElement>(
        _ name: String, _ shape: [Int], _ type: Element.Type, file: StaticString = #fileID,
        line: Int = #line
    ) -> Tile<SBUF, Element> {
        makeTile(name, shape, Site(file, line))
    }

    /// A tile in PSUM: fresh memory each time the line is passed. A tile of up to one bank (2 KiB a
    /// partition) lies inside of one bank; a larger one begins with a bank.
    public func psum<Element: TileElement>(
        _ name: String, _ shape: [Int], _ type: Element.Type, file: StaticString = #fileID,
        line: Int = #line
    ) -> Tile<PSUM, Element> {
        makeTile(name, shape, Site(file, line))
    }

    /// An FP32 tile in PSUM.
    public func psum(
        _ name: String, _ shape: [Int], file: StaticString = #fileID, line: Int = #line
    ) -> Tile<PSUM, FP32> {
        makeTile(name, shape, Site(file, line))
    }

    /// The identity matrix for transposing; it is made when it is first asked for.
    public func identity<Element: MatrixElement>(
        of type: Element.Type, file: StaticString = #fileID, line: Int = #line
    ) -> Tile<SBUF, Element> {
        if let known = tracer.identities[type.elementType] { return Tile(tracer, known) }
        let size = machine.tensorRows
        let ones = sbuf("ones", [size, size], type, file: file, line: line)
        let identity = sbuf("identity", [size, size], type, file: file, line: line)
        gpsimd.memset(ones, to: 1, file: file, line: line)
        gpsimd.affineSelect(
            into: identity, ones, base: 0, perPartition: 1, perElement: -1, .isEqual,
            otherwise: 0, file: file, line: line)
        tracer.identities[type.elementType] = identity.region
        return identity
    }

    // MARK: Loops

    /// Passes `body` for each number of `range`.
    public func loop(
        _ name: String, _ range: Range<Int>, file: StaticString = #fileID, line: Int = #line,
        body: (Int) -> Void
    ) {
        tracer.loop(name, count: range.count, at: Site(file, line)) { index in
            body(range.lowerBound + index)
        }
    }

    /// Passes `body` for each piece.
    public func loop(
        _ name: String, _ pieces: [TileSpan], file: StaticString = #fileID, line: Int = #line,
        body: (TileSpan) -> Void
    ) {
        tracer.loop(name, count: pieces.count, at: Site(file, line)) { body(pieces[$0]) }
    }

    /// Cuts `extent` elements into pieces of `size` (the last may be shorter) and passes `body` for
    /// each.
    public func loop(
        _ name: String, over extent: Int, by size: Int, file: StaticString = #fileID,
        line: Int = #line, body: (TileSpan) -> Void
    ) {
        guard size >= 1, extent >= 0 else {
            return tracer.report(
                .argument, at: Site(file, line), "loop \(name) over \(extent) by \(size)",
                why: "pieces have at least one element", remedy: "pass a positive size")
        }
        loop(name, TileSpan.pieces(of: extent, by: size), file: file, line: line, body: body)
    }

    // MARK: Rounding, doing nothing

    /// Results of elementwise instructions in `body` are rounded up or down by chance, in
    /// proportion to how near they are, instead of to the nearest.
    public func roundingStochastically(_ body: () -> Void) {
        let outer = tracer.roundsStochastically
        tracer.roundsStochastically = true
        body()
        tracer.roundsStochastically = outer
    }

    /// An instruction of `engine` that does nothing.
    public func nop(on engine: Engine, file: StaticString = #fileID, line: Int = #line) {
        tracer.append(Instruction(.nop, on: engine), at: Site(file, line))
    }

    // MARK: The author's own checks

    /// Notes a problem when `condition` does not hold: the way for a kernel to refuse its
    /// arguments.
    public func require(
        _ condition: Bool, _ what: @autoclosure () -> String, why: @autoclosure () -> String,
        remedy: @autoclosure () -> String, file: StaticString = #fileID, line: Int = #line
    ) {
        guard !condition else { return }
        tracer.report(.argument, at: Site(file, line), what(), why: why(), remedy: remedy())
    }

    // MARK: Making

    private func makeTensor<Element>(
        _ name: String, _ shape: [Int], _ role: TensorDeclaration.Role, _ site: Site
    ) -> Tensor<Element> {
        let type = Element.elementType
        let isSane = isSane(shape, 1...StridedLayout.maximumRank)
        if !isSane {
            tracer.report(
                .shape, at: site, "tensor \(name) of shape \(shape)",
                why: "a tensor has one to \(StridedLayout.maximumRank) dimensions of at least one "
                    + "element, and less than 2^31 elements",
                remedy: "check the shape, or cut the tensor into several")
        }
        if name.isEmpty || tracer.kernel.tensors.contains(where: { $0.name == name }) {
            tracer.report(
                .argument, at: site, "a second tensor named \"\(name)\"",
                why: "tensors are found by name when a kernel runs",
                remedy: "give each tensor a name of its own")
        }
        let shape = isSane ? shape : [1]
        let declaration = TensorDeclaration(name: name, shape: shape, type: type, role: role)
        let index = tracer.makeTensor(declaration, at: site)
        return Tensor(
            tracer,
            TensorRegion(
                tensor: index ?? 0, type: type, layout: StridedLayout(shape: shape),
                isValid: index != nil && isSane))
    }

    private func makeTile<Space, Element>(
        _ name: String, _ shape: [Int], _ site: Site
    ) -> Tile<Space, Element> {
        let type = Element.elementType
        let capacity =
            Space.space == .psum ? machine.psumBytesPerPartition : machine.sbufBytesPerPartition
        var isValid = isSane(shape, 1...(StridedLayout.maximumRank + 1))
        if !isValid {
            tracer.report(
                .shape, at: site, "tile \(name) of shape \(shape)",
                why: "a tile has a dimension of partitions and up to "
                    + "\(StridedLayout.maximumRank) free ones, each of at least one element",
                remedy: "check the shape")
        }
        let shape = isValid ? shape : [1, 1]
        if shape[0] > machine.partitions {
            isValid = false
            tracer.report(
                .partitions, at: site, "tile \(name) with \(shape[0]) partitions",
                why: "\(Space.space.name.uppercased()) has \(machine.partitions)",
                remedy:
                    "loop over pieces: k.loop(name, over: \(shape[0]), by: \(machine.partitions))")
        }
        let tile = TracedTile(
            name: name, space: Space.space, type: type, partitionCount: shape[0],
            freeShape: Array(shape.dropFirst()), line: tracer.line(site))
        if tile.bytesPerPartition > capacity {
            isValid = false
            tracer.report(
                .capacity, at: site,
                "tile \(name) with \(tile.bytesPerPartition) bytes a partition",
                why: "\(Space.space.name.uppercased()) has \(capacity) in each of the "
                    + "\(machine.partitions) partitions",
                remedy: "cut its free dimensions into pieces in a loop")
        }
        let index = tracer.makeTile(tile, at: site)
        return Tile(
            tracer,
            TileRegion(
                tile: index ?? 0, space: Space.space, type: type, partitionStart: 0,
                partitionCount: shape[0], layout: StridedLayout(shape: tile.freeShape),
                isValid: isValid && index != nil))
    }

    /// Whether a shape has legal dimensions and a product that strides can hold.
    private func isSane(_ shape: [Int], _ ranks: ClosedRange<Int>) -> Bool {
        guard ranks.contains(shape.count) else { return false }
        var product = 1
        for count in shape {
            guard count >= 1, count <= Int(Int32.max) / product else { return false }
            product *= count
        }
        return true
    }
}

extension TracedKernel {
    /// Traces a kernel: runs `body` once and records what it does.
    ///
    /// - Parameters:
    ///   - parameters: what the kernel is made from, kept for reports.
    ///   - body: the kernel.
    /// - Throws: all problems of the trace together, each with the author's file and line.
    public static func trace(
        _ name: String, on machine: Machine, parameters: [KernelParameter] = [],
        _ body: (KernelBuilder) -> Void
    ) throws(TraceError) -> TracedKernel {
        let tracer = Tracer(name: name, machine: machine)
        tracer.kernel.parameters = parameters
        body(KernelBuilder(tracer: tracer))
        return try tracer.finish()
    }
}
