internal import Glibc
internal import Synchronization

/// Computes independent values on several threads.
enum ParallelMap {
    /// The values of `work` for 0 ..< `count`, in order; threads take the next number as they get
    /// free, the calling one among them.
    ///
    /// - Parameter threads: at most so many; when the system gives no more, fewer do the work.
    static func map<Value: Sendable>(
        count: Int, threads: Int, _ work: @Sendable (Int) -> Value
    ) -> [Value] {
        withoutActuallyEscaping(work) { work in
            let jobs = Jobs(count: count, work: work)
            var others: [pthread_t] = []
            for _ in 1..<max(1, min(threads, count)) {
                if let other = jobs.startThread() { others.append(other) }
            }
            jobs.run()
            for other in others { pthread_join(other, nil) }
            return jobs.takeValues()
        }
    }
}

/// Numbers to work on, and the values so far. Each slot is written by the thread that took its
/// number and read after all threads were joined; that makes it safe to share.
private final class Jobs<Value: Sendable>: @unchecked Sendable {
    private let count: Int
    private let work: @Sendable (Int) -> Value
    private let next = Atomic<Int>(0)
    private let slots: UnsafeMutablePointer<Value?>

    init(count: Int, work: @escaping @Sendable (Int) -> Value) {
        self.count = count
        self.work = work
        slots = .allocate(capacity: max(1, count))
        slots.initialize(repeating: nil, count: count)
    }

    deinit {
        slots.deinitialize(count: count)
        slots.deallocate()
    }

    /// Takes numbers until none is left.
    func run() {
        while true {
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            if number >= count { return }
            slots[number] = work(number)
        }
    }

    func takeValues() -> [Value] { (0..<count).compactMap { slots[$0] } }

    /// A thread that helps; nil when the system has none.
    func startThread() -> pthread_t? {
        let jobs = Unmanaged.passRetained(Runner { self.run() })
        var handle = pthread_t()
        let status = pthread_create(
            &handle, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<Runner>.fromOpaque(raw).takeRetainedValue().body()
                return nil
            }, jobs.toOpaque())
        if status == 0 { return handle }
        jobs.release()
        return nil
    }
}

/// What a thread does, without the type of its values: C functions cannot be generic.
private final class Runner {
    let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }
}
