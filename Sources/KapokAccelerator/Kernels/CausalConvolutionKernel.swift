internal import Glibc
internal import KapokWorld

/// Depthwise causal convolution with bias and SiLU, as in front of a selective scan: `y[c, t] =
/// silu(bias[c] + sum over i of weights[c, i] * x[c, t - width + 1 + i])`, zero before the start.
/// (A convolution that mixes channels is `conv2d` with a height of 1.)
///
/// Channels lie in partitions, time in the free dimension. A tap is a product with a diagonal
/// matrix of its weights: the tensor engine reads the same tile once for each tap, shifted by one
/// element, and sums up in PSUM, exactly as for a dense convolution. In BF16 four taps cost 4 x 512
/// cycles at 2.4 GHz for 512 steps of 128 channels, 0.85 us, where the vector engine would need
/// 3.7; bias and SiLU are one activation on the way out. The transfers of both directions take 0.71
/// us, so tensor and DMA engines are busy together.
struct CausalConvolutionKernel: LibraryKernel {
    let name = "conv1d"
    let summary = "depthwise causal convolution over time with bias and SiLU"
    let parameters = [
        KernelParameterDefinition("batch", 1, 1...1024, "the number of sequences"),
        KernelParameterDefinition("channels", 2048, 1...65_536, "the number of channels"),
        KernelParameterDefinition("length", 4096, 1...1_048_576, "the number of steps"),
        KernelParameterDefinition("width", 4, 1...16, "the taps of the filter"),
    ]
    let variants = [KernelVariant("tuned", "taps as diagonal matrices, summed up in PSUM")]
    let elementTypes: [ElementType] = [.bf16, .fp32, .fp16]

    /// Multiplications of one trace at most.
    private static let maximumProducts = 1 << 22

    func problem(with arguments: KernelArguments) -> String? {
        let products =
            arguments["batch"] * ((arguments["channels"] + 127) / 128)
            * ((arguments["length"] + 511) / 512) * arguments["width"]
        guard products > Self.maximumProducts else { return nil }
        return "\(products) products of tiles, but a trace takes at most \(Self.maximumProducts)"
    }

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let type = arguments.type
        let channels = arguments["channels"]
        let shape = [arguments["batch"], channels, arguments["length"]]
        return [
            TensorDeclaration(name: "x", shape: shape, type: type, role: .input),
            TensorDeclaration(
                name: "weights", shape: [channels, arguments["width"]], type: type, role: .input),
            TensorDeclaration(name: "bias", shape: [channels, 1], type: type, role: .input),
            TensorDeclaration(name: "result", shape: shape, type: type, role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let shapes = tensors(arguments).map(\.shape)
        CausalConvolution(
            k: k, x: k.input("x", shapes[0], type), weights: k.input("weights", shapes[1], type),
            bias: k.input("bias", shapes[2], type), result: k.output("result", shapes[3], type)
        ).build()
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let x = inputs["x"] ?? []
        let (weights, bias) = (inputs["weights"] ?? [], inputs["bias"] ?? [])
        let (channels, length) = (arguments["channels"], arguments["length"])
        let width = arguments["width"]
        var result = x
        for row in 0..<(x.count / length) {
            let channel = row % channels
            for time in 0..<length {
                var sum = bias[channel]
                for tap in max(0, width - 1 - time)..<width {
                    sum += weights[channel * width + tap] * x[row * length + time - width + 1 + tap]
                }
                result[row * length + time] = sum / (1 + exp(-sum))
            }
        }
        return ["result": result]
    }

    /// A sum of `width` products and a bias in -1 to 1 in FP32, SiLU (whose slope is at most 1.1),
    /// and rounding of the result.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        let terms = Double(arguments["width"] + 1)
        return ErrorBound(
            absolute: arguments.type.smallestStep
                + 2 * terms * (terms + 2) * ElementType.fp32.roundingError,
            relative: arguments.type.roundingError)
    }
}

/// A causal convolution on its way.
private struct CausalConvolution<Element: MatrixElement> {
    let k: KernelBuilder
    /// batch x channels x length, and so is the result.
    let x: Tensor<Element>
    /// channels x width.
    let weights: Tensor<Element>
    /// channels x 1.
    let bias: Tensor<Element>
    let result: Tensor<Element>

    /// Steps of one transfer: rows of at least 4 KiB.
    private static var transferSteps: Int { 2048 }

    private var width: Int { weights.shape[1] }

    func build() {
        k.loop("channels", over: x.shape[1], by: k.machine.tensorRows) { channels in
            let filter = load(channels)
            k.loop("batch", 0..<x.shape[0]) { batch in
                k.loop("time", over: x.shape[2], by: Self.transferSteps) { time in
                    let input = load(x[batch, channels], time)
                    let output = k.sbuf("output", [channels.count, time.count], Element.self)
                    k.loop("piece", over: time.count, by: k.machine.movingColumns) { piece in
                        convolve(input, filter, piece, into: output[.all, piece])
                    }
                    k.gpsimd.store(into: result[batch, channels, time], from: output)
                }
            }
        }
    }

    /// The filter of a tile of channels: channels x taps x channels, each tap a diagonal matrix,
    /// and the bias.
    private struct Filter {
        let taps: Tile<SBUF, Element>
        let bias: Tile<SBUF, Element>
    }

    private func load(_ channels: TileSpan) -> Filter {
        let count = channels.count
        let columns = k.sbuf("columns", [count, width], Element.self)
        let taps = k.sbuf("taps", [count, width, count], Element.self)
        let biasTile = k.sbuf("bias", [count, 1], Element.self)
        k.load(into: columns, from: weights[channels])
        k.load(into: biasTile, from: bias[channels])
        let identity = k.identity(of: Element.self)[..<count, ..<count]
        for tap in 0..<width {
            k.vector.multiply(
                into: taps[.all, tap], identity, by: .column(columns[.all, tap..<(tap + 1)]))
        }
        return Filter(taps: taps, bias: biasTile)
    }

    /// Some steps and those before them that the filter reaches; zeros before the start.
    private func load(_ rows: Tensor<Element>, _ time: TileSpan) -> Tile<SBUF, Element> {
        let before = width - 1
        let tile = k.sbuf("input", [rows.shape[0], before + time.count], Element.self)
        let present = min(before, time.start)
        if present < before { k.vector.memset(tile[.all, ..<(before - present)], to: 0) }
        let range = (time.start - present)..<(time.start + time.count)
        k.load(into: tile[.all, (before - present)...], from: rows[.all, range])
        return tile
    }

    private func convolve(
        _ input: Tile<SBUF, Element>, _ filter: Filter, _ piece: TileSpan,
        into output: Tile<SBUF, Element>
    ) {
        let sum = k.psum("sum", output.shape)
        for tap in 0..<width {
            let start = piece.start + tap
            k.tensor.matmul(
                into: sum, stationary: filter.taps[.all, tap],
                moving: input[.all, start..<(start + piece.count)], accumulate: tap > 0)
        }
        k.scalar.activation(.silu, into: output, sum, bias: .column(filter.bias))
    }
}
