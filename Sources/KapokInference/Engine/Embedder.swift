import Dispatch
import KapokModel
import Synchronization

/// Computes embeddings, one at a time, with pages and threads of its own: requests for text do
/// not wait for them in the scheduler's queue.
final class Embedder: Sendable {
    /// Embeddings that may wait.
    static let queueLimit = 256

    private struct Place {
        var executor: CPUExecutor
        var pages: Int
    }

    private let model: CPUModel
    private let threads: Int
    private let queue = DispatchQueue(label: "kapok.embedder")
    private let waiting = Atomic<Int>(0)
    /// Made when first needed, and again for longer prompts. Used on the queue only.
    private let place = Mutex<Place?>(nil)

    init(_ model: CPUModel, threads: Int) {
        self.model = model
        self.threads = threads
    }

    /// The normalised mean of the last layer's states over `prompt`.
    func embed(_ prompt: [TokenID]) async throws -> [Float] {
        let before = waiting.add(1, ordering: .relaxed).oldValue
        defer { waiting.subtract(1, ordering: .relaxed) }
        guard before < Self.queueLimit else {
            throw GenerationError.refused(.queueFull(limit: Self.queueLimit))
        }
        return try await withCheckedThrowingContinuation { continuation in
            queue.async { [self] in
                continuation.resume(with: Result { try compute(prompt) })
            }
        }
    }

    private func compute(_ prompt: [TokenID]) throws -> [Float] {
        let needed = (prompt.count + KVPage.tokens - 1) / KVPage.tokens
        return try place.withLock { place in
            if (place?.pages ?? 0) < needed {
                // Twice as many, so that ever longer prompts do not each make a new one.
                let pages = needed * 2
                place = Place(
                    executor: CPUExecutor(
                        model: model, cache: try KVCache(model.configuration, pages: pages),
                        threads: ThreadPool(threads: threads), maximumTokens: 512),
                    pages: pages)
            }
            guard let executor = place?.executor else { return [] }
            return try executor.embed(prompt, pages: Array(0..<PageID(needed)))
        }
    }
}
