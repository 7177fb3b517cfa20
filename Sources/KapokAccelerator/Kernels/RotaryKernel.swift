internal import Glibc
internal import KapokWorld

/// Rotary position embedding: each pair of elements of a head is turned by an angle that grows with
/// the position, `(a cos - b sin, b cos + a sin)`.
///
/// Pairs are the two halves of a head (`interleaved` 0) or neighbours (1); to the engines these are
/// two access patterns of the same tiles, and nothing is moved. Positions lie in partitions, so
/// that cosines and sines of a position serve all heads as a pattern of stride 0.
///
/// An elementwise product costs two cycles an element in SBUF but one when an operand lies in PSUM.
/// So the vector engine writes `x cos` of all elements to PSUM and adds from there, 2 cycles an
/// element in all, while the gpsimd engine multiplies exchanged halves by sines: both are busy, and
/// three times as fast as the vector engine alone in SBUF. (On Trainium1 the two engines share one
/// path to SBUF and take turns.)
struct RotaryKernel: LibraryKernel {
    let name = "rope"
    let summary = "rotary position embedding of all heads of a sequence"
    let parameters = [
        KernelParameterDefinition("sequence", 4096, 1...1_048_576, "the number of positions"),
        KernelParameterDefinition("heads", 32, 1...1024, "the number of heads"),
        KernelParameterDefinition("headSize", 128, 2...512, "the elements of a head"),
        KernelParameterDefinition(
            "interleaved", 0, 0...1, "1: neighbours are pairs, 0: halves of a head"),
    ]
    let variants = [
        KernelVariant("tuned", "products in PSUM, vector and gpsimd engines side by side")
    ]
    let elementTypes: [ElementType] = [.bf16, .fp32, .fp16]

    func problem(with arguments: KernelArguments) -> String? {
        let size = arguments["headSize"]
        return size % 2 == 0 ? nil : "a head of \(size) elements has no pairs: take an even size"
    }

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let (sequence, size) = (arguments["sequence"], arguments["headSize"])
        let shape = [sequence, arguments["heads"], size]
        let table = [sequence, size / 2]
        return [
            TensorDeclaration(name: "x", shape: shape, type: arguments.type, role: .input),
            TensorDeclaration(name: "cos", shape: table, type: .fp32, role: .input),
            TensorDeclaration(name: "sin", shape: table, type: .fp32, role: .input),
            TensorDeclaration(name: "result", shape: shape, type: arguments.type, role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let shapes = tensors(arguments).map(\.shape)
        RotaryEmbedding(
            k: k, isInterleaved: arguments["interleaved"] == 1, x: k.input("x", shapes[0], type),
            cosines: k.input("cos", shapes[1], FP32.self),
            sines: k.input("sin", shapes[2], FP32.self),
            result: k.output("result", shapes[3], type)
        ).build()
    }

    /// The tables of a model: pair `i` turns by `position * 10000^(-2 i / headSize)`.
    func values(
        for input: TensorDeclaration, _ arguments: KernelArguments, from stream: inout RandomStream
    ) -> [Float] {
        guard input.name != "x" else { return stream.uniform(-1, 1, count: input.elementCount) }
        let pairs = input.shape[1]
        return (0..<input.elementCount).map { place in
            let (position, pair) = (place / pairs, place % pairs)
            let angle = Double(position) * pow(10_000, -Double(pair) / Double(pairs))
            return Float(input.name == "cos" ? cos(angle) : sin(angle))
        }
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let x = inputs["x"] ?? []
        let (cosines, sines) = (inputs["cos"] ?? [], inputs["sin"] ?? [])
        let (size, heads) = (arguments["headSize"], arguments["heads"])
        let half = size / 2
        let isInterleaved = arguments["interleaved"] == 1
        var result = x
        for row in 0..<(x.count / size) {
            for pair in 0..<half {
                let first = row * size + (isInterleaved ? 2 * pair : pair)
                let second = first + (isInterleaved ? 1 : half)
                let entry = row / heads * half + pair
                result[first] = x[first] * cosines[entry] - x[second] * sines[entry]
                result[second] = x[second] * cosines[entry] + x[first] * sines[entry]
            }
        }
        return ["result": result]
    }

    /// Two FP32 products and a sum of numbers up to 2, and rounding of the result.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        ErrorBound(
            absolute: arguments.type.smallestStep + 4 * ElementType.fp32.roundingError,
            relative: arguments.type.roundingError)
    }
}

/// A rotary embedding on its way.
private struct RotaryEmbedding<Element: MatrixElement> {
    let k: KernelBuilder
    let isInterleaved: Bool
    /// sequence x heads x headSize, and so is the result.
    let x: Tensor<Element>
    /// sequence x headSize / 2, and so are the sines.
    let cosines: Tensor<FP32>
    let sines: Tensor<FP32>
    let result: Tensor<Element>

    /// Elements of a position that one transfer moves, and that one instruction works on (two PSUM
    /// banks of FP32).
    private static var transferElements: Int { 8192 }
    private static var stepElements: Int { 1024 }

    private var headSize: Int { x.shape[2] }

    func build() {
        let transferHeads = max(1, Self.transferElements / headSize)
        let stepHeads = max(1, Self.stepElements / headSize)
        k.loop("positions", over: x.shape[0], by: k.machine.partitions) { positions in
            let table = load(positions)
            k.loop("heads", over: x.shape[1], by: transferHeads) { heads in
                let shape = [positions.count, heads.count, headSize]
                let input = k.sbuf("input", shape, Element.self)
                let output = k.sbuf("output", shape, Element.self)
                k.load(into: input, from: x[positions, heads])
                k.loop("step", over: heads.count, by: stepHeads) { step in
                    rotate(input[.all, step], table, into: output[.all, step])
                }
                k.store(into: result[positions, heads], from: output)
            }
        }
    }

    /// Cosines of some positions, and sines with the sign that the first and the second element of
    /// a pair get: positions x 2 x pairs.
    private struct Table {
        let cosines: Tile<SBUF, FP32>
        let sines: Tile<SBUF, FP32>
    }

    private func load(_ positions: TileSpan) -> Table {
        let pairs = headSize / 2
        let cosineTile = k.sbuf("cosines", [positions.count, pairs], FP32.self)
        let sineTile = k.sbuf("sines", [positions.count, 2, pairs], FP32.self)
        k.load(into: cosineTile, from: cosines[positions])
        k.load(into: sineTile[.all, 1], from: sines[positions])
        k.scalar.multiply(into: sineTile[.all, 0], sineTile[.all, 1], by: -1)
        return Table(cosines: cosineTile, sines: sineTile)
    }

    private func rotate(
        _ input: Tile<SBUF, Element>, _ table: Table, into output: Tile<SBUF, Element>
    ) {
        let heads = input.shape[1]
        let straight = k.psum("straight", input.shape)
        let crossed = k.sbuf("crossed", input.shape, FP32.self)
        let both =
            isInterleaved ? table.cosines.repeated(2) : table.cosines.repeatedOutside(2)
        k.vector.multiply(into: straight, input, both.repeatedOutside(heads))
        for place in 0..<2 {
            k.gpsimd.tensorTensor(
                .multiply, into: members(place, of: crossed), members(1 - place, of: input),
                table.sines[.all, place].repeatedOutside(heads))
        }
        k.vector.add(into: output, straight, crossed)
    }

    /// First (0) or second (1) elements of all pairs: positions x heads x pairs.
    private func members<Other: TileElement>(
        _ place: Int, of tile: Tile<SBUF, Other>
    ) -> Tile<SBUF, Other> {
        isInterleaved
            ? tile[.all, .all, .every(2, in: place..<headSize)]
            : tile[.all, .all, (place * headSize / 2)..<((place + 1) * headSize / 2)]
    }
}
