/// The scalar engine: activation functions on 128 lanes, in SBUF and PSUM. It also triggers DMA
/// transfers, see ``DMATrigger``.
public struct ScalarEngine: DMATrigger {
    let tracer: Tracer

    /// The queue that its transfers go through.
    public var queue: DMAQueue { DMAQueue(tracer: tracer, engine: .scalar) }

    /// `result = function(input * scale + bias)`.
    ///
    /// - Parameters:
    ///   - scale: one number, or one for each partition.
    ///   - bias: one number, or one for each partition.
    ///   - sum: P x 1; gets the sum of each partition's results, before they are rounded. Then
    ///     `scale` must be a number: the instruction has no field for both.
    public func activation(
        _ function: Activation, into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>, scale: ScalarOperand = 1,
        bias: ScalarOperand = 0, sum: Tile<SBUF, FP32>? = nil, file: StaticString = #fileID,
        line: Int = #line
    ) {
        var emission = Emission(tracer, .activation, on: .scalar, at: Site(file, line))
        emission.requireSameShape(input.region, result.region)
        emission.instruction.operation0 = function.rawValue
        emission.instruction.source0 = emission.read(input.region)
        let partitions = result.partitionCount
        var number: Float = 0
        if let index = emission.scalar(
            scale, partitions: partitions, "the scale", number: &number)
        {
            emission.instruction.source1 = index
            emission.instruction.flags.insert(.scalar0)
            if sum != nil {
                emission.refuse(
                    .engine, "activation with a scale for each partition and a sum",
                    why: "the instruction has one field for both",
                    remedy: "use one number as scale, or sum with vector.reduce")
            }
        }
        emission.instruction.immediate0 = number
        number = 0
        if let index = emission.scalar(bias, partitions: partitions, "the bias", number: &number) {
            emission.instruction.source2 = index
            emission.instruction.flags.insert(.scalar1)
        }
        emission.instruction.immediate1 = number
        if let sum { addSum(sum.region, partitions, &emission) }
        emission.write(result.region)
        emission.finish()
    }

    /// Makes the instruction write the sums as well.
    private func addSum(_ sum: TileRegion, _ partitions: Int, _ emission: inout Emission) {
        emission.requireElements(sum, partitions: partitions, elements: 1, "the sum")
        emission.write(sum)
        emission.instruction.source1 = emission.instruction.destination
        emission.instruction.flags.insert(.reduces)
    }

    /// `result = input`, with conversion.
    public func copy(
        into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>, file: StaticString = #fileID,
        line: Int = #line
    ) {
        ElementwiseInstructions(tracer: tracer, engine: .scalar)
            .unary(.tensorCopy, result.region, input.region, Site(file, line))
    }

    /// `result = input * scalar`, by the identity activation.
    public func multiply(
        into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>, by scalar: ScalarOperand,
        file: StaticString = #fileID, line: Int = #line
    ) {
        activation(.identity, into: result, input, scale: scalar, file: file, line: line)
    }
}
