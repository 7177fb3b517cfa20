internal import KapokAccelerator

extension BlockTrace {
    /// The tensors of the projections.
    static func headTensors(_ k: KernelBuilder, _ kernel: BlockKernel) -> HeadTensors {
        let (shape, tokens) = (kernel.shape, kernel.tokens)
        let inner = shape.heads * shape.headWidth
        return HeadTensors(
            angles: shape.isRotated
                ? k.input("angles", [kernel.headTileRows, 2, tokens], FP32.self) : nil,
            q: k.output(
                "q", kernel.isDecoding ? [tokens, inner] : [inner, tokens], Element.self),
            keys: k.output(
                "keys", [shape.keyValueHeads * shape.headWidth, tokens], Element.self),
            values: k.output(
                "values", [shape.keyValueHeads, tokens, shape.headWidth], Element.self))
    }

    /// Loads what queries and keys need beside the weights.
    static func headConstants(_ k: KernelBuilder, _ kernel: BlockKernel) -> HeadConstants {
        let shape = kernel.shape
        let rows = kernel.headTileRows
        func square(_ name: String) -> Tile<SBUF, Element> {
            let tile = k.sbuf(name, [rows, rows], Element.self)
            k.gpsimd.load(into: tile, from: k.input(name, [rows, rows], Element.self))
            return tile
        }
        /// A gain of a head, for every head of a tile.
        func gain(_ name: String) -> Tile<SBUF, FP32> {
            let tile = k.sbuf(name, [rows, 1], FP32.self)
            k.gpsimd.load(into: tile, from: k.input(name, [rows, 1], FP32.self))
            return tile
        }
        /// A bias of all heads, a column for each tile of them.
        func bias(_ name: String, heads: Int) -> Tile<SBUF, FP32> {
            let tiles = (heads + kernel.headsPerTile - 1) / kernel.headsPerTile
            let tensor = k.input(name, [rows, tiles], FP32.self)
            let tile = k.sbuf(name, [rows, tiles], FP32.self)
            k.gpsimd.load(into: tile, from: tensor)
            return tile
        }
        func valueBias() -> Tile<SBUF, FP32> {
            let elements = shape.keyValueHeads * shape.headWidth
            let partitions = min(kernel.tokens, k.machine.partitions)
            let tile = k.sbuf("valueBias", [partitions, elements], FP32.self)
            k.gpsimd.load(
                into: tile,
                from: k.input("valueBias", [elements], FP32.self)
                    .broadcast(partitions: partitions))
            return tile
        }
        return HeadConstants(
            turn: shape.isRotated ? square("turn") : nil,
            sameHead: shape.normalisesHeads ? square("sameHead") : nil,
            queryGain: shape.normalisesHeads ? gain("queryGain") : nil,
            keyGain: shape.normalisesHeads ? gain("keyGain") : nil,
            queryBias: shape.hasBias ? bias("queryBias", heads: shape.heads) : nil,
            keyBias: shape.hasBias ? bias("keyBias", heads: shape.keyValueHeads) : nil,
            valueBias: shape.hasBias ? valueBias() : nil)
    }

    /// Cosines and sines of some positions, for every head of a tile: rows x tokens.
    private struct Angles {
        let cosines: Tile<SBUF, FP32>
        let sines: Tile<SBUF, FP32>
    }

    /// Norm, queries, keys and values of some tokens.
    func projectHeads(_ stream: ColumnTable<Element>, _ span: TileSpan) {
        guard let tensors = heads, let constants = constants.heads else {
            preconditionFailure("the kernel has projections")
        }
        let angles = loadAngles(tensors, span)
        let x = normalise(stream)
        projectTiles(
            .key, x, angles, bias: constants.keyBias, gain: constants.keyGain
        ) { tile, elements in
            k.gpsimd.store(into: tensors.keys[elements, span], from: tile)
        }
        projectValues(x, tensors.values, span)
        if kernel.isDecoding {
            projectQueryRows(x, angles, tensors.q[span])
        } else {
            projectTiles(
                .query, x, angles, bias: constants.queryBias, gain: constants.queryGain
            ) { tile, elements in
                k.sync.store(into: tensors.q[elements, span], from: tile)
            }
        }
    }

    private func loadAngles(_ tensors: HeadTensors, _ span: TileSpan) -> Angles? {
        guard let angles = tensors.angles else { return nil }
        let tile = k.sbuf("angles", [kernel.headTileRows, 2, span.count], FP32.self)
        k.gpsimd.load(into: tile, from: angles[.all, .all, span])
        return Angles(cosines: tile[.all, 0], sines: tile[.all, 1])
    }

    /// Queries of single tokens: a row of all heads for each.
    private func projectQueryRows(
        _ x: ColumnTable<Element>, _ angles: Angles?, _ target: Tensor<Element>
    ) {
        guard let identity = constants.identity, let heads = constants.heads else {
            preconditionFailure("decoding transposes queries")
        }
        let inner = kernel.shape.heads * kernel.shape.headWidth
        let rows = k.sbuf("queryRows", [x.tokens, inner], Element.self)
        projectTiles(
            .query, x, angles, bias: heads.queryBias, gain: heads.queryGain
        ) { tile, elements in
            let flipped = k.psum("flippedQueries", [x.tokens, elements.count], Element.self)
            k.tensor.transpose(into: flipped, tile, identity: identity)
            k.vector.copy(into: rows[.all, elements], flipped)
        }
        k.sync.store(into: target, from: rows)
    }

    /// Queries or keys: a tile of whole heads at a time, elements x tokens, is given to `store`.
    private func projectTiles(
        _ matrix: BlockMatrix, _ x: ColumnTable<Element>, _ angles: Angles?,
        bias: Tile<SBUF, FP32>?, gain: Tile<SBUF, FP32>?,
        store: (Tile<SBUF, Element>, Range<Int>) -> Void
    ) {
        let weights = stream(matrix)
        let tileRows = kernel.headTileRows
        k.loop("\(matrix.rawValue)Chunk", weights.layout.chunks) { span in
            let chunk = weights.chunk(span)
            for part in span.pieces(by: tileRows) {
                let first = part.start - span.start
                let sum = product(
                    chunk, x, outputs: first..<(first + part.count), rows: tileRows, "heads")
                let column = part.start / tileRows
                let tile = finish(
                    sum[.all, 0], bias: bias?[..<part.count, column...column],
                    gain: gain?[..<part.count], angles)
                store(tile, part.start..<(part.start + part.count))
            }
        }
    }

    /// Bias, norm by head and rotation of a tile.
    private func finish(
        _ sum: Tile<PSUM, FP32>, bias: Tile<SBUF, FP32>?, gain: Tile<SBUF, FP32>?,
        _ angles: Angles?
    ) -> Tile<SBUF, Element> {
        let (rows, tokens) = (sum.partitionCount, sum.elementsPerPartition)
        var tile = k.sbuf("projected", [rows, tokens], Element.self)
        if let bias {
            k.scalar.activation(.identity, into: tile, sum, bias: .column(bias))
        } else {
            k.scalar.copy(into: tile, sum)
        }
        if let gain, let sameHead = constants.heads?.sameHead {
            tile = normaliseHeads(tile, gain, sameHead)
        }
        if let angles, let turn = constants.heads?.turn { tile = rotate(tile, angles, turn) }
        return tile
    }

    /// The norm of each head, with its gain.
    private func normaliseHeads(
        _ tile: Tile<SBUF, Element>, _ gain: Tile<SBUF, FP32>, _ sameHead: Tile<SBUF, Element>
    ) -> Tile<SBUF, Element> {
        let (rows, tokens) = (tile.partitionCount, tile.elementsPerPartition)
        let squares = k.sbuf("headSquares", [rows, tokens], Element.self)
        k.scalar.activation(.square, into: squares, tile)
        let sum = k.psum("headSum", [rows, tokens])
        k.tensor.matmul(into: sum, stationary: sameHead[..<rows, ..<rows], moving: squares)
        let scale = k.sbuf("headScale", [rows, tokens], FP32.self)
        k.scalar.activation(
            .rsqrt, into: scale, sum, scale: .value(1 / Float(kernel.shape.headWidth)),
            bias: .value(kernel.shape.epsilon))
        let normal = k.sbuf("normalHeads", [rows, tokens], Element.self)
        k.vector.scalarTensorTensor(
            into: normal, tile, .multiply, .column(gain), .multiply, scale)
        return normal
    }

    /// `x cos + turn(x) sin`. The products with cosines are gpsimd's; those with sines stay in
    /// PSUM, where the vector engine needs one cycle for an element instead of two.
    private func rotate(
        _ tile: Tile<SBUF, Element>, _ angles: Angles, _ turn: Tile<SBUF, Element>
    ) -> Tile<SBUF, Element> {
        let (rows, tokens) = (tile.partitionCount, tile.elementsPerPartition)
        let crossed = k.psum("crossed", [rows, tokens])
        k.tensor.matmul(into: crossed, stationary: turn[..<rows, ..<rows], moving: tile)
        let straight = k.sbuf("straight", [rows, tokens], FP32.self)
        k.gpsimd.tensorTensor(.multiply, into: straight, tile, angles.cosines[..<rows])
        k.vector.multiply(into: crossed, crossed, angles.sines[..<rows])
        let turned = k.sbuf("turned", [rows, tokens], Element.self)
        k.vector.add(into: turned, crossed, straight)
        return turned
    }

    /// Values: tokens in partitions, as attention wants them.
    private func projectValues(
        _ x: ColumnTable<Element>, _ target: Tensor<Element>, _ span: TileSpan
    ) {
        let weights = stream(.value)
        let size = kernel.shape.headWidth
        k.loop("valueChunk", weights.layout.chunks) { columns in
            let chunk = weights.chunk(columns)
            for part in TileSpan.pieces(of: span.count, by: k.machine.partitions) {
                let sum = k.psum("values", [part.count, columns.count])
                for index in 0..<x.tiles {
                    k.tensor.matmul(
                        into: sum, stationary: x.tile(index)[.all, part],
                        moving: chunk.tile(index, 0..<columns.count), accumulate: index > 0)
                }
                let values = k.sbuf(
                    "valueRows", [part.count, columns.count / size, size], Element.self)
                if let bias = constants.heads?.valueBias {
                    k.vector.add(
                        into: values, sum.split(1, inner: size),
                        bias[..<part.count, columns].split(1, inner: size))
                } else {
                    k.vector.copy(into: values, sum.split(1, inner: size))
                }
                let heads = columns.start / size..<(columns.start + columns.count) / size
                let tokens = span.start + part.start..<span.start + part.start + part.count
                k.scalar.store(into: target[heads, tokens].permuted([1, 0, 2]), from: values)
            }
        }
    }
}
