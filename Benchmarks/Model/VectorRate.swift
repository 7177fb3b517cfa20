import CKernels
import KapokModel

/// How fast one token goes through weights that lie in memory: gigabytes of packed weights a
/// second, as a share of what reading alone reaches over the very same bytes.
struct VectorRate {
    /// One type of weights and size of the set.
    struct Row {
        var name: String
        var set: String
        var bytes: Int
        var share: Share
    }

    /// Acceptable shares, of every type.
    static let bar = 0.75

    let meter: Meter
    let rounds: Int
    let implementation: kapok_linear_implementation
    private let memory: HugeMemory
    private static let megabyte = 1_000_000
    /// Bytes that a sample reads at least.
    private static let sampleBytes = 800 * megabyte

    /// What the sets are, by name: bytes.
    static let sets = [("model", 98 * megabyte), ("large", 384 * megabyte)]

    init(meter: Meter, rounds: Int, implementation: kapok_linear_implementation) {
        self.meter = meter
        self.rounds = rounds
        self.implementation = implementation
        // Readers ask for a few KiB beyond the end.
        memory = HugeMemory(bytes: 400 * Self.megabyte)
    }

    /// A matrix of the set.
    private struct Matrix {
        var type: kapok_weight_type
        var shape: MatrixShape
        var offset: Int

        /// The rows of one thread's part.
        func rows(_ thread: Int, of threads: Int) -> Range<Int> {
            let (groups, rows) = (shape.groups, Int(KAPOK_LINEAR_ROWS))
            return (groups * thread / threads * rows)..<(groups * (thread + 1) / threads * rows)
        }
    }

    /// Each type over as many of the model's blocks as a set takes; and the model for tests itself,
    /// whose blocks are Q4_1 and whose output Q8_0.
    func measure(types: [WeightType], sets: [String]) -> [Row] {
        var rows: [Row] = []
        for (set, bytes) in Self.sets where sets.contains(set) {
            for type in types {
                var matrices: [Matrix] = []
                let used = fill(&matrices, type, layers: nil, bytes: bytes)
                rows.append(measure(type.name, set, matrices, bytes: used))
            }
        }
        if sets.contains("model"), types.contains(.q4_1) {
            var matrices: [Matrix] = []
            var used = fill(&matrices, .q4_1, layers: LayerShape.layers, bytes: 0)
            var samples = PackedSamples()
            matrices.append(
                Matrix(type: KAPOK_WEIGHT_Q8_0, shape: LayerShape.output, offset: used))
            used += samples.pack(.q8_0, LayerShape.output, to: memory.base + used)
            rows.append(measure("Q4_1+Q8_0", "model", matrices, bytes: used))
        }
        return rows
    }

    /// Lays out `layers` blocks, or as many as go in `bytes`. Returns the bytes used.
    private func fill(
        _ matrices: inout [Matrix], _ type: WeightType, layers: Int?, bytes: Int
    ) -> Int {
        var samples = PackedSamples()
        var layerBytes = 0
        for shape in LayerShape.matrices {
            let fitting = shape.fitting(type)
            matrices.append(Matrix(type: type.kernelType, shape: fitting, offset: layerBytes))
            layerBytes += samples.pack(type, fitting, to: memory.base + layerBytes)
        }
        let layer = matrices
        let count = layers ?? max(1, bytes / layerBytes)
        for index in 1..<max(count, 2) where index < count {
            let offset = index * layerBytes
            (memory.base + offset).copyMemory(from: memory.base, byteCount: layerBytes)
            matrices += layer.map { matrix in
                Matrix(type: matrix.type, shape: matrix.shape, offset: matrix.offset + offset)
            }
        }
        return count * layerBytes
    }

    private func measure(_ name: String, _ set: String, _ matrices: [Matrix], bytes: Int) -> Row {
        let passes = max(1, Self.sampleBytes / bytes)
        let vectors = Vectors(matrices.map { ($0.type, $0.shape) }, threads: meter.threads)
        let share = Share(
            rounds: rounds, limit: { read(bytes: bytes, passes: passes) },
            kernel: { multiply(matrices, vectors, passes: passes) })
        return Row(name: name, set: set, bytes: bytes, share: share)
    }

    /// Each thread reads a part of the set that is contiguous.
    private func read(bytes: Int, passes: Int) -> Rate {
        let threads = meter.threads
        let part = bytes / threads & ~1023
        return meter.measure { thread in
            for _ in 0..<passes {
                _ = kapok_linear_read(implementation, memory.base + thread * part, part)
            }
            return Double(passes * part)
        }
    }

    /// Each thread takes its part of the rows of each matrix, one matrix after the other.
    private func multiply(_ matrices: [Matrix], _ vectors: Vectors, passes: Int) -> Rate {
        let threads = meter.threads
        return meter.measure { thread in
            var done = 0
            let y = vectors.outputs[thread].base.assumingMemoryBound(to: Float.self)
            for _ in 0..<passes {
                for (index, matrix) in matrices.enumerated() {
                    let rows = matrix.rows(thread, of: threads)
                    kapok_linear_with(
                        implementation, matrix.type, matrix.shape.columns,
                        memory.base + matrix.offset, rows.lowerBound, rows.upperBound,
                        vectors.inputs[index], 1, y, matrix.shape.rows)
                    done += kapok_linear_packed_bytes(
                        matrix.type, rows.count, matrix.shape.columns)
                }
            }
            return Double(done)
        }
    }

    // MARK: Reports

    static func printTable(_ rows: [Row], threads: Int) {
        print("GEMV of one token, \(threads) threads, GB/s of packed weights by CPU time")
        print("weights        set       MB    read    GEMV   share    best of both   bar")
        for row in rows {
            let share = row.share
            print(
                column(row.name, -12) + column(row.set, 6)
                    + column("\(row.bytes / megabyte)", 9) + column(digits(share.limit, 1), 8)
                    + column(digits(share.kernel, 1), 8)
                    + column(digits(share.share * 100, 1) + "%", 8)
                    + column(digits(share.bestLimit, 1), 8)
                    + column(digits(share.bestKernel, 1), 8)
                    + column(share.share >= bar ? "met" : "MISSED", 8))
        }
    }

    static func json(_ rows: [Row]) -> String {
        let entries = rows.map { row in
            """
            {"weights":"\(row.name)","set":"\(row.set)","bytes":\(row.bytes),\
            \(row.share.members("GBps")),"passes":\(row.share.share >= bar)}
            """
        }
        return "{\"bar\":\(bar),\"rows\":[\(entries.joined(separator: ","))]}"
    }
}

/// One token's activations for each matrix, and room for results.
private struct Vectors {
    /// Where the activations of each matrix lie.
    let inputs: [UnsafeRawPointer]
    /// A place for each thread's results.
    let outputs: [HugeMemory]
    private let memories: [HugeMemory]

    init(_ matrices: [(type: kapok_weight_type, shape: MatrixShape)], threads: Int) {
        var samples = PackedSamples()
        var memories: [HugeMemory] = []
        let places = Set(matrices.map { Place($0.type, $0.shape) })
        let inputs = places.reduce(into: [Place: UnsafeRawPointer]()) { inputs, place in
            let type: WeightType = place.isFloat ? .f32 : .q8_0
            let packed = HugeMemory(
                bytes: kapok_linear_activation_bytes(type.kernelType, place.columns))
            let floats = HugeMemory(bytes: place.columns * 4)
            samples.activations(
                type, columns: place.columns, tokens: 1,
                floats: floats.base.assumingMemoryBound(to: Float.self), packed: packed.base)
            memories.append(packed)
            inputs[place] = UnsafeRawPointer(packed.base)
        }
        self.memories = memories
        self.inputs = matrices.compactMap { inputs[Place($0.type, $0.shape)] }
        let rows = matrices.map { $0.shape.rows }.max() ?? 0
        outputs = (0..<threads).map { _ in HugeMemory(bytes: rows * 4) }
    }

    private struct Place: Hashable {
        var isFloat: Bool
        var columns: Int

        init(_ type: kapok_weight_type, _ shape: MatrixShape) {
            isFloat = kapok_linear_same_activations(type, KAPOK_WEIGHT_F32) != 0
            columns = shape.columns
        }
    }
}
