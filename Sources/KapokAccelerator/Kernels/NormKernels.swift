internal import Glibc
internal import KapokWorld

/// What layer and RMS normalisation share: rows lie in partitions, so that a row's statistics are
/// scalars of its partition, and gain and bias are rows that a broadcasting transfer puts into all
/// partitions once.
private enum NormShape {
    static let parameters = [
        KernelParameterDefinition("rows", 4096, 1...1_048_576, "the number of rows"),
        KernelParameterDefinition("columns", 2048, 2...8192, "the length of a row"),
    ]
    static let types: [ElementType] = [.fp32, .bf16, .fp16]
    /// Added to the variance.
    static let epsilon: Float = 1e-5

    /// `x`, the named rows of one value a column, and `result`.
    static func tensors(_ arguments: KernelArguments, rows: [String]) -> [TensorDeclaration] {
        let shape = [arguments["rows"], arguments["columns"]]
        let type = arguments.type
        var tensors = [TensorDeclaration(name: "x", shape: shape, type: type, role: .input)]
        for name in rows {
            tensors.append(
                TensorDeclaration(name: name, shape: [shape[1]], type: type, role: .input))
        }
        tensors.append(TensorDeclaration(name: "result", shape: shape, type: type, role: .output))
        return tensors
    }

    /// Rounding of the result, and FP32 errors of numbers up to about 16 before it.
    static func bound(_ arguments: KernelArguments) -> ErrorBound {
        let single = ElementType.fp32.roundingError
        return ErrorBound(
            absolute: 256 * single + arguments.type.smallestStep,
            relative: arguments.type.roundingError + 64 * single)
    }
}

/// Layer normalisation: `(x - mean) / sqrt(variance + epsilon) * gain + bias` over each row.
///
/// Mean and variance come from the vector engine's statistics instructions, which read the row
/// once; the scalar engine normalises with one activation (the row's scale and shift are its
/// operands). The gain is multiplied in by the vector engine for one half of the columns and by
/// gpsimd for the other, which also adds the bias: no engine takes longer than the transfers.
/// Between the engines the row has the type of the result, for two-byte operands go through in half
/// the time.
struct LayerNormKernel: LibraryKernel {
    let name = "layernorm"
    let summary = "layer normalisation of the rows of a matrix, with gain and bias"
    let parameters = NormShape.parameters
    let variants = [KernelVariant("tuned", "statistics instructions, three engines")]
    let elementTypes = NormShape.types

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        NormShape.tensors(arguments, rows: ["gain", "bias"])
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let (rows, columns) = (arguments["rows"], arguments["columns"])
        let x = k.input("x", [rows, columns], type)
        let gain = k.input("gain", [columns], type)
        let bias = k.input("bias", [columns], type)
        let result = k.output("result", [rows, columns], type)
        let partitions = min(rows, k.machine.partitions)
        let gains = k.sbuf("gains", [partitions, columns], type)
        let biases = k.sbuf("biases", [partitions, columns], type)
        k.load(into: gains, from: gain.broadcast(partitions: partitions))
        k.load(into: biases, from: bias.broadcast(partitions: partitions))
        k.loop("rows", over: rows, by: k.machine.partitions) { row in
            let input = k.sbuf("input", [row.count, columns], type)
            k.load(into: input, from: x[row])
            let (scale, shift) = normalisation(k, input)
            let normal = k.sbuf("normal", [row.count, columns], type)
            let scaled = k.sbuf("scaled", [row.count, columns], type)
            let output = k.sbuf("output", [row.count, columns], type)
            k.scalar.activation(
                .identity, into: normal, input, scale: .column(scale), bias: .column(shift))
            let (left, right) = (0..<(columns / 2), (columns / 2)..<columns)
            let rowGains = gains.masked(row)
            k.vector.multiply(into: scaled[.all, left], normal[.all, left], rowGains[.all, left])
            k.gpsimd.tensorTensor(
                .multiply, into: scaled[.all, right], normal[.all, right], rowGains[.all, right])
            k.gpsimd.tensorTensor(.add, into: output, scaled, biases.masked(row))
            k.sync.store(into: result[row], from: output)
        }
    }

    /// `1 / sqrt(variance + epsilon)` and `-mean` times that, for each row.
    private func normalisation<Element: MatrixElement>(
        _ k: KernelBuilder, _ input: Tile<SBUF, Element>
    ) -> (Tile<SBUF, FP32>, Tile<SBUF, FP32>) {
        let rows = input.partitionCount
        let pieces = TileSpan.pieces(
            of: input.elementsPerPartition, by: VectorEngine.maximumStatisticsElements)
        let groups = k.sbuf("groups", [rows, pieces.count, 3], FP32.self)
        for piece in pieces {
            k.vector.statistics(into: groups[.all, piece.index], input[.all, piece])
        }
        let moments = k.sbuf("moments", [rows, 2], FP32.self)
        k.vector.aggregate(into: moments, groups)
        let scale = k.sbuf("scale", [rows, 1], FP32.self)
        let shift = k.sbuf("shift", [rows, 1], FP32.self)
        k.scalar.activation(
            .rsqrt, into: scale, moments[.all, 1], bias: .value(NormShape.epsilon))
        k.vector.tensorScalar(
            into: shift, moments[.all, 0], .multiply, .column(scale), .multiply, -1)
        return (scale, shift)
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let columns = arguments["columns"]
        let x = inputs["x"] ?? []
        var result = x
        let gain = inputs["gain"] ?? []
        let bias = inputs["bias"] ?? []
        for start in stride(from: 0, to: result.count, by: columns) {
            let row = x[start..<(start + columns)]
            let mean = row.reduce(0, +) / Double(columns)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            let scale = 1 / (variance + Double(NormShape.epsilon)).squareRoot()
            for column in 0..<columns {
                let normal = (result[start + column] - mean) * scale
                result[start + column] = normal * gain[column] + bias[column]
            }
        }
        return ["result": result]
    }

    /// Two more roundings, of numbers below 2: the row before and after the gain.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        var bound = NormShape.bound(arguments)
        bound.absolute += 4 * arguments.type.roundingError
        return bound
    }
}

/// RMS normalisation: `x / sqrt(mean(x^2) + epsilon) * gain` over each row.
///
/// One activation squares the row and sums it up in the same pass, a second makes the row's scale
/// of the sum, and one instruction of the vector engine applies scale and gain together.
struct RMSNormKernel: LibraryKernel {
    let name = "rmsnorm"
    let summary = "root-mean-square normalisation of the rows of a matrix, with gain"
    let parameters = NormShape.parameters
    let variants = [KernelVariant("tuned", "square and sum in one pass, scale and gain in one")]
    let elementTypes = NormShape.types

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        NormShape.tensors(arguments, rows: ["gain"])
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let (rows, columns) = (arguments["rows"], arguments["columns"])
        let x = k.input("x", [rows, columns], type)
        let gain = k.input("gain", [columns], type)
        let result = k.output("result", [rows, columns], type)
        let partitions = min(rows, k.machine.partitions)
        let gains = k.sbuf("gains", [partitions, columns], type)
        k.load(into: gains, from: gain.broadcast(partitions: partitions))
        k.loop("rows", over: rows, by: k.machine.partitions) { row in
            let input = k.sbuf("input", [row.count, columns], type)
            let output = k.sbuf("output", [row.count, columns], type)
            let squares = k.sbuf("squares", [row.count, columns], FP32.self)
            let sum = k.sbuf("sum", [row.count, 1], FP32.self)
            let scale = k.sbuf("scale", [row.count, 1], FP32.self)
            k.load(into: input, from: x[row])
            k.scalar.activation(.square, into: squares, input, sum: sum)
            k.scalar.activation(
                .rsqrt, into: scale, sum, scale: .value(1 / Float(columns)),
                bias: .value(NormShape.epsilon))
            k.vector.scalarTensorTensor(
                into: output, input, .multiply, .column(scale), .multiply, gains.masked(row))
            k.sync.store(into: result[row], from: output)
        }
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let columns = arguments["columns"]
        let x = inputs["x"] ?? []
        var result = x
        let gain = inputs["gain"] ?? []
        for start in stride(from: 0, to: result.count, by: columns) {
            let row = x[start..<(start + columns)]
            let mean = row.reduce(0) { $0 + $1 * $1 } / Double(columns)
            let scale = 1 / (mean + Double(NormShape.epsilon)).squareRoot()
            for column in 0..<columns { result[start + column] *= scale * gain[column] }
        }
        return ["result": result]
    }

    func bound(_ arguments: KernelArguments) -> ErrorBound { NormShape.bound(arguments) }
}
