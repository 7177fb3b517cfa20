internal import Glibc
internal import KapokAccelerator
internal import KapokModel

/// What the host computes once for the kernels of a core: packed weights, gains and biases.
struct HostTensors: Sendable {
    let decoder: LoweredDecoder
    let share: CoreShare
    let type: ElementType
    private let weights: [String: WeightTensor]

    /// - Parameter weights: all tensors that the graph names, by their names.
    init(
        decoder: LoweredDecoder, share: CoreShare, type: ElementType,
        weights: [String: WeightTensor]
    ) {
        self.decoder = decoder
        self.share = share
        self.type = type
        self.weights = weights
    }

    /// The numbers of a tensor.
    func floats(_ name: String) -> [Float] { tensor(name).floats() }

    func tensor(_ name: String) -> WeightTensor {
        guard let tensor = weights[name] else {
            preconditionFailure("the graph names the tensor \(name)")
        }
        return tensor
    }

    /// A matrix of a block, packed, with the gain of the norm before it.
    func packed(_ matrix: BlockMatrix, layer: Int, _ layout: MatrixLayout) -> [Float] {
        let names = decoder.names[layer]
        let size = decoder.blocks[layer].headWidth
        func scaled(_ range: Range<Int>) -> Range<Int> {
            range.lowerBound * size..<range.upperBound * size
        }
        let (name, rows, columns): (String, Range<Int>, Range<Int>?) =
            switch matrix {
            case .output: (names.output, 0..<decoder.width, scaled(share.heads))
            case .gate: (names.gate, share.hidden, nil)
            case .up: (names.up, share.hidden, nil)
            case .down: (names.down, 0..<decoder.width, share.hidden)
            case .query: (names.query, scaled(share.heads), nil)
            case .key: (names.key, scaled(share.keyValueHeads), nil)
            case .value: (names.value, scaled(share.keyValueHeads), nil)
            }
        var gain: [Float]?
        if matrix.followsNorm {
            let isHidden = matrix == .gate || matrix == .up
            gain = floats(isHidden ? names.feedForwardNorm : names.attentionNorm)
        }
        return packed(name, rows, columns, gain, layout)
    }

    /// The output matrix' rows of this core, packed, with the last norm's gain.
    func packedHead(_ layout: MatrixLayout) -> [Float] {
        packed(decoder.output, share.vocabulary, nil, floats(decoder.finalNorm), layout)
    }

    private func packed(
        _ name: String, _ rows: Range<Int>, _ columns: Range<Int>?, _ gain: [Float]?,
        _ layout: MatrixLayout
    ) -> [Float] {
        let matrix = tensor(name)
        let first = columns?.lowerBound ?? 0
        let table = rows.map { matrix.floats(row: $0) }
        return layout.pack { output, input in
            table[output][first + input] * (gain?[first + input] ?? 1)
        }
    }

    /// What a kernel's heads need, by the names of its inputs.
    func headInputs(_ kernel: BlockKernel, layer: Int, positions: [Int]) -> [String: [Float]] {
        let block = decoder.blocks[layer]
        let names = decoder.names[layer]
        var inputs: [String: [Float]] = [:]
        if let rotation = block.rotation {
            let turn = RotationTables(rotation, headWidth: block.headWidth)
            inputs["angles"] = turn.angles(positions, heads: kernel.headsPerTile)
            inputs["turn"] = turn.matrix(heads: kernel.headsPerTile)
        }
        if let query = names.queryNorm, let key = names.keyNorm {
            func repeated(_ name: String) -> [Float] {
                (0..<kernel.headsPerTile).flatMap { _ in floats(name) }
            }
            inputs["queryGain"] = repeated(query)
            inputs["keyGain"] = repeated(key)
            inputs["sameHead"] = Self.sameHead(kernel)
        }
        if let query = names.queryBias, let key = names.keyBias, let value = names.valueBias {
            let size = block.headWidth
            let own = share.heads.lowerBound * size..<share.heads.upperBound * size
            let keys =
                share.keyValueHeads.lowerBound * size..<share.keyValueHeads.upperBound * size
            inputs["queryBias"] = Self.columns(Array(floats(query)[own]), kernel)
            inputs["keyBias"] = Self.columns(Array(floats(key)[keys]), kernel)
            inputs["valueBias"] = Array(floats(value)[keys])
        }
        return inputs
    }

    /// Ones where row and column belong to one head of a tile.
    private static func sameHead(_ kernel: BlockKernel) -> [Float] {
        let (rows, size) = (kernel.headTileRows, kernel.shape.headWidth)
        return (0..<rows * rows).map { $0 / rows / size == $0 % rows / size ? 1 : 0 }
    }

    /// A vector over heads as a column for each tile of them.
    private static func columns(_ vector: [Float], _ kernel: BlockKernel) -> [Float] {
        let rows = kernel.headTileRows
        let tiles = (vector.count + rows - 1) / rows
        return (0..<rows * tiles).map { place in
            let element = place % tiles * rows + place / tiles
            return element < vector.count ? vector[element] : 0
        }
    }
}

/// A rotation as a matrix that exchanges the elements of pairs, and tables of angles.
struct RotationTables {
    private let rotation: RotaryEmbedding
    private let headWidth: Int

    init(_ rotation: RotaryEmbedding, headWidth: Int) {
        self.rotation = rotation
        self.headWidth = headWidth
    }

    /// The elements of a pair.
    private func pair(_ index: Int) -> (Int, Int) {
        switch rotation.pairing {
        case .adjacent: (2 * index, 2 * index + 1)
        case .halves: (index, index + rotation.rotatedWidth / 2)
        }
    }

    /// `(-b, a)` of each pair of the heads of a tile, as the stationary matrix of a product:
    /// element (k, m) is what input k adds to output m.
    func matrix(heads: Int) -> [Float] {
        let rows = heads * headWidth
        var matrix = [Float](repeating: 0, count: rows * rows)
        for head in 0..<heads {
            for index in 0..<rotation.rotatedWidth / 2 {
                let (a, b) = pair(index)
                let start = head * headWidth
                matrix[(start + b) * rows + start + a] = -1
                matrix[(start + a) * rows + start + b] = 1
            }
        }
        return matrix
    }

    /// Cosines and sines, (heads x headWidth) x 2 x positions; elements that do not turn have 1 and
    /// 0.
    func angles(_ positions: [Int], heads: Int) -> [Float] {
        let columns = positions.count
        var cosines = [Float](repeating: 1, count: headWidth * columns)
        var sines = [Float](repeating: 0, count: headWidth * columns)
        for index in 0..<rotation.rotatedWidth / 2 {
            let (a, b) = pair(index)
            for (column, position) in positions.enumerated() {
                let angle = Double(position) * Double(rotation.frequencies[index])
                let c = Float(cos(angle) * Double(rotation.magnitude))
                let s = Float(sin(angle) * Double(rotation.magnitude))
                for element in [a, b] {
                    cosines[element * columns + column] = c
                    sines[element * columns + column] = s
                }
            }
        }
        let head = (0..<headWidth).flatMap { element in
            let row = element * columns..<(element + 1) * columns
            return cosines[row] + sines[row]
        }
        return (0..<heads).flatMap { _ in head }
    }
}
