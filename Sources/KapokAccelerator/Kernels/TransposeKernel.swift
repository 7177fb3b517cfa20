internal import KapokWorld

/// The transpose of a matrix: `result[j, i] = x[i, j]`, bit by bit.
///
/// Short rows are what makes a transpose slow: a transfer of single elements would use a hundredth
/// of the bandwidth. Variant `tensor` loads long rows, lets the tensor engine exchange rows and
/// columns of 128 x 128 tiles (it multiplies them by the identity matrix, unchanged), collects as
/// many tiles as fill a PSUM bank, and stores long rows again. Variant `dma` leaves it to the DMA
/// engines.
struct TransposeKernel: LibraryKernel {
    let name = "transpose"
    let summary = "transpose of a matrix [rows, columns]"
    let parameters = [
        KernelParameterDefinition("rows", 4096, 1...65_536, "the number of rows"),
        KernelParameterDefinition("columns", 4096, 1...65_536, "the number of columns"),
    ]
    let variants = [
        KernelVariant("tensor", "128 x 128 tiles through the tensor engine"),
        KernelVariant("dma", "transposing transfers (types of 2 and 4 bytes)"),
    ]
    let elementTypes: [ElementType] = [
        .fp32, .bf16, .fp16, .tf32, .fp8e4m3, .fp8e4m3fn, .fp8e5m2, .fp8e3m4,
    ]

    func problem(with arguments: KernelArguments) -> String? {
        let (rows, columns) = (arguments["rows"], arguments["columns"])
        if rows * columns > 1 << 28 {
            return "\(rows) x \(columns) elements, but a trace takes at most \(1 << 28)"
        }
        guard arguments.variant == "dma" else { return nil }
        if arguments.type.byteCount < 2 {
            return "the DMA engines transpose types of 2 and 4 bytes; take step tensor"
        }
        if rows % DMAQueue.transposeRows != 0 || columns % 128 != 0 {
            return "the DMA engines transpose multiples of \(DMAQueue.transposeRows) rows and 128 "
                + "columns; take step tensor"
        }
        return nil
    }

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let (rows, columns) = (arguments["rows"], arguments["columns"])
        let type = arguments.type
        return [
            TensorDeclaration(name: "x", shape: [rows, columns], type: type, role: .input),
            TensorDeclaration(name: "result", shape: [columns, rows], type: type, role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let (rows, columns) = (arguments["rows"], arguments["columns"])
        let x = k.input("x", [rows, columns], type)
        let result = k.output("result", [columns, rows], type)
        if arguments.variant == "dma" {
            transposeInTransfers(k, x, into: result)
        } else {
            transposeInTiles(k, x, into: result)
        }
    }

    /// Blocks of as many rows as elements fit in a PSUM bank (1024 at most), and as many columns.
    private func transposeInTiles<Element: MatrixElement>(
        _ k: KernelBuilder, _ x: Tensor<Element>, into result: Tensor<Element>
    ) {
        let size = k.machine.partitions
        let block = min(1024, k.machine.psumBankBytes / Element.elementType.byteCount)
        let identity = k.identity(of: Element.self)
        k.loop("rowBlock", over: x.shape[0], by: block) { rowBlock in
            k.loop("columnBlock", over: x.shape[1], by: block) { columnBlock in
                let tiles = rowBlock.pieces(by: size).map { rows in
                    let tile = k.sbuf("rows", [rows.count, columnBlock.count], Element.self)
                    k.load(into: tile, from: x[rows, columnBlock])
                    return tile
                }
                k.loop("columns", columnBlock.pieces(by: size)) { columns in
                    let turned = k.psum("turned", [columns.count, rowBlock.count], Element.self)
                    let slice = columns.start - columnBlock.start
                    for (index, tile) in tiles.enumerated() {
                        let first = index * size
                        k.tensor.transpose(
                            into: turned[.all, first..<(first + tile.partitionCount)],
                            tile[.all, slice..<(slice + columns.count)], identity: identity)
                    }
                    let output = k.sbuf("output", [columns.count, rowBlock.count], Element.self)
                    k.vector.copy(into: output, turned)
                    k.scalar.store(into: result[columns, rowBlock], from: output)
                }
            }
        }
    }

    private func transposeInTransfers<Element: MatrixElement>(
        _ k: KernelBuilder, _ x: Tensor<Element>, into result: Tensor<Element>
    ) {
        k.loop("columns", over: x.shape[1], by: k.machine.partitions) { columns in
            k.loop("rows", over: x.shape[0], by: 2048) { rows in
                let tile = k.sbuf("turned", [columns.count, rows.count], Element.self)
                k.loadTransposed(into: tile, from: x[rows, columns])
                k.scalar.store(into: result[columns, rows], from: tile)
            }
        }
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let (rows, columns) = (arguments["rows"], arguments["columns"])
        let x = inputs["x"] ?? []
        var result = x
        for row in 0..<rows {
            for column in 0..<columns { result[column * rows + row] = x[row * columns + column] }
        }
        return ["result": result]
    }

    /// Nothing is computed: results are equal.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        ErrorBound(absolute: 0, relative: 0)
    }
}
