/// Why a model cannot be computed on this machine, or a batch not be run.
public enum CPUModelError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The model has a shape or storage that the CPU backend does not compute.
    case unsupported(String)
    /// So many bytes of memory were not to be had for what is named.
    case outOfMemory(bytes: Int, what: String)
    /// A batch that does not fit the model, the cache or the executor.
    case invalidBatch(String)

    /// What is wrong and what to do about it.
    public var description: String {
        switch self {
        case .unsupported(let reason): "the CPU backend cannot compute this model: \(reason)"
        case .outOfMemory(let bytes, let what):
            "no memory for \(what): \(bytes) bytes; use a smaller model or context"
        case .invalidBatch(let reason): "invalid batch: \(reason)"
        }
    }
}
