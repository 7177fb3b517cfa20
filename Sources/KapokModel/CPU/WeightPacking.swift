import CKernels

/// Lays out a model's weights in one block of memory and packs them with all threads.
///
/// The layout runs twice over the same tensors: once to count bytes, once to place them.
struct WeightPacking {
    /// A piece of packing that one thread does: some groups of 16 rows.
    struct Job {
        var type: kapok_weight_type
        var rows: Int
        var columns: Int
        var source: UnsafeRawPointer
        var target: UnsafeMutableRawPointer
        var rowBegin: Int
        var rowEnd: Int
    }

    private var memory: MemoryLayout64
    private let places: Bool
    /// What is to be done, in order.
    private(set) var jobs: [Job] = []

    /// A layout in memory from `base` on; nil to count bytes.
    init(base: UnsafeMutableRawPointer?) {
        memory = MemoryLayout64(base)
        places = base != nil
    }

    /// The bytes laid out so far.
    var bytes: Int { memory.used }

    /// Room for a matrix of this shape, and the jobs that fill it.
    mutating func matrix(
        _ tensor: WeightTensor, rows: Int, columns: Int
    ) throws(CPUModelError) -> PackedMatrix {
        try check(tensor, rows: rows, columns: columns)
        let type = kapok_weight_type(rawValue: tensor.type.rawValue)
        let target = memory.take(bytes: kapok_linear_packed_bytes(type, rows, columns))
        if places, let source = tensor.bytes.baseAddress {
            // Jobs of some 100 KB: many enough for any number of threads, large enough to be cheap.
            let step = max(16, (1 << 18) / columns / 16 * 16)
            for begin in stride(from: 0, to: rows, by: step) {
                jobs.append(
                    Job(
                        type: type, rows: rows, columns: columns, source: source, target: target,
                        rowBegin: begin, rowEnd: min(begin + step, rows)))
            }
        }
        return PackedMatrix(
            type: type, columns: columns, rows: rows, weights: UnsafeRawPointer(target))
    }

    /// Vectors as floats, one after another.
    mutating func vector(
        _ tensors: [WeightTensor], counts: [Int]
    ) throws(CPUModelError) -> UnsafePointer<Float> {
        let target = memory.takeFloats(counts.reduce(0, +))
        var offset = 0
        for (tensor, count) in zip(tensors, counts) {
            try check(tensor, rows: 1, columns: count)
            if places {
                tensor.type.dequantize(
                    tensor.bytes,
                    into: UnsafeMutableBufferPointer(start: target + offset, count: count))
            }
            offset += count
        }
        return UnsafePointer(target)
    }

    /// A copy of `numbers`.
    mutating func floats(_ numbers: [Float]) -> UnsafePointer<Float> {
        let target = memory.takeFloats(numbers.count)
        if places { target.update(from: numbers, count: numbers.count) }
        return UnsafePointer(target)
    }

    private func check(_ tensor: WeightTensor, rows: Int, columns: Int) throws(CPUModelError) {
        guard tensor.rows == rows, tensor.columns == columns,
            let rowBytes = tensor.type.bytes(elements: columns),
            tensor.bytes.count == rowBytes * rows
        else {
            throw .unsupported(
                "tensor '\(tensor.name)' is \(tensor.rows) x \(tensor.columns) in "
                    + "\(tensor.bytes.count) bytes of \(tensor.type), not \(rows) x \(columns)")
        }
    }

    /// Does all jobs with all threads of `pool`.
    static func run(_ jobs: [Job], on pool: ThreadPool) {
        jobs.withUnsafeBufferPointer { jobs in
            let team = pool.team
            pool.runTogether(phases: 1) { _ in
                var done: UInt32 = 0
                while true {
                    let next = Int(kapok_team_claim(team, 0))
                    if next >= jobs.count { break }
                    let job = jobs[next]
                    kapok_linear_pack(
                        job.type, job.rows, job.columns, job.source, job.target, job.rowBegin,
                        job.rowEnd)
                    done += 1
                }
                kapok_team_finish(team, 0, done, UInt32(jobs.count))
            }
        }
    }
}
