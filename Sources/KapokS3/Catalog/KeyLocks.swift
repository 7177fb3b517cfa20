import Synchronization

/// Locks for keys, shared by stripes: writers of one key in this process take turns instead of
/// conflicting with each other in the store. They are for speed only; what is correct is decided by
/// the store's transactions.
final class KeyLocks: Sendable {
    private static let stripeCount = 256
    /// The most tasks that wait for one stripe.
    private static let maximumWaiting = 4096

    private final class Stripe: Sendable {
        struct State {
            var isHeld = false
            var waiting: [CheckedContinuation<Void, Never>] = []
            /// Those before it were resumed.
            var first = 0
        }
        let state = Mutex(State())
    }

    private let stripes = (0..<stripeCount).map { _ in Stripe() }

    /// Runs `body` while no other task of this process runs one for `key` in `bucket`. First come,
    /// first served.
    /// - Throws: `SlowDown` when too many wait already, and what `body` throws.
    func withLock<Result>(
        _ bucket: String, _ key: String, _ body: () async throws(S3Error) -> Result
    ) async throws(S3Error) -> Result {
        let stripe = stripes[Self.index(bucket, key)]
        try await acquire(stripe)
        defer { release(stripe) }
        return try await body()
    }

    private static func index(_ bucket: String, _ key: String) -> Int {
        var hasher = Hasher()
        for byte in bucket.utf8 { hasher.combine(byte) }
        hasher.combine(0 as UInt8)
        for byte in key.utf8 { hasher.combine(byte) }
        return Int(truncatingIfNeeded: UInt(bitPattern: hasher.finalize()) % UInt(stripeCount))
    }

    private func acquire(_ stripe: Stripe) async throws(S3Error) {
        let isFull = stripe.state.withLock {
            $0.isHeld && $0.waiting.count - $0.first >= Self.maximumWaiting
        }
        guard !isFull else {
            throw S3Error(
                .slowDown, "Too many requests write this key. Please reduce your request rate.")
        }
        await withCheckedContinuation { continuation in
            let isMine = stripe.state.withLock { state in
                if state.isHeld {
                    state.waiting.append(continuation)
                    return false
                }
                state.isHeld = true
                return true
            }
            if isMine { continuation.resume() }
        }
    }

    /// Hands the stripe to the task that waits longest, if any.
    private func release(_ stripe: Stripe) {
        let next: CheckedContinuation<Void, Never>? = stripe.state.withLock { state in
            guard state.first < state.waiting.count else {
                state.isHeld = false
                state.waiting.removeAll(keepingCapacity: true)
                state.first = 0
                return nil
            }
            let next = state.waiting[state.first]
            state.first += 1
            if state.first == state.waiting.count || state.first > 1024 {
                state.waiting.removeFirst(state.first)
                state.first = 0
            }
            return next
        }
        next?.resume()
    }
}
