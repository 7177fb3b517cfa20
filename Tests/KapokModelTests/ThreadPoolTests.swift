import KapokModel
import Synchronization
import Testing

@Suite("A pool of threads")
struct ThreadPoolTests {
    @Test("calls a body once with each number", arguments: 1...4)
    func eachOnce(threads: Int) {
        let pool = ThreadPool(threads: threads)
        #expect(pool.threads == threads)
        for _ in 0..<200 {
            let calls = Mutex([Int](repeating: 0, count: threads))
            pool.run { index in calls.withLock { $0[index] += 1 } }
            #expect(calls.withLock { $0 } == Array(repeating: 1, count: threads))
        }
    }

    /// How many threads are in a body.
    private final class Inside: Sendable {
        let count = Atomic<Int>(0)
    }

    @Test("callers from several threads take turns, and each sees its work done")
    func turns() async {
        let pool = ThreadPool(threads: 3)
        let inside = Inside()
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var wrong = 0
                    for _ in 0..<50 {
                        let done = Atomic<Int>(0)
                        pool.run { _ in
                            // At most the pool's own threads are in a body.
                            if inside.count.add(1, ordering: .relaxed).newValue > 3 {
                                done.add(100, ordering: .relaxed)
                            }
                            done.add(1, ordering: .relaxed)
                            inside.count.subtract(1, ordering: .relaxed)
                        }
                        if done.load(ordering: .relaxed) != 3 { wrong += 1 }
                    }
                    return wrong
                }
            }
            for await wrong in group { #expect(wrong == 0) }
        }
    }

    @Test("numbers of threads out of bounds are brought into them")
    func bounds() {
        #expect(ThreadPool(threads: 0).threads == 1)
        #expect(ThreadPool(threads: -5).threads == 1)
    }

    @Test("pools come and go without waiting for work")
    func comeAndGo() {
        for round in 0..<50 {
            let pool = ThreadPool(threads: 2)
            guard round % 2 == 0 else { continue }
            let sum = Atomic<Int>(0)
            pool.run { sum.add($0 + 1, ordering: .relaxed) }
            #expect(sum.load(ordering: .relaxed) == 3)
        }
    }
}
