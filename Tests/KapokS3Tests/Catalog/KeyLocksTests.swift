import Synchronization
import Testing

@testable import KapokS3

@Suite("Locks of keys")
struct KeyLocksTests {
    private final class Counters: Sendable {
        let inside = Atomic<Int>(0)
        let turns = Atomic<Int>(0)
    }

    @Test("one task at a time holds a key, and all get their turn")
    func exclusion() async throws {
        let locks = KeyLocks()
        let counters = Counters()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3000 {
                group.addTask {
                    try await locks.withLock("bucket", "key") { () async throws(S3Error) in
                        let before = counters.inside.wrappingAdd(
                            1, ordering: .sequentiallyConsistent)
                        #expect(before.oldValue == 0)
                        await Task.yield()
                        counters.inside.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                        counters.turns.wrappingAdd(1, ordering: .relaxed)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(counters.turns.load(ordering: .relaxed) == 3000)
    }

    @Test("a lock is let go when what it protects fails")
    func failure() async throws {
        let locks = KeyLocks()
        await expectRefusal(.slowDown) {
            try await locks.withLock("bucket", "key") { () async throws(S3Error) -> Int in
                throw S3Error(.slowDown, "no")
            }
        }
        let answer = try await locks.withLock("bucket", "key") { () async throws(S3Error) in 1 }
        #expect(answer == 1)
    }
}
