import CKernels

/// The numbers of a model that a pass needs, as plain values.
struct PassShape {
    let layers: Int
    let width: Int
    let feedForward: Int
    let heads: Int
    let keyValueHeads: Int
    let headWidth: Int
    let vocabulary: Int
    let epsilon: Float
    /// Pairs of a head's elements that positions turn.
    let pairs: Int
    let turnsHalves: Int32
    let magnitude: Float
    /// What queries are multiplied by, so that the softmax is made of powers of two.
    let queryScale: Float
    /// A head's elements in a page's values.
    let valueStride: Int
    /// Bytes of a layer's keys and values of one head in a page.
    let headBytes: Int

    /// Query heads of one key and value head.
    var group: Int { heads / keyValueHeads }
    /// Elements of all query heads.
    var queryWidth: Int { heads * headWidth }
    /// Elements of queries, keys and values of a token.
    var projectedWidth: Int { (heads + 2 * keyValueHeads) * headWidth }
    /// Tokens whose queries go through attention together, so that they share what is loaded:
    /// about 24 rows stay in the first cache beside a block of keys.
    var tileTokens: Int { max(1, 24 / group) }
    /// Rows of queries of a tile.
    var tileRows: Int { tileTokens * group }
    /// Floats of a partial result of attention over so many rows.
    func partialFloats(rows: Int) -> Int { (2 * rows + rows * valueStride + 15) / 16 * 16 }

    init(_ configuration: ModelConfiguration) {
        layers = configuration.layers
        width = configuration.width
        feedForward = configuration.feedForwardWidth
        heads = configuration.heads
        keyValueHeads = configuration.keyValueHeads
        headWidth = configuration.headWidth
        vocabulary = configuration.vocabularySize
        epsilon = configuration.normEpsilon
        pairs = configuration.rope.rotatedWidth / 2
        turnsHalves = configuration.rope.pairing == .halves ? 1 : 0
        magnitude = configuration.rope.magnitude
        // log2(e) / sqrt(head width)
        let scale = 1.4426950408889634 / Double(configuration.headWidth).squareRoot()
        queryScale = Float(scale)
        valueStride = kapok_value_stride(configuration.headWidth)
        headBytes = KVCache.headBytes(configuration)
    }
}

/// Activations in the forms that the matrices want.
struct PackedActivations {
    let floats: UnsafeMutableRawPointer
    let bytes: UnsafeMutableRawPointer

    init(_ memory: inout MemoryLayout64, columns: Int, rows: Int) {
        floats = memory.take(
            bytes: rows * kapok_linear_activation_bytes(KAPOK_WEIGHT_F32, columns))
        bytes = memory.take(
            bytes: rows * kapok_linear_activation_bytes(KAPOK_WEIGHT_Q8_0, columns))
    }

    /// Where row `row` begins in the form that `matrix` wants.
    func row(_ row: Int, for matrix: PackedMatrix) -> UnsafeMutableRawPointer {
        let stride = kapok_linear_activation_bytes(matrix.type, matrix.columns)
        return (matrix.form == .floats ? floats : bytes) + row * stride
    }

    /// Packs a row of `columns` floats in each of `forms`.
    func pack(
        _ x: UnsafePointer<Float>, columns: Int, row: Int, forms: ActivationForms
    ) {
        if forms.floats {
            let stride = kapok_linear_activation_bytes(KAPOK_WEIGHT_F32, columns)
            kapok_linear_pack_activations(
                KAPOK_WEIGHT_F32, columns, x, columns, 1, floats + row * stride)
        }
        if forms.bytes {
            let stride = kapok_linear_activation_bytes(KAPOK_WEIGHT_Q8_0, columns)
            kapok_linear_pack_activations(
                KAPOK_WEIGHT_Q8_0, columns, x, columns, 1, bytes + row * stride)
        }
    }
}

/// What all threads of a pass share: one row for each token.
struct PassBuffers {
    /// The residual stream.
    let x: UnsafeMutablePointer<Float>
    /// The residual stream of the rows with a result, in the last block.
    let wanted: UnsafeMutablePointer<Float>
    /// Queries, keys and values.
    let projected: UnsafeMutablePointer<Float>
    /// What attention gives.
    let attended: UnsafeMutablePointer<Float>
    /// The feed-forward layer, gated.
    let hidden: UnsafeMutablePointer<Float>
    /// Cosines and sines of each token's position.
    let turns: UnsafeMutablePointer<Float>
    let activations: PackedActivations

    init(_ memory: inout MemoryLayout64, _ shape: PassShape, rows: Int) {
        x = memory.takeFloats(rows * shape.width)
        wanted = memory.takeFloats(rows * shape.width)
        projected = memory.takeFloats(rows * shape.projectedWidth)
        attended = memory.takeFloats(rows * shape.queryWidth)
        hidden = memory.takeFloats(rows * shape.feedForward)
        turns = memory.takeFloats(rows * 2 * shape.pairs)
        activations = PackedActivations(&memory, columns: shape.widest, rows: rows)
    }
}

extension PassShape {
    /// The most columns that a matrix has.
    var widest: Int { max(width, queryWidth, feedForward) }
}

/// What each thread of a pass has for itself.
struct ThreadScratch {
    /// Floats of a tile of a product.
    static let tileFloats = 16384

    let tile: UnsafeMutablePointer<Float>
    let secondTile: UnsafeMutablePointer<Float>
    /// A row before it is packed.
    let row: UnsafeMutablePointer<Float>
    /// A key before it is stored.
    let head: UnsafeMutablePointer<Float>
    /// The queries of a tile.
    let queries: UnsafeMutablePointer<Float>
    let attention: UnsafeMutableRawPointer
    let state: kapok_attention_state
    let segmentState: kapok_attention_state
    /// A few rows that every thread packs for itself.
    let activations: PackedActivations

    init(_ memory: inout MemoryLayout64, _ shape: PassShape) {
        tile = memory.takeFloats(Self.tileFloats)
        secondTile = memory.takeFloats(Self.tileFloats)
        row = memory.takeFloats(shape.widest)
        head = memory.takeFloats(shape.headWidth)
        queries = memory.takeFloats(shape.tileRows * shape.headWidth)
        attention = memory.take(
            bytes: kapok_attention_scratch_bytes(shape.headWidth, shape.tileRows))
        func state() -> kapok_attention_state {
            kapok_attention_state(
                at: memory.takeFloats(shape.partialFloats(rows: shape.tileRows)),
                rows: shape.tileRows, stride: shape.valueStride)
        }
        self.state = state()
        segmentState = state()
        activations = PackedActivations(
            &memory, columns: shape.widest, rows: ForwardPass.redundantRows)
        // Two threads' scratch never shares a line that is fetched in pairs.
        _ = memory.take(bytes: 128)
    }
}

extension kapok_attention_state {
    /// The results of `rows` rows at `floats`: values first, so that they are aligned.
    init(at floats: UnsafeMutablePointer<Float>, rows: Int, stride: Int) {
        self.init(
            largest: floats + rows * stride, sum: floats + rows * (stride + 1), values: floats)
    }
}
