import Dispatch
import OrderedCollections

/// Stores a model's weights in other types.
public struct ModelQuantizer {
    /// One tensor's way from type to type.
    public struct Step: Hashable, Sendable {
        /// The tensor's name.
        public var name: String
        /// The type that it had.
        public var from: WeightType
        /// The type that it gets.
        public var to: WeightType
        /// Its bytes before and after.
        public var bytesBefore: Int
        public var bytesAfter: Int
    }

    /// What was done, tensor by tensor.
    public struct Outcome: Sendable {
        /// All tensors, in the file's order.
        public var steps: [Step]
        /// The bytes of the new file.
        public var fileBytes: Int
    }

    private let source: GGUFFile
    private let plan: QuantizationPlan
    private let tiesEmbeddings: Bool

    /// Prepares to store `source` as `mixture` says. The file must be one model's, not split.
    /// - Parameter embedding: the type of embedding and output; nil for the usual one.
    public init(
        _ source: GGUFFile, mixture: QuantizationPlan.Mixture, embedding: WeightType? = nil
    ) throws(ModelFileError) {
        self.source = source
        let path = source.file.path
        if let count = try source.values.integer("split.count"), count > 1 {
            throw ModelFileError(
                .unsupported, path: path, "one of \(count) parts of a model",
                remedy: "merge the parts first, with llama-gguf-split --merge")
        }
        for tensor in source.tensors where tensor.type == nil {
            throw ModelFileError(
                .unsupported, path: path, place: "tensor '\(tensor.name)'",
                "stored as \(WeightType.name(ofNumber: tensor.typeNumber)), "
                    + "which Kapok cannot read",
                remedy: "take a file of one of the types \(WeightType.supportedNames)")
        }
        let layers = source.tensors.compactMap { tensor -> Int? in
            let parts = tensor.name.split(separator: ".")
            return parts.first == "blk" && parts.count > 1 ? Int(parts[1]) : nil
        }
        plan = QuantizationPlan(
            mixture: mixture, embedding: embedding, layers: (layers.max() ?? -1) + 1)
        tiesEmbeddings = !source.tensors.contains { $0.name == "output.weight" }
    }

    /// Whether numbers lose precision a second time: some matrices are quantised already.
    public var requantizes: Bool {
        source.tensors.contains { tensor in
            guard let type = tensor.type else { return false }
            return type.blockElements > 1 && type != self.type(of: tensor)
        }
    }

    /// Writes the model to `path`, which gets its name when the file is complete.
    /// - Parameter progress: is told after each tensor how many of how many are done.
    public func write(
        to path: String, progress: (Int, Int) -> Void = { _, _ in }
    ) throws(ModelFileError) -> Outcome {
        let file = try NewFile(path: path)
        let outcome = try write(
            { bytes throws(ModelFileError) in try file.append(bytes) }, progress)
        try file.finish()
        return outcome
    }

    /// Writes the model into memory: for small ones.
    public func bytes() throws(ModelFileError) -> [UInt8] {
        var all: [UInt8] = []
        _ = try write({ bytes throws(ModelFileError) in all += bytes }) { _, _ in }
        return all
    }

    private func write(
        _ emit: ([UInt8]) throws(ModelFileError) -> Void, _ progress: (Int, Int) -> Void
    ) throws(ModelFileError) -> Outcome {
        var writer = GGUFWriter()
        writer.copyMetadata(of: source)
        writer.metadata["general.file_type"] = .uint32(plan.mixture.fileType)
        writer.metadata["general.quantization_version"] = .uint32(2)
        writer.tensors = source.tensors.map { tensor in
            GGUFWriter.Tensor(
                name: tensor.name, dimensions: tensor.dimensions, type: type(of: tensor))
        }
        var steps: [Step] = []
        try writer.write(emit) { index, target throws(ModelFileError) in
            let tensor = source.tensors[index]
            guard let from = tensor.type else { preconditionFailure("refused before") }
            let bytes = try converted(tensor, from: from, to: target.type)
            steps.append(
                Step(
                    name: tensor.name, from: from, to: target.type,
                    bytesBefore: tensor.range.count, bytesAfter: bytes.count))
            progress(steps.count, source.tensors.count)
            return bytes
        }
        return Outcome(steps: steps, fileBytes: writer.byteCount)
    }

    private func type(of tensor: GGUFTensor) -> WeightType {
        // Divisors of rotary frequencies and the like are no weights.
        guard
            tensor.name.hasPrefix("blk.") || tensor.name == "token_embd.weight"
                || tensor.name == "output.weight"
        else { return tensor.type ?? .f32 }
        return plan.type(
            name: tensor.name, dimensions: tensor.dimensions, tiesEmbeddings: tiesEmbeddings)
    }

    private func converted(
        _ tensor: GGUFTensor, from: WeightType, to: WeightType
    ) throws(ModelFileError) -> [UInt8] {
        let bytes = UnsafeRawBufferPointer(rebasing: source.file.bytes[tensor.range])
        if from == to { return Array(bytes) }
        guard
            let converted = RowConversion.run(
                bytes, from: from, to: to, rows: tensor.elements / tensor.dimensions[0],
                columns: tensor.dimensions[0])
        else {
            throw ModelFileError(
                .malformed, path: source.file.path, place: "tensor '\(tensor.name)'",
                "holds infinities, or what is no number",
                remedy: "the model was damaged before: convert its original again")
        }
        return converted
    }
}

/// Converts rows from type to type on all processors.
enum RowConversion {
    /// The rows in the new type; nil when a number is not finite.
    static func run(
        _ bytes: UnsafeRawBufferPointer, from: WeightType, to: WeightType, rows: Int, columns: Int
    ) -> [UInt8]? {
        guard let fromRow = from.bytes(elements: columns), let toRow = to.bytes(elements: columns)
        else { preconditionFailure("rows of \(columns) are no whole blocks") }
        // A few hundred thousand numbers a task: enough of them, and none too small.
        let taskRows = max(1, (1 << 18) / columns)
        let tasks = (rows + taskRows - 1) / taskRows
        var isFinite = [Bool](repeating: true, count: tasks)
        let result = [UInt8](unsafeUninitializedCapacity: toRow * rows) { buffer, count in
            nonisolated(unsafe) let target = UnsafeMutableRawBufferPointer(buffer)
            nonisolated(unsafe) let source = bytes
            isFinite.withUnsafeMutableBufferPointer { flags in
                nonisolated(unsafe) let flags = flags
                DispatchQueue.concurrentPerform(iterations: tasks) { task in
                    let range = (task * taskRows)..<min(rows, (task + 1) * taskRows)
                    flags[task] = convert(
                        source, from, fromRow, target, to, toRow, rows: range, columns: columns)
                }
            }
            count = toRow * rows
        }
        return isFinite.allSatisfy(\.self) ? result : nil
    }

    private static func convert(
        _ source: UnsafeRawBufferPointer, _ from: WeightType, _ fromRow: Int,
        _ target: UnsafeMutableRawBufferPointer, _ to: WeightType, _ toRow: Int, rows: Range<Int>,
        columns: Int
    ) -> Bool {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { numbers in
            for row in rows {
                from.dequantize(
                    UnsafeRawBufferPointer(
                        rebasing: source[(row * fromRow)..<((row + 1) * fromRow)]),
                    into: numbers)
                guard numbers.allSatisfy(\.isFinite) else { return false }
                to.quantize(
                    UnsafeBufferPointer(numbers),
                    into: UnsafeMutableRawBufferPointer(
                        rebasing: target[(row * toRow)..<((row + 1) * toRow)]))
            }
            return true
        }
    }
}
