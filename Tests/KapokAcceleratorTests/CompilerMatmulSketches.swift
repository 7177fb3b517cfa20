import KapokAccelerator

/// The steps of the published matrix multiplication tutorial, as traced kernels: M x K (stored
/// transposed) times K x N, all FP32.
struct MatmulSketch {
    var m: Int
    var k: Int
    var n: Int
    var machine: Machine
    var type: ElementType = .fp32

    private func start(_ step: String) -> (KernelSketch, lhsT: Int, rhs: Int, result: Int) {
        var sketch = KernelSketch("matmul \(step)", machine: machine)
        let lhsT = sketch.tensor("lhsT", k, m, .input, type: type)
        let rhs = sketch.tensor("rhs", k, n, .input, type: type)
        let result = sketch.tensor("result", m, n, .output, type: type)
        return (sketch, lhsT, rhs, result)
    }

    private func load(
        _ sketch: inout KernelSketch, _ tensor: Int, _ name: String, row: Int, columns: Range<Int>,
        line: Int
    ) -> UInt32 {
        let tile = sketch.tile(name, columns: columns.count, line: line, type: type)
        let source = sketch.region(tensor, rows: row..<row + 128, columns: columns)
        let target = sketch.part(tile)
        sketch.copy(source, to: target, line: line)
        return target
    }

    private func finish(
        _ sketch: inout KernelSketch, _ psum: UInt32, _ result: Int, row: Int, column: Int
    ) {
        let tile = sketch.tile("out", columns: 512, line: 70, type: type)
        let target = sketch.part(tile)
        sketch.compute(.tensorCopy, [psum], to: target, line: 71)
        let place = sketch.region(
            result, rows: row..<row + 128, columns: column..<column + 512)
        sketch.copy(target, to: place, line: 72)
    }

    private func accumulator(_ sketch: inout KernelSketch) -> UInt32 {
        let tile = sketch.tile("psum", .psum, columns: 512, line: 60)
        return sketch.part(tile)
    }

    /// Loads both operands of each multiplication.
    func naive() -> TracedKernel {
        var (sketch, lhsT, rhs, result) = start("v2")
        sketch.loop("m", m / 128, line: 10) { sketch, row in
            sketch.loop("n", n / 512, line: 11) { sketch, column in
                let psum = accumulator(&sketch)
                sketch.loop("k", k / 128, line: 12) { sketch, step in
                    let left = load(
                        &sketch, lhsT, "lhsT", row: step * 128,
                        columns: row * 128..<row * 128 + 128, line: 20)
                    let right = load(
                        &sketch, rhs, "rhs", row: step * 128,
                        columns: column * 512..<column * 512 + 512, line: 30)
                    sketch.multiply(left, right, to: psum, accumulate: step > 0, line: 40)
                }
                finish(&sketch, psum, result, row: row * 128, column: column * 512)
            }
        }
        return sketch.kernel
    }

    /// Loads the left operand once for each block of rows.
    func hoisted() -> TracedKernel {
        var (sketch, lhsT, rhs, result) = start("v3")
        sketch.loop("m", m / 128, line: 10) { sketch, row in
            let left = (0..<k / 128).map { step in
                load(
                    &sketch, lhsT, "lhsT", row: step * 128,
                    columns: row * 128..<row * 128 + 128, line: 20)
            }
            sketch.loop("n", n / 512, line: 11) { sketch, column in
                let psum = accumulator(&sketch)
                let right = (0..<k / 128).map { step in
                    load(
                        &sketch, rhs, "rhs", row: step * 128,
                        columns: column * 512..<column * 512 + 512, line: 30)
                }
                sketch.loop("k", k / 128, line: 12) { sketch, step in
                    sketch.multiply(
                        left[step], right[step], to: psum, accumulate: step > 0, line: 40)
                }
                finish(&sketch, psum, result, row: row * 128, column: column * 512)
            }
        }
        return sketch.kernel
    }

    /// Loads two blocks of rows and two blocks of columns at a time.
    func blocked() -> TracedKernel {
        var (sketch, lhsT, rhs, result) = start("v4")
        sketch.loop("m", m / 256, line: 10) { sketch, row in
            let left = (0..<2).map { part in
                (0..<k / 128).map { step in
                    load(
                        &sketch, lhsT, "lhsT", row: step * 128,
                        columns: row * 256 + part * 128..<row * 256 + part * 128 + 128, line: 20)
                }
            }
            sketch.loop("n", n / 1024, line: 11) { sketch, column in
                let right = (0..<2).map { part in
                    (0..<k / 128).map { step in
                        let first = column * 1024 + part * 512
                        return load(
                            &sketch, rhs, "rhs", row: step * 128, columns: first..<first + 512,
                            line: 30)
                    }
                }
                for i in 0..<2 {
                    for j in 0..<2 {
                        let psum = accumulator(&sketch)
                        for step in 0..<k / 128 {
                            sketch.multiply(
                                left[i][step], right[j][step], to: psum, accumulate: step > 0,
                                line: 40)
                        }
                        finish(
                            &sketch, psum, result, row: row * 256 + i * 128,
                            column: column * 1024 + j * 512)
                    }
                }
            }
        }
        return sketch.kernel
    }

    /// Blocks in all three dimensions, results kept in SBUF; operands are loaded by column slices
    /// into tiles that fill SBUF to the last byte at 2048 x 1024 x 1024 blocks.
    func fullyBlocked(blockM: Int = 2048, blockN: Int = 1024, blockK: Int = 1024) -> TracedKernel {
        var (sketch, lhsT, rhs, result) = start("v5")
        let rows = blockM / 128
        let columns = blockN / 512
        let steps = blockK / 128
        let slice = min(512, blockM)
        sketch.loop("n", n / blockN, line: 10) { sketch, block in
            let sums = sketch.tile("sums", columns: m / 128 * blockN, line: 50)
            let all = sketch.part(sums)
            sketch.compute(.memset, [], to: all, on: .gpsimd, line: 51)
            func sum(_ sketch: inout KernelSketch, _ row: Int, _ column: Int) -> UInt32 {
                let first = row * blockN + column * 512
                return sketch.part(sums, columns: first..<first + 512)
            }
            sketch.loop("k", k / blockK, line: 11) { sketch, depth in
                let right = sketch.tile("rhs", columns: steps * blockN, line: 30, type: type)
                for column in 0..<columns {
                    for step in 0..<steps {
                        let first = step * blockN + column * 512
                        let target = sketch.part(right, columns: first..<first + 512)
                        let from = block * blockN + column * 512
                        let row = (depth * steps + step) * 128
                        let source = sketch.region(
                            rhs, rows: row..<row + 128, columns: from..<from + 512)
                        sketch.copy(source, to: target, line: 31)
                    }
                }
                sketch.loop("m", m / blockM, line: 12) { sketch, part in
                    let left = sketch.tile("lhsT", columns: steps * blockM, line: 20, type: type)
                    for piece in 0..<blockM / slice {
                        for step in 0..<steps {
                            let first = step * blockM + piece * slice
                            let target = sketch.part(left, columns: first..<first + slice)
                            let from = part * blockM + piece * slice
                            let row = (depth * steps + step) * 128
                            let source = sketch.region(
                                lhsT, rows: row..<row + 128, columns: from..<from + slice)
                            sketch.copy(source, to: target, line: 21)
                        }
                    }
                    for column in 0..<columns {
                        for row in 0..<rows {
                            let psum = accumulator(&sketch)
                            for step in 0..<steps {
                                let first = step * blockM + row * 128
                                let stationary = sketch.part(left, columns: first..<first + 128)
                                let start = step * blockN + column * 512
                                let moving = sketch.part(right, columns: start..<start + 512)
                                sketch.multiply(
                                    stationary, moving, to: psum, accumulate: step > 0, line: 40)
                            }
                            let target = sum(&sketch, part * rows + row, column)
                            sketch.compute(.tensorTensor, [target, psum], to: target, line: 41)
                        }
                    }
                }
            }
            for row in 0..<m / 128 {
                for column in 0..<columns {
                    let source = sum(&sketch, row, column)
                    let first = block * blockN + column * 512
                    let target = sketch.region(
                        result, rows: row * 128..<row * 128 + 128, columns: first..<first + 512)
                    sketch.copy(source, to: target, line: 55)
                }
            }
        }
        return sketch.kernel
    }
}
