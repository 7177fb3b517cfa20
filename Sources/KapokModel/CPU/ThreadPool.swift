import CKernels
import KapokLinux
import Synchronization

/// Native threads that go through a piece of work together.
///
/// Between pieces they spin for about 100 microseconds and then sleep, so that an idle pool uses no
/// processor time; see `transformer_team.c` for how waiting was chosen.
public final class ThreadPool: Sendable {
    /// The C part; it lives as long as the pool or a thread of it.
    private final class Team: @unchecked Sendable {
        let pointer: OpaquePointer
        init(threads: Int) {
            guard let pointer = kapok_team_create(UInt32(threads)) else {
                preconditionFailure("no memory for a few hundred bytes")
            }
            self.pointer = pointer
        }
        deinit { kapok_team_destroy(pointer) }
    }

    /// How many threads work, the caller of `run` included.
    public let threads: Int
    private let storage: Team
    private let turn = Mutex(())

    /// What work inside `runTogether` is shared by.
    var team: OpaquePointer { storage.pointer }

    /// A pool of `threads` (1 to 256), one of which is whoever calls `run`. Where the system
    /// refuses
    /// to start as many, the pool has the caller alone: results do not depend on it.
    public init(threads: Int) {
        let wanted = min(max(threads, 1), 256)
        var storage = Team(threads: wanted)
        var started = 1
        while started < wanted {
            let index = started
            let team = storage
            do {
                _ = try NativeThread(name: "kapok-cpu-\(index)") {
                    kapok_team_serve(team.pointer, UInt32(index))
                }
            } catch { break }
            started += 1
        }
        if started < wanted {
            // Numbers of threads would be missing.
            kapok_team_dismiss(storage.pointer)
            storage = Team(threads: 1)
            started = 1
        }
        self.storage = storage
        self.threads = started
    }

    deinit { kapok_team_dismiss(storage.pointer) }

    /// Calls `body` with 0 ..< `threads`, each once, on as many threads as are free, and returns
    /// when all are done. Calls from several threads go one after the other; `body` must not call
    /// it again. Allocates nothing of its own.
    public func run(_ body: (Int) -> Void) {
        let count = UInt32(threads)
        runTogether(phases: 1) { _ in
            var done: UInt32 = 0
            while true {
                let index = kapok_team_claim(team, 0)
                if index >= count { break }
                body(Int(index))
                done += 1
            }
            kapok_team_finish(team, 0, done, count)
        }
    }

    /// Calls `body` on the caller, with 0, and on those other threads that come in time, each with
    /// its number; they share the work by `kapok_team_claim` in up to `phases` phases. Returns when
    /// no thread is in `body` any more.
    func runTogether(phases: Int, _ body: (Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { pointer in
                turn.withLock { _ in
                    kapok_team_run(
                        team, UInt32(phases),
                        { context, index in
                            guard let context else { return }
                            let body = context.assumingMemoryBound(to: ((Int) -> Void).self)
                            body.pointee(Int(index))
                        }, UnsafeMutableRawPointer(mutating: pointer))
                }
            }
        }
    }
}
