/// The eight general processors. They reach SBUF only, start slowly (about 150 cycles), and do what
/// no other engine can: index patterns, selection by position, reduction across partitions. They
/// also trigger DMA transfers, with descriptors made in software (see ``DMATrigger``).
public struct GpSimdEngine: DMATrigger {
    let tracer: Tracer

    /// The queue that its transfers go through.
    public var queue: DMAQueue { DMAQueue(tracer: tracer, engine: .gpsimd) }

    private var shared: ElementwiseInstructions {
        ElementwiseInstructions(tracer: tracer, engine: .gpsimd)
    }

    /// `result[p, i] = base + p * perPartition + i * perElement`, `i` counted over all free
    /// dimensions.
    public func iota(
        into result: Tile<SBUF, some TileElement>, base: Float = 0, perPartition: Int = 0,
        perElement: Int = 1, file: StaticString = #fileID, line: Int = #line
    ) {
        var emission = Emission(tracer, .iota, on: .gpsimd, at: Site(file, line))
        emission.instruction.immediate0 = base
        setCoefficients(perPartition, perElement, &emission)
        emission.write(result.region)
        emission.finish()
    }

    /// `result[p, i] = input[p, i]` where `base + p * perPartition + i * perElement` compares with
    /// 0 as `comparison` says, else `fill`: triangular masks.
    public func affineSelect(
        into result: Tile<SBUF, some TileElement>, _ input: Tile<SBUF, some TileElement>,
        base: Int, perPartition: Int, perElement: Int, _ comparison: ALUOperation,
        otherwise fill: Float, file: StaticString = #fileID, line: Int = #line
    ) {
        var emission = Emission(tracer, .affineSelect, on: .gpsimd, at: Site(file, line))
        emission.requireSameShape(input.region, result.region)
        emission.instruction.operation0 = comparison.rawValue
        emission.instruction.immediate0 = fill
        emission.instruction.immediate1 = Float(base)
        setCoefficients(perPartition, perElement, &emission)
        if !(ALUOperation.isEqual.rawValue...ALUOperation.less.rawValue)
            .contains(comparison.rawValue)
        {
            emission.refuse(
                .argument, "affineSelect by \(comparison.name)",
                why: "it selects by a comparison with zero",
                remedy: "use isEqual, notEqual, greater, greaterEqual, less or lessEqual")
        }
        emission.instruction.source0 = emission.read(input.region)
        emission.write(result.region)
        emission.finish()
    }

    /// Reduces across partitions: `result` (1 x N) from `input` (P x N).
    public func partitionReduce(
        _ operation: ALUOperation, into result: Tile<SBUF, some TileElement>,
        _ input: Tile<SBUF, some TileElement>, file: StaticString = #fileID, line: Int = #line
    ) {
        var emission = Emission(tracer, .partitionReduce, on: .gpsimd, at: Site(file, line))
        emission.requireElements(
            result.region, partitions: 1, elements: input.elementsPerPartition, "the result")
        emission.instruction.operation0 = operation.rawValue
        emission.instruction.source0 = emission.read(input.region)
        emission.write(result.region)
        emission.finish()
    }

    /// `result = a operation b`, element by element.
    public func tensorTensor(
        _ operation: ALUOperation, into result: Tile<SBUF, some TileElement>,
        _ a: Tile<SBUF, some TileElement>, _ b: Tile<SBUF, some TileElement>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        shared.tensorTensor(operation, result.region, a.region, b.region, Site(file, line))
    }

    /// `result = (input operation0 scalar0) operation1 scalar1`.
    public func tensorScalar(
        into result: Tile<SBUF, some TileElement>, _ input: Tile<SBUF, some TileElement>,
        _ operation0: ALUOperation, _ scalar0: ScalarOperand,
        _ operation1: ALUOperation = .bypass, _ scalar1: ScalarOperand = 0,
        reverse0: Bool = false, reverse1: Bool = false, file: StaticString = #fileID,
        line: Int = #line
    ) {
        shared.tensorScalar(
            result.region, input.region, operation0, scalar0, operation1, scalar1,
            reverse: (reverse0, reverse1), Site(file, line))
    }

    /// Reduces the innermost elements of each partition.
    public func reduce(
        _ operation: ALUOperation, into result: Tile<SBUF, some TileElement>,
        _ input: Tile<SBUF, some TileElement>, negate: Bool = false,
        file: StaticString = #fileID, line: Int = #line
    ) {
        shared.reduce(
            operation, result.region, input.region, negate: negate, Site(file, line))
    }

    /// `result = input`, with conversion.
    public func copy(
        into result: Tile<SBUF, some TileElement>, _ input: Tile<SBUF, some TileElement>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        shared.unary(.tensorCopy, result.region, input.region, Site(file, line))
    }

    /// `result = input` where `predicate` is not zero; elsewhere it stays as it was.
    public func copyPredicated(
        into result: Tile<SBUF, some TileElement>, _ input: Tile<SBUF, some TileElement>,
        where predicate: Tile<SBUF, some TileElement>, file: StaticString = #fileID,
        line: Int = #line
    ) {
        shared.copyPredicated(
            result.region, input.region, predicate.region, Site(file, line))
    }

    /// `result = value` everywhere.
    public func memset(
        _ result: Tile<SBUF, some TileElement>, to value: Float, file: StaticString = #fileID,
        line: Int = #line
    ) {
        shared.memset(result.region, value, Site(file, line))
    }

    private func setCoefficients(
        _ perPartition: Int, _ perElement: Int, _ emission: inout Emission
    ) {
        guard let partition = Int32(exactly: perPartition),
            let element = Int32(exactly: perElement)
        else {
            return emission.refuse(
                .argument, "coefficients \(perPartition) and \(perElement)",
                why: "they are stored in 32 bits", remedy: "use smaller coefficients")
        }
        emission.instruction.source1 = UInt32(bitPattern: partition)
        emission.instruction.source2 = UInt32(bitPattern: element)
    }
}
