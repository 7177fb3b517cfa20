internal import KapokWorld

/// `result[M, N] = lhsT^T rhs`: the left matrix is stored transposed, [K, M], because the tensor
/// engine wants the contraction dimension in the partitions of both operands.
///
/// The steps v2 to v5 follow the structure of the published matmul tutorial (its v1 is a single
/// tile); `tuned` is our own. All take any M, K and N: edges are masked.
struct MatmulKernel: LibraryKernel {
    let name = "matmul"
    let summary = "matrix product of lhsT [k, m], stored transposed, and rhs [k, n]"
    let parameters = [
        KernelParameterDefinition("m", 4096, 1...131_072, "the number of result rows"),
        KernelParameterDefinition("k", 8192, 1...131_072, "the length of the contraction"),
        KernelParameterDefinition("n", 8192, 1...131_072, "the number of result columns"),
    ]
    let variants = [
        KernelVariant("tuned", "eight PSUM banks over all of K, large transfers, resident rhs"),
        KernelVariant("v2", "tutorial: a tile of the result at a time, both operands reloaded"),
        KernelVariant("v3", "tutorial: loads hoisted out of the inner loops"),
        KernelVariant("v4", "tutorial: blocks of 2 x 2 tiles of the result"),
        KernelVariant("v5", "tutorial: blocks of 16 x 2 tiles of the result and 8 of K"),
    ]
    let elementTypes: [ElementType] = [
        .fp32, .bf16, .fp16, .tf32, .fp8e4m3, .fp8e4m3fn, .fp8e5m2, .fp8e3m4,
    ]

    /// The most multiplications of tiles that a trace takes: 64 times those of the default shape.
    private static let maximumTileProducts = 1 << 21

    func problem(with arguments: KernelArguments) -> String? {
        func tiles(_ extent: Int, _ size: Int) -> Int { (extent + size - 1) / size }
        let products =
            tiles(arguments["m"], 128) * tiles(arguments["k"], 128) * tiles(arguments["n"], 512)
        guard products > Self.maximumTileProducts else { return nil }
        return "\(products) tile products, but a trace takes at most \(Self.maximumTileProducts)"
    }

    /// Eight bits cannot hold sums of many products: FP8 operands give a BF16 result.
    private static func resultType(_ type: ElementType) -> ElementType {
        switch type {
        case .fp8e4m3, .fp8e4m3fn, .fp8e5m2, .fp8e3m4: .bf16
        case .tf32: .fp32
        default: type
        }
    }

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let type = arguments.type
        let (m, k, n) = (arguments["m"], arguments["k"], arguments["n"])
        return [
            TensorDeclaration(name: "lhsT", shape: [k, m], type: type, role: .input),
            TensorDeclaration(name: "rhs", shape: [k, n], type: type, role: .input),
            TensorDeclaration(
                name: "result", shape: [m, n], type: Self.resultType(type), role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let resultType = Self.resultType(arguments.type).matrixTag ?? FP32.self
        build(k, arguments, type, resultType)
    }

    private func build<Element: MatrixElement, Result: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type,
        _ resultType: Result.Type
    ) {
        let (m, depth, n) = (arguments["m"], arguments["k"], arguments["n"])
        let product = MatrixProduct(
            k: k, m: m, depth: depth, n: n, lhsT: k.input("lhsT", [depth, m], type),
            rhs: k.input("rhs", [depth, n], type),
            result: k.output("result", [m, n], resultType))
        switch arguments.variant {
        case "v2": product.tileByTile()
        case "v3": product.withHoistedLoads()
        case "v4": product.inSmallBlocks()
        case "v5": product.inBlocksOfAllDimensions()
        default: product.tuned()
        }
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let (m, depth, n) = (arguments["m"], arguments["k"], arguments["n"])
        let lhsT = inputs["lhsT"] ?? []
        let rhs = inputs["rhs"] ?? []
        precondition(lhsT.count == depth * m && rhs.count == depth * n, "inputs of the right shape")
        let result = [Double](unsafeUninitializedCapacity: m * n) { result, count in
            result.initialize(repeating: 0)
            rhs.withUnsafeBufferPointer { rhs in
                for k in 0..<depth {
                    for row in 0..<m {
                        let factor = lhsT[k * m + row]
                        for column in 0..<n {
                            result[row * n + column] += factor * rhs[k * n + column]
                        }
                    }
                }
            }
            count = m * n
        }
        return ["result": result]
    }

    /// Rounding of the result, and K additions in FP32 whose partial sums of products of numbers
    /// in -1 to 1 grow like the square root of K: an eightfold margin over the expected error.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        let type = Self.resultType(arguments.type)
        return ErrorBound(
            absolute: type.smallestStep
                + 8 * Double(arguments["k"]) * ElementType.fp32.roundingError,
            relative: type.roundingError)
    }
}

/// A matrix product on its way: what all steps share. The steps are in `MatmulTutorial.swift` and
/// `MatmulTuned.swift`.
struct MatrixProduct<Element: MatrixElement, Result: MatrixElement> {
    let k: KernelBuilder
    let m: Int
    let depth: Int
    let n: Int
    let lhsT: Tensor<Element>
    let rhs: Tensor<Element>
    let result: Tensor<Result>

    /// Rows of the contraction in a tile: the rows of the array.
    var tileK: Int { k.machine.tensorRows }
    /// Columns of a stationary tile, which become rows of the result.
    var tileM: Int { k.machine.stationaryColumns }
    /// Columns of a moving tile: one PSUM bank of FP32.
    var tileN: Int { k.machine.movingColumns }
}
