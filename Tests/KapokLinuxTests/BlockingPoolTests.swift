import Foundation
import KapokLinux
import Synchronization
import Testing

@Suite("A pool of blocking threads")
struct BlockingPoolTests {
    @Test("does every job once, and all before close returns")
    func everyJob() throws {
        let pool = try BlockingPool(threads: 4, name: "test")
        let counts = Mutex([Int](repeating: 0, count: 2000))
        for number in 0..<2000 { pool.submit { counts.withLock { $0[number] += 1 } } }
        pool.close()
        pool.close()
        #expect(counts.withLock { $0 } == [Int](repeating: 1, count: 2000))
    }

    @Test("has the submitter do the job when the queue is full, and not before")
    func fullQueue() throws {
        let pool = try BlockingPool(threads: 1, capacity: 2, name: "test")
        let started = Monitor(false)
        let gate = Monitor(false)
        pool.submit {
            started.withLock { $0 = true }
            started.wakeAll()
            gate.withLock(when: { $0 }) { _ in }
        }
        started.withLock(when: { $0 }) { _ in }
        let done = Mutex<[String]>([])
        pool.submit { done.withLock { $0.append("first") } }
        pool.submit { done.withLock { $0.append("second") } }
        #expect(done.withLock { $0 } == [])
        // The only thread is held up and two jobs wait: this one is done before submit returns.
        pool.submit { done.withLock { $0.append("third") } }
        #expect(done.withLock { $0 } == ["third"])
        gate.withLock { $0 = true }
        gate.wakeAll()
        pool.close()
        #expect(done.withLock { $0 } == ["third", "first", "second"])
    }

    @Test("queues what its own jobs submit even when the queue is full")
    func nested() throws {
        let pool = try BlockingPool(threads: 1, capacity: 1, name: "test")
        let order = Mutex<[Int]>([])
        let end = Monitor(false)
        pool.submit {
            for number in 0..<2 { pool.submit { order.withLock { $0.append(number) } } }
            // Done by the job itself these would already be there.
            order.withLock { $0.append(9) }
            pool.submit {
                end.withLock { $0 = true }
                end.wakeAll()
            }
        }
        end.withLock(when: { $0 }) { _ in }
        pool.close()
        #expect(order.withLock { $0 } == [9, 0, 1])
    }
}

@Suite("Inline work")
struct InlineWorkTests {
    @Test("nests to its limit and no deeper")
    func limit() {
        func descend(_ depth: Int) -> Int {
            var reached = depth
            let didRun = InlineWork.run { reached = descend(depth + 1) }
            #expect(didRun == (depth < InlineWork.depthLimit))
            return reached
        }
        #expect(descend(0) == InlineWork.depthLimit)
        // And is back at the surface afterwards.
        #expect(descend(0) == InlineWork.depthLimit)
    }
}
