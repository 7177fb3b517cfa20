/// The vector engine: elementwise work and reductions on 128 lanes, in SBUF and PSUM.
///
/// Operands may have different types; it computes in FP32 and rounds when it writes. Results come
/// first, as `into:`.
public struct VectorEngine {
    let tracer: Tracer

    private var shared: ElementwiseInstructions {
        ElementwiseInstructions(tracer: tracer, engine: .vector)
    }

    // MARK: Two tensors

    /// `result = a operation b`, element by element. Not both inputs may lie in PSUM.
    public func tensorTensor(
        _ operation: ALUOperation, into result: Tile<some TileSpace, some TileElement>,
        _ a: Tile<some TileSpace, some TileElement>, _ b: Tile<some TileSpace, some TileElement>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        shared.tensorTensor(
            operation, result.region, a.region, b.region, Site(file, line))
    }

    /// `result = a + b`.
    public func add(
        into result: Tile<some TileSpace, some TileElement>,
        _ a: Tile<some TileSpace, some TileElement>, _ b: Tile<some TileSpace, some TileElement>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        tensorTensor(.add, into: result, a, b, file: file, line: line)
    }

    /// `result = a - b`.
    public func subtract(
        into result: Tile<some TileSpace, some TileElement>,
        _ a: Tile<some TileSpace, some TileElement>, _ b: Tile<some TileSpace, some TileElement>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        tensorTensor(.subtract, into: result, a, b, file: file, line: line)
    }

    /// `result = a * b`.
    public func multiply(
        into result: Tile<some TileSpace, some TileElement>,
        _ a: Tile<some TileSpace, some TileElement>, _ b: Tile<some TileSpace, some TileElement>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        tensorTensor(.multiply, into: result, a, b, file: file, line: line)
    }

    /// `result = max(a, b)`.
    public func maximum(
        into result: Tile<some TileSpace, some TileElement>,
        _ a: Tile<some TileSpace, some TileElement>, _ b: Tile<some TileSpace, some TileElement>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        tensorTensor(.max, into: result, a, b, file: file, line: line)
    }

    // MARK: A tensor and scalars

    /// `result = (input operation0 scalar0) operation1 scalar1`.
    ///
    /// - Parameters:
    ///   - reverse0: `scalar0 operation0 input` instead.
    ///   - reverse1: `scalar1 operation1 (...)` instead.
    public func tensorScalar(
        into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>, _ operation0: ALUOperation,
        _ scalar0: ScalarOperand, _ operation1: ALUOperation = .bypass,
        _ scalar1: ScalarOperand = 0, reverse0: Bool = false, reverse1: Bool = false,
        file: StaticString = #fileID, line: Int = #line
    ) {
        shared.tensorScalar(
            result.region, input.region, operation0, scalar0, operation1, scalar1,
            reverse: (reverse0, reverse1), Site(file, line))
    }

    /// `result = input + scalar`.
    public func add(
        into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>, scalar: ScalarOperand,
        file: StaticString = #fileID, line: Int = #line
    ) {
        tensorScalar(into: result, input, .add, scalar, file: file, line: line)
    }

    /// `result = input * scalar`.
    public func multiply(
        into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>, by scalar: ScalarOperand,
        file: StaticString = #fileID, line: Int = #line
    ) {
        tensorScalar(into: result, input, .multiply, scalar, file: file, line: line)
    }

    /// `result = (a operation0 scalar) operation1 b`.
    public func scalarTensorTensor(
        into result: Tile<some TileSpace, some TileElement>,
        _ a: Tile<some TileSpace, some TileElement>, _ operation0: ALUOperation,
        _ scalar: ScalarOperand, _ operation1: ALUOperation,
        _ b: Tile<some TileSpace, some TileElement>, reverse0: Bool = false,
        reverse1: Bool = false, file: StaticString = #fileID, line: Int = #line
    ) {
        shared.scalarTensorTensor(
            result.region, a.region, operation0, scalar, operation1, b.region,
            reverse: (reverse0, reverse1), Site(file, line))
    }

    // MARK: One tensor

    /// `result = input`, with conversion.
    public func copy(
        into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>, file: StaticString = #fileID,
        line: Int = #line
    ) {
        shared.unary(.tensorCopy, result.region, input.region, Site(file, line))
    }

    /// `result = 1 / input`.
    public func reciprocal(
        into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>, file: StaticString = #fileID,
        line: Int = #line
    ) {
        shared.unary(.reciprocal, result.region, input.region, Site(file, line))
    }

    /// `result = value` everywhere.
    public func memset(
        _ result: Tile<some TileSpace, some TileElement>, to value: Float,
        file: StaticString = #fileID, line: Int = #line
    ) {
        shared.memset(result.region, value, Site(file, line))
    }

    /// `result = input` where `predicate` is not zero; elsewhere it stays as it was.
    public func copyPredicated(
        into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>,
        where predicate: Tile<some TileSpace, some TileElement>, file: StaticString = #fileID,
        line: Int = #line
    ) {
        shared.copyPredicated(
            result.region, input.region, predicate.region, Site(file, line))
    }

    // MARK: Along the free dimensions

    /// Reduces the innermost elements of each partition: `result` has as many elements as groups
    /// remain.
    ///
    /// - Parameter negate: gives the negative of the reduction.
    public func reduce(
        _ operation: ALUOperation, into result: Tile<some TileSpace, some TileElement>,
        _ input: Tile<some TileSpace, some TileElement>, negate: Bool = false,
        file: StaticString = #fileID, line: Int = #line
    ) {
        shared.reduce(
            operation, result.region, input.region, negate: negate, Site(file, line))
    }

    /// `result[i] = (decay[i] operation0 result[i - 1]) operation1 input[i]`, beginning with
    /// `initial`: a linear recurrence along the free dimension for the default operations.
    public func scan(
        into result: Tile<some TileSpace, some TileElement>,
        decay: Tile<some TileSpace, some TileElement>,
        input: Tile<some TileSpace, some TileElement>, initial: ScalarOperand = 0,
        _ operation0: ALUOperation = .multiply, _ operation1: ALUOperation = .add,
        file: StaticString = #fileID, line: Int = #line
    ) {
        var emission = Emission(
            tracer, .tensorTensorScan, on: .vector, at: Site(file, line))
        emission.requireSameShape(decay.region, result.region)
        emission.requireSameShape(input.region, result.region)
        emission.instruction.operation0 = operation0.rawValue
        emission.instruction.operation1 = operation1.rawValue
        emission.instruction.source0 = emission.read(decay.region)
        emission.instruction.source1 = emission.read(input.region)
        var number: Float = 0
        if let index = emission.scalar(
            initial, partitions: result.partitionCount, "the initial state", number: &number)
        {
            emission.instruction.source2 = index
            emission.instruction.flags.insert(.scalar0)
        }
        emission.instruction.immediate0 = number
        emission.write(result.region)
        emission.finish()
    }
}
