/// The tensor engine: a systolic array of 128 rows (the contraction dimension) and 128 columns.
///
/// A *stationary* matrix (K partitions x M columns) is loaded into the array; a *moving* matrix (K
/// x N) streams through it and gives M partitions x N in PSUM. Both lie in SBUF: operands in PSUM
/// do not compile. The short operand is best made the moving one, for its time is `max(N, 64)`
/// cycles.
public struct TensorEngine {
    let tracer: Tracer

    /// `result = or += stationary^T moving`: loads the stationary matrix and multiplies.
    ///
    /// - Parameters:
    ///   - result: M x N, in one PSUM bank.
    ///   - accumulate: adds to what `result` holds, in FP32, instead of overwriting it.
    public func matmul<Element: MatrixElement>(
        into result: Tile<PSUM, FP32>, stationary: Tile<SBUF, Element>,
        moving: Tile<SBUF, Element>, accumulate: Bool = false, file: StaticString = #fileID,
        line: Int = #line
    ) {
        product(
            result.region, stationary.region, moving.region, loads: true, accumulate: accumulate,
            isDouble: false, Site(file, line))
    }

    /// `result = or += stationary^T moving` with the stationary matrix that the previous
    /// instruction of the tensor engine used: it is not loaded again.
    public func multiply<Element: MatrixElement>(
        into result: Tile<PSUM, FP32>, stationary: Tile<SBUF, Element>,
        moving: Tile<SBUF, Element>, accumulate: Bool = false, file: StaticString = #fileID,
        line: Int = #line
    ) {
        product(
            result.region, stationary.region, moving.region, loads: false,
            accumulate: accumulate, isDouble: false, Site(file, line))
    }

    /// As ``matmul(into:stationary:moving:accumulate:file:line:)`` with two FP8 rows a partition at
    /// once: `stationary` is K/2 x 2 x M and `moving` K/2 x 2 x N, K up to 256, in the time of one
    /// row.
    public func matmulDouble<Element: FP8Element>(
        into result: Tile<PSUM, FP32>, stationary: Tile<SBUF, Element>,
        moving: Tile<SBUF, Element>, accumulate: Bool = false, file: StaticString = #fileID,
        line: Int = #line
    ) {
        product(
            result.region, stationary.region, moving.region, loads: true, accumulate: accumulate,
            isDouble: true, Site(file, line))
    }

    /// `result = moving^T`, bit by bit: K x N becomes N x K. Loads the identity matrix and
    /// multiplies.
    ///
    /// - Parameter identity: K x K or larger, see ``KernelBuilder/identity(of:file:line:)``.
    public func transpose<Element: MatrixElement>(
        into result: Tile<PSUM, Element>, _ moving: Tile<SBUF, Element>,
        identity: Tile<SBUF, Element>, file: StaticString = #fileID, line: Int = #line
    ) {
        let site = Site(file, line)
        let rows = moving.partitionCount
        let columns = moving.elementsPerPartition
        var load = Emission(tracer, .loadStationary, on: .tensor, at: site)
        var move = Emission(tracer, .multiplyMoving, on: .tensor, at: site)
        move.instruction.flags = [.transpose]
        move.requireElements(
            result.region, partitions: columns, elements: rows, "the transposed result")
        if columns > tracer.machine.partitions, move.isLegal {
            move.refuse(
                .shape, "transpose of \(columns) columns",
                why: "each becomes a partition, and there are \(tracer.machine.partitions)",
                remedy: "transpose pieces of \(tracer.machine.partitions) columns")
        }
        var unit = identity.region
        if unit.isValid,
            unit.layout.rank != 1 || unit.partitionCount < rows
                || unit.layout.count(0) < rows
        {
            move.refuse(
                .shape, "transpose of \(rows) rows with an identity of shape \(identity.shape)",
                why:
                    "the stationary matrix has as many rows and columns as the moving one has rows",
                remedy: "use `k.identity(of:)`")
        } else if unit.isValid {
            unit.partitionCount = rows
            unit.layout.slice(0, start: 0, count: rows, step: 1)
        }
        requireOneBank(result.region, &move)
        load.instruction.source0 = load.read(unit)
        move.instruction.source0 = move.read(moving.region)
        move.write(result.region)
        finish(load, move)
    }

    private func product(
        _ result: TileRegion, _ stationary: TileRegion, _ moving: TileRegion, loads: Bool,
        accumulate: Bool, isDouble: Bool, _ site: Site
    ) {
        var load = Emission(tracer, .loadStationary, on: .tensor, at: site)
        var move = Emission(tracer, .multiplyMoving, on: .tensor, at: site)
        if accumulate { move.instruction.flags.insert(.accumulate) }
        if isDouble {
            load.instruction.flags.insert(.doubleRow)
            move.instruction.flags.insert(.doubleRow)
        }
        requireProduct(result, stationary, moving, isDouble: isDouble, &move)
        requireOneBank(result, &move)
        if accumulate, result.isValid, !tracer.hasContents(result) {
            move.refuse(
                .uninitialised, "accumulation onto a tile that nothing was written to",
                why: "the first multiplication of a sum has to overwrite what PSUM holds",
                remedy: "pass accumulate: false for the first one, for example `k.index > 0`")
        }
        load.instruction.source0 = load.read(stationary)
        move.instruction.source0 = move.read(moving)
        move.write(result)
        if loads {
            finish(load, move)
        } else if load.isLegal {
            requireLoaded(load, &move)
            move.finish()
        }
    }

    private func finish(_ load: Emission, _ move: Emission) {
        guard load.isLegal, move.isLegal else { return }
        load.finish()
        move.finish()
    }

    /// Checks that the last stationary matrix that was loaded is the one of `load`.
    private func requireLoaded(_ load: Emission, _ move: inout Emission) {
        guard tracer.lastStationary != load.instruction.source0 else { return }
        move.refuse(
            .engine, "multiply with a stationary matrix that is not loaded",
            why: "the array holds the matrix of the last matmul or transpose",
            remedy: "use matmul for the first multiplication with this matrix")
    }

    private func requireProduct(
        _ result: TileRegion, _ stationary: TileRegion, _ moving: TileRegion, isDouble: Bool,
        _ move: inout Emission
    ) {
        guard result.isValid, stationary.isValid, moving.isValid else { return }
        let rows = isDouble ? 2 : 1
        let machine = tracer.machine
        let m = stationary.layout.elements() / rows
        let n = moving.layout.elements() / rows
        if stationary.partitionCount != moving.partitionCount {
            move.refuse(
                .shape,
                "stationary matrix with \(stationary.partitionCount) rows, moving matrix with "
                    + "\(moving.partitionCount)",
                why: "both have the contraction dimension in their partitions",
                remedy: "slice both to the same partitions")
        } else if m > machine.stationaryColumns || n > machine.movingColumns {
            move.refuse(
                .shape, "stationary matrix of \(m) columns, moving matrix of \(n)",
                why: "the array takes \(machine.stationaryColumns) and \(machine.movingColumns)",
                remedy: "cut the matrices into tiles of at most that size")
        } else if isDouble
            && (stationary.layout.rank < 2 || stationary.layout.count(0) != 2
                || moving.layout.rank < 2 || moving.layout.count(0) != 2)
        {
            move.refuse(
                .shape, "double rows from tiles without a free dimension of two",
                why: "each partition holds two rows of the contraction dimension",
                remedy: "give both tiles the shape [K / 2, 2, columns]")
        } else {
            move.requireElements(result, partitions: m, elements: n, "the result")
        }
    }

    private func requireOneBank(_ result: TileRegion, _ move: inout Emission) {
        guard result.isValid, move.isLegal else { return }
        let bank = tracer.machine.psumBankBytes
        let size = result.type.byteCount
        var last = result.layout.offset
        for dimension in 0..<result.layout.rank {
            last += (result.layout.count(dimension) - 1) * result.layout.stride(dimension)
        }
        let first = result.layout.offset * size
        let end = (last + 1) * size
        guard first / bank != (end - 1) / bank else { return }
        move.refuse(
            .bank, "a result in bytes \(first)..<\(end) of its PSUM tile",
            why: "a multiplication writes into one bank of \(bank) bytes a partition",
            remedy:
                "give each result a tile, or a slice that begins at a multiple of \(bank) bytes, "
                + "with at most \(bank / size) elements a partition")
    }
}
