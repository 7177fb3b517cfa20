internal import KapokWorld

/// Two-dimensional convolution with bias, NCHW: images [batch, inputs, height, width], weights
/// [outputs, inputs, kernelHeight, kernelWidth]. See ``Convolution``.
struct ConvolutionKernel: LibraryKernel {
    let name = "conv2d"
    let summary = "two-dimensional convolution of NCHW images, with stride and padding"
    let parameters = [
        KernelParameterDefinition("batch", 16, 1...4096, "the number of images"),
        KernelParameterDefinition("inputs", 128, 1...4096, "the channels of an image"),
        KernelParameterDefinition("outputs", 128, 1...4096, "the channels of a result"),
        KernelParameterDefinition("height", 56, 1...4096, "the rows of an image"),
        KernelParameterDefinition("width", 56, 1...4096, "the columns of an image"),
        KernelParameterDefinition("kernelHeight", 3, 1...16, "the rows of a filter"),
        KernelParameterDefinition("kernelWidth", 3, 1...16, "the columns of a filter"),
        KernelParameterDefinition("stride", 1, 1...4, "input positions from result to result"),
        KernelParameterDefinition("padding", 1, 0...8, "zeros around an image"),
    ]
    let variants = [
        KernelVariant("tuned", "shifted products, summed up in PSUM over channels and filter")
    ]
    let elementTypes: [ElementType] = [.bf16, .fp32, .fp16]

    func problem(with arguments: KernelArguments) -> String? {
        let shape = ConvolutionShape(arguments)
        if shape.paddedHeight < shape.kernelHeight || shape.paddedWidth < shape.kernelWidth {
            return "a filter of \(shape.kernelHeight) x \(shape.kernelWidth) on an image of "
                + "\(shape.paddedHeight) x \(shape.paddedWidth) with its padding"
        }
        return ConvolutionTiling.problem(with: shape, elementBytes: arguments.type.byteCount)
    }

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let shape = ConvolutionShape(arguments)
        let type = arguments.type
        return [
            TensorDeclaration(name: "x", shape: shape.images, type: type, role: .input),
            TensorDeclaration(name: "weights", shape: shape.weights, type: type, role: .input),
            TensorDeclaration(name: "bias", shape: [shape.outputs, 1], type: type, role: .input),
            TensorDeclaration(name: "result", shape: shape.results, type: type, role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let shape = ConvolutionShape(arguments)
        Convolution(
            k: k, shape: shape, x: k.input("x", shape.images, type),
            weights: k.input("weights", shape.weights, type),
            bias: k.input("bias", [shape.outputs, 1], type),
            result: k.output("result", shape.results, type)
        ).build()
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let shape = ConvolutionShape(arguments)
        let x = inputs["x"] ?? []
        let (weights, bias) = (inputs["weights"] ?? [], inputs["bias"] ?? [])
        var result: [Double] = []
        for image in 0..<shape.batch {
            for output in 0..<shape.outputs {
                for row in 0..<shape.resultHeight {
                    for column in 0..<shape.resultWidth {
                        result.append(
                            bias[output]
                                + shape.sum(x, weights, image, output, (row, column)))
                    }
                }
            }
        }
        return ["result": result]
    }

    /// Rounding of the result, and as many FP32 additions of products of numbers in -1 to 1 as the
    /// filter has weights: their errors grow like the square root, an eightfold margin.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        let shape = ConvolutionShape(arguments)
        let terms = Double(shape.inputs * shape.kernelHeight * shape.kernelWidth + 1)
        return ErrorBound(
            absolute: arguments.type.smallestStep + 8 * terms * ElementType.fp32.roundingError,
            relative: arguments.type.roundingError)
    }
}

/// The sizes of a convolution.
struct ConvolutionShape: Sendable {
    let batch: Int
    let inputs: Int
    let outputs: Int
    let height: Int
    let width: Int
    let kernelHeight: Int
    let kernelWidth: Int
    let stride: Int
    let padding: Int

    init(_ arguments: KernelArguments) {
        batch = arguments["batch"]
        inputs = arguments["inputs"]
        outputs = arguments["outputs"]
        height = arguments["height"]
        width = arguments["width"]
        kernelHeight = arguments["kernelHeight"]
        kernelWidth = arguments["kernelWidth"]
        stride = arguments["stride"]
        padding = arguments["padding"]
    }

    /// Positions of a filter.
    var taps: Int { kernelHeight * kernelWidth }
    var paddedHeight: Int { height + 2 * padding }
    var paddedWidth: Int { width + 2 * padding }
    var resultHeight: Int { (paddedHeight - kernelHeight) / stride + 1 }
    var resultWidth: Int { (paddedWidth - kernelWidth) / stride + 1 }
    var images: [Int] { [batch, inputs, height, width] }
    var weights: [Int] { [outputs, inputs, kernelHeight, kernelWidth] }
    var results: [Int] { [batch, outputs, resultHeight, resultWidth] }

    /// One element of the result without its bias, in double precision.
    fileprivate func sum(
        _ x: [Double], _ weights: [Double], _ image: Int, _ output: Int, _ place: (Int, Int)
    ) -> Double {
        var sum = 0.0
        for input in 0..<inputs {
            for tapRow in 0..<kernelHeight {
                let row = place.0 * stride + tapRow - padding
                guard row >= 0, row < height else { continue }
                for tapColumn in 0..<kernelWidth {
                    let column = place.1 * stride + tapColumn - padding
                    guard column >= 0, column < width else { continue }
                    let weight = ((output * inputs + input) * kernelHeight + tapRow) * kernelWidth
                    sum +=
                        weights[weight + tapColumn]
                        * x[((image * inputs + input) * height + row) * width + column]
                }
            }
        }
        return sum
    }
}
