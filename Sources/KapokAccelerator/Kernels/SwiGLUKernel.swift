internal import Glibc
internal import KapokWorld

/// The feed-forward layer of current language models: `(silu(x gate) * (x up)) down`. See
/// ``GatedFeedForward``.
struct SwiGLUKernel: LibraryKernel {
    let name = "swiglu"
    let summary = "gated feed-forward layer: (silu(x gate) * (x up)) down"
    let parameters = [
        KernelParameterDefinition("tokens", 2048, 1...131_072, "the rows of x"),
        KernelParameterDefinition("model", 2048, 1...8192, "the columns of x and of the result"),
        KernelParameterDefinition("hidden", 5632, 1...16_384, "the columns of gate and up"),
    ]
    let variants = [
        KernelVariant("tuned", "hidden units in partitions, nothing transposed or stored between")
    ]
    let elementTypes: [ElementType] = [.bf16, .fp32, .fp16]

    /// Products of tiles in one trace at most.
    private static let maximumProducts = 1 << 21

    func problem(with arguments: KernelArguments) -> String? {
        func tiles(_ name: String, _ size: Int) -> Int { (arguments[name] + size - 1) / size }
        let products = 3 * tiles("tokens", 128) * tiles("model", 128) * tiles("hidden", 128) / 4
        guard products > Self.maximumProducts else { return nil }
        return "\(products) products of tiles, but a trace takes at most \(Self.maximumProducts)"
    }

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let (model, hidden) = (arguments["model"], arguments["hidden"])
        let rows = [arguments["tokens"], model]
        func tensor(
            _ name: String, _ shape: [Int], _ role: TensorDeclaration.Role = .input
        ) -> TensorDeclaration {
            TensorDeclaration(name: name, shape: shape, type: arguments.type, role: role)
        }
        return [
            tensor("x", rows), tensor("gate", [model, hidden]), tensor("up", [model, hidden]),
            tensor("down", [hidden, model]), tensor("result", rows, .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let shapes = tensors(arguments).map(\.shape)
        GatedFeedForward(
            k: k, x: k.input("x", shapes[0], type), gate: k.input("gate", shapes[1], type),
            up: k.input("up", shapes[2], type), down: k.input("down", shapes[3], type),
            result: k.output("result", shapes[4], type)
        ).build()
    }

    /// Weights of a variance that gives sums of about 1 (less from few rows), as initialised models
    /// have them.
    func values(
        for input: TensorDeclaration, _ arguments: KernelArguments, from stream: inout RandomStream
    ) -> [Float] {
        guard input.name != "x" else { return stream.uniform(-1, 1, count: input.elementCount) }
        let limit = min(1, 3 / Float(input.shape[0]).squareRoot())
        return stream.uniform(-limit, limit, count: input.elementCount)
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let (model, hidden) = (arguments["model"], arguments["hidden"])
        func product(_ a: [Double], _ b: [Double], _ inner: Int, _ columns: Int) -> [Double] {
            let rows = arguments["tokens"]
            var result = [Double](repeating: 0, count: rows * columns)
            for row in 0..<rows {
                for place in 0..<inner {
                    let factor = a[row * inner + place]
                    for column in 0..<columns {
                        result[row * columns + column] += factor * b[place * columns + column]
                    }
                }
            }
            return result
        }
        let x = inputs["x"] ?? []
        var units = product(x, inputs["gate"] ?? [], model, hidden)
        let ups = product(x, inputs["up"] ?? [], model, hidden)
        for index in units.indices { units[index] *= ups[index] / (1 + exp(-units[index])) }
        return ["result": product(units, inputs["down"] ?? [], hidden, model)]
    }

    /// Hidden units are rounded to the type: their errors add up to about a quarter of the type's
    /// in a result of about 0.4, and five times that in the worst of many. FP32 sums over both
    /// dimensions grow like their square root: an eightfold margin, as for matmul. At last the
    /// result is rounded.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        let terms = Double(arguments["model"] + arguments["hidden"])
        return ErrorBound(
            absolute: arguments.type.smallestStep + 4 * arguments.type.roundingError
                + 8 * terms * ElementType.fp32.roundingError,
            relative: arguments.type.roundingError)
    }
}
