/// The matrices of a block's kernels in the order of their use; raw values are names of tensors.
enum BlockMatrix: String, CaseIterable, Hashable, Sendable {
    case output, gate, up, down, key, value, query

    /// Whether the norm's gain is part of it.
    var followsNorm: Bool {
        switch self {
        case .gate, .up, .query, .key, .value: true
        case .output, .down: false
        }
    }
}

extension BlockKernel {
    /// How the matrices of the kernel's stages lie in HBM. The kernel of all stages has the output
    /// matrix of one block and the projections of the next, of the same shape.
    func layouts(elementBytes: Int) -> [BlockMatrix: MatrixLayout] {
        func layout(
            _ inputs: Int, _ outputs: Int, multiple: Int = 128, maximum: Int = .max
        ) -> MatrixLayout {
            MatrixLayout(
                inputs: inputs, outputs: outputs, multiple: multiple, maximum: maximum,
                elementBytes: elementBytes)
        }
        var layouts: [BlockMatrix: MatrixLayout] = [:]
        let inner = shape.heads * shape.headWidth
        let keyRows = shape.keyValueHeads * shape.headWidth
        if stages.contains(.output) { layouts[.output] = layout(inner, shape.width) }
        if stages.contains(.feedForward) {
            layouts[.gate] = layout(shape.width, shape.hidden)
            layouts[.up] = layout(shape.width, shape.hidden)
            layouts[.down] = layout(shape.hidden, shape.width)
        }
        if stages.contains(.projections) {
            layouts[.query] = layout(shape.width, inner, multiple: headTileRows)
            layouts[.key] = layout(shape.width, keyRows, multiple: headTileRows)
            layouts[.value] = layout(
                shape.width, keyRows, multiple: shape.headWidth, maximum: 512)
        }
        return layouts
    }

    /// Heads of a tile of queries or keys, and elements of them: whole heads, as many as fit into
    /// 128 partitions.
    var headsPerTile: Int { 128 / shape.headWidth }
    var headTileRows: Int { headsPerTile * shape.headWidth }
}
