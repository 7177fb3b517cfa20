/// The fold-level model: how long a problem takes, without moving a single value. Equal to
/// ``SystolicArray`` cycle for cycle, which the tests hold it against.
///
/// The array holds R x C elements. A matrix that is larger is cut into folds; a fold that does not
/// fill the array takes as long as one that does. Everything here takes constant time.
extension SystolicProblem {
    /// Size of the matrix that stays, along the rows of the array.
    public var stationaryRows: Int { dataflow == .outputStationary ? m : k }

    /// Size of the matrix that stays, along the columns of the array.
    public var stationaryColumns: Int { dataflow == .inputStationary ? m : n }

    /// Steps of the moving operands in one fold.
    public var steps: Int {
        switch dataflow {
        case .weightStationary: m
        case .outputStationary: k
        case .inputStationary: n
        }
    }

    /// Folds along the rows of the array.
    public var rowFolds: Int { (stationaryRows + rows - 1) / rows }

    /// Folds along the columns of the array.
    public var columnFolds: Int { (stationaryColumns + columns - 1) / columns }

    /// Folds in all.
    public var foldCount: Int { rowFolds * columnFolds }

    /// Cycles from the first operand that enters the array to the last result that leaves it.
    ///
    /// With R rows, C columns, T steps and F folds, for weight- and input-stationary arrays: F (2R
    /// + C + T - 2) in SCALE-Sim's count (load R, stream T, drain R + C - 2), one more a fold when
    /// results leave through a register, and R + (F - 1) max(T, R) + T + R + C - 1 when the next
    /// load is hidden. For output-stationary ones: F (R + C + T - 2) without and F (2R + C + T - 2)
    /// with shifting out, and (F - 1) max(T, R) + 2R + C + T - 2 when that is hidden.
    public var cycles: Int {
        let stream = rows + columns + steps
        switch (dataflow, mode) {
        case (.outputStationary, .scalesim): return foldCount * (stream - 2)
        case (.outputStationary, .serial): return foldCount * (rows + stream - 2)
        case (.outputStationary, .background):
            return (foldCount - 1) * max(steps, rows) + rows + stream - 2
        case (_, .scalesim): return foldCount * (rows + stream - 2)
        case (_, .serial): return foldCount * (rows + stream - 1)
        case (_, .background): return (foldCount - 1) * max(steps, rows) + rows + stream - 1
        }
    }

    /// What SCALE-Sim prints as total cycles: the number of the last cycle, counted from 0. In the
    /// other modes the same as ``cycles``.
    public var computeCycles: Int { mode == .scalesim ? cycles - 1 : cycles }

    /// Multiplications and additions of the algorithm.
    public var multiplyAdds: Int { m * k * n }

    /// Share of the elements that have something to do, as a mean over the folds.
    public var mappingEfficiency: Double {
        Double(stationaryRows * stationaryColumns) / Double(rowFolds * rows)
            / Double(columnFolds * columns)
    }

    /// Share of the elements' cycles in which they do something that counts.
    public var utilisation: Double {
        Double(multiplyAdds) / Double(rows * columns) / Double(cycles)
    }

    /// Values of A that are read from memory: each enters at the edge of the array and passes from
    /// element to element.
    public var readsOfA: Int {
        switch dataflow {
        case .weightStationary: m * k * columnFolds
        case .outputStationary: m * k * columnFolds
        case .inputStationary: m * k
        }
    }

    /// Values of B that are read from memory.
    public var readsOfB: Int {
        switch dataflow {
        case .weightStationary: k * n
        case .outputStationary: k * n * rowFolds
        case .inputStationary: k * n * columnFolds
        }
    }

    /// Values that leave the array: results, or partial sums of each fold along K.
    public var writesOfC: Int {
        dataflow == .outputStationary ? m * n : m * n * rowFolds
    }

    /// Values that would be read without an array: two for each multiplication.
    public var readsWithoutReuse: Int { 2 * multiplyAdds }
}

/// A part of the problem that occupies the array at one time.
public struct SystolicFold: Hashable, Sendable {
    /// Rows and columns of the stationary matrix that it covers.
    public var rows: Range<Int>
    public var columns: Range<Int>
}

extension SystolicProblem {
    /// Fold `index`, in the order in which they are worked on: along the rows first.
    public func fold(_ index: Int) -> SystolicFold {
        let row = index % rowFolds * rows
        let column = index / rowFolds * columns
        return SystolicFold(
            rows: row..<min(row + rows, stationaryRows),
            columns: column..<min(column + columns, stationaryColumns))
    }
}
