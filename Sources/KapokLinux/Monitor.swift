import Glibc

/// State behind a lock, with a condition to wait for. (`Mutex` of the standard library has none.)
public final class Monitor<State>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state: State

    public init(_ state: sending State) {
        self.state = state
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        precondition(pthread_mutex_init(mutex, nil) == 0 && pthread_cond_init(condition, nil) == 0)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` under the lock.
    public func withLock<R, E: Error>(_ body: (inout State) throws(E) -> R) throws(E) -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&state)
    }

    /// Waits until `isReached` holds and then runs `body`, all under the lock. Whoever makes it
    /// hold must call `wakeOne` or `wakeAll`.
    public func withLock<R>(when isReached: (State) -> Bool, _ body: (inout State) -> R) -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isReached(state) { pthread_cond_wait(condition, mutex) }
        return body(&state)
    }

    /// Lets one of those that wait look again.
    public func wakeOne() { pthread_cond_signal(condition) }

    /// Lets all of those that wait look again.
    public func wakeAll() { pthread_cond_broadcast(condition) }
}
