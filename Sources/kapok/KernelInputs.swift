import Foundation
import KapokAccelerator

/// Where the inputs of a run come from: NumPy files by name, the rest from a seed.
struct KernelInputs {
    private var files: [String: String] = [:]
    private let loaded: LoadedKernel
    private let seed: UInt64

    init(_ loaded: LoadedKernel, seed: UInt64) {
        self.loaded = loaded
        self.seed = seed
    }

    /// Takes `NAME=FILE.npy`.
    mutating func add(_ text: String) throws {
        guard let split = text.firstIndex(of: "=") else {
            throw CommandFailure(description: "--input \(text): write NAME=FILE.npy")
        }
        let name = String(text[..<split])
        let names = loaded.program.tensors.filter { $0.role == .input }.map(\.name)
        guard names.contains(name) else {
            throw CommandFailure(
                description: "the kernel has no input '\(name)'; it has "
                    + names.joined(separator: ", "))
        }
        files[name] = String(text[text.index(after: split)...])
    }

    /// Fills all inputs.
    func fill(_ executor: inout Executor) throws {
        let made = loaded.origin.map { $0.kernel.inputs($0.arguments, seed: seed) } ?? [:]
        for (index, tensor) in loaded.program.tensors.enumerated() where tensor.role == .input {
            if let path = files[tensor.name] {
                try KernelArrays.fill(&executor, tensor, from: path)
            } else {
                let values =
                    made[tensor.name] ?? KernelArrays.uniform(tensor, seed: seed, index: index)
                try executor.setInput(tensor.name, values: values)
            }
        }
    }
}
