import KapokLinux
import KapokWorld
import Synchronization

/// Keeps a number of operations under way until enough have completed; each completion starts the
/// next operation on the thread that it is called on.
final class ClosedLoop: Sendable {
    typealias Operation =
        @Sendable (_ number: Int, _ completed: @escaping @Sendable () -> Void) -> Void

    private let count: Int
    private let operation: Operation
    private let next = Atomic<Int>(0)
    private let completed = Monitor(0)

    private init(count: Int, operation: @escaping Operation) {
        self.count = count
        self.operation = operation
    }

    /// Runs `operation` for 0 ..< `count`, `depth` at a time, and returns the nanoseconds it took.
    static func run(
        count: Int, depth: Int, _ operation: @escaping Operation
    ) -> UInt64 {
        let loop = ClosedLoop(count: count, operation: operation)
        let start = MonotonicClock.now()
        for _ in 0..<min(depth, count) { loop.start() }
        loop.completed.withLock(when: { $0 == count }) { _ in }
        return (MonotonicClock.now() - start).nanoseconds
    }

    /// Runs one operation after the other until none is left. Whether an operation completes inside
    /// its call or later, elsewhere, the second of the two events goes on: no recursion.
    private func start() {
        while true {
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard number < count else { return }
            let handshake = Handshake()
            operation(number) {
                self.finishOne()
                if handshake.isSecond() { self.start() }
            }
            guard handshake.isSecond() else { return }
        }
    }

    private func finishOne() {
        let isLast = completed.withLock { done in
            done += 1
            return done == count
        }
        if isLast { completed.wakeAll() }
    }

    private final class Handshake: Sendable {
        private let events = Atomic<Int>(0)

        func isSecond() -> Bool {
            events.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == 2
        }
    }
}
