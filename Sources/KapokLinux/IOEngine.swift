/// What carries file operations out without blocking the submitter: io_uring, or a pool of threads
/// that block. Drives share one.
public final class IOEngine: Sendable {
    private enum Backend: Sendable {
        case ring(RingThread)
        case pool(BlockingPool)
    }

    private let backend: Backend
    /// What carries operations out, in a word.
    public let name: String

    private init(_ backend: Backend, name: String) {
        self.backend = backend
        self.name = name
    }

    /// The engine of this process: threads. Measured with Benchmarks/Drive on two cores, a virtio
    /// disk on ext4 and Linux 6.18, commits of six drives (a 64 KiB write and a flush of each) take
    /// 365 us on threads and 382 to 406 us on io_uring, which hands flushes to threads of the
    /// kernel's anyway; single 4 KiB accesses are 10 to 35 % faster on threads. io_uring is ahead
    /// with 64 small accesses in flight (100,000 writes a second, threads 70,000), which the store
    /// does not do: prefer it where that changes, or where a device is much faster than this one.
    public static let `default`: IOEngine = {
        do throws(SystemError) {
            return try threadPool()
        } catch {
            preconditionFailure("no thread can be started: \(error)")
        }
    }()

    /// An engine on a pool of `threads` threads.
    public static func threadPool(threads: Int = 16) throws(SystemError) -> IOEngine {
        IOEngine(.pool(try BlockingPool(threads: threads, name: "kapok-io")), name: "threads")
    }

    /// An engine on io_uring; fails with ENOSYS or EPERM where the kernel has none or forbids it.
    public static func ring() throws(SystemError) -> IOEngine {
        IOEngine(.ring(try RingThread(name: "kapok-ring")), name: "io_uring")
    }

    /// io_uring where it can be had, else threads.
    public static func ringOrThreadPool() throws(SystemError) -> IOEngine {
        do throws(SystemError) {
            return try ring()
        } catch {
            return try threadPool()
        }
    }

    /// Starts `operation`. `completion` is called once with 0 or an errno, on a thread of the
    /// engine; when the engine's bound of waiting operations is reached, on the caller's before
    /// this returns.
    public func submit(
        _ operation: FileOperation, completion: @escaping @Sendable (Int32) -> Void
    ) {
        switch backend {
        case .ring(let ring): ring.submit(operation, completion: completion)
        case .pool(let pool): pool.submit { completion(operation.perform()) }
        }
    }
}
