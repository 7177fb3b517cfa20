import Foundation
import KapokAccelerator
import KapokWorld

/// Tensors from and to NumPy files.
enum KernelArrays {
    private static let largestFile = 8 << 30

    /// Fills an input from a file, which has the tensor's shape (or as many elements in one row).
    static func fill(
        _ executor: inout Executor, _ tensor: TensorDeclaration, from path: String
    ) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure(description: "cannot read \(path)")
        }
        guard data.count <= largestFile else {
            throw CommandFailure(description: "\(path) is longer than \(largestFile) bytes")
        }
        do {
            let file = try NPYFile(parsing: Array(data))
            guard file.shape == tensor.shape || file.shape == [tensor.elementCount] else {
                throw CommandFailure(
                    description: "\(path) has shape \(file.shape), input '\(tensor.name)' has "
                        + "\(tensor.shape)")
            }
            try executor.setInput(tensor.name, bytes: file.tensorData(as: tensor.type))
        } catch let error as NPYError {
            throw CommandFailure(description: "\(path): \(error)")
        }
    }

    /// Writes `NAME.npy`.
    static func write(
        _ bytes: [UInt8], of tensor: TensorDeclaration, into directory: String
    ) throws {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        // Names come from a file that anyone may have written.
        let isPlain = tensor.name.allSatisfy { $0.isLetter || $0.isNumber || "-_".contains($0) }
        guard isPlain, !tensor.name.isEmpty else {
            throw CommandFailure(description: "output '\(tensor.name)' cannot name a file")
        }
        let file = try OutputFile("\(directory)/\(tensor.name).npy")
        try file.append(
            NPYFile(tensor.type, shape: tensor.shape, data: bytes).serialized())
        try file.close()
    }

    /// Numbers from -1 to 1 for a kernel that the library does not know, equal for equal seeds.
    static func uniform(_ tensor: TensorDeclaration, seed: UInt64, index: Int) -> [Float] {
        var stream = RandomStream(seed: seed).split(UInt64(index))
        return (0..<tensor.elementCount).map { _ in Float(stream.unit()) * 2 - 1 }
    }
}
