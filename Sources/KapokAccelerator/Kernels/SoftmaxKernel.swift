internal import Glibc
internal import KapokWorld

/// Softmax over the rows of a matrix.
///
/// Layout: rows lie in partitions, so that a row's maximum and sum are reductions along the free
/// dimension and scalars of their partition. A row is read once and written once: the negated
/// maximum becomes the bias of one activation that computes `exp(x - max)` and its sum in the same
/// pass, and the reciprocal of the sum scales the result. Three passes over the data, on two
/// engines that overlap between row tiles; the exponentials have the type of the result, for the
/// vector engine scales two-byte operands four times as fast.
struct SoftmaxKernel: LibraryKernel {
    let name = "softmax"
    let summary = "softmax over the last dimension of a matrix"
    let parameters = [
        KernelParameterDefinition("rows", 4096, 1...1_048_576, "the number of rows"),
        KernelParameterDefinition("columns", 2048, 1...8192, "the length of a row"),
    ]
    let variants = [KernelVariant("tuned", "exp and sum in one pass, scaled by a reciprocal")]
    let elementTypes: [ElementType] = [.fp32, .bf16, .fp16]

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let shape = [arguments["rows"], arguments["columns"]]
        return [
            TensorDeclaration(name: "x", shape: shape, type: arguments.type, role: .input),
            TensorDeclaration(name: "result", shape: shape, type: arguments.type, role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let rows = arguments["rows"]
        let columns = arguments["columns"]
        let x = k.input("x", [rows, columns], type)
        let result = k.output("result", [rows, columns], type)
        k.loop("rows", over: rows, by: k.machine.partitions) { row in
            let input = k.sbuf("input", [row.count, columns], type)
            let negativeMaximum = k.sbuf("negativeMaximum", [row.count, 1], FP32.self)
            let exponentials = k.sbuf("exponentials", [row.count, columns], type)
            let sum = k.sbuf("sum", [row.count, 1], FP32.self)
            let scale = k.sbuf("scale", [row.count, 1], FP32.self)
            let output = k.sbuf("output", [row.count, columns], type)
            k.load(into: input, from: x[row])
            k.vector.reduce(.max, into: negativeMaximum, input, negate: true)
            k.scalar.activation(
                .exp, into: exponentials, input, bias: .column(negativeMaximum), sum: sum)
            k.vector.reciprocal(into: scale, sum)
            k.vector.multiply(into: output, exponentials, by: .column(scale))
            k.scalar.store(into: result[row], from: output)
        }
    }

    func values(
        for input: TensorDeclaration, _ arguments: KernelArguments, from stream: inout RandomStream
    ) -> [Float] {
        stream.uniform(-8, 8, count: input.elementCount)
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let columns = arguments["columns"]
        var result = inputs["x"] ?? []
        for start in stride(from: 0, to: result.count, by: columns) {
            let row = start..<(start + columns)
            let maximum = result[row].max() ?? 0
            var sum = 0.0
            for place in row {
                result[place] = exp(result[place] - maximum)
                sum += result[place]
            }
            for place in row { result[place] /= sum }
        }
        return ["result": result]
    }

    /// Rounding of the exponential and of the result, plus the FP32 errors of a subtraction of
    /// magnitude 16, an exponential and a sum, each a few units in the last place.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        ErrorBound(
            absolute: arguments.type.smallestStep,
            relative: 2 * arguments.type.roundingError + 64 * ElementType.fp32.roundingError)
    }
}
