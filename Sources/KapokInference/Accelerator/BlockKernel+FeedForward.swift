internal import KapokAccelerator

extension BlockTrace {
    // MARK: Attention's result

    /// What attention gave for some tokens, in columns. It comes with tokens in rows and is
    /// transposed by the tensor engine, 128 tokens at a time.
    func mixed(_ span: TileSpan) -> ColumnTable<Element> {
        guard let mix, let identity = constants.identity else {
            preconditionFailure("the kernel reads what attention gave")
        }
        let shape = kernel.shape
        let inner = shape.heads * shape.headWidth
        let mixed = ColumnTable<Element>(k, "mixed", rows: inner, tokens: span.count)
        for part in TileSpan.pieces(of: span.count, by: k.machine.partitions) {
            let tokens = span.start + part.start..<span.start + part.start + part.count
            let rows = k.sbuf("mixRows", [part.count, inner], Element.self)
            if kernel.isDecoding {
                k.scalar.load(into: rows, from: mix[tokens])
            } else {
                k.scalar.load(
                    into: rows.split(1, inner: shape.headWidth),
                    from: mix[.all, tokens].permuted([1, 0, 2]))
            }
            for piece in TileSpan.pieces(of: inner, by: k.machine.tensorRows) {
                let flipped = k.psum("flippedMix", [piece.count, part.count], Element.self)
                k.tensor.transpose(into: flipped, rows[.all, piece], identity: identity)
                k.vector.copy(into: mixed.tile(piece.index)[.all, part], flipped)
            }
        }
        return mixed
    }

    // MARK: Feed-forward layer

    /// `down (silu(gate n) * (up n))` of the normalised stream, added to it.
    func feedForward(_ stream: ColumnTable<Element>) -> ColumnTable<Element> {
        let x = normalise(stream)
        let (gates, ups) = (self.stream(.gate), self.stream(.up))
        let hidden = ColumnTable<Element>(
            k, "hidden", rows: kernel.shape.hidden, tokens: x.tokens)
        k.loop("hiddenChunk", gates.layout.chunks) { span in
            let gate = gates.chunk(span)
            let up = ups.chunk(span)
            for group in groups(of: span, tokens: x.tokens) {
                let outputs = group.outputs(in: span)
                let rows = k.machine.tensorRows
                let gateSum = product(gate, x, outputs: outputs, rows: rows, "gateSum")
                let upSum = product(up, x, outputs: outputs, rows: rows, "upSum")
                let opened = k.sbuf("opened", gateSum.shape, FP32.self)
                k.scalar.activation(.silu, into: opened, gateSum)
                k.vector.multiply(into: hidden.tiles(group), upSum, opened)
            }
        }
        return project(.down, hidden, add: stream)
    }
}
